"""A measured row beside its prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rackline.decisions.accuracy.settings import Like
from rackline.facts.measurements import Measured


@dataclass(frozen=True, eq=False)
class Predicted:
    """A row measured and predicted, in seconds, with an interval that nine of ten lie in and what it rests on."""

    row: Measured
    like: Like
    measured: float
    seconds: float
    low: float
    high: float
    basis: str  # seen, near, unseen

    @property
    def error(self) -> float:
        """Relative error of the seconds."""
        return self.seconds / self.measured - 1.0

    @property
    def inside(self) -> bool:
        """Whether the measured value lies in the interval."""
        return self.low <= self.measured <= self.high


@dataclass(frozen=True, eq=False)
class Corrected:
    """Logarithms of predicted seconds, their spread, whether the series was seen, and in these parallel sizes; (n,)."""

    logs: np.ndarray
    spread: np.ndarray
    seen: np.ndarray
    sized: np.ndarray
