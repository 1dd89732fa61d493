"""The record of a request trace, and what is counted in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.errors import BadInput


@dataclass(frozen=True, eq=False)
class Ragged:
    """Lists of unequal length end to end: list i is values[offsets[i]:offsets[i + 1]]."""

    offsets: np.ndarray  # int64, shape (lists + 1,)
    values: np.ndarray  # int64, shape (offsets[-1],)

    @property
    def lengths(self) -> np.ndarray:
        """Length of each list, shape (lists,)."""
        return np.diff(self.offsets)


@dataclass(frozen=True, eq=False)
class Trace:
    """Requests in order of arrival, as columns of shape (requests,)."""

    name: str
    source: str
    input_tokens: np.ndarray  # int64, at least 1
    output_tokens: np.ndarray  # int64, at least 1
    arrival: np.ndarray | None = None  # seconds after the first request, float64; None: lengths only
    session: np.ndarray | None = None  # int64, equal for requests of one session; -1: of none
    prefix: Ragged | None = None  # hash of each block of the input together with everything before it
    block_tokens: int | None = None  # tokens of one such block

    def __len__(self) -> int:
        return len(self.input_tokens)


_PERCENTILES = (50, 90, 99)


def summary(trace: Trace) -> dict[str, Any]:
    """What is in a trace: requests, seconds, requests per second, lengths and totals in tokens, reusable share.

    A figure that the trace does not carry (no arrivals, no hashes) is None.
    """
    return {
        "name": trace.name, "source": trace.source, "requests": len(trace), **_arrivals(trace.arrival),
        "input_tokens": _lengths(trace.input_tokens), "output_tokens": _lengths(trace.output_tokens),
        "sessions": None if trace.session is None else int(np.unique(trace.session[trace.session >= 0]).size),
        "prefix_reuse": prefix_reuse(trace),
    }


def _arrivals(arrival: np.ndarray | None) -> dict[str, float | None]:
    if arrival is None:
        return {"span": None, "rate": None, "interarrival_cv": None}
    span = float(arrival[-1] - arrival[0])
    if span == 0:
        return {"span": 0.0, "rate": None, "interarrival_cv": None}
    gaps = np.diff(arrival)
    return {"span": span, "rate": gaps.size / span, "interarrival_cv": float(gaps.std() / gaps.mean())}


def _lengths(tokens: np.ndarray) -> dict[str, float | int]:
    shown = {f"p{p}": float(v) for p, v in zip(_PERCENTILES, np.percentile(tokens, _PERCENTILES), strict=True)}
    return {"total": int(tokens.sum()), "mean": float(tokens.mean()), "min": int(tokens.min()), **shown,
            "max": int(tokens.max())}


def found_blocks(prefix: Ragged) -> np.ndarray:
    """Leading blocks of each request that an earlier request carried, shape (requests,).

    Ignores: eviction; this is a cache without bound, the most that any cache can reuse.
    """
    owner = np.repeat(np.arange(len(prefix.lengths)), prefix.lengths)
    _, first, which = np.unique(prefix.values, return_index=True, return_inverse=True)
    position = np.arange(prefix.values.size) - prefix.offsets[owner]
    unseen = np.where(owner[first][which] == owner, position, prefix.values.size)
    found = prefix.lengths.copy()
    np.minimum.at(found, owner, unseen)
    return found


def prefix_reuse(trace: Trace) -> float | None:
    """Share of all input tokens that an unbounded prefix cache serves; None without hashes.

    Eq: reuse = sum(min(leading blocks found · block tokens, input)) / sum(input)
    """
    if trace.prefix is None or trace.block_tokens is None:
        return None
    cached = np.minimum(found_blocks(trace.prefix) * trace.block_tokens, trace.input_tokens)
    return float(cached.sum() / trace.input_tokens.sum())


def quantiles(trace: Trace, n: int) -> tuple[tuple[float, float, float], ...]:
    """At most n (input tokens, output tokens, weight) triples: means of equally likely bins by total length.

    The weighted means are exactly the trace's means. Ignores: the spread inside a bin.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise BadInput("quantiles", "must be a whole number of bins of at least 1", n)
    order = np.lexsort((trace.input_tokens, trace.input_tokens + trace.output_tokens))
    bins = np.array_split(order, min(n, len(trace)))
    return tuple((float(trace.input_tokens[b].mean()), float(trace.output_tokens[b].mean()), len(b) / len(trace))
                 for b in bins)
