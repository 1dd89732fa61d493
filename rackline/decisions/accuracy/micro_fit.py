"""Coefficients of kernels and collectives, fitted to micro-benchmarks: groups lean on what they belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rackline.decisions.accuracy.micro_points import Point, faster
from rackline.systems.efficiency import EXPONENTS, Form, achieved_time, bounded, free
from rackline.systems.logfit import NINE_TENTHS

SPREAD = 0.1  # log seconds that a measurement is expected to be off by
# how far a group may be expected from what it belongs to, in log or log-odds; exponents less
LOOSE, LOOSE_EXPONENT, LOOSEST = 1.0, 0.3, 3.0
START = {"fixed": 5e-6, "depth": 1e-9, "output": 0.3, "joint": 0.6, "fixed_growth": 0.3, "wire_growth": 0.0}
STEPS, DAMPING, ENOUGH = 40, 1e-3, 1e-5
DEPTH = 6  # levels of groups


@dataclass(frozen=True)
class Fit:
    """A group's coefficients with their 90 % intervals, and the log residuals of points it had not seen.

    others: the coefficients with one shape, or one group that belongs to this one, left out. level: of the group's
    name among those of its points, from -1, the most general, down; special: whether nothing belongs to it.
    """

    name: str
    form: Form
    values: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    points: tuple[Point, ...]
    others: Mapping[str, Mapping[str, float]]
    level: int
    special: bool
    errors: tuple[float, ...] = field(repr=False, default=())  # log(measured/predicted) of each point

    @property
    def rows(self) -> tuple[str, ...]:
        """Ids of the rows that it was fitted to."""
        return tuple(point.row.id for point in self.points)

    @property
    def left_out(self) -> tuple[float, float]:
        """Median and mean absolute error, relative to the measured, of points that the fit had not seen."""
        errors = np.abs(np.expm1(-np.array(self.errors)))
        return float(np.median(errors)), float(errors.mean())


@dataclass(frozen=True)
class _Data:
    """Points of one form as arrays."""

    form: Form
    parts: Mapping[str, np.ndarray]
    group: np.ndarray
    log_seconds: np.ndarray

    def some(self, keep: np.ndarray) -> _Data:
        return _Data(self.form, {k: v[keep] for k, v in self.parts.items()}, self.group[keep], self.log_seconds[keep])


def fit_points(points: Sequence[Point]) -> dict[str, Fit]:
    """A fit for every group that points belong to, by name: the general first, the special leaning on them.

    Points faster than a datasheet's rate are left out: no share of a rate is above one.
    """
    fits: dict[str, Fit] = {}
    kept = [point for point in once(points) if not faster(point)]
    for level in range(-1, -1 - DEPTH, -1):
        groups: dict[str, list[Point]] = defaultdict(list)
        for point in kept:
            levels = _padded(point.levels)
            groups[levels[level]].append(point)
        for name in sorted(set(groups) - set(fits)):
            parent = fits.get(_padded(groups[name][0].levels)[level + 1]) if level < -1 else None
            fits[name] = _fit(name, groups[name], parent, level)
    return fits


def _padded(levels: tuple[str, ...]) -> tuple[str, ...]:
    """As many names as the deepest has, the most special repeated where there are fewer."""
    return (levels[0],) * (DEPTH - len(levels)) + levels


def once(points: Sequence[Point]) -> list[Point]:
    """One point of each measurement that is stated several ways, as time and as bandwidth."""
    found: dict[tuple[str, ...], Point] = {}
    for point in points:
        key = configuration(point)
        if key not in found or (point.row.unit == "seconds" and found[key].row.unit != "seconds"):
            found[key] = point
    return list(found.values())


def configuration(point: Point) -> tuple[str, ...]:
    """What was measured: two points of one configuration are one measurement, whatever it is stated as."""
    parts = (f"{name} {seconds:.6g}" for name, seconds in sorted(point.parts.items()))
    row = point.row
    return (point.levels[0], row.engine, row.formats.compute, point.shape, f"{point.group:g}", *parts)


# ---- one group


def _fit(name: str, points: list[Point], parent: Fit | None, level: int) -> Fit:
    data = _data(points)
    middle = _vector(data.form, parent.values if parent else {})
    loose = _looseness(data.form, parent is not None)
    best = _least(data, middle, (middle, loose))
    special = all(point.levels[0] == name for point in points)
    labels = _left_out(points, level)
    names = sorted(set(labels))
    others = {label: _least(data.some(labels != label), best, (middle, loose)) if len(names) > 1 else middle
              for label in names}
    errors = np.zeros(len(points))
    for label in names:
        errors[labels == label] = _residuals(data.some(labels == label), others[label])
    error = np.maximum(_standard_error(np.array(list(others.values())), best), _unsure(data, best, loose))
    ends = [_values(data.form, best + sign * NINE_TENTHS * error) for sign in (-1, 1)]
    low, high = ({k: pick(end[k] for end in ends) for k in ends[0]} for pick in (min, max))
    return Fit(name, data.form, _values(data.form, best), low, high, tuple(points),
               {label: _values(data.form, other) for label, other in others.items()}, level, special,
               tuple(float(e) for e in errors))


def other_sizes(fit: Fit, parent: Fit | None) -> list[float]:
    """Log residuals of the points of each number of chips, fitted without them; none where there is one number."""
    data = _data(list(fit.points))
    middle, loose = _vector(data.form, parent.values if parent else {}), _looseness(data.form, parent is not None)
    sizes = sorted(set(data.group.tolist()))
    return [float(e) for size in sizes if len(sizes) > 1 for e in _residuals(
        data.some(data.group == size), _least(data.some(data.group != size), middle, (middle, loose)))]


def _data(points: list[Point]) -> _Data:
    form = points[0].form
    parts = {name: np.array([p.parts[name] for p in points]) for name in (*form.overlapping, *form.added)}
    return _Data(form, parts, np.array([p.group for p in points]), np.log([p.seconds for p in points]))


def _left_out(points: list[Point], level: int) -> np.ndarray:
    """What is left out together: one of the groups that belong to this one, else one shape."""
    members = [_padded(point.levels)[max(level - 1, -DEPTH)] for point in points]
    return np.array(members if len(set(members)) > 1 else [point.shape for point in points])


def _standard_error(others: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Of the jackknife: each group of points left out once."""
    n = len(others)
    return np.sqrt((n - 1) / n * ((others - best) ** 2).sum(axis=0))


def _unsure(data: _Data, best: np.ndarray, loose: np.ndarray) -> np.ndarray:
    """Standard errors if points erred independently; how loose the group is, where points say nothing."""
    return np.sqrt(np.diag(np.linalg.inv(_curve(data, best, loose)[0])))


# ---- least squares on log seconds, by Gauss and Newton with damping


def _vector(form: Form, values: Mapping[str, float]) -> np.ndarray:
    return np.array([free(name, values.get(name, START.get(name, 0.7))) for name in form.coefficients], dtype=float)


def _values(form: Form, vector: np.ndarray) -> dict[str, float]:
    return {name: float(bounded(name, x)) for name, x in zip(form.coefficients, vector, strict=True)}


def _looseness(form: Form, has_parent: bool) -> np.ndarray:
    plain = LOOSE if has_parent else LOOSEST
    return np.array([LOOSE_EXPONENT if name in EXPONENTS else plain for name in form.coefficients])


def _residuals(data: _Data, vector: np.ndarray) -> np.ndarray:
    """log(measured/predicted), shape (points,); or (vectors, points) of vectors of shape (coefficients, vectors, 1)."""
    given = {name: bounded(name, x) for name, x in zip(data.form.coefficients, vector, strict=True)}
    return data.log_seconds - np.log(achieved_time(data.form, data.parts, given, data.group))


def _least(data: _Data, start: np.ndarray, prior: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The vector with the least robust squares of residuals and of its distance from the prior."""
    x, damping = start.copy(), DAMPING
    cost = _cost(data, x, prior)
    for _ in range(STEPS):
        step = _step(data, x, prior, damping)
        found = _cost(data, x + step, prior)
        if found < cost:
            if cost - found < ENOUGH * cost:
                return x + step
            x, cost, damping = x + step, found, damping / 3.0
        else:
            damping *= 5.0
            if damping > 1e8:
                break
    return x


def _cost(data: _Data, x: np.ndarray, prior: tuple[np.ndarray, np.ndarray]) -> float:
    scaled = _residuals(data, x) / SPREAD
    return float((2.0 * (np.sqrt(1.0 + scaled**2) - 1.0)).sum() + (((x - prior[0]) / prior[1]) ** 2).sum())


def _step(data: _Data, x: np.ndarray, prior: tuple[np.ndarray, np.ndarray], damping: float) -> np.ndarray:
    curve, pull = _curve(data, x, prior[1])
    down = pull + (x - prior[0]) / prior[1] ** 2
    return -np.linalg.solve(curve + damping * np.diag(np.diag(curve)), down)


def _curve(data: _Data, x: np.ndarray, loose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Second derivatives of half the cost, after Gauss and Newton, and the first of its part from the points."""
    here = _residuals(data, x)
    shifted = x[:, None, None] + 1e-5 * np.eye(len(x))[:, :, None]
    slope = ((_residuals(data, shifted) - here) / 1e-5).T
    weight = 1.0 / (SPREAD**2 * np.sqrt(1.0 + (here / SPREAD) ** 2))
    return slope.T @ (weight[:, None] * slope) + np.diag(loose**-2.0), slope.T @ (weight * here)
