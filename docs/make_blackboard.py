"""Makes docs/blackboard.md from the docstrings of rackline.physics.

    python docs/make_blackboard.py

Every equation, what it leaves out, where it comes from, and a number computed while the page is made.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = ("blackboard", "operating", "passes_and_prices", "charges", "attention", "experts", "collectives", "cuts",
           "capacity", "parameters", "training", "tiers", "speculation", "designs", "sparsity")
PAGE = Path(__file__).with_name("blackboard.md")
OPENING = """# The blackboard

Every equation of `rackline.physics`, made from its docstrings by `docs/make_blackboard.py`: do not edit this page.
A test parses each equation, requires its symbols to be the function's parameters, compares it with the code on random
arrays and checks its unit; another test makes this page again and compares.

Units: `token` is a token that a pass computes, `cached` one that it reads from the KV cache (a context is so many
cached per token), `param` a parameter. A FLOP is one `param` times one `token`, and the 2 in the equations counts the
multiply and the add. `1` is a plain number. All else is SI, without prefixes.
"""


def page() -> str:
    """The whole page."""
    modules = [importlib.import_module(f"rackline.physics.{name}") for name in MODULES]
    return "\n".join([OPENING, _contents(modules), *(line for module in modules for line in _section(module))])


def functions(module: ModuleType) -> list[Callable[..., Any]]:
    """A module's public functions in the order of the file."""
    own = [f for name, f in vars(module).items()
           if inspect.isfunction(f) and f.__module__ == module.__name__ and not name.startswith("_")]
    return sorted(own, key=lambda f: f.__code__.co_firstlineno)


def _contents(modules: list[ModuleType]) -> str:
    rows = [f"- [{_short(m)}](#{_short(m)}): {_sentence(m)} ({len(functions(m))} equations)" for m in modules]
    return "\n".join([*rows, ""])


def _short(module: ModuleType) -> str:
    return module.__name__.rsplit(".", 1)[1]


def _sentence(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n")[0].rstrip(".")


def _section(module: ModuleType) -> Iterator[str]:
    yield f"## {_short(module)}\n"
    yield (inspect.getdoc(module) or "") + "\n"
    for function in functions(module):
        yield from _entry(module, function)


def _entry(module: ModuleType, function: Callable[..., Any]) -> Iterator[str]:
    doc = inspect.getdoc(function) or ""
    first, *more = doc.split("\nEq:")[0].split("\n")
    yield f"### `{function.__name__}({', '.join(inspect.signature(function).parameters)})`\n"
    yield first + "\n"
    if any(more):
        yield "\n".join(more).strip() + "\n"
    yield f"```\n{_field(doc, 'Eq')}\n```\n"
    yield f"- Ignores: {_field(doc, 'Ignores')}"
    yield f"- Source: {_field(doc, 'Source')}"
    unit = first[first.rindex("[") + 1:first.rindex("]")]
    for call in re.findall(r"^>>> (.+)$", doc, re.M):
        yield f"- `{call}` = **{_shown(eval(call, vars(module)))}**{'' if unit == '1' else ' ' + unit}"
    yield ""


def _field(doc: str, label: str) -> str:
    match = re.search(rf"^{label}: (.+(?:\n {{4}}.+)*)", doc, re.M)
    assert match, f"no {label}: in {doc!r}"
    return " ".join(match[1].split())


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 and abs(value) < 1e7 else f"{value:.4g}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
