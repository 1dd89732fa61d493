"""Lines of --explain made from the equations themselves: an `Eq:` line with numbers put in, and its result."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from rackline.decisions.answer import Line


def line(what: str, function: Callable[..., Any], unit: str, **values: float) -> Line:
    """One equation of rackline.physics with these values; `unit` is the dimension of its result."""
    equation = eq(function)
    numbers = re.sub(r"[A-Za-z_]\w*", lambda m: _shown(values, m[0]), equation.split(" = ", 1)[1])
    return Line(what, equation, numbers, float(function(**values)), unit)


def eq(function: Callable[..., Any]) -> str:
    """The `Eq:` line of a function's docstring; empty where docstrings are stripped."""
    found = re.search(r"^Eq: (.+(?:\n {4}.+)*)", inspect.getdoc(function) or "", re.M)
    return " ".join(found[1].split()) if found else f"{function.__name__} = {function.__name__}"


def _shown(values: dict[str, float], name: str) -> str:
    return f"{values[name]:.4g}" if name in values else name
