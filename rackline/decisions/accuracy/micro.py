"""Micro-benchmarks predicted: products, attention, collectives and expert exchanges, each with a 90 % interval."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from rackline.decisions.accuracy.micro_fit import Fit, configuration, fit_points
from rackline.decisions.accuracy.micro_left_out import basis_of
from rackline.decisions.accuracy.micro_points import Point, faster, point
from rackline.decisions.accuracy.micro_shared import Shown, lent, shown
from rackline.decisions.accuracy.micro_spread import Spread, spreads
from rackline.facts.measurements import Measured
from rackline.facts.micro import micro, micro_group, micro_groups, micro_names
from rackline.systems.efficiency import achieved_time

HEADER = """# Coefficients of kernels and collectives, fitted to the bundled micro-benchmarks by
# `python docs/make_micro.py`: do not edit. Each as [value, low, high]: seconds (fixed), seconds for each of k (depth),
# exponents (joint, growths), or the share of a datasheet's rate that is achieved.
"""


@dataclass(frozen=True)
class MicroPrediction:
    """A row's predicted seconds and their 90 % interval; `group`: whose coefficients it has.

    basis: seen (the chip with the kind), near (another chip of its family, or another number of chips), unseen.
    """

    point: Point
    seconds: float
    spread: tuple[float, float]  # log of the interval's ends over the seconds
    group: str
    basis: str

    @property
    def row(self) -> Measured:
        """The row that is predicted."""
        return self.point.row

    @property
    def ends(self) -> tuple[float, float]:
        """Seconds of the interval's ends."""
        return self.seconds * math.exp(self.spread[0]), self.seconds * math.exp(self.spread[1])

    @property
    def value(self) -> float:
        """The predicted value in the row's SI unit."""
        return self.point.value(self.seconds)

    @property
    def low(self) -> float:
        """The lower end of the value's interval."""
        return min(self.point.value(end) for end in self.ends)

    @property
    def high(self) -> float:
        """The upper end of the value's interval."""
        return max(self.point.value(end) for end in self.ends)

    @property
    def faster(self) -> bool:
        """Whether it was measured faster than the datasheet's rate allows."""
        return faster(self.point)

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
    """Every row of micro-benchmarks predicted by the bundled coefficients, or the reason why not, in order.

    A measurement that is bundled is predicted from the others: by its group's coefficients without its shape.
    """
    return [_predicted(row) for row in rows]


def _predicted(row: Measured) -> MicroPrediction | Unpredictable:
    found = point(row)
    if isinstance(found, str):
        return Unpredictable(row, found)
    group = micro_group(found.levels)
    if group is None or group.form != found.form.name:
        return Unpredictable(row, "no coefficients of this kind")
    values = _without(found) if group.name == found.levels[0] and configuration(found) in _known() else group.values
    lent_by = lent(found, _shown()) if " on " in group.name else None
    seconds = float(achieved_time(found.form, found.parts, values, found.group)) * math.exp(lent_by or 0.0)
    if not math.isfinite(seconds) or seconds <= 0:
        return Unpredictable(row, "size out of range")
    measured_size = not group.sizes or found.group in group.sizes
    basis = basis_of(group.name, found.levels, measured_size)
    return MicroPrediction(found, seconds, group.interval(found.group, lent_by is not None), group.name, basis)


def _without(found: Point) -> Mapping[str, float]:
    """The coefficients of a bundled point's group without the points of its shape."""
    return _fits()[found.levels[0]].others[found.shape]


@cache
def _known() -> frozenset[tuple[str, ...]]:
    """What the bundled coefficients were fitted to."""
    return frozenset(configuration(found) for found in bundled_points() if not faster(found))


@cache
def _shown() -> Shown:
    """What the bundled points show beyond the coefficients of their groups."""
    groups = micro_groups()
    return shown(bundled_points(), lambda name: groups[name].values if name in groups else None)


@cache
def _fits() -> dict[str, Fit]:
    return fit_micro()


def bundled_points() -> list[Point]:
    """Every bundled micro-benchmark that is a point."""
    return [found for name in micro_names() for row in micro(name) if not isinstance(found := point(row), str)]


def fit_micro() -> dict[str, Fit]:
    """The coefficients fitted again to the bundled micro-benchmarks: the same every time, in a few seconds."""
    return fit_points(bundled_points())


# ---- coefficients as text


def coefficients_text(fits: Mapping[str, Fit], date: str) -> str:
    """The fits as the TOML file that the program reads."""
    found = spreads(fits)
    lines = (line for name, fit in fits.items() for line in _lines(fit, found[name]))
    return "\n".join([HEADER + f'date = "{date}"', *lines]) + "\n"


def _lines(fit: Fit, spread: Spread) -> Iterator[str]:
    yield f'\n[groups."{fit.name}"]'
    yield f'form = "{fit.form.name}"\nrows = "{spans(fit.rows)}"\ncount = {len(fit.rows)}'
    yield f"spread = [{spread.ends[0]:.3g}, {spread.ends[1]:.3g}]"
    yield f"shared = [{spread.shared[0]:.3g}, {spread.shared[1]:.3g}]"
    if spread.elsewhere:
        yield f"sizes = {list(spread.sizes)}\nelsewhere = [{spread.elsewhere[0]:.3g}, {spread.elsewhere[1]:.3g}]"
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

