"""Micro-benchmarks predicted: products, attention, collectives and expert exchanges, each with a 90 % interval."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rackline.decisions.accuracy.micro_fit import Fit, fit_points
from rackline.decisions.accuracy.micro_points import Point, faster, point
from rackline.facts.measurements import Measured
from rackline.facts.micro import micro, micro_group, micro_names
from rackline.systems.efficiency import achieved_time

HEADER = """# Coefficients of kernels and collectives, fitted to the bundled micro-benchmarks by
# `python docs/make_micro.py`: do not edit. Each as [value, low, high]: seconds (fixed), tiles in flight (tiles),
# exponents (joint, growths), or the share of a datasheet's rate that is achieved.
"""


@dataclass(frozen=True)
class MicroPrediction:
    """A row's predicted value with its 90 % interval, in the row's SI unit; `group`: whose coefficients it has.

    seen: that chip and format are among the group's points.
    """

    row: Measured
    value: float
    low: float
    high: float
    group: str
    seen: bool
    faster: bool  # than the datasheet's rate allows

    @property
    def error(self) -> float:
        """Relative error, predicted over measured less one."""
        return self.value / self.row.value - 1.0


@dataclass(frozen=True)
class Unpredictable:
    """A row without a prediction, and why."""

    row: Measured
    reason: str


def predict_micro(rows: Iterable[Measured]) -> list[MicroPrediction | Unpredictable]:
    """Every row of micro-benchmarks predicted by the bundled coefficients, or the reason why not, in order."""
    return [_predicted(row) for row in rows]


def _predicted(row: Measured) -> MicroPrediction | Unpredictable:
    found = point(row)
    if isinstance(found, str):
        return Unpredictable(row, found)
    group = micro_group(found.levels)
    if group is None or group.form != found.form.name:
        return Unpredictable(row, "no coefficients of this kind")
    seconds = float(achieved_time(found.form, found.parts, group.values, found.group))
    if not math.isfinite(seconds) or seconds <= 0:
        return Unpredictable(row, "size out of range")
    ends = sorted(found.value(seconds * math.exp(end)) for end in group.spread)
    return MicroPrediction(row, found.value(seconds), ends[0], ends[1], group.name, group.name == found.levels[0],
                           faster(found))


def bundled_points() -> list[Point]:
    """Every bundled micro-benchmark that is a point."""
    return [found for name in micro_names() for row in micro(name) if not isinstance(found := point(row), str)]


def fit_micro() -> dict[str, Fit]:
    """The coefficients fitted again to the bundled micro-benchmarks: the same every time, in a few seconds."""
    return fit_points(bundled_points())


# ---- coefficients as text


def coefficients_text(fits: Mapping[str, Fit], date: str) -> str:
    """The fits as the TOML file that the program reads."""
    return "\n".join([HEADER + f'date = "{date}"', *(line for fit in fits.values() for line in _lines(fit))]) + "\n"


def _lines(fit: Fit) -> Iterator[str]:
    yield f'\n[groups."{fit.name}"]'
    yield f'form = "{fit.form.name}"\nrows = "{spans(fit.rows)}"\ncount = {len(fit.rows)}'
    yield f"spread = [{fit.spread[0]:.3g}, {fit.spread[1]:.3g}]"
    yield f"left_out = [{fit.left_out[0]:.3g}, {fit.left_out[1]:.3g}]"
    yield f'[groups."{fit.name}".coefficients]'
    for name in fit.values:
        value = _text(fit.values[name])
        low, high = min(_text(fit.low[name]), value, key=float), max(_text(fit.high[name]), value, key=float)
        yield f"{name} = [{value}, {low}, {high}]"


def _text(value: float) -> str:
    return f"{value:.4g}" if "." in f"{value:.4g}" or "e" in f"{value:.4g}" else f"{value:.4g}.0"


def spans(ids: Iterable[str]) -> str:
    """Ids such as GEM-0001 as spans; gaps of rows kept elsewhere are not shown."""
    numbers: dict[str, list[int]] = {}
    for one in ids:
        if match := re.fullmatch(r"(\w+)-(\d+)", one):
            numbers.setdefault(match[1], []).append(int(match[2]))
    return ", ".join(f"{name}-{min(found):04}…{max(found):04}" for name, found in sorted(numbers.items()))

