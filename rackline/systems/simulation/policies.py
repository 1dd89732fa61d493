"""Policies beside the core: who departs when, what is accepted, who gets a request.

Plain functions on scalars are shared with the compiled loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence as Many
from typing import Any

LATE = 1e-9
GOLDEN, MIX1, MIX2, WORD = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xFFFFFFFFFFFFFFFF


def departure(now: float, interval: float) -> float:
    """When a pass may start: at once, or with the next train where an interval is given.

    A pass that ends as a train departs is in time for it, though sums of intervals round: LATE of one is forgiven.
    """
    return now if interval <= 0.0 else math.ceil(now / interval - LATE) * interval


def uniform(seed: int, request: int, token: int) -> float:
    """A number in (0, 1) drawn for one token of one request: the same whatever else happens (SplitMix64)."""
    z = (seed * GOLDEN + request * MIX1 + token * MIX2 + GOLDEN) & WORD
    z = ((z ^ (z >> 30)) * MIX1) & WORD
    z = ((z ^ (z >> 27)) * MIX2) & WORD
    return (((z ^ (z >> 31)) >> 11) + 0.5) / 2.0**53


def accepted(chance: float, drafted: int, drawn: float) -> int:
    """Drafted tokens accepted in a row when each is with this chance, from one uniform draw.

    Eq: P(accepted >= j) = chance^j; the mean of tokens a pass is (1 − chance^(drafted + 1))/(1 − chance).
    """
    if chance >= 1.0 or drafted == 0:
        return drafted
    return min(drafted, int(math.log(drawn) / math.log(chance))) if chance > 0.0 else 0


# ---- routing: from engines, the request's hashes and a serial number to an engine's index


def round_robin(engines: Many[Any], hashes: list[int], serial: int) -> int:
    """One after the other."""
    return serial % len(engines)


def least_loaded(engines: Many[Any], hashes: list[int], serial: int) -> int:
    """The fewest tokens of unfinished requests, prompts and outputs together; the first of equals."""
    return min(range(len(engines)), key=lambda i: engines[i].outstanding)


def prefix_aware(engines: Many[Any], hashes: list[int], serial: int) -> int:
    """The longest prefix in memory, then the fewest outstanding tokens."""
    return min(range(len(engines)), key=lambda i: (-engines[i].pages.found(hashes), engines[i].outstanding))


ROUTES: dict[str, Callable[[Many[Any], list[int], int], int]] = {
    "round-robin": round_robin, "least-loaded": least_loaded, "prefix-aware": prefix_aware}
