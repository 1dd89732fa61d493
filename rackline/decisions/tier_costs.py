"""What a context's KV costs in each place against hold time, and the lower envelope of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rackline.decisions.stepping import Case
from rackline.decisions.tier_places import Place
from rackline.physics import Number, tiers
from rackline.systems.layout import Layout
from rackline.systems.memory import cache_bytes, state_bytes

RECOMPUTE = "recompute"
FULL = 8192.0  # prompt tokens a data rank that hide the reading of weights in a pass of many short prompts


@dataclass(frozen=True)
class Cost:
    """One way to have KV again later: dollars a second while it waits, dollars and seconds to bring it back.

    device: dollars of the tier's time; landing: of the chips' memory, reserved while the KV arrives.
    """

    name: str
    title: str
    hold: float
    device: float
    landing: float
    latency: float
    drain: float = float("nan")
    byte_price: float = 0.0

    @property
    def retrieve(self) -> float:
        """Dollars to bring it back."""
        return self.device + self.landing

    def at(self, hold: float | np.ndarray) -> float | np.ndarray:
        """Dollars of holding for so many seconds and one return."""
        return self.retrieve + self.hold * hold


@dataclass(frozen=True)
class Span:
    """A stretch of hold times in which one way is the cheapest."""

    cost: Cost
    start: float
    end: float


def costs(case: Case, context: float, found: Sequence[Place]) -> tuple[Cost, ...]:
    """Every place for one context, nearest first, and computing it again (the last); `case` is a prefill."""
    n, n_chip = context_bytes(case, context), _busiest(case, context)
    own = tiers.share_price(case.price.value, case.server.machine.chip.memory_capacity.value)
    return (*(_kept(place, n, n_chip, float(own)) for place in found), recompute(case, context))


def context_bytes(case: Case, context: float) -> float:
    """Bytes of KV (and recurrent state) of one context, stored once."""
    model = case.server.model
    return float(cache_bytes(model, Layout(), context) + state_bytes(model, Layout()))


def _busiest(case: Case, context: float) -> float:
    model = case.server.model
    return float(cache_bytes(model, case.layout, context) + state_bytes(model, case.layout))


def _kept(place: Place, n: float, n_chip: float, own_price: float) -> Cost:
    hold = float(tiers.hold_cost(n, 1.0, place.byte_price))
    if np.isinf(place.bandwidth):
        return Cost(place.name, place.title, hold, 0.0, 0.0, 0.0, place.drain, place.byte_price)
    latency = float(tiers.retrieve_time(n_chip, place.bandwidth))
    device = float(tiers.retrieve_cost(n, place.capacity, place.bandwidth, place.byte_price))
    return Cost(place.name, place.title, hold, device, float(tiers.hold_cost(n, latency, own_price)), latency,
                place.drain, place.byte_price)


def recompute(case: Case, context: float) -> Cost:
    """A prefill of the whole context on the ledger, its quadratic term included."""
    batch = _prompts(case, context)
    step = case.step(batch, context)
    return Cost(RECOMPUTE, "computed again from its tokens", 0.0, float(recompute_dollars(case, context)), 0.0,
                float(step.time))


def recompute_dollars(case: Case, contexts: Number) -> Number:
    """Dollars of computing one prompt of each length, as one of a pass that is full; arrays broadcast."""
    batch = _prompts(case, contexts)
    return case.cost(case.step(batch, contexts).time, batch, contexts) * contexts / 1e6


def _prompts(case: Case, contexts: Number) -> Number:
    """One prompt a data rank, or as many short ones as make a full pass."""
    return case.unit * np.ceil(FULL / contexts)


def envelope(ways: Sequence[Cost]) -> tuple[Span, ...]:
    """The cheapest way at every hold time from 0 on: lines by falling slope, each from where it takes over.

    Of ways that cost the same, the one named first.
    """
    now = min(ways, key=lambda way: (way.retrieve, way.hold))
    spans: tuple[Span, ...] = ()
    start = 0.0
    while True:
        later = [(_takes_over(now, way, start), way.hold, i) for i, way in enumerate(ways) if way.hold < now.hold]
        if not later:
            return (*spans, Span(now, start, float("inf")))
        end, _, i = min(later)
        if end > start:
            spans = (*spans, Span(now, start, end))
        now, start = ways[i], end


def _takes_over(near: Cost, far: Cost, start: float) -> float:
    return max(start, float(tiers.break_even(near.retrieve, far.retrieve, near.hold, far.hold)))


def time_to_live(cost: Cost, again: Cost) -> float:
    """Hold time beyond which dropping is cheaper than keeping here, in seconds; zero where a return costs more."""
    if cost.retrieve >= again.retrieve:
        return 0.0
    return float(tiers.break_even(cost.retrieve, again.retrieve, cost.hold, again.hold))


def beaten(ways: Sequence[Cost], spans: Sequence[Span]) -> dict[str, str]:
    """Places that are never the cheapest, each with one that holds and returns for less, or is cheaper where it is
    nearest."""
    best = {span.cost.name for span in spans}
    return {way.name: _beater(way, spans) for way in ways if way.name not in best}


def _beater(way: Cost, spans: Sequence[Span]) -> str:
    outright = [s.cost for s in spans if s.cost.hold <= way.hold and s.cost.retrieve <= way.retrieve]
    if outright:
        return outright[0].name
    corners = [span.start for span in spans]
    gaps = [float(way.at(t) / span.cost.at(t)) if span.cost.at(t) > 0 else float("inf")
            for t, span in zip(corners, spans, strict=True)]
    return spans[int(np.argmin(gaps))].cost.name
