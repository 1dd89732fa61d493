"""Under a trace: the capacities of each place that cost least, holding, returns and recomputing together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rackline.decisions.stepping import Case
from rackline.decisions.tier_costs import Cost, context_bytes, recompute_dollars
from rackline.errors import BadInput
from rackline.facts.traces import Trace
from rackline.facts.traces.distance import NEVER, reuse

_LENGTHS = 257  # prompt lengths at which the ledger is asked; prefill is smooth between them


@dataclass(frozen=True, eq=False)
class Demand:
    """What a trace asks of a cache, arrays of shape (blocks,), those that need the least room first.

    needed: bytes that a cache must hold to have the block; gap: seconds since its last use; both infinite for a block
    that is new. size: its bytes; dollars: what computing it costs where it stands in its prompt.
    """

    needed: np.ndarray
    gap: np.ndarray
    size: np.ndarray
    dollars: np.ndarray
    final: float  # bytes of the distinct blocks, each asked for a last time once
    span: float  # seconds of the trace
    context: float  # mean tokens of a prompt

    @property
    def hourly(self) -> float:
        """What turns a sum over the trace into one over an hour."""
        return 3600.0 / self.span


@dataclass(frozen=True)
class Share:
    """One place in the mix: bytes, dollars an hour of holding and of returning, share of the KV found there."""

    cost: Cost
    bytes: float
    hold: float
    returning: float
    found: float


@dataclass(frozen=True)
class Mix:
    """Sizes of the places, nearest first, and dollars an hour of recomputing what none of them has."""

    shares: tuple[Share, ...]
    recompute: float

    @property
    def total(self) -> float:
        """Dollars an hour."""
        return self.recompute + sum(share.hold + share.returning for share in self.shares)

    @property
    def found(self) -> float:
        """Share of the input's KV found in any place."""
        return sum(share.found for share in self.shares)


@dataclass(frozen=True)
class Kept:
    """A time-to-live in one place under a trace: seconds, dollars an hour in all, share of the input's KV found."""

    cost: Cost
    ttl: float
    total: float
    found: float


def demand(case: Case, trace: Trace) -> Demand:
    """The trace's reuse in bytes and dollars; BadInput where it has no prefix hashes, arrivals or time.

    A recurrent state is kept at the end of every block, as prefix caches of such models do.
    Ignores: requests that run at the same moment, whose shared blocks are not yet there for one another.
    """
    if trace.prefix is None or trace.block_tokens is None:
        raise BadInput("--trace", "must carry prefix hashes, from which reuse is known", trace.name,
                       "for example mooncake-conv")
    if trace.arrival is None or trace.arrival[-1] <= 0:
        raise BadInput("--trace", "must have arrivals over some time", trace.name)
    found = reuse(trace)
    block = context_bytes(case, float(trace.block_tokens))
    size = found.tokens * (block / trace.block_tokens)
    order = np.argsort(found.distance, kind="stable")
    needed = np.where(found.distance == NEVER, np.inf, found.distance * block)
    return Demand(needed[order], found.gap[order], size[order], _dollars(case, found.start, found.tokens)[order],
                  float(size[found.final].sum()), float(trace.arrival[-1]), float(trace.input_tokens.mean()))


def _dollars(case: Case, start: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Cost of the tokens after `start` within a prompt: what the prompt costs with them, less without."""
    ends = start + tokens
    grid = np.unique(np.geomspace(1.0, max(2.0, float(ends.max())), _LENGTHS).round())
    whole = np.concatenate([[0.0], recompute_dollars(case, grid)])
    grid = np.concatenate([[0.0], grid])
    return np.interp(ends, grid, whole) - np.interp(start, grid, whole)


def best_mix(asked: Demand, ways: Sequence[Cost], n: float) -> Mix:
    """The sizes of least cost of a row of caches where what leaves one sinks to the next; n bytes is what a Cost is of.

    Exact: each boundary between two places is at the room that some block needs; a minimum over all of them in order.
    """
    x = np.unique(np.concatenate([[0.0], asked.needed[np.isfinite(asked.needed)]]))
    found = np.searchsorted(asked.needed, x, side="right")
    bytes_found = np.concatenate([[0.0], np.cumsum(asked.size)])[found] * asked.hourly
    saved = np.concatenate([[0.0], np.cumsum(asked.dollars)])[found] * asked.hourly
    best, choices = np.where(x == 0, 0.0, np.inf), []
    for way in ways:
        own = x * way.byte_price + bytes_found * (way.retrieve / n)
        least = np.minimum.accumulate(best - own)
        choices.append(_first(best - own, least))
        best = least + own
    at = int(np.argmin(best - saved))
    ends = [at]
    for choice in reversed(choices):
        ends.append(int(choice[ends[-1]]))
    everything = float(asked.dollars.sum()) * asked.hourly
    total = float(asked.size.sum()) * asked.hourly
    shares = [_share(way, n, total, (x[a], x[b]), (bytes_found[a], bytes_found[b]))
              for way, a, b in zip(ways, ends[:0:-1], ends[-2::-1], strict=True)]
    return Mix(tuple(shares), everything - float(saved[at]))


def _first(values: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Index of the running minimum at every place."""
    new = np.concatenate([[True], least[1:] < least[:-1]])
    return np.maximum.accumulate(np.where(new, np.arange(values.size), 0))


def _share(way: Cost, n: float, total: float, ends: tuple[float, float], found: tuple[float, float]) -> Share:
    room, returned = float(ends[1] - ends[0]), float(found[1] - found[0])
    return Share(way, room, room * way.byte_price, returned * way.retrieve / n, returned / total)


def hit_curve(asked: Demand, sizes: np.ndarray) -> np.ndarray:
    """Share of the input's KV that a cache of each size has, least-recently-used eviction."""
    found = np.searchsorted(asked.needed, sizes, side="right")
    return np.concatenate([[0.0], np.cumsum(asked.size)])[found] / asked.size.sum()


def cost_curve(asked: Demand, way: Cost, n: float, sizes: np.ndarray) -> np.ndarray:
    """Dollars an hour with one place of each size."""
    found = np.searchsorted(asked.needed, sizes, side="right")
    back = np.concatenate([[0.0], np.cumsum(asked.size * (way.retrieve / n) - asked.dollars)])[found]
    return sizes * way.byte_price + asked.hourly * (asked.dollars.sum() + back)


def best_ttl(asked: Demand, way: Cost, n: float) -> Kept:
    """The time-to-live of least cost in one place: every block held until its next use or that long after its last.

    Ignores: uses after the trace's end, so reuse is counted low and the time is somewhat short.
    """
    hold = way.byte_price / 3600.0
    order = np.argsort(asked.gap, kind="stable")
    gap, size, dollars = (column[order] for column in (asked.gap, asked.size, asked.dollars))
    again = np.isfinite(gap)
    gap, size = gap[again], size[again]
    held = np.concatenate([[0.0], np.cumsum(size * (way.retrieve / n + hold * gap) - dollars[again])])
    waiting = size.sum() - np.concatenate([[0.0], np.cumsum(size)]) + asked.final
    ttl = np.concatenate([[0.0], gap])
    total = asked.dollars.sum() + held + hold * ttl * waiting
    # nothing kept, or with a time-to-live all that waits no longer: what waits equally long is not divided
    whole = np.append(np.concatenate([[True], gap[1:] != gap[:-1]]) if gap.size else [], True)
    at = int(np.argmin(np.where(whole, total, np.inf)))
    return Kept(way, float(ttl[at]), float(total[at]) * asked.hourly, float(size[:at].sum() / asked.size.sum()))
