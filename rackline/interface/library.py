"""The questions as Python functions."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rackline.decisions.questions import QUESTIONS, Question, ask, defaults, parameters
from rackline.errors import did_you_mean

if TYPE_CHECKING:
    from rackline.decisions.answer import Answer


def names() -> list[str]:
    """The questions that are functions of the package."""
    return [name for name in QUESTIONS if find_spec(f"rackline.{name}") is None]


def function(name: str) -> Callable[..., Answer]:
    """The function that asks a question; AttributeError if there is none of that name."""
    if name not in QUESTIONS:
        raise AttributeError(f"module 'rackline' has no attribute {name!r} ({did_you_mean(name, QUESTIONS)})")
    return _asking(QUESTIONS[name])


def _asking(question: Question) -> Callable[..., Answer]:
    def asking(*values: Any, **given: Any) -> Answer:
        return _saved(ask(question.name, *values, **given))

    filled = defaults(question)
    lines = [f"    {name}: {p.help}" + (f" [{filled[name]}]" if filled.get(name) is not None else "")
             for name, p in parameters(question).items()]
    asking.__name__ = asking.__qualname__ = question.name
    asking.__doc__ = f"{question.summary}.\n\n" + "\n".join(lines)
    return asking


def _saved(answer: Answer) -> Answer:
    """The answer, with the files that it was asked for written over what was there."""
    if answer.files:
        from rackline.interface import files

        files.save(answer, force=True)
    return answer
