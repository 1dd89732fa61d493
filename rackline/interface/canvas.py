"""Small plots in the terminal: curves in braille dots, two by four to a character."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rackline import units
from rackline.decisions.answer import Axis, Heat, Plot, Series

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # Unicode's bit of each row and column of a cell
_LARGEST = 1e300  # above it, the length of an axis is no longer a number
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Scale:
    """Maps numbers of an axis to 0 … 1."""

    axis: Axis
    low: float
    high: float

    def place(self, value: float) -> float | None:
        """Where a number stands, or None where the axis cannot show it."""
        if not self.shows(value):
            return None
        low, high, value = (self._bent(v) for v in (self.low, self.high, value))
        return 0.5 if high == low else (value - low) / (high - low)

    def shows(self, value: float) -> bool:
        """Whether the axis can show a number."""
        return can_show(self.axis, value) and self.low <= value <= self.high

    def _bent(self, value: float) -> float:
        return math.log10(value) if self.axis.log else value


@dataclass
class Grid:
    """Characters in rows, each with the number of the curve that drew it last (-1: none)."""

    width: int
    height: int
    dots: dict[tuple[int, int], int] = field(default_factory=dict)
    signs: dict[tuple[int, int], str] = field(default_factory=dict)
    owner: dict[tuple[int, int], int] = field(default_factory=dict)

    def dot(self, x: float, y: float, owner: int) -> None:
        """A braille dot at 0 … 1 of the width and of the height (upward)."""
        column, row = round(x * (2 * self.width - 1)), round((1 - y) * (4 * self.height - 1))
        cell = (row // 4, column // 2)
        self.dots[cell] = self.dots.get(cell, 0) | _DOTS[row % 4][column % 2]
        self.owner[cell] = owner

    def sign(self, x: float, y: float, sign: str, owner: int) -> None:
        """A character at 0 … 1 of the width and of the height."""
        cell = (round((1 - y) * (self.height - 1)), round(x * (self.width - 1)))
        self.signs[cell], self.owner[cell] = sign, owner

    def row(self, row: int) -> Iterator[tuple[str, int]]:
        """The characters of a row with the curve that each belongs to."""
        for column in range(self.width):
            cell = (row, column)
            bits = self.dots.get(cell, 0)
            yield self.signs.get(cell) or (chr(0x2800 + bits) if bits else " "), self.owner.get(cell, -1)


def _scale(axis: Axis, values: Sequence[float]) -> Scale:
    low, high = min(values), max(values)
    if not axis.log and low > 0 and low < 0.5 * high:
        low = 0.0
    return Scale(axis, low, high)


def scales(plot: Plot) -> tuple[Scale, Scale] | None:
    """The scales of both axes; None for a plot without a point that can be shown."""
    points = [(float(x), float(y)) for s in plot.series for part in (s.y, s.low, s.high) if part is not None
              for x, y in zip(s.x, part, strict=True) if can_show(plot.x, x) and can_show(plot.y, y)]
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    return _scale(plot.x, xs), _scale(plot.y, ys)


def can_show(axis: Axis, value: float) -> bool:
    """Whether an axis can show a number: finite, not beyond all sense, and above zero on a logarithmic one."""
    return abs(value) < _LARGEST and (value > 0 or not axis.log)


def draw(plot: Plot, width: int, height: int) -> Grid | None:
    """The curves of a plot on a grid of characters; None for a plot without a point that can be shown."""
    both = scales(plot)
    if both is None:
        return None
    grid = Grid(width, height)
    for x, _ in plot.marks:
        _vertical(grid, both[0].place(x))
    for number, series in enumerate(plot.series):
        _band(grid, series, both, number)
    for number, series in enumerate(plot.series):
        _one(grid, series, both, number)
    return grid


def _band(grid: Grid, series: Series, both: tuple[Scale, Scale], number: int) -> None:
    """The ends of a curve's interval as dotted lines; of points, which are on no line, a dotted bar each."""
    edges = [_places(series.x, series.y if edge is None else edge, both) for edge in (series.low, series.high)]
    if series.marks and (series.low, series.high) != (None, None):
        for ends in zip(*edges, strict=True):
            _curve(grid, list(ends), number, every=3)
        return
    for places, edge in zip(edges, (series.low, series.high), strict=True):
        if edge is not None:
            _curve(grid, places, number, every=4)


def _vertical(grid: Grid, x: float | None) -> None:
    for row in range(grid.height if x is not None else 0):
        grid.sign(x or 0.0, 1 - row / max(grid.height - 1, 1), "┊", -1)


def _one(grid: Grid, series: Series, both: tuple[Scale, Scale], number: int) -> None:
    places = _places(series.x, series.y, both)
    letter = LETTERS[number % len(LETTERS)]
    if series.marks:
        for place in filter(None, places):
            grid.sign(*place, letter, number)
        return
    _curve(grid, places, number)
    last = next((place for place in reversed(places) if place), None)
    if last:
        grid.sign(*last, letter, number)


Place = tuple[float, float] | None


def _places(xs: Sequence[float], ys: Sequence[float], both: tuple[Scale, Scale]) -> list[Place]:
    found: list[Place] = []
    for x, y in zip(xs, ys, strict=True):
        left, up = both[0].place(float(x)), both[1].place(float(y))
        found.append(None if left is None or up is None else (left, up))
    return found


def _curve(grid: Grid, places: list[Place], owner: int, every: int = 1) -> None:
    if len(places) == 1 and places[0]:
        grid.dot(*places[0], owner)
    for here, there in pairwise(places):
        if here is None or there is None:
            continue
        steps = 1 + int(max(abs(there[0] - here[0]) * 2 * grid.width, abs(there[1] - here[1]) * 4 * grid.height))
        for i in range(0, steps + 1, every):
            part = i / steps
            grid.dot(here[0] + part * (there[0] - here[0]), here[1] + part * (there[1] - here[1]), owner)


SHADES = " ░▒▓█"


def shades(heat: Heat, width: int, height: int) -> list[str]:
    """A heat map as rows of characters, darker for more; cells that share a character show the largest of them."""
    rows, columns = len(heat.values), len(heat.values[0])
    low, high = spread(heat)
    step = max(1, width // columns)
    texts = []
    for row in _bins(rows, height):
        cells = [max(heat.values[i][j] for i in row for j in column) for column in _bins(columns, width)]
        texts.append("".join(SHADES[_shade(v, low, high)] * step for v in cells))
    return texts


def spread(heat: Heat) -> tuple[float, float]:
    """The least and the largest number of a heat map."""
    return min(map(min, heat.values)), max(map(max, heat.values))


def _shade(value: float, low: float, high: float) -> int:
    part = (value - low) / (high - low) if high > low else 1.0
    return min(len(SHADES) - 1, int(part * len(SHADES)))


def _bins(n: int, most: int) -> list[range]:
    """n places in at most so many groups of neighbours."""
    size = math.ceil(n / most)
    return [range(i, min(i + size, n)) for i in range(0, n, size)]


def ticks(scale: Scale, most: int) -> list[tuple[float, str]]:
    """Round numbers along an axis with their texts, at most `most` of them, the same text never twice."""
    values = _log_ticks(scale, most) if scale.axis.log else _even_ticks(scale, most)
    values = [v for v in values if scale.shows(v)] or [scale.low, scale.high]
    stride = max(1, math.ceil(len(values) / most))
    texts = {units.show(v, scale.axis.unit): v for v in values[::stride]}
    return [(v, text) for text, v in texts.items()]


def _log_ticks(scale: Scale, most: int) -> list[float]:
    """1, 2 and 5 of every decade, or fewer of them where those are too many."""
    decades = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    inside: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        inside = [step * 10.0**decade for decade in decades for step in steps if scale.shows(step * 10.0**decade)]
        if len(inside) <= most:
            break
    return inside if len(inside) > 1 else [scale.low, scale.high]


def _even_ticks(scale: Scale, most: int) -> list[float]:
    span = scale.high - scale.low
    rough = span / max(most - 1, 1)
    if rough <= 1e-12 * abs(scale.high) or rough < 1 / _LARGEST:
        return [scale.low, scale.high]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= rough * 0.999)
    first = math.ceil(scale.low / step)
    return [i * step for i in range(first, first + most + 1) if i * step <= scale.high * (1 + 1e-12)]
