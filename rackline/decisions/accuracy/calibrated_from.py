"""A calibration made from measured samples, and predictions of samples by a calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rackline.decisions.accuracy.calibrating import (
    PACE,
    Fitted,
    corrected,
    fit_all,
    fit_family,
    held_out,
)
from rackline.decisions.accuracy.families import kind, names
from rackline.decisions.accuracy.pass_families import Judged, is_pass, judged_families
from rackline.decisions.accuracy.predicted import Predicted
from rackline.decisions.accuracy.sample import Sample
from rackline.facts.calibration import Band, Calibration, Family
from rackline.facts.fact import Fact
from rackline.systems.calibrated import FIRST, PROMPTS
from rackline.systems.logfit import NINE_TENTHS, Fit

DATE = "2026-11-28"  # when the bundled rows were last looked through
FEW = 30  # rows below which a family is held at the calibration that it starts from
HELD = 3.0  # rows that a coefficient of that calibration then counts as much as
INSIDE = 0.9  # share of measured values that an interval is to hold
_SHRINK = 12.0  # rows that a phase's band counts as much as, beside a family's own
EACH = {"message": "us", "hop": "us", "layer": "us", "pick": "us", "stage": "us", "client": "us", "start": "ms",
        "routing": "us", "expert": "us", "step": "ms", "sequence": "us"}  # coefficients that are times of a count


# ---- from samples to a calibration


def calibrate(found: Sequence[Sample], name: str, base: Calibration | None = None) -> Calibration:
    """A calibration from samples; families with few rows are held near `base`, and their intervals widened."""
    passes = [s for s in found if is_pass(s)] if base is None else []
    fitted = fit_all([s for s in found if not is_pass(s)]) if base is None else _held(found, base)
    tokens = fitted[PACE].samples if PACE in fitted else ()
    families = {family: _family(one, tokens, name, base) for family, one in sorted(fitted.items())}
    families |= _of_passes(judged_families(passes), name) | _of_prompts(fitted, families, name, base)
    return Calibration(name=name, source=f"fitted to {sum(f.rows for f in families.values()):,} rows of {name}",
                       families=families)


def _of_prompts(fitted: dict[str, Fitted], families: dict[str, Family], name: str,
                base: Calibration | None) -> dict[str, Family]:
    """The same first tokens in times of a pass over the prompt, for passes whose kinds of work are not told apart."""
    if FIRST not in fitted:
        return {}
    one, start = fitted[FIRST], _values(base, PROMPTS) if base and PROMPTS in base.families else None
    plain = fit_family(PROMPTS, one.samples, one.pace, start, None if start is None else HELD)
    return {PROMPTS: families[FIRST].model_copy(update={"coefficients": _facts(plain, name), "spread": {}})}


def _of_passes(found: Sequence[Judged], name: str) -> dict[str, Family]:
    """Families of single passes; the fewer rows stand behind a band, the more of the phase's own goes into it."""
    made = {}
    for one in found:
        phase = [other for other in found if other.fitted.family.split()[0] == one.fitted.family.split()[0]]
        seen, near, unseen = (
            _blended(band(getattr(one, basis)), band(np.concatenate([getattr(other, basis) for other in phase])))
            for basis in ("seen", "near", "unseen"))
        made[one.fitted.family] = Family(coefficients=_facts(one.fitted, name), rows=len(one.fitted.samples),
                                         seen=seen, near=near, unseen=unseen)
    return made


def _blended(own: Band, common: Band) -> Band:
    part = own.rows / (own.rows + _SHRINK)
    return Band(low=_round(part * own.low + (1.0 - part) * common.low),
                high=_round(part * own.high + (1.0 - part) * common.high), rows=own.rows)


def _held(found: Sequence[Sample], base: Calibration) -> dict[str, Fitted]:
    """Every family fitted from another calibration's values; the fewer the rows, the harder they hold."""
    fitted: dict[str, Fitted] = {}
    for family in sorted({s.family for s in found}, key=lambda f: (f != PACE, f)):
        mine = [s for s in found if s.family == family]
        pace = None
        if kind(family).paced:
            pace = fitted[PACE].fit.logs if PACE in fitted else _values(base, PACE)
        start = _values(base, family) if family in base.families else None
        fitted[family] = fit_family(family, mine, pace, start, HELD)
    return fitted


def _values(base: Calibration, family: str) -> np.ndarray:
    return np.log([base.families[family].coefficients[name].value for name in names(family)])


def _family(one: Fitted, tokens: Sequence[Sample], name: str, base: Calibration | None) -> Family:
    few = len(one.samples) < FEW
    facts = _facts(one, name)
    if few and base is not None and one.family in base.families:
        bands = base.families[one.family]
        return Family(coefficients=facts, rows=len(one.samples), seen=bands.near, near=bands.unseen,
                      unseen=_doubled(bands.unseen), few=True)
    sound = [s for s in one.samples if not s.like.flag]
    own_way = corrected(one, one.samples)  # each from the others: its configuration left out
    scaled = (np.log([s.seconds for s in one.samples]) - own_way.logs) / np.maximum(own_way.spread, 1e-9)
    scaled = scaled if kind(one.family).scaled else np.where(own_way.sized, scaled, np.nan)
    own = {name: _round(value) for name, value in _spreads(one.samples, np.abs(scaled)).items()}
    each = np.array([own.get(kind(one.family).group(s), 1.0) for s in one.samples])
    layout, width, seen = held_out(one.family, sound, tokens, "layout")
    near = (layout / _wider(one.family, width, sound, own))[seen > 0]
    apart = np.concatenate([_unseen(sound, tokens, key, own) for key in ("series", "model", "chip")])
    return Family(coefficients=facts, rows=len(one.samples), seen=band((scaled / each)[own_way.sized]),
                  near=band(near if len(near) else scaled), unseen=band(apart), few=few, spread=own)


def _unseen(sound: Sequence[Sample], tokens: Sequence[Sample], key: str, own: dict[str, float]) -> np.ndarray:
    family = sound[0].family
    error, width, _ = held_out(family, sound, tokens, key)
    by = _wider(family, width, sound, own) if kind(family).scaled else np.where(width > 0.0, width, 1.0)
    return error / by


def _wider(family: str, width: np.ndarray, found: Sequence[Sample], own: dict[str, float]) -> np.ndarray:
    """The corrections' own spreads, of scaled families by how far the rows of a group err beyond them."""
    how = kind(family)
    by = np.array([own.get(how.group(s), 1.0) if how.scaled else 1.0 for s in found])
    return np.maximum(width * by, 1e-9)


def _facts(one: Fitted, name: str) -> dict[str, Fact]:
    wide = NINE_TENTHS * np.sqrt(np.maximum(np.diag(one.fit.covariance), 0.0))
    rows = f"{len(one.samples):,} rows of {name}"
    return {part: Fact(value=_round(np.exp(log)), low=_round(np.exp(log - min(w, 3.0)), -1),
                       high=_round(np.exp(log + min(w, 3.0)), 1), unit="ratio", kind="derived", date=DATE,
                       source=f"fitted to {rows}", note=EACH.get(part, ""))
            for part, log, w in zip(names(one.family), one.fit.logs, wide, strict=True)}


def _round(value: float, way: int = 0) -> float:
    """Six significant digits: the same on every machine; way: an interval's end never crosses its value."""
    return float(f"{value * (1.0 + way * 1e-6):.6g}")


def _doubled(band: Band) -> Band:
    return Band(low=2.0 * band.low, high=2.0 * band.high, rows=band.rows)


def band(error: np.ndarray) -> Band:
    """The quantiles of errors (logarithms) between which nine of ten lie: outer ranks of n + 1, not a normal's."""
    error = np.sort(error[np.isfinite(error)])
    if len(error) == 0:
        return Band(low=-1.0, high=1.0, rows=0)
    tail = (1.0 - INSIDE) / 2.0
    rank = lambda q: float(np.interp(q * (len(error) + 1) - 1, np.arange(len(error)), error))  # noqa: E731
    return Band(low=_round(min(rank(tail), 0.0)), high=_round(max(rank(1.0 - tail), 0.0)), rows=len(error))


def _spreads(found: Sequence[Sample], scaled: np.ndarray) -> dict[str, float]:
    """How much wider the errors of a group are than the family's, shrunk towards one where rows are few."""
    if not np.isfinite(scaled).any():
        return {}
    whole = float(np.nanquantile(scaled, INSIDE))
    how = kind(found[0].family)
    groups: dict[str, list[float]] = {}
    for s, value in zip(found, scaled, strict=True):
        if not np.isfinite(value):
            continue
        groups.setdefault(how.group(s), []).append(float(value))
    share = lambda n, own: (n * own / whole + how.shrink) / (n + how.shrink)  # noqa: E731
    return {name: share(len(own), float(np.quantile(own, INSIDE))) for name, own in sorted(groups.items())}


# ---- from a calibration to predictions


def fitted_as(calibration: Calibration, family: str, known: Sequence[Sample]) -> Fitted:
    """A calibration's family with the samples whose residuals correct their series."""
    pace = _values(calibration, PACE) if kind(family).paced else None
    logs = _values(calibration, family)
    return Fitted(family, Fit(logs, np.zeros((len(logs), len(logs)))),
                  tuple(s for s in known if s.family == family), pace)


def predictions(calibration: Calibration, known: Sequence[Sample], found: Sequence[Sample]) -> list[Predicted]:
    """Every sample predicted, in the order given; one that is known itself is predicted from the others."""
    made: dict[int, Predicted] = {}
    for family in sorted({s.family for s in found}):
        rows = [i for i, s in enumerate(found) if s.family == family]
        if family not in calibration.families:
            continue
        given = [found[i] for i in rows]
        made |= dict(zip(rows, _predicted(calibration, fitted_as(calibration, family, known), given), strict=True))
    return [made[i] for i in sorted(made)]


def _predicted(calibration: Calibration, fitted: Fitted, given: Sequence[Sample]) -> list[Predicted]:
    family, how, result = calibration.families[fitted.family], kind(fitted.family), corrected(fitted, given)
    listed = []
    for i, s in enumerate(given):
        basis = "seen" if result.sized[i] else "near" if result.seen[i] else "unseen"
        ends: Band = getattr(family, basis)
        scale = float(result.spread[i]) if result.spread[i] > 0.0 else 1.0
        scale *= family.spread.get(how.group(s), 1.0) if basis == "seen" or how.scaled else 1.0
        at = float(result.logs[i])
        listed.append(Predicted(s.row, s.like, s.seconds, float(np.exp(at)), float(np.exp(at + scale * ends.low)),
                                float(np.exp(at + scale * ends.high)), basis))
    return listed
