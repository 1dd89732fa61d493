"""What each family of metrics is fitted as: its coefficients and the terms of its samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rackline.decisions.accuracy import pass_groups, served_families
from rackline.decisions.accuracy.sample import TRAINING, Sample
from rackline.decisions.accuracy.served_families import Coefficients
from rackline.systems.logfit import LOOSE, Terms, plain
from rackline.systems.pass_parts import PHASES
from rackline.systems.training import STEP_PARTS, WORKING

# of a training step: microseconds, times activations are moved, shares of messages that nothing hides
STEP_START = {"scores": 2.0, "experts": 2.0, "token": 40.0, "copies": 20.0, "logits": 3.0, "weights": 1.0,
              "optimizer": 1.0, "tensor": 0.7, "context": 0.5, "exchange": 1.0, "send": 0.5, "reduce": 0.5,
              "shards": 0.3, "layer": 100.0, "routing": 500.0, "expert": 20.0, "step": 20.0}
EFFICIENCY = 1.25


def of_passes(family: str) -> bool:
    """Whether a family is of single passes."""
    return family.split()[0] in PHASES


def coefficients(family: str) -> Coefficients:
    """A family's coefficients before any row was seen: names, starts, the least that physics allows."""
    if family in served_families.STARTS:
        return served_families.coefficients(family)
    if of_passes(family):
        names, (start, least) = PHASES[family.split()[0]], pass_groups.starts(family)
    else:
        names, start = STEP_PARTS, np.log([STEP_START.get(name, EFFICIENCY) for name in STEP_PARTS])
        least = np.array([0.0 if name in WORKING else -9.0 for name in STEP_PARTS])
    return Coefficients(names, start, least, np.full(len(names), LOOSE))


def names(family: str) -> tuple[str, ...]:
    """The coefficients of a family."""
    return coefficients(family).names


def terms(family: str, found: Sequence[Sample], pace: np.ndarray | None = None) -> Terms:
    """The terms of samples of a family; pace: logarithms of the coefficients of tokens, for first tokens."""
    if family == TRAINING or of_passes(family):
        return plain(np.stack([s.decode for s in found]))
    return served_families.terms(family, found, pace)
