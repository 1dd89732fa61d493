"""What is counted in a trace over time: requests in bins, gaps, turns of sessions, reuse as it builds up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rackline.facts.traces.trace import Trace, found_blocks


@dataclass(frozen=True, eq=False)
class Counts:
    """Requests in bins of equal width: how many bins, and the counts of those that are not empty, rising."""

    seconds: float  # width of a bin
    bins: int
    filled: np.ndarray  # (filled bins,), int64

    @property
    def mean(self) -> float:
        """Requests in a bin on average."""
        return float(self.filled.sum()) / self.bins

    @property
    def most(self) -> int:
        """Requests in the fullest bin."""
        return int(self.filled[-1])

    @property
    def dispersion(self) -> float:
        """Variance over mean of the counts: 1 for requests at random (Poisson), more for bursts."""
        return float((self.filled.astype(float) ** 2).sum()) / self.bins / self.mean - self.mean

    def percentile(self, percent: float) -> float:
        """The count that so many percent of the bins stay at or below; between two bins, in proportion."""
        place = percent / 100 * (self.bins - 1)
        low = math.floor(place)
        below, above = self._at(low), self._at(min(low + 1, self.bins - 1))
        return below + (above - below) * (place - low)

    def _at(self, i: int) -> float:
        empty = self.bins - self.filled.size
        return 0.0 if i < empty else float(self.filled[i - empty])


def counts(arrival: np.ndarray, seconds: float) -> Counts:
    """Requests in each bin of so many seconds, from the first request to the last; empty bins take no memory."""
    places = np.floor((arrival - arrival[0]) / seconds)
    _, filled = np.unique(places, return_counts=True)
    return Counts(seconds, int(places[-1]) + 1, np.sort(filled))


def turns(session: np.ndarray) -> np.ndarray:
    """Requests of each session, shape (sessions,)."""
    return np.unique(session[session >= 0], return_counts=True)[1]


def turn_gaps(trace: Trace) -> np.ndarray:
    """Seconds between the arrivals of two turns of one session, for every pair; empty without arrivals."""
    if trace.session is None or trace.arrival is None:
        return np.zeros(0)
    order = np.argsort(trace.session, kind="stable")
    session = trace.session[order]
    return np.diff(trace.arrival[order])[(session[1:] == session[:-1]) & (session[1:] >= 0)]


def cached_tokens(trace: Trace) -> np.ndarray | None:
    """Input tokens of each request that a cache without bound serves, shape (requests,); None without hashes."""
    if trace.prefix is None or trace.block_tokens is None:
        return None
    return np.minimum(found_blocks(trace.prefix) * trace.block_tokens, trace.input_tokens)
