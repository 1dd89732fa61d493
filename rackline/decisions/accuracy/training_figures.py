"""What is published of a training step as its seconds, and back: each figure with its source's count of FLOPs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rackline.decisions.accuracy.settings import Refused
from rackline.decisions.accuracy.training_settings import Training
from rackline.facts.formats import math_format
from rackline.facts.measurements import Measured
from rackline.physics.training import hardware_flops
from rackline.systems.training import AGAIN, token_flops

DAY, HOUR, GIGA, TERA = 86_400.0, 3_600.0, 1e9, 1e12


@dataclass(frozen=True)
class Convention:
    """How a source counts FLOPs: causal: half of the pairs; every: all parameters, embeddings too, not matrices."""

    causal: bool = False
    every: bool = False


# engine -> how its publishers count; others as PaLM's paper (arXiv 2204.02311, appendix B) and Megatron-LM's
# (arXiv 2104.04473, appendix) have it: matrices, and attention as if nothing were masked
CONVENTIONS: Mapping[str, Convention] = {
    "megatron-bridge": Convention(causal=True),
    "mosaicml": Convention(every=True),  # llm-foundry, scripts/train/benchmarking/README.md
}


@dataclass(frozen=True)
class Figure:
    """A measured step and the FLOPs that its source counts for a token, over those that its convention gives."""

    step: Training
    counted: float

    @property
    def flops(self) -> float:
        """FLOPs that the source counts for a token."""
        return flops_per_token(self.step) * self.counted

    @property
    def hardware(self) -> float:
        """The same with what is computed again; the head never is."""
        recipe, again = self.step.recipe, AGAIN[self.step.recipe.recompute][0]
        head = 0.0 if _convention(self.step).every else 6.0 * recipe.model.head.size
        return float(hardware_flops(self.flops - head, again)) + head

    @property
    def stated(self) -> float:
        """With what is computed again where the notes say so."""
        return self.hardware if "recompute" in self.step.row.notes else self.flops

    @property
    def tokens(self) -> float:
        """Tokens of a step."""
        return self.step.recipe.batch * self.step.recipe.length

    @property
    def chips(self) -> float:
        """Chips that share a step: as stated, where the sizes do not add up to them."""
        return float(self.step.row.chips or self.step.recipe.layout.chips)

    @property
    def peak(self) -> float:
        """FLOP/s of all chips by the datasheet."""
        flops = self.step.machine.chip.flops
        return flops[math_format(self.step.recipe.arithmetic, flops)].value * self.chips


def _convention(t: Training) -> Convention:
    return CONVENTIONS.get(t.like.engine, Convention())


def counted_of(t: Training) -> tuple[str, ...]:
    """What a source's count of FLOPs may depend on: engine, model as printed, what is trained."""
    return t.like.engine, t.row.model, t.like.mode


def flops_per_token(t: Training) -> float:
    """FLOPs of the model for a token, as the source's convention has it."""
    how = _convention(t)
    matrices, scores = token_flops(t.recipe.model, t.recipe.length, how.causal)
    return scores + (6.0 * t.recipe.model.total_parameters if how.every else matrices)


# metric -> what it is, times the seconds of a step
_TIMES: Mapping[str, Callable[[Figure], float]] = {
    "train_tokens_per_s": lambda f: f.tokens,
    "train_tokens_per_s_per_gpu": lambda f: f.tokens / f.chips,
    "train_tokens_per_day": lambda f: f.tokens * DAY,
    "train_samples_per_s": lambda f: f.step.recipe.batch,
    "model_tflops_per_gpu": lambda f: f.tokens * f.flops / f.chips,
    "train_tflops_per_gpu_hw": lambda f: f.tokens * f.hardware / f.chips,
    "aggregate_pflops": lambda f: f.tokens * f.stated,
    "MFU": lambda f: f.tokens * f.flops / f.peak,
    "HFU": lambda f: f.tokens * f.hardware / f.peak,
    "pct_of_peak": lambda f: f.tokens * f.stated / f.peak,
}
# metric -> what it is, over the seconds of a step
_OVER: Mapping[str, Callable[[Figure], float]] = {
    "iteration_time": lambda f: 1.0,
    "time_per_step": lambda f: 1.0,
    "gpu_hours_per_trillion_tokens": lambda f: f.chips * TERA / (f.tokens * HOUR),
    "gpu_hours": lambda f: f.chips * _trained(f.step.row) / (f.tokens * HOUR),
    "train_days": lambda f: _trained(f.step.row) / (f.tokens * DAY),
}
METRICS = (*_TIMES, *_OVER)
# what begins with "train" is, by its unit and what that is per
_BY_UNIT: Mapping[tuple[str, str], str] = {
    ("tokens/s", ""): "train_tokens_per_s", ("tokens/s", "GPU"): "train_tokens_per_s_per_gpu",
    ("flop/s", ""): "aggregate_pflops", ("flop/s", "GPU"): "model_tflops_per_gpu", ("", "days"): "train_days"}


def figure_of(row: Measured) -> str | None:
    """Which figure of a training step a row's metric is, whatever its exact name; None for what is none."""
    if row.metric in METRICS:
        return row.metric
    if row.metric.startswith("gpu_hours"):
        return "gpu_hours"
    return _BY_UNIT.get((row.unit, row.per)) if row.metric.startswith("train") else None


def seconds_of(f: Figure) -> float:
    """Seconds of the step that a row's figure says."""
    value, metric = _in_si(f.step), figure_of(f.step.row) or ""
    return _TIMES[metric](f) / value if metric in _TIMES else value / _OVER[metric](f)


def _trained(row: Measured) -> float:
    """Tokens of a whole run as its row states them, such as "300B tokens"."""
    text = f"{row.metric}; {row.sizes.notes}; {row.notes}"
    found = re.search(r"(\d+(?:\.\d+)?)\s*([BT])[a-z]*[ _]tokens", text, re.I)
    if not found:
        raise Refused("tokens of the whole run not stated")
    return float(found[1]) * (TERA if found[2].upper() == "T" else GIGA)


# printed units that rackline.units has no dimension for
_PRINTED = {"H800 GPU-h": 1.0, "GPU-h": 1.0, "B tokens/day": 1e9, "tokens/day": 1.0, "days": 1.0, "samples/s": 1.0}


def _in_si(t: Training) -> float:
    row = t.row
    if not row.value > 0.0:
        raise Refused("value is not above zero")
    if row.unit:
        return row.value
    if row.per not in _PRINTED:
        raise Refused(f"unit not known: {row.per or 'none'}")
    return row.value * _PRINTED[row.per]

