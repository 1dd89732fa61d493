"""A claim of the lecture against a computed number: what was said, ours in one or more cases, and the verdict."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rackline.decisions.equations import eq
from rackline.units import show

HOLDS, CONDITION, DIFFERS = "holds", "holds with a condition", "differs"

# how far a number may lie from the one said, by the words that it was said with
STATED = 1.05  # "is": what rounding to one or two digits does
ABOUT = 1.25  # "about", "somewhere around", "typically"
BALLPARK = 2.0  # "something like that", "reasonably stable"
ORDER = 10**0.5  # "a thousand times", "on the order of"


@dataclass(frozen=True)
class Said:
    """The lecture's figure: as a text, between `low` and `high` in SI, to within a factor; and the sentence itself."""

    figure: str
    quote: str
    low: float
    high: float
    within: float = STATED

    def agrees(self, value: float) -> bool:
        """Whether a value lies in the interval, widened by the factor."""
        return self.low / self.within <= value <= self.high * self.within


def said(figure: str, value: float, quote: str, within: float = STATED) -> Said:
    """A single number that the lecture says."""
    return Said(figure, quote, value, value, within)


@dataclass(frozen=True)
class Case:
    """Our value for one model, machine or set of assumptions; where there is one, its equation with numbers put in."""

    where: str
    value: float
    numbers: str


@dataclass(frozen=True)
class Ours:
    """Our number: the equation, and its value in every case looked at; the first is the line's own."""

    equation: str
    cases: tuple[Case, ...]

    @property
    def value(self) -> float:
        """The value of the line's own case."""
        return self.cases[0].value


def cases(function: Callable[..., Any], found: dict[str, dict[str, float]]) -> Ours:
    """An equation of rackline.physics in named cases."""
    return Ours(eq(function), tuple(Case(name, float(function(**values)), put_in(function, values))
                                    for name, values in found.items()))


def measured_on(equation: str, found: dict[str, float]) -> Ours:
    """Values found on the ledger, the memory map or the search, which are no single equation."""
    return Ours(equation, tuple(Case(name, float(value), "") for name, value in found.items()))


def ratio_of(equation: str, found: dict[str, tuple[float, float]]) -> Ours:
    """One computed number over another, in named cases."""
    return Ours(equation, tuple(Case(name, float(above / below), f"{above:.4g}/{below:.4g}")
                                for name, (above, below) in found.items()))


def put_in(function: Callable[..., Any], values: dict[str, float]) -> str:
    """The right side of an equation with these numbers in it."""
    right = eq(function).split(" = ", 1)[-1]
    return re.sub(r"[A-Za-z_]\w*", lambda m: f"{values[m[0]]:.4g}" if m[0] in values else m[0], right)


@dataclass(frozen=True)
class Claim:
    """One line of the walkthrough: the row of the plan it belongs to, what was said, ours, why, how to explore it."""

    row: str
    what: str
    said: Said
    ours: Ours
    unit: str
    why: str
    command: str
    assumed: str = ""  # a condition that the numbers cannot show

    @property
    def shown(self) -> str:
        """Our value as text; a multiple as the lecture says it."""
        return show(self.ours.value, self.unit) + ("×" if self.said.figure.endswith("×") else "")

    @property
    def agreeing(self) -> tuple[Case, ...]:
        """The cases that agree with what was said."""
        return tuple(case for case in self.ours.cases if self.said.agrees(case.value))

    @property
    def verdict(self) -> str:
        """Holds in every case, in some (or under a condition), or in none."""
        if not self.agreeing:
            return DIFFERS
        return HOLDS if len(self.agreeing) == len(self.ours.cases) and not self.assumed else CONDITION

    @property
    def reason(self) -> str:
        """Why, with every case and its value."""
        parts = [self.why, self.assumed and f"Condition: {self.assumed}.", self.shown_cases()]
        return " ".join(part for part in parts if part)

    def shown_cases(self) -> str:
        """All cases with their values where there are several, those that agree first."""
        if len(self.ours.cases) == 1:
            return ""
        against = [case for case in self.ours.cases if case not in self.agreeing]
        agreeing, differing = (", ".join(f"{c.where} ({show(c.value, self.unit)})" for c in group)
                               for group in (self.agreeing, against))
        if not agreeing or not differing:
            return f"Here: {agreeing or differing}."
        return f"It agrees for {agreeing}; not for {differing}."
