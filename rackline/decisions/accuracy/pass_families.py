"""Families of single passes fitted from the widest to the narrowest, and how far off they are on what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rackline.decisions.accuracy.calibrating import Fitted, corrected
from rackline.decisions.accuracy.families import PASSES, kind, names
from rackline.decisions.accuracy.pass_groups import HELD, starts, wider
from rackline.decisions.accuracy.sample import Sample
from rackline.systems.logfit import LOOSE, Fit, fit, numbered


@dataclass(frozen=True, eq=False)
class Judged:
    """A family's fit, and its errors in spreads: configurations, parallel sizes, and whole series, chips or models
    left out."""

    fitted: Fitted
    seen: np.ndarray
    near: np.ndarray
    unseen: np.ndarray


def is_pass(s: Sample) -> bool:
    """Whether a sample is of single passes."""
    return kind(s.family) is PASSES


def fit_passes(family: str, found: Sequence[Sample]) -> Fit | None:
    """The coefficients of a family, held at those of the wider one, held at those of its phase; None without rows.

    found: samples of the phase, and of a whole request's phases those of its passes alone; suspects are left out.
    """
    above = wider(family)
    held = fit_passes(above, found) if above else None
    rows = [s for s in found if _informs(s, family) and not s.like.flag]
    if not rows:
        return held
    start, least = starts(family)
    return fit(_parts(family, rows), np.log([s.seconds for s in rows]), start if held is None else held.logs, least,
               numbered([s.like.series for s in rows]), hold=LOOSE if held is None else HELD)


def _informs(s: Sample, family: str) -> bool:
    """Whether a family is fitted to a sample: a request's also to its engine's prompts and tokens timed alone."""
    phase, _, group = family.partition(" ")
    own, _, engine = s.family.partition(" ")
    return phase in (own, "whole") and (engine == group or engine.startswith(f"{group} ") or not group)


def _parts(family: str, rows: Sequence[Sample]) -> np.ndarray:
    """Parts of a family of samples that may be of other phases; zero where theirs have none of the name."""
    named = [dict(zip(names(s.family), s.decode.tolist(), strict=True)) for s in rows]
    return np.array([[parts.get(name, 0.0) for name in names(family)] for parts in named])


def phase_of(family: str, found: Sequence[Sample]) -> list[Sample]:
    """The samples that a family's fits may see."""
    phase = family.split()[0]
    return [s for s in found if phase in (s.family.split()[0], "whole")]


def within(s: Sample, family: str) -> bool:
    """Whether a sample belongs to a family or to a narrower one."""
    return s.family == family or s.family.startswith(f"{family} ")


def judged_families(found: Sequence[Sample]) -> list[Judged]:
    """Every family that samples of passes belong to, narrow and wide, with its errors on what was left out."""
    families: dict[str, None] = {}
    for s in found:
        name: str | None = s.family
        while name:
            families[name], name = None, wider(name)
    return [_judged(name, phase_of(name, found)) for name in sorted(families)]


def _judged(family: str, phase: Sequence[Sample]) -> Judged:
    result = fit_passes(family, phase)
    assert result is not None
    rows, own = tuple(s for s in phase if within(s, family)), [s for s in phase if s.family == family]
    if len(own) < len(rows):  # a wider family predicts engines and makers that it never saw
        error, spread, _ = left_out(family, phase, rows, [s.family for s in rows])
        return Judged(Fitted(family, result, rows, None), *[error / spread] * 3)
    fitted = Fitted(family, result, tuple(own), None)
    by = corrected(fitted, own)
    scaled = (np.log([s.seconds for s in own]) - by.logs) / by.spread
    sound = [s for s in own if not s.like.flag]
    error, spread, seen = left_out(family, phase, sound, keys_of(sound, "size"))
    apart = [left_out(family, phase, sound, keys_of(sound, key)) for key in ("series", "chip", "model")]
    return Judged(fitted, scaled[by.sized], (error / spread)[seen], np.concatenate([e / s for e, s, _ in apart]))


def keys_of(found: Sequence[Sample], key: str) -> list:
    """What rows are left out by: chip, model, series or size (a series on so many chips), the last two by fifths."""
    if key in ("chip", "model"):
        return [s.chip[1] if key == "chip" else s.like.model for s in found]
    which = numbered([s.like.series if key == "series" else _sized(s) for s in found])
    return (which * 7 % 5).tolist()


def _sized(s: Sample) -> tuple:
    return (s.like.series, round(float(s.place[3]), 6))


def left_out(family: str, phase: Sequence[Sample], rows: Sequence[Sample],
             keys: Sequence[object]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors of rows (logarithms), their spreads and whether their series was still seen; (n,) each.

    All that share a key are left out of every fit; NaN where nothing is left to predict from.
    """
    error, spread, seen = np.full(len(rows), np.nan), np.ones(len(rows)), np.zeros(len(rows), dtype=bool)
    for key in dict.fromkeys(keys):
        test = [i for i, k in enumerate(keys) if k == key]
        gone = {_sized(rows[i]) for i in test}
        rest = [s for s in phase if _sized(s) not in gone]
        result = fit_passes(family, rest)
        if result is None:
            continue
        given = [rows[i] for i in test]
        by = corrected(Fitted(family, result, tuple(s for s in rest if s.family == family), None), given)
        error[test] = np.log([s.seconds for s in given]) - by.logs
        spread[test], seen[test] = by.spread, by.seen
    return error, spread, seen
