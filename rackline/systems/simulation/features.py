"""What the time of a pass depends on, counted per sequence; the arithmetic that both loops share, bit for bit.

Plain scalar functions without arrays of objects, so that numba can compile them as they stand.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

PAIRS, READ, PICKED, LATENT = range(4)
FIRST = 4  # a feature vector starts with 1, sequences, tokens, logits


class Feature(NamedTuple):
    """A count that adds over the sequences of a pass; reach 0: unbounded.

    PAIRS: (query, key) pairs within reach. READ: cached tokens within reach. PICKED: distinct cached tokens that
    top-k choices of `reach` read. LATENT: multiply-adds of the cheaper of latent attention's two forms.
    """

    kind: int
    reach: int
    absorbed: float = 0.0  # LATENT: multiply-adds of a pair, absorbed
    expanded: float = 0.0  # the same, expanded
    expansion: float = 0.0  # multiply-adds to expand one cached token


def pairs(reach: int, new: int, past: int) -> float:
    """Pairs of a query and a key it sees, of `new` queries after `past` cached tokens; see physics.attention."""
    short = new
    if reach > 0:
        short = min(new, max(0, reach - past))
    return short * past + short * (short + 1) / 2 + float((new - short) * reach)


def picked(reach: int, new: int, past: int) -> float:
    """Distinct cached tokens that `new` choices of `reach` read; see physics.attention."""
    if new == 1 or past <= reach:
        return float(min(past, reach))
    return past * (1.0 - math.pow(1.0 - reach / past, float(new)))


def amount(feature: Feature, new: int, past: int) -> float:
    """One sequence's contribution to a feature when it adds `new` tokens to `past` cached ones."""
    if feature.kind == READ:
        return float(past if feature.reach == 0 else min(past, feature.reach))
    if feature.kind == PICKED:
        return picked(feature.reach, new, past)
    seen = pairs(feature.reach, new, past)
    if feature.kind == PAIRS:
        return seen
    return min(seen * feature.absorbed, seen * feature.expanded + past * feature.expansion)


class Coefficients(NamedTuple):
    """A clock reduced to arrays: k features, h terms that may change their limiter, others summed into `linear`.

    compute, memory: (h, k) seconds per feature. floor: (h,) least seconds of compute. which: (h,) row of `table`
    added to memory, or -1. table: (r, tokens + 1) seconds by new tokens of the pass. linear: (k,).
    """

    compute: Any
    memory: Any
    floor: Any
    which: Any
    table: Any
    linear: Any


def rank_share(sequences: float, data: int) -> float:
    """The share of a pass's sequences that the busiest of `data` ranks holds."""
    return 1.0 if data == 1 else math.ceil(sequences / data) / sequences


def pass_seconds(c: Coefficients, x: np.ndarray, tokens: int) -> float:
    """Seconds of a pass with features x of shape (k,), on the busiest rank, and so many new tokens in all."""
    total = 0.0
    for j in range(len(c.linear)):
        total += c.linear[j] * x[j]
    for i in range(len(c.floor)):
        compute = 0.0
        memory = 0.0
        for j in range(len(c.linear)):
            compute += c.compute[i, j] * x[j]
            memory += c.memory[i, j] * x[j]
        if c.which[i] >= 0:
            memory += c.table[c.which[i], tokens]
        total += max(compute, memory, c.floor[i])
    return total
