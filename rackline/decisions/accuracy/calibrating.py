"""Coefficients fitted to measured rows family by family, and predictions from them with a series' own correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rackline.decisions.accuracy.sample import Sample, matrix, names
from rackline.systems.logfit import Fit, Smooth, fit, predict, row_noise, together
from rackline.systems.parts import PHYSICAL

# where a fit starts: an efficiency of 0.8, or microseconds (of a token: bytes of activations) as engines show them
START = {"message": 5.0, "hop": 5.0, "layer": 10.0, "pick": 5.0, "token": 74.0, "prompt weights": 1.0, "start": 5.0,
         "prompt": 1.5, "pass": 2.0, "burst": 1.2, "queue": 2.0, "client": 500.0, "burst sglang": 3.0,
         "queue sglang": 3.0, "layer sglang": 100.0, "layer vllm": 10.0}
FIRST_LAYER = {"layer": 100.0, "pick": 50.0}  # of a first token: what starts a prompt's kernels
EFFICIENCY = 1.25
PACE = "tpot together"
SMOOTH = {"tpot together": Smooth(0.12, 0.12, 0.12, 0.05, 0.04), "tpot apart": Smooth(0.25, 0.15, 0.15, 0.10, 0.05),
          "ttft together": Smooth(0.35, 0.25, 0.25, 0.15, 0.08), "ttft apart": Smooth(0.35, 0.25, 0.25, 0.15, 0.08)}
OTHER = Smooth(0.25, 0.15, 0.15, 0.10, 0.05)
FAR = {"ttft together": 0.3, "ttft apart": 0.3}


@dataclass(frozen=True, eq=False)
class Fitted:
    """A family's coefficients with the samples they came from; `pace` those of the tokens, for first tokens."""

    family: str
    fit: Fit
    samples: tuple[Sample, ...]
    pace: np.ndarray | None

    def logs(self, found: Sequence[Sample]) -> np.ndarray:
        """Logarithms of the pooled prediction's seconds."""
        return np.log(self.fit.seconds(matrix(self.family, found, self.pace)))


def starts(family: str) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms where a family's coefficients start, and the least that physics allows them."""
    own = START | (FIRST_LAYER if family.startswith("ttft") else {})
    start = np.log([own.get(name, EFFICIENCY) for name in names(family)])
    least = np.array([0.0 if name in PHYSICAL and not family.startswith("ttft") else -9.0 for name in names(family)])
    return start, least


def numbered(keys: Sequence[tuple]) -> np.ndarray:
    """A whole number for every distinct key, in the order of their first places."""
    known: dict[tuple, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=int)


def fit_family(family: str, found: Sequence[Sample], pace: np.ndarray | None = None,
               start: np.ndarray | None = None, hold: float | None = None) -> Fitted:
    """The coefficients of one family; suspects are left out."""
    sound = tuple(s for s in found if not s.like.flag)
    sound = sound or tuple(found)
    own, least = starts(family)
    hold_at = {} if hold is None else {"hold": hold}
    result = fit(matrix(family, sound, pace), np.log([s.seconds for s in sound]), own if start is None else start,
                 least, numbered([s.like.series for s in sound]), far=FAR.get(family, 0.15), **hold_at)
    return Fitted(family, result, tuple(found), pace)


def fit_all(found: Sequence[Sample]) -> dict[str, Fitted]:
    """Every family that has samples; first tokens at the pace of the tokens."""
    families = sorted({s.family for s in found}, key=lambda name: (name != PACE, name))
    fitted: dict[str, Fitted] = {}
    for family in families:
        pace = np.exp(fitted[PACE].fit.logs) if family.startswith("ttft") else None
        fitted[family] = fit_family(family, [s for s in found if s.family == family], pace)
    return fitted


# ---- the correction of a series


@dataclass(frozen=True, eq=False)
class Corrected:
    """Logarithms of predicted seconds, their spread, whether the series was seen, and in these parallel sizes; (n,)."""

    logs: np.ndarray
    spread: np.ndarray
    seen: np.ndarray
    sized: np.ndarray


@dataclass(frozen=True, eq=False)
class _Block:
    """The known rows of one series: residuals, places, versions, configurations, and how residuals go together."""

    residual: np.ndarray
    place: np.ndarray
    version: np.ndarray
    part: list[tuple]
    how: Smooth
    matrix: np.ndarray

    def only(self, rows: np.ndarray) -> _Block:
        return _Block(self.residual[rows], self.place[rows], self.version[rows], [self.part[i] for i in rows],
                      self.how, self.matrix[np.ix_(rows, rows)])


def _block(residual: np.ndarray, found: Sequence[Sample], how: Smooth) -> _Block:
    place, version = np.stack([s.place for s in found]), _versions(found)
    same = (version[:, None] == version[None, :]).astype(float)
    return _Block(residual, place, version, [s.configuration for s in found], how, together(place, place, same, how))


def _versions(found: Sequence[Sample]) -> np.ndarray:
    return np.array([f"{s.like.version}|{s.like.source}" for s in found])


def _by_series(found: Sequence[Sample]) -> dict[tuple, list[int]]:
    groups: dict[tuple, list[int]] = {}
    for i, s in enumerate(found):
        groups.setdefault(s.like.series, []).append(i)
    return groups


def blocks(fitted: Fitted) -> dict[tuple, _Block]:
    """The samples of a fit by series, with what its coefficients leave over."""
    if not fitted.samples:
        return {}
    residual = np.log([s.seconds for s in fitted.samples]) - fitted.logs(fitted.samples)
    how = SMOOTH.get(fitted.family, OTHER)
    return {series: _block(residual[rows], [fitted.samples[i] for i in rows], how)
            for series, rows in _by_series(fitted.samples).items()}


def corrected(fitted: Fitted, found: Sequence[Sample]) -> Corrected:
    """Predictions of samples; one that the fit has seen is corrected from the others of its series."""
    logs, spread = fitted.logs(found), np.zeros(len(found))
    seen, sized = np.zeros(len(found), dtype=bool), np.zeros(len(found), dtype=bool)
    known, ids = blocks(fitted), {s.row.id: s.seconds for s in fitted.samples}
    for series, rows in _by_series(found).items():
        whole = known.get(series)
        if whole is None:
            continue
        places = _folds(whole.part)
        for fold, same in _by_fold([found[i] for i in rows], rows, ids, places).items():
            block = whole if fold is None else whole.only(
                np.array([i for i, part in enumerate(whole.part) if places[part] != fold], dtype=int))
            if not len(block.residual):
                continue
            mean, variance = _correct(block, [found[i] for i in same])
            logs[same], spread[same], seen[same] = logs[same] + mean, np.sqrt(variance), True
            sizes = {tuple(place) for place in block.place[:, 3:].tolist()}
            sized[same] = [tuple(found[i].place[3:].tolist()) in sizes for i in same]
    return Corrected(logs, spread, seen, sized)


FOLDS = 20  # in which the configurations of a series are left out for its own rows, each with all its repetitions


def _folds(parts: Sequence[tuple]) -> dict[tuple, int]:
    return {part: i % FOLDS for i, part in enumerate(dict.fromkeys(parts))}


def _by_fold(found: Sequence[Sample], rows: Sequence[int], ids: dict[str, float],
             places: dict[tuple, int]) -> dict[int | None, list[int]]:
    """Rows by what must be left out for them: nothing for rows that are new."""
    groups: dict[int | None, list[int]] = {}
    for s, i in zip(found, rows, strict=True):
        old = s.row.id in ids and s.configuration in places
        groups.setdefault(places[s.configuration] if old else None, []).append(i)
    return groups


def _correct(block: _Block, found: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    how = block.how
    same = (_versions(found)[:, None] == block.version[None, :]).astype(float)
    cross = together(np.stack([s.place for s in found]), block.place, same, how)
    prior = how.series**2 + how.near**2 + how.version**2 + how.near_version**2
    granted = row_noise(block.matrix, block.residual, how.noise)
    mean, variance = predict(cross, block.matrix, granted, block.residual, prior)
    return mean, variance + how.noise**2


def held_out(family: str, found: Sequence[Sample], pace_from: Sequence[Sample],
             key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors, spreads and whether corrected of every sample, all that share its `key` left out of every fit.

    key: model, chip, series or layout (series of one layout); series and layouts are left out a fifth at a time.
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
        if family.startswith("ttft"):
            near = [s for s in pace_from if s.row.id not in gone and s.configuration[1:] not in configurations]
            pace = np.exp(fit_family(PACE, near).fit.logs)
        fitted = fit_family(family, train, pace)
        given = [found[i] for i in test]
        result = corrected(fitted, given)
        error[test] = np.log([s.seconds for s in given]) - result.logs
        spread[test], seen[test] = result.spread, result.seen
    return error, spread, seen


def parted(found: Sequence[Sample], key: str) -> list:
    """The part of each sample that is left out together, by model, chip, series or layout."""
    if key in ("model", "chip"):
        return [getattr(s.like, key) for s in found]
    which = numbered([s.like.series if key == "series" else (*s.like.series, *s.place[3:].tolist()) for s in found])
    return (which * 7 % 5).tolist()
