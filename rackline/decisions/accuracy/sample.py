"""A measured row as parts of seconds, which a fit of its family weighs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.decisions.accuracy.settings import Like
from rackline.facts.measurements import Measured

TRAINING = "training"  # a family of its own: parts are those of a step
FOLDS = 20  # in which configurations are left out for their own rows, each with all its repetitions
MOST = 1000  # rows that correct others, evenly chosen where more are known: a solution takes their cube


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
    running: float = 0.0  # of the clients, sequences that the memory holds at once
    output: float = 0.0
    stored: str = ""  # format of the weights that count: of the experts, where there are any

    @property
    def configuration(self) -> tuple[Any, ...]:
        """What must be left out together: the same thing measured with another version is no independent row."""
        return (self.family, *self.like.series, *np.round(self.place, 6).tolist())

    @property
    def measurement(self) -> tuple[Any, ...]:
        """What several published figures may be of: a configuration as one source ran one version of it."""
        return (*self.configuration, self.like.version, self.like.source)


def folds(found: Sequence[Sample]) -> dict[tuple[Any, ...], int]:
    """The fold of each configuration among samples."""
    return {configuration: i % FOLDS for i, configuration in enumerate(dict.fromkeys(s.configuration for s in found))}
