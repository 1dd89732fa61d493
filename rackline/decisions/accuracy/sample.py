"""A measured row as parts of seconds, and what a fit of its family weighs: one family of metrics at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.decisions.accuracy.settings import Like
from rackline.facts.measurements import Measured
from rackline.systems.parts import MICRO, PARTS
from rackline.systems.pass_parts import PHASES
from rackline.systems.training import STEP_PARTS

TRAINING = "training"  # a family of its own: parts are those of a step
ENGINE_LAYERS = ("vllm", "sglang")

@dataclass(frozen=True, eq=False)
class Sample:
    """One row: its family, parts of a decode pass and of a prompt (k,), what the load multiplies them by, its place.

    `seconds` measured; `place`: logarithms of clients, lengths and sizes, in which neighbours are near.
    """

    row: Measured
    like: Like
    family: str
    seconds: float
    decode: np.ndarray
    prompt: np.ndarray
    share: float  # prompts of one replica for each token of a sequence
    clients: float
    bursts: bool
    place: np.ndarray
    chip: tuple[str, str] = ("", "")  # of single passes: maker and bundled name, by which rows are kin

    @property
    def configuration(self) -> tuple[Any, ...]:
        """What must be left out together: the same thing measured with another version is no independent row."""
        return (self.family, *self.like.series, *np.round(self.place, 6).tolist())

    @property
    def measurement(self) -> tuple[Any, ...]:
        """What several published figures may be of: a configuration as one source ran one version of it."""
        return (*self.configuration, self.like.version, self.like.source)


# ---- what a family weighs


def names(family: str) -> tuple[str, ...]:
    """The coefficients of a family."""
    if family.startswith("ttft"):
        return _FIRST
    if family == TRAINING:
        return STEP_PARTS
    if family.split()[0] in PHASES:
        return PHASES[family.split()[0]]
    engines = tuple(f"layer {name}" for name in ENGINE_LAYERS)
    return (*PARTS, *engines) if family == "tpot apart" else (*PARTS, "prompt weights", *engines)


_FIRST = ("prompt", "pass", "start", "layer", "pick", "burst", "queue", "client", "burst sglang", "queue sglang",
          "layer sglang")
BURST = 20.0  # a burst of c clients waits (c - 1)/2 prompts on average, and is one tenth of the requests measured
MILLI = 1e-3


def matrix(family: str, found: Sequence[Sample], pace: np.ndarray | None = None) -> np.ndarray:
    """Parts of the samples of a family, shape (n, coefficients); `pace`: the coefficients of PARTS and prompt weights.

    Time to first token weighs whole prompts and passes at the pace of the tokens' own coefficients.
    """
    step, prompt = np.stack([s.decode for s in found]), np.stack([s.prompt for s in found])
    if family in ("decode", "prefill", "whole", TRAINING):
        return step
    share = np.array([s.share for s in found])
    engine = [s.like.engine for s in found]
    if family.startswith("ttft"):
        assert pace is not None
        return _first_tokens(found, step @ pace[:len(PARTS)], at_pace(prompt, pace))
    if family == TRAINING or family.split()[0] in PHASES:
        return step
    added = share[:, None] * prompt
    shared = added[:, 0] + added[:, 1]
    added = added * np.array([0.0 if name in _ONCE else 1.0 for name in PARTS])
    layer = step[:, PARTS.index("layer")]
    own = [layer * np.array([name == e for e in engine]) for name in ENGINE_LAYERS]
    columns = [step + added] if family == "tpot apart" else [step + added, shared[:, None]]
    return np.column_stack([*columns, *own])


# a prompt's chunks ride on decoding passes: their weights are read and their kernels started anyway
_ONCE = ("weights", "experts", "message", "hop", "layer", "pick")


def at_pace(prompt: np.ndarray, pace: np.ndarray) -> np.ndarray:
    """Seconds that a prompt adds to decoding passes."""
    once = np.array([pace[len(PARTS)] if name in ("weights", "experts") else 0.0 if name in _ONCE else p
                     for name, p in zip(PARTS, pace, strict=False)])
    return prompt @ once


def _first_tokens(found: Sequence[Sample], step: np.ndarray, prompt: np.ndarray) -> np.ndarray:
    waiting = np.array([max(0.0, s.clients - 1.0) for s in found]) / BURST
    burst = np.array([s.bursts for s in found], dtype=float)
    sglang = np.array([s.like.engine == "sglang" for s in found], dtype=float)
    layer, pick = (np.array([s.decode[PARTS.index(name)] for s in found]) for name in ("layer", "pick"))
    clients = MICRO * np.array([s.clients for s in found])
    return np.column_stack([
        prompt, step, MILLI * np.ones(len(found)), layer, pick, burst * waiting * prompt,
        (1.0 - burst) * waiting * prompt, clients, sglang * burst * waiting * prompt,
        sglang * (1.0 - burst) * waiting * prompt, sglang * (layer + pick)])
