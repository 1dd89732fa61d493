"""Predictions beside measurements, summed up: errors and coverage by metric and by group, and why rows have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from rackline.decisions.accuracy import replays
from rackline.decisions.accuracy.calibrated_from import predictions
from rackline.decisions.accuracy.judged_cache import SIZES, is_cache, of_cache
from rackline.decisions.accuracy.judged_micro import is_micro, of_micro
from rackline.decisions.accuracy.predicted import Predicted
from rackline.decisions.accuracy.respelt import as_known
from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.samples import samples, steps
from rackline.decisions.accuracy.training_figures import figure_of
from rackline.decisions.accuracy.training_sizes import DERIVED, DERIVED_METRICS, derived
from rackline.errors import BadInput
from rackline.facts.calibration import Calibration, calibration
from rackline.facts.measurements import Measured
from rackline.facts.observations import Observations, bundled

GROUP = ("source", "model", "chip", "engine", "precision", "mode")


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows with predictions, rows without and why, lines that could not be read."""

    name: str
    predicted: tuple[Predicted, ...]
    refused: tuple[tuple[Measured, str], ...]
    faults: tuple[tuple[str, str], ...]


@cache
def known() -> tuple[Sample, ...]:
    """The bundled measurements as samples."""
    return tuple(samples(bundled().rows)[0])


Judge = Callable[[Sequence[Measured], Calibration], tuple[list[Predicted], list[tuple[Measured, str]]]]


def _of_serving(rows: Sequence[Measured], by: Calibration) -> tuple[list[Predicted], list[tuple[Measured, str]]]:
    """Rows of serving engines and single passes; what is bundled is predicted from the others of its series."""
    return _by_calibration(*samples(rows), by)


def _of_training(rows: Sequence[Measured], by: Calibration) -> tuple[list[Predicted], list[tuple[Measured, str]]]:
    """Figures of training steps, each beside its own; what is bundled is predicted from other configurations."""
    return _by_calibration(*steps(rows), by)


def _of_sizes(rows: Sequence[Measured], by: Calibration) -> tuple[list[Predicted], list[tuple[Measured, str]]]:
    return derived(rows)


def _by_calibration(given: list[Sample], refused: list[tuple[Measured, str]],
                    by: Calibration) -> tuple[list[Predicted], list[tuple[Measured, str]]]:
    lacking = [(s.row, f"no calibration of {s.family}") for s in given if s.family not in by.families]
    given = [s for s in given if s.family in by.families]
    return predictions(by, known(), as_known(given, known())), [*refused, *lacking]


# whether a row is theirs -> who predicts it; the rest are passes or requests of engines, or refused by name
JUDGES: tuple[tuple[Callable[[Measured], bool], Judge], ...] = (
    (replays.is_replay, replays.of_rows), (lambda row: is_micro(row.metric), of_micro),
    (lambda row: is_cache(row.metric), of_cache), (lambda row: row.metric in DERIVED_METRICS, _of_sizes),
    (lambda row: figure_of(row) is not None, _of_training))


def judge_of(row: Measured) -> Judge:
    """Who predicts a row."""
    return next((who for theirs, who in JUDGES if theirs(row)), _of_serving)


def judge(found: Observations, by: Calibration | None = None) -> Judged:
    """Every row predicted by a calibration, or the reason why not."""
    by = by or calibration()
    predicted: list[Predicted] = []
    refused: list[tuple[Measured, str]] = []
    for who, rows in _gathered(found.rows, judge_of).items():
        made, left = who(rows, by)
        predicted += made
        refused += left
    made, faults = _of_runs(found, by)
    return Judged(found.name, (*predicted, *made), tuple(refused), (*found.faults, *faults))


def _of_runs(found: Observations, by: Calibration) -> tuple[list[Predicted], list[tuple[str, str]]]:
    """The figures of every run's log, and those that cannot have been served so; BadInput where none can."""
    made: list[Predicted] = []
    faults: list[tuple[str, str]] = []
    for run in found.runs:
        try:
            made += replays.of_run(run, by)
        except BadInput as error:
            if len(found.runs) == 1:
                raise
            faults.append((run.name, f"{error.what} {error.rule}; got {error.given}"))
    if found.runs and not made:
        raise BadInput(found.name, "must hold at least one run that can have been served so", "; ".join(faults[0]))
    return made, faults


def summary(found: Sequence[Predicted]) -> dict[str, Any]:
    """Count, median and mean absolute error, bias, ninetieth percentile, share inside the interval; ratios.

    Errors are of the published figure: of tokens per second where that is what was measured.
    """
    error = np.array([figure_error(p) for p in found])
    size = np.abs(error)
    if not len(size):
        return {"n": 0, "median_ape": None, "mape": None, "bias": None, "p90_ape": None, "coverage90": None}
    return {"n": len(size), "median_ape": float(np.median(size)), "mape": float(size.mean()),
            "bias": float(error.mean()), "p90_ape": float(np.quantile(size, 0.9)),
            "coverage90": float(np.mean([p.inside for p in found]))}


def figure_error(p: Predicted) -> float:
    """Relative error of the published figure: a rate errs the other way round than its seconds."""
    return p.error if p.row.unit == "seconds" or p.like.mode in (DERIVED, SIZES) else p.measured / p.seconds - 1.0


def metrics(judged: Judged) -> dict[str, dict[str, Any]]:
    """The summary of every metric, with its rows refused by reason."""
    refused: dict[str, Counter] = {}
    for row, reason in judged.refused:
        refused.setdefault(row.metric, Counter())[reason] += 1
    names = sorted({p.row.metric for p in judged.predicted} | set(refused))
    return {name: summary([p for p in judged.predicted if p.row.metric == name])
            | {"refused": dict(sorted(refused.get(name, {}).items()))} for name in names}


def group_of(p: Predicted) -> tuple[str, ...]:
    """Source, model, chip, engine, precision, together or apart."""
    return tuple(getattr(p.like, name) for name in GROUP)


def groups(judged: Judged) -> list[dict[str, Any]]:
    """The summary of every group and metric, with how its rows were known."""
    return [dict(zip(GROUP, key[:-1], strict=True)) | {"metric": key[-1]} | summary(rows)
            | {"refused": {}, "basis": dict(Counter(p.basis for p in rows))}
            for key, rows in sorted(_gathered(judged.predicted, lambda p: (*group_of(p), p.row.metric)).items())]


def refused_groups(judged: Judged) -> list[dict[str, Any]]:
    """Rows refused by source, model, hardware, engine, precision and metric: the row's own words."""
    named = _gathered(judged.refused, lambda r: (r[0].source[:40], r[0].model, r[0].hardware, r[0].engine,
                                                 r[0].formats.weights, r[0].metric))
    keys = ("source", "model", "chip", "engine", "precision", "metric")
    return [dict(zip(keys, key, strict=True)) | {"mode": "", **summary([])}
            | {"refused": dict(Counter(reason for _, reason in rows)), "basis": {}}
            for key, rows in sorted(named.items())]


def _gathered(rows: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list]:
    found: dict[Any, list] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def by_basis(judged: Judged) -> dict[str, dict[str, dict[str, Any]]]:
    """Summaries by metric and by what predictions rest on."""
    found = _gathered(judged.predicted, lambda p: (p.row.metric, p.basis))
    made: dict[str, dict[str, dict[str, Any]]] = {}
    for (metric, basis), rows in sorted(found.items()):
        made.setdefault(metric, {})[basis] = summary(rows)
    return made


def reason(p: Predicted) -> str:
    """What is known about a row that is far off."""
    if p.like.flag:
        return f"suspect: {p.like.flag}"
    said = _REASONS.get(kind_of(p.like.mode), {}).get(p.basis)
    if said is None and not p.like.version and p.like.engine in ("vllm", "sglang", "tensorrt-llm"):
        return "engine version not recorded"
    return said or "its neighbours in the series were measured otherwise"


def kind_of(mode: str) -> str:
    """What kind of row a mode is of: served, passes, training, kernel, collective, replayed, or of sizes alone."""
    return "training" if mode.startswith("training") else "served" if mode in ("together", "apart", "queued") else mode


_NEAR_KERNEL = "the kind seen on another chip of the family, in another number of chips or another format"
# by what kind of row it is, and on what its prediction rests; where nothing stands here, neighbours decide
_REASONS: dict[str, dict[str, str]] = {
    "served": {"unseen": "a series never seen: the pooled clock",
               "near": "a series seen in other parallel sizes only"},
    "passes": {"unseen": "model, chip and format never seen together: what their kin under the engine showed",
               "near": "a series seen in other sizes or builds only"},
    "training": {"unseen": "model, chip and precision never seen together: what the stack's other rows showed",
                 "near": "a series seen in other sizes, or of another release, only"},
    "kernel": {"unseen": "a kernel never seen on this chip or its family: what other chips reach of the datasheet",
               "near": _NEAR_KERNEL, "seen": "other shapes of the kind on this chip were measured otherwise"},
    "collective": {"unseen": "a collective never seen on this chip or its family: what other chips reach",
                   "near": _NEAR_KERNEL, "seen": "other sizes of the kind on this chip were measured otherwise"},
    replays.MODE: dict.fromkeys(("seen", "near", "unseen"),
                                "an open loop: where requests queue, a pass's small error is a queue's large one"),
    DERIVED: dict.fromkeys(("seen", "near", "unseen"), "follows from sizes alone: the source counts otherwise"),
    SIZES: dict.fromkeys(("seen", "near", "unseen"),
                         "printed in GB or in GiB, of the prompt or with one block more")}


def worst(judged: Judged, count: int) -> list[Predicted]:
    """The rows furthest off, by ratio."""
    return sorted(judged.predicted, key=lambda p: -abs(np.log(p.seconds / p.measured)))[:count]
