"""Coefficients fitted to measured rows family by family, and predictions from them with a series' own correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.decisions.accuracy import kin
from rackline.decisions.accuracy.families import Likeness, coefficients, kind, terms
from rackline.decisions.accuracy.predicted import Corrected
from rackline.decisions.accuracy.sample import MOST, Sample, folds
from rackline.decisions.accuracy.served_families import PACE
from rackline.systems.logfit import Fit, fit, numbered, predict, row_noise


@dataclass(frozen=True, eq=False)
class Fitted:
    """A family's coefficients with the samples they came from; `pace`: logarithms of the tokens', for first tokens."""

    family: str
    fit: Fit
    samples: tuple[Sample, ...]
    pace: np.ndarray | None

    def logs(self, found: Sequence[Sample]) -> np.ndarray:
        """Logarithms of the pooled prediction's seconds."""
        return np.log(self.fit.seconds(terms(self.family, found, self.pace)))


def fit_family(family: str, found: Sequence[Sample], pace: np.ndarray | None = None,
               start: np.ndarray | None = None, hold: float | None = None) -> Fitted:
    """The coefficients of one family; suspects are left out."""
    sound = tuple(s for s in found if not s.like.flag)
    sound = sound or tuple(found)
    own = coefficients(family)
    result = fit(terms(family, sound, pace), np.log([s.seconds for s in sound]), own.start if start is None else start,
                 own.least, numbered([s.like.series for s in sound]), own.hold if hold is None else hold,
                 kind(family).far)
    return Fitted(family, result, tuple(found), pace)


def fit_all(found: Sequence[Sample]) -> dict[str, Fitted]:
    """Every family that has samples; first tokens at the pace of the tokens."""
    families = sorted({s.family for s in found}, key=lambda name: (name != PACE, name))
    fitted: dict[str, Fitted] = {}
    for family in families:
        pace = fitted[PACE].fit.logs if kind(family).paced else None
        fitted[family] = fit_family(family, [s for s in found if s.family == family], pace)
    return fitted


# ---- the correction of a series


@dataclass(frozen=True, eq=False)
class _Block:
    """Known rows whose residuals go together: of one pool."""

    residual: np.ndarray
    found: list[Sample]
    how: Likeness
    matrix: np.ndarray

    def only(self, rows: np.ndarray) -> _Block:
        return _Block(self.residual[rows], [self.found[i] for i in rows], self.how, self.matrix[np.ix_(rows, rows)])


def _by_pool(found: Sequence[Sample]) -> dict[tuple, list[int]]:
    """Rows that correct each other."""
    groups: dict[tuple, list[int]] = {}
    for i, s in enumerate(found):
        groups.setdefault(kind(s.family).pool(s), []).append(i)
    return groups


def _blocks(fitted: Fitted, how: Likeness) -> dict[tuple, _Block]:
    """The samples of a fit by pool, with what its coefficients leave over."""
    if not fitted.samples:
        return {}
    residual = np.log([s.seconds for s in fitted.samples]) - fitted.logs(fitted.samples)
    made = {}
    for pool, every in _by_pool(fitted.samples).items():
        rows = every[::-(-len(every) // MOST)]
        known = [fitted.samples[i] for i in rows]
        made[pool] = _Block(residual[rows], known, how, how.together(known, known))
    return made


def corrected(fitted: Fitted, found: Sequence[Sample]) -> Corrected:
    """Predictions of samples; one that the fit has seen is corrected from the others of its pool."""
    own = kind(fitted.family)
    if own.likeness is None:
        return _of_kin(fitted, found)
    logs, spread = fitted.logs(found), np.zeros(len(found))
    seen, sized = np.zeros(len(found), dtype=bool), np.zeros(len(found), dtype=bool)
    known = _blocks(fitted, own.likeness(fitted.family, fitted.fit.logs))
    measured = {own.identity(s) for s in fitted.samples}
    for pool, rows in _by_pool(found).items():
        whole = known.get(pool)
        if whole is None:
            continue
        parts = [s.configuration for s in whole.found]
        places = folds(whole.found)
        for fold, same in _by_fold([found[i] for i in rows], rows, measured, places).items():
            block = whole if fold is None else whole.only(
                np.array([i for i, part in enumerate(parts) if places[part] != fold], dtype=int))
            if not len(block.residual):
                continue
            mean, variance = _correct(block, [found[i] for i in same])
            logs[same], spread[same] = logs[same] + mean, np.sqrt(variance)
            series, sizes = {s.like.series for s in block.found}, {_sizes(s) for s in block.found}
            seen[same] = [found[i].like.series in series for i in same]
            sized[same] = [_sizes(found[i]) in sizes for i in same]
    return Corrected(logs, spread, seen, sized)


def _of_kin(fitted: Fitted, found: Sequence[Sample]) -> Corrected:
    known = fitted.samples
    left = np.log([s.seconds for s in known]) - fitted.logs(known) if known else np.zeros(0)
    return kin.correction(fitted.family, known, left, found, fitted.logs(found))


def _sizes(s: Sample) -> tuple[Any, ...]:
    return (*s.like.series, *s.place[3:].tolist())


def _by_fold(found: Sequence[Sample], rows: Sequence[int], measured: set,
             places: dict[tuple, int]) -> dict[int | None, list[int]]:
    """Rows by what must be left out for them: nothing for rows that are new."""
    groups: dict[int | None, list[int]] = {}
    for s, i in zip(found, rows, strict=True):
        old = kind(s.family).identity(s) in measured and s.configuration in places
        groups.setdefault(places[s.configuration] if old else None, []).append(i)
    return groups


def _correct(block: _Block, found: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    how = block.how
    granted = row_noise(block.matrix, block.residual, how.noise)
    mean, variance = predict(how.together(found, block.found), block.matrix, granted, block.residual, how.prior(found))
    return mean, variance + how.noise**2


def held_out(family: str, found: Sequence[Sample], pace_from: Sequence[Sample],
             key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors, spreads and whether corrected of every sample, all that share its `key` left out of every fit.

    key: model, chip, pair of both, version, series or layout (of a series); series and layouts a fifth at a time.
    """
    parts = parted(found, key)
    error, spread, seen = (np.zeros(len(found)) for _ in range(3))
    for part in dict.fromkeys(parts):
        test = [i for i, p in enumerate(parts) if p == part]
        train = [s for s, p in zip(found, parts, strict=True) if p != part]
        gone = {found[i].row.id for i in test}
        configurations = {found[i].configuration[1:] for i in test}
        if not any(not s.like.flag for s in train):
            error[test] = np.nan
            continue
        pace = None
        if kind(family).paced:
            near = [s for s in pace_from if s.row.id not in gone and s.configuration[1:] not in configurations]
            pace = fit_family(PACE, near).fit.logs
        fitted = fit_family(family, train, pace)
        given = [found[i] for i in test]
        result = corrected(fitted, given)
        error[test] = np.log([s.seconds for s in given]) - result.logs
        spread[test], seen[test] = result.spread, result.seen
    return error, spread, seen


def parted(found: Sequence[Sample], key: str) -> list:
    """The part of each sample that is left out together, by model, chip, version, series or layout."""
    if key in ("model", "chip", "version"):
        return [getattr(s.like, key) for s in found]
    if key == "pair":
        return [(s.like.model, s.like.chip) for s in found]
    which = numbered([s.like.series if key == "series" else (*s.like.series, *s.place[3:].tolist()) for s in found])
    return (which * 7 % 5).tolist()
