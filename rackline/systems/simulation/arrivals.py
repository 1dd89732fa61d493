"""When requests arrive: at random, in bursts, or by a schedule of rates. Randomness comes in as a numpy Generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from rackline.errors import BadInput

MOST = 50_000_000  # requests drawn at once: 1.6 GB of columns
_CV_MOST = 100.0
_REGULAR = 1e-3  # below this coefficient of variation gaps are taken as equal


def stream(seed: int, name: str) -> Generator:
    """The random numbers of one purpose: the same seed and name give the same bytes, other names are independent."""
    return Generator(PCG64(SeedSequence([seed, crc32(name.encode())])))


@dataclass(frozen=True)
class Gaps:
    """Times between requests in units of their mean: a distribution with coefficient of variation `cv`.

    cv 1 as gamma: exponential gaps, a Poisson process; above: bursts; 0: evenly spaced.
    """

    cv: float = 1.0
    weibull: bool = False  # otherwise gamma

    def __post_init__(self) -> None:
        if not 0 <= self.cv <= _CV_MOST:
            raise BadInput("burstiness", f"must be a coefficient of variation from 0 to {_CV_MOST:g}", self.cv)


@dataclass(frozen=True, eq=False)
class Schedule:
    """Rates in steps: `rates[i]` requests a second from `starts[i]` seconds on, the last without end."""

    starts: np.ndarray  # (steps,), rising from 0
    rates: np.ndarray  # (steps,)

    def __post_init__(self) -> None:
        starts, rates = self.starts, self.rates
        if not (starts.shape == rates.shape and starts.ndim == 1 and starts.size and starts[0] == 0
                and np.isfinite([starts, rates]).all() and (np.diff(starts) > 0).all() and (rates >= 0).all()):
            raise BadInput("schedule", "must be rates of at least zero from rising times, the first 0",
                           f"{rates.tolist()} from {starts.tolist()}")

    def expected(self, time: np.ndarray | float) -> np.ndarray:
        """Requests expected until each time in seconds: the integral of the rate, shape of `time`."""
        step = np.searchsorted(self.starts, time, side="right") - 1
        return self._until[step] + self.rates[step] * (time - self.starts[step])

    def when(self, expected: np.ndarray) -> np.ndarray:
        """The times by which so many requests are expected: the inverse of `expected`, in seconds."""
        if self.starts.size == 1:  # 10 million of them: 0.03 s instead of 1.6
            return expected / self.rates[0]
        step = np.searchsorted(self._until, expected, side="right") - 1
        return self.starts[step] + (expected - self._until[step]) / self.rates[step]

    @property
    def _until(self) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum(self.rates[:-1] * np.diff(self.starts))])


def steady(rate: float) -> Schedule:
    """A schedule of one rate in requests a second."""
    return Schedule(np.zeros(1), np.array([float(rate)]))


def within(rng: Generator, schedule: Schedule, duration: float, gaps: Gaps = Gaps()) -> np.ndarray:
    """Arrivals in [0, duration) seconds; as many are expected as the schedule's rates say, whatever the burstiness."""
    if not 0 < duration < math.inf:
        raise BadInput("duration", "must be a time above zero", duration)
    return schedule.when(points(rng, gaps, float(schedule.expected(duration))))


def first(rng: Generator, schedule: Schedule, n: int, gaps: Gaps = Gaps()) -> np.ndarray:
    """The first n arrivals after time 0, in seconds."""
    _check_count(n)
    if schedule.rates[-1] <= 0:
        raise BadInput("schedule", "must not end with a rate of zero when a number of requests is asked for",
                       schedule.rates.tolist())
    at = _gaps(rng, gaps, n)
    if n:
        at[0] = _residual(rng, gaps)
    return schedule.when(np.cumsum(at, out=at))


def points(rng: Generator, gaps: Gaps, total: float) -> np.ndarray:
    """Points in [0, total) of a stationary renewal process with gaps of mean 1: `total` points are expected.

    Eq: first gap = U · (gap drawn in proportion to its length), so that 0 is a moment like any other.
    """
    _check_count(total)
    parts: list[np.ndarray] = []
    last = 0.0
    while last < total:
        at = _gaps(rng, gaps, int(total - last + 3 * (1 + gaps.cv) * math.sqrt(total - last)) + 8)
        at[0] = at[0] + last if parts else _residual(rng, gaps)
        parts.append(np.cumsum(at, out=at))
        last = float(at[-1])
    if not parts:
        return np.zeros(0)
    parts[-1] = parts[-1][:np.searchsorted(parts[-1], total)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _check_count(n: float) -> None:
    if not 0 <= n <= MOST:
        raise BadInput("requests", f"must be at most {MOST:,} at once", f"{n:,.0f}", "a lower rate or a shorter time")


def _gaps(rng: Generator, gaps: Gaps, n: int) -> np.ndarray:
    if gaps.cv < _REGULAR:
        return np.ones(n)
    if gaps.weibull:
        shape = weibull_shape(gaps.cv)
        return rng.weibull(shape, n) / math.gamma(1 + 1 / shape)
    if gaps.cv == 1:
        return rng.standard_exponential(n)
    shape = gaps.cv**-2
    return rng.gamma(shape, 1 / shape, n)


def _residual(rng: Generator, gaps: Gaps) -> float:
    """The time from any moment to the next point.

    A gap drawn in proportion to its length is again a gamma variable (of shape + 1), and so is a power of a Weibull's.
    """
    u = rng.uniform()
    if gaps.cv < _REGULAR:
        return u
    if gaps.weibull:
        shape = weibull_shape(gaps.cv)
        return u * rng.gamma(1 + 1 / shape) ** (1 / shape) / math.gamma(1 + 1 / shape)
    shape = gaps.cv**-2
    return u * rng.gamma(shape + 1, 1 / shape)


def weibull_shape(cv: float) -> float:
    """The shape of a Weibull distribution with a coefficient of variation.

    Eq: cv² + 1 = Γ(1 + 2/shape) / Γ(1 + 1/shape)²
    """
    low, high = 0.02, 2e3
    wanted = math.log1p(cv * cv)
    for _ in range(60):  # halving the logarithm's range 60 times ends at the rounding of a float
        middle = math.sqrt(low * high)
        if math.lgamma(1 + 2 / middle) - 2 * math.lgamma(1 + 1 / middle) > wanted:
            low = middle
        else:
            high = middle
    return high
