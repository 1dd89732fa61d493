"""How far kernels and collectives lie from their fits: by what the fit had not seen, leaning on groups of the level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rackline.decisions.accuracy.micro_fit import Fit, other_sizes
from rackline.decisions.accuracy.micro_shared import Shown, lent, shown
from rackline.facts.micro import WAYS

INSIDE = (0.05, 0.95)
LEAN = 12.0  # points that a special group's own spread is worth against that of all of its form
FEW = 2.0  # groups left out that a general group's own spread is worth against that of all of its level
# quantiles of what m groups showed are too narrow for another one by about this much: 1 + WIDER/m, after Student
WIDER = 1.0
LEAST = 0.01  # log: no benchmark repeats itself closer


@dataclass(frozen=True)
class Spread:
    """5th and 95th percentile of log(measured/predicted); of collectives also at sizes that were not measured.

    shared: where other chips of the family were measured at the same sizes, and what they show is taken into account.
    """

    ends: tuple[float, float]
    shared: tuple[float, float]
    sizes: tuple[float, ...] = ()
    elsewhere: tuple[float, float] | None = None


def spreads(fits: Mapping[str, Fit]) -> dict[str, Spread]:
    """The spread of every group.

    A special group's: of its shapes left out one by one. A general group's, which serves chips and formats that were
    not measured: of the groups that belong to it left out one by one; where there is one alone, that of its level.
    """
    by = shown_by(fits)
    plain = {name: np.array(fit.errors) for name, fit in fits.items()}
    beyond = {name: _beyond(fit, by) for name, fit in fits.items()}
    far = _far(fits)
    pools = [_pools(fits, errors) for errors in (plain, beyond)]
    return {name: _spread(fit, (plain[name], beyond[name]), pools, far) for name, fit in fits.items()}


def shown_by(fits: Mapping[str, Fit]) -> Shown:
    """What the points of all groups show beyond the coefficients of their own."""
    special = [point for fit in fits.values() if fit.special for point in fit.points]
    return shown(special, lambda name: fits[name].values if name in fits else None)


def _beyond(fit: Fit, by: Shown) -> np.ndarray:
    """Errors of the points at whose sizes other chips of the family were measured, less what those show.

    A general group that serves other families has none: a family left out shows nothing.
    """
    if " on " not in fit.name:
        return np.zeros(0)
    return np.array([error - found for point, error in zip(fit.points, fit.errors, strict=True)
                     if (found := lent(point, by)) is not None])


Key = tuple[str, int]
Errors = tuple[np.ndarray, int]  # log(measured/predicted), and of how many groups


def _level(fit: Fit) -> Key:
    return fit.form.name, 0 if fit.special else fit.level


def _tells(fit: Fit) -> bool:
    """Whether its errors are of what the group is for: shapes of a special one, members of a general one."""
    return fit.special or not set(fit.others) <= {point.shape for point in fit.points}


def _pools(fits: Mapping[str, Fit], errors: Mapping[str, np.ndarray]) -> dict[Key, Errors]:
    """Errors of all groups of a form and level."""
    pools: dict[Key, Errors] = {}
    for name, fit in fits.items():
        if _tells(fit) and len(errors[name]):
            so_far, groups = pools.get(_level(fit), (np.zeros(0), 0))
            pools[_level(fit)] = np.append(so_far, errors[name]), groups + len(fit.others)
    return pools


def _pool(key: Key, pools: Mapping[Key, Errors]) -> Errors | None:
    """The pool of a level; of the next more general, then of any, where it has none; None where the form has none."""
    form, level = key
    levels = [have for name, have in pools if name == form and have]
    nearest = sorted(levels, key=lambda have: (have < level, abs(have - level)))
    return pools[key] if key in pools else pools.get((form, nearest[0] if nearest else 0))


def _ends_of(fit: Fit, own: np.ndarray, pools: Mapping[Key, Errors]) -> tuple[float, float] | None:
    pool = _pool(_level(fit), pools)
    if pool is None:
        return None
    errors, groups = pool
    worth = float(len(own) if fit.special else len(fit.others)) if _tells(fit) and len(own) else 0.0
    share = worth / (worth + (LEAN if fit.special else FEW))
    wide = 1.0 if fit.special else 1.0 + WIDER / groups
    middle = np.quantile(own, INSIDE) if len(own) else np.zeros(2)
    return _ends(wide * (share * middle + (1.0 - share) * np.quantile(errors, INSIDE)))


def _spread(fit: Fit, errors: Sequence[np.ndarray], pools: Sequence[Mapping[Key, Errors]],
            far: Mapping[str, tuple[float, float]]) -> Spread:
    ends, shared = (_ends_of(fit, own, pool) for own, pool in zip(errors, pools, strict=True))
    assert ends is not None  # every form has points
    if not fit.form.groups:
        return Spread(ends, shared or ends)
    return Spread(ends, shared or ends, tuple(sorted({point.group for point in fit.points})), far[fit.name])


def wider(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """The ends that hold both."""
    return min(first[0], second[0]), max(first[1], second[1])


def _ends(pair: np.ndarray) -> tuple[float, float]:
    return min(float(pair[0]), -LEAST), max(float(pair[1]), LEAST)


# ---- sizes that were not measured


def _far(fits: Mapping[str, Fit]) -> dict[str, tuple[float, float]]:
    """Of every collective's group, the spread at other numbers of chips: that of all groups of its way."""
    by_way: dict[str, list[float]] = {}
    for fit in fits.values():
        if fit.special and fit.form.groups:
            by_way.setdefault(_way(fit), []).extend(other_sizes(fit, _parent(fit, fits)))
    every = [error for errors in by_way.values() for error in errors]
    return {fit.name: _ends(np.quantile(by_way.get(_way(fit)) or every, INSIDE))
            for fit in fits.values() if fit.form.groups}


def _way(fit: Fit) -> str:
    """Name of the group of all collectives that take the way of its points: over boxes, in the switch, …"""
    levels = fit.points[0].levels
    return next((name for name in levels if name.partition(":")[2] in WAYS), levels[-1])


def _parent(fit: Fit, fits: Mapping[str, Fit]) -> Fit | None:
    levels = fit.points[0].levels
    return fits.get(levels[1]) if len(levels) > 1 else None
