"""Measured training steps as samples, one for each measurement however many of its figures are published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from statistics import median
from typing import Any

import numpy as np

from rackline.decisions.accuracy.sample import TRAINING, Sample
from rackline.decisions.accuracy.settings import Refused
from rackline.decisions.accuracy.training_figures import Figure, counted_of, figure_of, seconds_of
from rackline.decisions.accuracy.training_settings import Training, training
from rackline.facts.measurements import Measured
from rackline.facts.observations import bundled
from rackline.systems.training import STEP_PARTS, step_parts

# figures of one measurement from the one with most digits to the one with fewest
_PRECISE = {name: i for i, name in enumerate((
    "iteration_time", "time_per_step", "train_tokens_per_s", "train_tokens_per_s_per_gpu", "train_samples_per_s",
    "train_tokens_per_day", "gpu_hours_per_trillion_tokens", "model_tflops_per_gpu", "train_tflops_per_gpu_hw",
    "aggregate_pflops", "MFU", "HFU", "pct_of_peak"))}


def of_training(row: Measured) -> Sample:
    """A row's step as seconds by part; Refused where the row does not say enough."""
    t = training(row)
    figure = Figure(t, counts().get(counted_of(t), 1.0))
    found = step_parts(t.recipe, t.machine)
    return Sample(row, t.like, TRAINING, seconds_of(figure), np.array([found[name] for name in STEP_PARTS]),
                  np.zeros(1), 0.0, t.recipe.ranks, False, _place(t))


def _place(t: Training) -> np.ndarray:
    """Logarithms of what neighbours are near in: load, sizes, recompute, the model's size."""
    r, layout = t.recipe, t.recipe.layout
    again = {"none": 1.0, "selective": 1.6, "full": 2.7}[r.recompute]
    return np.log([r.batch, r.length, r.micro * r.length, layout.tensor * layout.context, layout.pipeline, r.ranks,
                   layout.expert, r.pieces, 1.0 + r.sharded, again, r.model.active_parameters])


def measurements_of(found: Iterable[Sample]) -> list[Sample]:
    """One sample of each measurement: that of the figure with most digits."""
    best: dict[Any, Sample] = {}
    for s in sorted(found, key=lambda s: _PRECISE.get(figure_of(s.row) or "", len(_PRECISE))):
        best.setdefault(s.measurement, s)
    return list(best.values())


@cache
def counts() -> Mapping[tuple[str, ...], float]:
    """FLOPs that a source counts for a token over those of the model: from bundled rows that print both rates.

    Sources differ (an expert's gate not counted, gradients of frozen weights left out), and say so nowhere.
    """
    pairs: dict[Any, dict[str, Training]] = {}
    for row in bundled().rows:
        if row.metric in ("train_tokens_per_s_per_gpu", "model_tflops_per_gpu"):
            try:
                t = training(row)
            except Refused:
                continue
            pairs.setdefault((row.location, t.like), {})[row.metric] = t
    return _ratios([pair for pair in pairs.values() if len(pair) == 2])


def _ratios(pairs: Sequence[dict[str, Training]]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], list[float]] = {}
    for pair in pairs:
        rate, flops = (seconds_of(Figure(pair[name], 1.0)) for name in ("train_tokens_per_s_per_gpu",
                                                                        "model_tflops_per_gpu"))
        found.setdefault(counted_of(pair["model_tflops_per_gpu"]), []).append(rate / flops)
    return {key: median(ratios) for key, ratios in found.items()}

