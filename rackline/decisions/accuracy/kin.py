"""What is left over of single passes, shared among kin: rows of one engine with the chip, model, format or size alike.

One Gaussian process for each engine: a residual is a sum of shrunk offsets, of the series itself and of its kin, so
that a new chip, model or format of an engine that was measured starts from what its kin showed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rackline.decisions.accuracy.predicted import Corrected
from rackline.decisions.accuracy.sample import MOST, Sample, folds
from rackline.systems.logfit import NARROW, WIDE, kernel, predict, row_noise, same

# a location's first word, and its number: "README.md" of README.md:L219, "discussions/4167", "Table D.3"
_PLACE = re.compile(r"[^\s:;,(#]+(?: (?:[A-Z]\.)?\d+)?")
CLOSE = np.array([0.5, 0.7, 0.7, 0.5, 0.5, 0.7])


@dataclass(frozen=True)
class Share:
    """Rows alike in `key` share an offset of that spread; alike places, in units of `widths`, share more of it."""

    spread: float
    key: Callable[[Sample], Any]
    widths: np.ndarray | None = None


def _table(s: Sample) -> tuple[str, str]:
    """The table that a row stands in, within its source: one person's machines and builds, of one time."""
    found = _PLACE.match(s.row.location)
    return s.like.source, found[0] if found else ""


def _version(s: Sample) -> tuple[str, ...]:
    return (s.like.version, *_table(s))


def _series(s: Sample) -> tuple[str, ...]:
    return (s.like.model, s.like.chip, s.like.precision)


SHARES: dict[str, Share] = {
    "table": Share(0.20, _table),
    "version": Share(0.10, _version),
    "place": Share(0.05, _table, CLOSE),
    "chip": Share(0.10, lambda s: s.chip[1]),
    "chip in a table": Share(0.10, lambda s: (s.chip[1], _table(s)), WIDE),
    "model": Share(0.05, lambda s: s.like.model, WIDE),
    "model in a format": Share(0.20, lambda s: (s.like.model, s.like.precision, _table(s)), CLOSE),
    "series": Share(0.15, _series, WIDE),
    "near in a series": Share(0.05, _series, NARROW),
    "version of a series": Share(0.08, lambda s: (*_series(s), _version(s)), WIDE)}
# a request's time depends on how many tokens really came: rows of one stated length err alike, and far
REQUESTS = {"place": 0.40, "model": 0.20, "model in a format": 0.30}
NOISE = 0.02  # of one row


def shares(family: str) -> dict[str, Share]:
    """The offsets that rows of a family share."""
    if not family.startswith("whole"):
        return SHARES
    return {name: replace(share, spread=REQUESTS.get(name, share.spread)) for name, share in SHARES.items()}


def together(a: Sequence[Sample], b: Sequence[Sample], among: Mapping[str, Share]) -> np.ndarray:
    """Covariance of what is left over of rows a (n) and b (m); shape (n, m)."""
    here, there = np.stack([s.place for s in a]), np.stack([s.place for s in b])
    total = np.zeros((len(a), len(b)))
    for share in among.values():
        alike = same([share.key(s) for s in a], [share.key(s) for s in b])
        total += share.spread**2 * (alike if share.widths is None else alike * kernel(here, there, share.widths))
    return total


def correction(family: str, known: Sequence[Sample], left: np.ndarray, found: Sequence[Sample],
               pooled: np.ndarray) -> Corrected:
    """Pooled logarithms of rows' seconds (n,) as kin correct them, from what is `left` over of known rows (m,).

    A row that is known itself is corrected from the others: a twentieth of all configurations is left out with it.
    """
    among = shares(family)
    if len(known) > MOST:
        chosen = np.linspace(0, len(known) - 1, MOST).astype(int).tolist()
        known, left = [known[i] for i in chosen], left[chosen]
    prior = sum(share.spread**2 for share in among.values()) + NOISE**2
    made = Corrected(pooled.copy(), np.full(len(found), np.sqrt(prior)), np.zeros(len(found), dtype=bool),
                      np.zeros(len(found), dtype=bool))
    if not known:
        return made
    within, cross = together(known, known, among), together(found, known, among)
    fold, mine = _folds(known, found)
    for one in dict.fromkeys(mine.tolist()):
        rows, by = np.flatnonzero(mine == one), np.flatnonzero(fold != one)
        if len(by):
            inner = within[np.ix_(by, by)]
            mean, variance = predict(cross[np.ix_(rows, by)], inner, row_noise(inner, left[by], NOISE),
                                               left[by], prior)
            made.logs[rows] += mean
            made.spread[rows] = np.sqrt(np.maximum(variance, NOISE**2))
            made.seen[rows], made.sized[rows] = _seen([found[i] for i in rows.tolist()],
                                                      [known[i] for i in by.tolist()])
    return made


def _folds(known: Sequence[Sample], found: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """The part of the known rows that each belongs to, and the part to leave out for each row; -1, none, for new."""
    part, ids = folds(known), {s.row.id for s in known}
    return (np.array([part[s.configuration] for s in known]),
            np.array([part.get(s.configuration, -1) if s.row.id in ids else -1 for s in found]))


def _seen(found: Sequence[Sample], known: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    size = lambda s: (s.like.series, _version(s), round(float(s.place[3]), 6))  # noqa: E731
    series, sizes = {s.like.series for s in known}, {size(s) for s in known}
    return np.array([s.like.series in series for s in found]), np.array([size(s) in sizes for s in found])
