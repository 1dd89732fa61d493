"""What a run writes down, in arrays that both loops fill, and its Log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rackline.systems.simulation.records import Log, PassLog

MOST_ROWS = 2**16  # passes that a log keeps; beyond, every second, fourth, …


class Book(NamedTuple):
    """One row a request, arrays of shape (n,), as in Log; nan or -1: not yet."""

    arrival: np.ndarray
    admitted: np.ndarray
    first_token: np.ndarray
    finish: np.ndarray
    preemptions: np.ndarray
    cached: np.ndarray
    replica: np.ndarray


def new_book(requests: int) -> Book:
    """Empty rows."""
    blank = lambda: np.full(requests, np.nan)  # noqa: E731
    none = lambda: np.zeros(requests, dtype=np.int64)  # noqa: E731
    return Book(blank(), blank(), blank(), blank(), none(), none(), np.full(requests, -1, dtype=np.int64))


def log_of(book: Book, passes: PassLog, tier_tokens: Mapping[str, int] | None = None) -> Log:
    """The log of a run that has ended."""
    return Log(*book, passes=passes, tier_tokens=tier_tokens or {})


class Rows(NamedTuple):
    """Passes of one engine, every `every`-th: times (r, 2) start and seconds, counts (r, 4) as in PassLog."""

    replica: int
    times: np.ndarray
    counts: np.ndarray
    every: int = 1


def pass_log(engines: Sequence[Rows]) -> PassLog:
    """The passes of all engines in order of their start, thinned alike."""
    every = max(e.every for e in engines)
    kept = [e._replace(times=e.times[::every // e.every], counts=e.counts[::every // e.every]) for e in engines]
    if len(kept) == 1:
        return _columns(np.full(len(kept[0].times), kept[0].replica), kept[0].times, kept[0].counts, every)
    times, counts = np.concatenate([e.times for e in kept]), np.concatenate([e.counts for e in kept])
    replica = np.repeat([e.replica for e in kept], [len(e.times) for e in kept])
    order = np.argsort(times[:, 0], kind="stable")
    return _columns(replica[order], times[order], counts[order], every)


def _columns(replica: np.ndarray, times: np.ndarray, counts: np.ndarray, every: int) -> PassLog:
    decoding, prompts, waiting, blocks = counts.T
    return PassLog(replica, times[:, 0], times[:, 1], decoding, prompts, waiting, blocks, every)


def thinned(rows: Rows, most: int) -> Rows:
    """At most `most` rows: every second, fourth, … pass."""
    every = 1
    while -(-len(rows.times) // every) > most:
        every *= 2
    return Rows(rows.replica, rows.times[::every], rows.counts[::every], every)
