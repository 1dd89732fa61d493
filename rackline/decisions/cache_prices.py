"""A provider's cache prices as the lecture quotes them, and which memory their times and prices look like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rackline.decisions.tier_costs import Cost, Span
from rackline.facts.fact import Fact
from rackline.physics import tiers

_LECTURE = ("Reiner Pope's lecture: \"The base input tokens is $5 per million tokens … to write … for five minutes is "
            "6.25\"")
_LIST = "the price list that the lecture reads from: base $5, 5-minute write $6.25, 1-hour write $10, hit $0.50"


def _price(value: float, source: str, note: str) -> Fact:
    return Fact(value=value, unit="dollars/Mtok", kind="published", source=source, date="2026-11-21", note=note)


BASE = _price(5.0, _LECTURE, "a fresh input token, nothing kept")
SHORT = _price(6.25, _LECTURE, "an input token, then kept for five minutes")
LONG = _price(10.0, _LIST, "an input token, then kept for an hour")
HIT = _price(0.50, _LIST, "an input token found in the cache")
TIMES = (300.0, 3600.0)  # seconds that the two writes keep a token
WRITES = (SHORT, LONG)


@dataclass(frozen=True)
class Reading:
    """Which place a provider's two times look like, by one way of looking at it, with the number looked at."""

    what: str
    places: tuple[str, str]
    numbers: tuple[float, float]
    unit: str


def readings(ways: Sequence[Cost], spans: Sequence[Span], again: Cost, n: float) -> tuple[Reading, ...]:
    """By drain time (the lecture's), by least cost at that time, and by what the write prices pay for holding."""
    kept = [way for way in ways if way is not again]
    drained = tuple(_nearest(kept, [way.drain for way in kept], t) for t in TIMES)
    cheapest = tuple(next(s.cost for s in spans if s.start <= t < s.end) for t in TIMES)
    rates = [paid_for_holding(again, n, t, write) for t, write in zip(TIMES, WRITES, strict=True)]
    paid = tuple(_nearest(kept, [way.byte_price for way in kept], rate) for rate in rates)
    return (
        Reading("drain time nearest to it (the lecture's reading)", _names(drained), _both(w.drain for w in drained),
                "seconds"),
        Reading("cheapest for that long", _names(cheapest), _both(float(way.at(t)) for way, t in
                                                              zip(cheapest, TIMES, strict=True)), "dollars"),
        Reading("hold price nearest to what the write price pays, at the markup of fresh input", _names(paid),
                _both(rates), "dollars/byte/hour"))


def paid_for_holding(again: Cost, n: float, seconds: float, write: Fact) -> float:
    """Dollars a byte-hour that a write price leaves for holding, if fresh input is sold at the same markup."""
    extra = (write.value - BASE.value) / BASE.value * again.retrieve
    return float(3600.0 * extra / (seconds * n))


def _nearest(ways: Sequence[Cost], values: Sequence[float], wanted: float) -> Cost:
    with np.errstate(divide="ignore"):
        gaps = np.abs(np.log(np.asarray(values, dtype=float)) - np.log(wanted))
    return ways[int(np.argmin(gaps))]


def _names(ways: Sequence[Cost]) -> tuple[str, str]:
    return ways[0].name, ways[1].name


def _both(values: Iterable[float]) -> tuple[float, float]:
    first, second = values
    return float(first), float(second)


def at_markup(way: Cost, again: Cost) -> tuple[float, float, float]:
    """Dollars per million tokens, at fresh input's markup: the two writes and a hit, if KV waits in this place."""
    writes = [tiers.price_at_markup(BASE.value, again.retrieve + way.hold * t, again.retrieve) for t in TIMES]
    return float(writes[0]), float(writes[1]), float(tiers.price_at_markup(BASE.value, way.retrieve, again.retrieve))
