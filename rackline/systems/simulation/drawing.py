"""Traces made from other things: from lengths, from another trace, from a population of clients.

Every function returns a Trace and changes none; randomness comes in as a numpy Generator.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from rackline.errors import BadInput
from rackline.facts.traces import Ragged, Trace
from rackline.facts.traces.servegen import Client, Histogram, Lengths, Population
from rackline.systems.simulation.arrivals import MOST, Gaps, points

Range = tuple[float, float]  # tokens, both ends among them


def made(rng: Generator, n: int, input: float | Range, output: float | Range) -> Trace:
    """n requests of fixed lengths or of lengths drawn evenly from a range, in tokens; no arrivals.

    InferenceX draws from [0.8 L, L]: input=(0.8 * L, L).
    """
    if not 1 <= n <= MOST:
        raise BadInput("requests", f"must be a number from 1 to {MOST:,}", n)
    return Trace("made", f"drawn: input {input}, output {output}", _even(rng, n, input, "input"),
                 _even(rng, n, output, "output"))


def _even(rng: Generator, n: int, tokens: float | Range, what: str) -> np.ndarray:
    low, high = tokens if isinstance(tokens, tuple) else (tokens, tokens)
    if not 0 < low <= high <= 1e9:
        raise BadInput(what, "must be tokens above zero, a range from low to high", tokens)
    return rng.integers(math.ceil(low), max(math.floor(high), math.ceil(low)), n, endpoint=True)


def arrived(trace: Trace, arrival: np.ndarray) -> Trace:
    """The trace with other arrivals, in seconds, one for each request and never before the one above."""
    if arrival.shape != (len(trace),) or (np.diff(arrival) < 0).any():
        raise BadInput("arrivals", f"must be {len(trace):,} times in order", f"{arrival.shape} numbers")
    return replace(trace, arrival=arrival)


def scaled(trace: Trace, factor: float) -> Trace:
    """The trace with its time compressed: `factor` times the rate, every gap that much shorter."""
    if not 0 < factor < math.inf:
        raise BadInput("rate scale", "must be a factor above zero", factor)
    return replace(trace, arrival=_arrival(trace, "scale its rate") / factor)


def at_rate(trace: Trace, rate: float) -> Trace:
    """The trace with its time compressed or stretched to a mean rate in requests a second.

    Eq: rate = gaps / span
    """
    arrival = _arrival(trace, "set its rate")
    span = float(arrival[-1] - arrival[0])
    if span <= 0:
        raise BadInput(f"trace {trace.name}", "must span some time to have a rate", f"{len(trace)} at one moment")
    return scaled(trace, rate * span / max(len(trace) - 1, 1))


def _arrival(trace: Trace, purpose: str) -> np.ndarray:
    if trace.arrival is None:
        raise BadInput(f"trace {trace.name}", f"must have arrivals to {purpose}", "lengths only",
                       "give a rate to draw them")
    return trace.arrival


def cut(trace: Trace, requests: int | None = None, start: float = 0.0, seconds: float | None = None) -> Trace:
    """The requests of a window of time, at most so many; time starts again with the first of them."""
    if requests is not None and requests < 1:
        raise BadInput("cut", "must keep at least one request", requests)
    low, high = 0, len(trace)
    if start > 0 or seconds is not None:
        end = math.inf if seconds is None else start + seconds
        low, high = np.searchsorted(_arrival(trace, "cut out a window of time"), [start, end]).tolist()
    high = high if requests is None else min(high, low + requests)
    if low >= high:
        raise BadInput("cut", "must leave at least one request", f"none from {start:g} s on")
    return _slice(trace, low, high)


def _slice(trace: Trace, low: int, high: int) -> Trace:
    rows = slice(low, high)
    arrival = None if trace.arrival is None else trace.arrival[rows] - trace.arrival[low]
    prefix = trace.prefix
    if prefix is not None:
        ends = prefix.offsets[low:high + 1]
        prefix = Ragged(ends - ends[0], prefix.values[ends[0]:ends[-1]])
    return replace(trace, input_tokens=trace.input_tokens[rows], output_tokens=trace.output_tokens[rows],
                   arrival=arrival, session=None if trace.session is None else trace.session[rows], prefix=prefix)


def resampled(trace: Trace, rng: Generator, arrival: np.ndarray) -> Trace:
    """As many requests as arrivals (seconds, in order) with the trace's pairs of lengths, for any rate and time.

    Without hashes and sessions each pair is drawn by itself. With them the order carries the reuse: the trace is
    then repeated from a random request on, and every round has users of its own (`continued`).
    """
    n = arrival.size
    if n < 1:
        raise BadInput("resampling", "must make at least one request", "no arrival", "a higher rate or a longer time")
    if trace.prefix is not None or trace.session is not None:
        return arrived(replace(_rounds(trace, _any_row(rng, trace), n), arrival=None), arrival)
    rows = rng.integers(0, len(trace), n)
    return arrived(replace(trace, input_tokens=trace.input_tokens[rows], output_tokens=trace.output_tokens[rows],
                           arrival=None), arrival)


def continued(trace: Trace, rng: Generator, n: int) -> Trace:
    """n requests of the trace as recorded, bursts and all, from a random request on; after the last comes the first.

    Every round has sessions and blocks of its own, so reuse stays what it is in one round; only a block that every
    request of the trace carries stays the same. Rounds follow each other after the mean gap.
    Ignores: what the window cuts off, the turns before the first request and the blocks seen there.
    """
    if not 1 <= n <= MOST:
        raise BadInput("requests", f"must be a number from 1 to {MOST:,}", n)
    return _rounds(trace, _any_row(rng, trace), n)


def _any_row(rng: Generator, trace: Trace) -> int:
    return int(rng.integers(0, len(trace)))


def _rounds(trace: Trace, start: int, n: int) -> Trace:
    """Rows start, start + 1, … of the trace repeated without end, n of them."""
    pieces = list(_pieces(start, n, len(trace)))
    return replace(
        trace, input_tokens=_joined(trace.input_tokens, pieces), output_tokens=_joined(trace.output_tokens, pieces),
        arrival=None if trace.arrival is None else _joined_arrival(trace.arrival, pieces),
        session=None if trace.session is None else _joined_sessions(trace.session, pieces),
        prefix=None if trace.prefix is None else _joined_prefix(trace.prefix, pieces))


def _pieces(start: int, n: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(round, first row, row after the last) of n rows of a trace of that size, repeated from `start` on."""
    for at in range(0, start + n, size):
        low, high = max(start - at, 0), min(start + n - at, size)
        if low < high:
            yield at // size, low, high


def _joined(column: np.ndarray, pieces: list[tuple[int, int, int]]) -> np.ndarray:
    return np.concatenate([column[low:high] for _, low, high in pieces])


def _joined_arrival(arrival: np.ndarray, pieces: list[tuple[int, int, int]]) -> np.ndarray:
    span = float(arrival[-1] - arrival[0])
    period = span + span / max(arrival.size - 1, 1)
    times = np.concatenate([arrival[low:high] + period * number for number, low, high in pieces])
    times -= times[0]
    return times


def _joined_sessions(session: np.ndarray, pieces: list[tuple[int, int, int]]) -> np.ndarray:
    count = int(session.max()) + 1
    return np.concatenate([np.where(session[low:high] < 0, -1, session[low:high] + count * number)
                           for number, low, high in pieces])


def _joined_prefix(prefix: Ragged, pieces: list[tuple[int, int, int]]) -> Ragged:
    offsets, (block, common, distinct) = prefix.offsets, _numbered(prefix)
    step = np.where(block < common, 0, distinct - common)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(_joined(np.diff(offsets), pieces))])
    values, at = np.empty(int(ends[-1]), np.int64), 0
    for number, low, high in pieces:
        own = slice(offsets[low], offsets[high])
        size = int(offsets[high] - offsets[low])
        values[at:at + size] = block[own] + (number - pieces[0][0]) * step[own]
        at += size
    return Ragged(ends, values)


def _numbered(prefix: Ragged) -> tuple[np.ndarray, int, int]:
    """Blocks as numbers without gaps, first those that every request carries; how many these are, and how many in all.
    """
    _, block, uses = np.unique(prefix.values, return_inverse=True, return_counts=True)
    everywhere = uses == len(prefix.offsets) - 1
    rank = np.empty(uses.size, np.int64)
    rank[np.argsort(~everywhere, kind="stable")] = np.arange(uses.size)
    return rank[block], int(everywhere.sum()), uses.size


def drawn(population: Population, rng: Generator, duration: float, rate: float | None = None,
          start: float = 0.0) -> Trace:
    """Requests of a population from `start` seconds of its day on, for `duration` seconds; the day repeats.

    rate: requests a second on average over that time; None: the clients' own. Each window of each client is a
    stationary renewal process with the client's rate and burstiness then. Lengths are drawn from its histograms.
    Ignores: any tie between input and output lengths of a request, as the histograms are apart.
    """
    if not (0 < duration < math.inf and 0 <= start < math.inf):
        raise BadInput("duration", "must be a time above zero, from a start of at least zero", f"{start}, {duration}")
    windows = list(_windows(population, start, duration))
    expected = sum(client.rate[i] * (end - begin) for client in population.clients for i, begin, end in windows)
    if expected <= 0 or (rate is not None and not 0 < rate < math.inf):
        raise BadInput("rate", "must be above zero, of clients that send something then", rate or 0.0)
    factor = 1.0 if rate is None else rate * duration / expected
    if expected * factor > MOST:
        raise BadInput("requests", f"must be at most {MOST:,} at once", f"{expected * factor:,.0f} expected")
    parts = [part for client in population.clients for part in _client(client, rng, windows, factor, population.span)]
    if not parts:
        raise BadInput("population", "must send at least one request in the time", f"none in {duration:g} s")
    arrival, inputs, outputs = (np.concatenate([part[i] for part in parts]) for i in range(3))
    order = np.argsort(arrival, kind="stable")
    return Trace(population.name, population.source, inputs[order], outputs[order], arrival[order] - start)


def _windows(population: Population, start: float, duration: float) -> Iterator[tuple[int, float, float]]:
    """(index, begin, end) of the windows from start on, in seconds that keep counting past midnight."""
    step, count = population.window, len(population.starts)
    if duration / step > 1e6:
        raise BadInput("duration", "must be at most a million windows", duration)
    for k in range(int(start // step), math.ceil((start + duration) / step)):
        begin, end = max(k * step, start), min((k + 1) * step, start + duration)
        if begin < end:
            yield k % count, begin, end


def _client(client: Client, rng: Generator, windows: list[tuple[int, float, float]], factor: float,
            day: float) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Arrivals and lengths of one client, for each window in which it sends."""
    for i, begin, end in windows:
        rate = float(client.rate[i]) * factor
        at = points(rng, Gaps(float(client.cv[i]), bool(client.weibull[i])), rate * (end - begin))
        if at.size:
            lengths = _lengths_at(client, begin % day)
            yield begin + at / rate, _prompts(rng, lengths, at.size), _values(rng, lengths.output, at.size)


def _lengths_at(client: Client, time: float) -> Lengths:
    # before the first histogram of the day, the last one of the day before
    return next((one for one in reversed(client.lengths) if one.start <= time), client.lengths[-1])


def _prompts(rng: Generator, lengths: Lengths, n: int) -> np.ndarray:
    total = np.zeros(n, np.int64)
    for part in lengths.input:
        if part.pieces is None:
            total += _values(rng, part.tokens, n)
            continue
        owner = np.repeat(np.arange(n), _values(rng, part.pieces, n))
        np.add.at(total, owner, _values(rng, part.tokens, owner.size))
    return np.maximum(total, 1)


def _values(rng: Generator, histogram: Histogram, n: int) -> np.ndarray:
    return rng.choice(histogram.values, n, p=histogram.chances)
