"""Reuse distances: how much a cache must hold for a block to be still there when it is asked for again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rackline.facts.traces.trace import Ragged, Trace

NEVER = np.iinfo(np.int64).max  # the distance of a block that comes for the first time


@dataclass(frozen=True, eq=False)
class Reuse:
    """Every block of every request, arrays of shape (blocks,): distance, seconds since its last use, tokens, place.

    distance: blocks that a cache with least-recently-used eviction must hold so that this block and all before it in
    its request are found; NEVER for what no cache can have. gap: seconds, infinite likewise. start: tokens before it.
    """

    distance: np.ndarray
    gap: np.ndarray
    tokens: np.ndarray
    start: np.ndarray
    final: np.ndarray  # whether the trace never asks for it again


def reuse(trace: Trace) -> Reuse:
    """The reuse of a trace that has prefix hashes, a block size and arrivals."""
    assert trace.prefix is not None
    assert trace.block_tokens is not None
    assert trace.arrival is not None
    prefix, size = trace.prefix, trace.block_tokens
    owner = np.repeat(np.arange(len(prefix.lengths)), prefix.lengths)
    position = np.arange(owner.size) - prefix.offsets[owner]
    before, after = _neighbours(prefix.values)
    seen = before >= 0
    distance = np.full(owner.size, NEVER)
    distance[seen] = stack_distances(before)[seen] + 1
    arrival = trace.arrival[owner]
    gap = np.where(seen, arrival - arrival[np.maximum(before, 0)], np.inf)
    start = np.minimum(position * size, trace.input_tokens[owner])
    tokens = np.clip(trace.input_tokens[owner] - start, 0, size)
    return Reuse(_leading(distance, prefix), _leading(gap, prefix), tokens, start, after < 0)


def _neighbours(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the same value's previous and next place, -1 where there is none."""
    order = np.argsort(values, kind="stable")
    same = np.flatnonzero(values[order][1:] == values[order][:-1])
    before, after = np.full(values.size, -1), np.full(values.size, -1)
    before[order[same + 1]] = order[same]
    after[order[same]] = order[same + 1]
    return before, after


def _leading(values: np.ndarray, lists: Ragged) -> np.ndarray:
    """The largest value so far within each list: a block is of use only if all before it are there."""
    lengths = lists.lengths
    width = int(lengths.max(initial=0))
    table = np.zeros((len(lengths), width), dtype=values.dtype)
    filled = np.arange(width) < lengths[:, None]
    table[filled] = values
    return np.maximum.accumulate(table, axis=1)[filled]


def stack_distances(before: np.ndarray) -> np.ndarray:
    """Distinct values between each place and the previous place of its value; of first places, of all before.

    Eq: d(i) = #{j < i: before(j) < before(i)} - (before(i) + 1), each distinct value counted at its first place
    after before(i); a wavelet tree counts all of them in n·log n.
    """
    n = before.size
    bits = max(1, int(n - 1).bit_length())
    keys = np.full(1 << bits, n, dtype=np.int64)  # padding comes last and is counted by nobody
    keys[:n] = before
    line = np.argsort(keys, kind="stable")  # places by key; of equal keys the later place counts the earlier
    smaller = np.zeros(1 << bits, dtype=np.int64)
    for bit in reversed(range(bits)):
        table = line.reshape(-1, 2 << bit)
        right = (table >> bit) & 1 == 1
        lefts = np.cumsum(~right, axis=1)
        smaller[table[right]] += lefts[right]
        line = np.concatenate([table[~right].reshape(-1, 1 << bit), table[right].reshape(-1, 1 << bit)],
                              axis=1).ravel()
    return smaller[:n] - (before + 1)
