"""Prefill on chips of its own: the pools to choose from, and the split of whole replicas between both pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rackline.systems.layout import Layout
from rackline.systems.placing import stacked
from rackline.systems.serving import Server, Workload, apart

PROMPTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # whole prompts a rank of a prefill pool takes at once
GROUP = 24  # layouts timed together: their arrays stay in cache


@dataclass(frozen=True)
class Pool:
    """A replica for prefill: its layout, prompts at once a rank, seconds to the KV at the other pool, prompts/s."""

    layout: Layout
    prompts: float
    ttft: float
    rate: float


@dataclass(frozen=True)
class Split:
    """The best split of a machine at each point, arrays of one shape: requests/s, pool's number, its replicas."""

    total: np.ndarray  # 0 where no split works
    pool: np.ndarray
    count: np.ndarray


def prefill_pools(server: Server, work: Workload, candidates: Sequence[Layout], ttft: float) -> list[Pool]:
    """For each replica size the prefill layout of most prompts/s that keeps within the seconds to the first token."""
    best: dict[int, Pool] = {}
    uncut = [c for c in candidates if c.context == 1]
    for start in range(0, len(uncut), GROUP):
        group = uncut[start : start + GROUP]
        for prompts in PROMPTS:
            result = apart(server, stacked(group), work, prompts)
            firsts, rates = (np.broadcast_to(x, (len(group), 1)).ravel() for x in (result.ttft, result.rate))
            for one, first, rate in zip(group, firsts, rates, strict=True):
                held = best.get(one.replica)
                if first <= ttft and np.isfinite(first) and (held is None or rate > held.rate):
                    best[one.replica] = Pool(one, prompts, float(first), float(rate))
    return list(best.values())


def split(pools: Sequence[Pool], chips: int, sizes: np.ndarray, rate: np.ndarray, spare: np.ndarray) -> Split:
    """Whole replicas of a prefill pool and of decode replicas (`sizes` chips, `rate` requests/s) on `chips` chips.

    Eq: total = max over pools and counts of min(count*pool.rate, floor((chips - count*pool.chips)/size)*rate)
    `spare` is the seconds that a pool may take; the two counts next to balance are tried. Arrays broadcast.
    """
    total = np.zeros(np.broadcast(sizes, rate).shape)
    chosen, counts = np.zeros(total.shape, dtype=int), np.ones(total.shape)
    for number, pool in enumerate(pools):
        small = pool.layout.replica
        balance = np.floor(chips * rate / (small * rate + sizes * pool.rate))
        for count in (np.maximum(balance, 1.0), balance + 1.0):
            decoders = np.maximum(np.floor((chips - count * small) / sizes), 0.0)
            carried = np.where(pool.ttft <= spare, np.minimum(count * pool.rate, decoders * rate), 0.0)
            better = carried > total
            total, chosen = np.where(better, carried, total), np.where(better, number, chosen)
            counts = np.where(better, count, counts)
    return Split(total, chosen, counts)
