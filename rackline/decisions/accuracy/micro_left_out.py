"""Whole chips, formats and numbers of chips left out of the fit, and predicted by what is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rackline.decisions.accuracy.micro_fit import Fit, fit_points, once
from rackline.decisions.accuracy.micro_points import Point, faster
from rackline.decisions.accuracy.micro_shared import Shown, lent
from rackline.decisions.accuracy.micro_spread import Spread, shown_by, spreads, wider
from rackline.systems.efficiency import achieved_time

FEWEST = 9  # points below which leaving a group out says little


@dataclass(frozen=True)
class LeftOut:
    """Points of one group predicted without it: log(measured/predicted), whether in the interval, on what it rests."""

    label: Hashable
    errors: np.ndarray
    inside: np.ndarray
    basis: str


def basis_of(name: str, levels: Sequence[str], measured_size: bool) -> str:
    """What a prediction by a group of these levels rests on: seen, near or unseen."""
    if " on " not in name:
        return "unseen"
    return "seen" if name == levels[0] and measured_size else "near"


def left_out(points: Sequence[Point], label: Callable[[Point], Hashable]) -> list[LeftOut]:
    """Every label's points predicted by a fit of the others of their form; None and labels of few points stay in."""
    kept = [point for point in once(points) if not faster(point)]
    groups: dict[Hashable, list[Point]] = {}
    for point in kept:
        groups.setdefault(label(point), []).append(point)
    return [_without(each, [point for point in kept if point.form == each[0].form and label(point) != key], key)
            for key, each in groups.items() if key is not None and len(each) >= FEWEST]


def _without(points: Sequence[Point], rest: Sequence[Point], label: Hashable) -> LeftOut:
    fits = fit_points(rest)
    known, by = spreads(fits), shown_by(fits)
    errors, inside, bases = [], [], []
    for point in points:
        name = next(name for name in point.levels if name in fits)
        error, ends, basis = _judged(point, fits[name], known[name], by)
        errors.append(error)
        inside.append(ends[0] <= error <= ends[1])
        bases.append(basis)
    return LeftOut(label, np.array(errors), np.array(inside), max(set(bases), key=bases.count))


def _judged(point: Point, fit: Fit, spread: Spread, by: Shown) -> tuple[float, tuple[float, float], str]:
    lent_by = lent(point, by) if " on " in fit.name else None
    seconds = float(achieved_time(point.form, point.parts, fit.values, point.group)) * math.exp(lent_by or 0.0)
    measured_size = not spread.sizes or point.group in spread.sizes
    ends = spread.ends if measured_size or spread.elsewhere is None else wider(spread.ends, spread.elsewhere)
    ends = ends if lent_by is None else spread.shared
    return math.log(point.seconds / seconds), ends, basis_of(fit.name, point.levels, measured_size)
