"""Intervals as a table, and as words beside a figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rackline import units
from rackline.decisions.answer import Column, Table
from rackline.decisions.intervals import CAUSES

Named = tuple[str, str, Mapping[str, Any]]  # what it is, its dimension, intervals.figure of it
_TITLES = {"residuals": "left over by the fit", "coefficients": "coefficients", "facts": "facts of the machine",
           "price": "price", "simulated": "simulated at both ends"}


def table(figures: Iterable[Named], badge: str = "calibrated") -> Table:
    """The main figures with their ends and what makes them so wide."""
    figures = tuple(figures)
    causes = [cause for cause in (*CAUSES, "simulated") if any(cause in f["causes"] for *_, f in figures)]
    columns = (Column("what"), Column(badge), Column("low"), Column("high"),
               *(Column(_TITLES[cause]) for cause in causes))
    rows = tuple((what, *(units.show(f[end], unit) for end in ("value", "low", "high")),
                  *(_factors(f["causes"].get(cause)) for cause in causes)) for what, unit, f in figures)
    return Table("Nine of ten real systems lie between low and high", columns, rows)


def _factors(ends: Mapping[str, float] | None) -> str:
    """The ends of one cause in percent of the value; beyond twice it, as a multiple."""
    if ends is None:
        return "—"
    high = f"{100 * (ends['high'] - 1):+.0f} %" if ends["high"] < 2.0 else f"× {ends['high']:.3g}"
    return f"{100 * (ends['low'] - 1):+.0f} % … {high}"


def shown(figure: Mapping[str, Any] | None, value: float, unit: str) -> str:
    """A figure with its interval in words, or alone where it has none."""
    text = units.show(value, unit)
    if figure is None:
        return text
    return f"{text} ({units.show(figure['low'], unit)} … {units.show(figure['high'], unit)})"
