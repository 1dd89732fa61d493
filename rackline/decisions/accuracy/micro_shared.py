"""What chips of a family show at the very same sizes, beyond their coefficients: tiles that do not fit, protocols."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from rackline.decisions.accuracy.micro_points import Point, faster
from rackline.facts.micro import family
from rackline.systems.efficiency import achieved_time

SHRINK = 1.0  # chips that none of a family's chips showing anything counts as much as
Key = tuple[str, str, str, str]
Shown = Mapping[Key, Mapping[str, float]]  # by chip, log(measured/predicted)


def shown(points: Iterable[Point], values: Callable[[str], Mapping[str, float] | None]) -> Shown:
    """What every point shows beyond the coefficients of its own group, which `values` gives by the group's name."""
    found: dict[Key, dict[str, float]] = {}
    for point in points:
        own = values(point.levels[0])
        if own is not None and point.place and not faster(point):
            seconds = float(achieved_time(point.form, point.parts, own, point.group))
            found.setdefault(_key(point), {})[point.chip] = math.log(point.seconds / seconds)
    return found


def lent(point: Point, by: Shown) -> float | None:
    """The logarithm by which other chips of its family say that a point is slower; None where none was measured there.

    The mean of what they show, shrunk towards nothing: sum/(chips + 1).
    """
    others = [error for chip, error in by.get(_key(point), {}).items() if chip != point.chip]
    return sum(others) / (len(others) + SHRINK) if others and point.place else None


def _key(point: Point) -> Key:
    return point.form.name, point.kind, family(point.chip), point.place
