"""From first principles: how large language models are served and trained, at what speed and what cost.

    import rackline
    answer = rackline.plan("deepseek-v3", on="gb200-nvl72", input=4000, output=500, ttft=2, tpot="50 ms")
    print(answer.headline)
    rackline.save(answer, "plan.svg")

Every question of the command line is a function here. `facts` is also the name of a package, so that question
is asked as rackline.ask("facts", "deepseek-v3").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rackline.decisions.answer import Answer

__version__ = "0.1.0"
__all__ = ["ask", "save", "show"]


def ask(question: str, /, *values: Any, **given: Any) -> Answer:
    """The answer to a question by its name: ask("facts", "h100-sxm")."""
    from rackline.decisions import questions

    return questions.ask(question, *values, **given)


def show(answer: Answer, *, width: int = 100, explain: bool = False, cite: bool = False) -> str:
    """An answer as the command line prints it; explain: equations with numbers, cite: every source."""
    from rackline.interface import text

    return text.to_text(answer, text.Look(width=width, explain=explain, cite=cite))


def save(answer: Answer, path: str | Path, *, force: bool = False) -> None:
    """Writes an answer to a file by its ending: .svg .png .html .json .csv .txt; force: overwrites."""
    from rackline.interface import export

    export.save(answer, path, force=force)


def __getattr__(name: str) -> Callable[..., Answer]:
    from importlib.machinery import PathFinder

    # "from rackline import units" asks here first: a package's own parts are not questions
    if name.startswith("_") or PathFinder.find_spec(f"rackline.{name}", __path__):
        raise AttributeError(f"module 'rackline' has no attribute {name!r}")
    from rackline.interface import library

    return library.function(name)


def __dir__() -> list[str]:
    from rackline.interface import library

    return sorted({*globals(), *library.names()})
