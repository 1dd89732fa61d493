"""What every question returns, and the only thing that the interface knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

Badge = Literal["bound", "calibrated", "simulated", "measured", "datasheet", "derived"]


@dataclass(frozen=True)
class Column:
    """A column: its title and the dimension (rackline.units) of its numbers; "text" for words."""

    title: str
    unit: str = "text"


@dataclass(frozen=True)
class Table:
    """Rows of numbers (SI) and words under columns; a badge where it is not the answer's."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    badge: Badge | None = None


@dataclass(frozen=True)
class Series:
    """One curve: x and y of shape (n,), optional low and high of the same shape; marks are points without a line."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    marks: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis: label, dimension of its numbers, logarithmic or not."""

    label: str
    unit: str = "count"
    log: bool = False


@dataclass(frozen=True)
class Heat:
    """A grid of numbers shown as colours: rows (the first on top) of one length, what they are, their dimension."""

    values: Sequence[Sequence[float]]
    label: str
    unit: str = "count"


@dataclass(frozen=True)
class Plot:
    """A picture: curves over two axes, or a heat map without curves whose axes count columns and rows from 1.

    `marks` are (x, label) lines worth naming.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[tuple[float, str], ...] = ()
    heat: Heat | None = None
    badge: Badge | None = None  # where it is not the answer's


@dataclass(frozen=True)
class Line:
    """One line of --explain: what it is, the equation, the same with numbers put in, the result and its dimension."""

    what: str
    equation: str
    numbers: str
    result: float
    unit: str


@dataclass(frozen=True)
class Source:
    """One line of --cite: a fact that the answer read, and how far the headline moves with it (d ln / d ln)."""

    name: str
    shown: str
    source: str
    date: str
    elasticity: float | None = None


@dataclass(frozen=True)
class File:
    """A file that a question was asked to write too: its path, and rows as columns of one length, or a JSON value.

    A JSON value may hold iterators for its lists, so that a long one need not be in memory.
    """

    path: str
    columns: Mapping[str, Any] | None = None
    value: Any = None


@dataclass(frozen=True)
class Answer:
    """One sentence, its tables and plots, what it rests on; `feasible=False` carries the reasons and exits with 3."""

    question: str
    headline: str
    badge: Badge = "bound"
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    notes: tuple[str, ...] = ()
    explain: tuple[Line, ...] = ()
    sources: tuple[Source, ...] = ()
    text: tuple[tuple[str, str], ...] = ()  # named blocks printed as they are: launch commands
    feasible: bool = True
    reasons: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)  # what --json prints, beside headline, badge, notes, sources
    files: tuple[File, ...] = ()


def finite(value: float) -> float | None:
    """The number for --json, or None where it is endless or unknown."""
    return float(value) if isfinite(value) else None
