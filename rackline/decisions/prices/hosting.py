"""A trace bought by the token against the same trace on machines of one's own: costs by the day, and where it turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rackline.errors import BadInput, unknown
from rackline.facts.api_prices import Offer
from rackline.facts.traces import Trace
from rackline.facts.traces.counting import cached_tokens
from rackline.physics import charges

DAY, HOUR = 86_400.0, 3_600.0
_SHORTEST = 600.0  # seconds of a last hour below which it is counted with the one before


@dataclass(frozen=True)
class Bill:
    """What an API asks for a whole trace: tokens by kind and dollars; whether caching was worth its writes."""

    offer: Offer
    fresh: float
    cached: float
    output: float
    dollars: float
    without_cache: float

    @property
    def caches(self) -> bool:
        """Whether the cheaper way uses the prompt cache."""
        return self.dollars < self.without_cache


def bill(offer: Offer, trace: Trace) -> Bill:
    """The cheaper of prompt caching and none; each request in its own tier. BadInput without input or output price.

    Ignores: that a cache forgets: reuse is that of one without bound.
    """
    for kind in ("input", "output"):
        if getattr(offer.base, kind) is None:
            raise BadInput("--provider", f"must have an {kind} price to be compared", offer.name)
    if not offer.base.input and not offer.base.output:
        raise BadInput("--provider", "must ask something for its tokens to be compared", offer.name)
    hits = cached_tokens(trace)
    hits = np.zeros(len(trace)) if hits is None else hits.astype(float)
    output = trace.output_tokens @ _prices(offer, trace, "output")
    fresh = trace.input_tokens @ _prices(offer, trace, "input")
    hit = _prices(offer, trace, "cached_input", "input")
    write = _prices(offer, trace, "cache_write_5m", "input")
    kept = (trace.input_tokens - hits) @ write + hits @ hit
    pays = offer.base.cached_input is not None and kept < fresh
    cached = float(hits.sum()) if pays else 0.0
    return Bill(offer, float(trace.input_tokens.sum()) - cached, cached, float(trace.output_tokens.sum()),
                float((kept if pays else fresh) + output) / 1e6, float(fresh + output) / 1e6)


def _prices(offer: Offer, trace: Trace, kind: str, otherwise: str = "") -> np.ndarray:
    """Dollars per million tokens of a kind for every request, by the length of its input."""
    found = np.zeros(len(trace))
    for tier in offer.tiers:
        price = getattr(tier, kind)
        if price is None:
            price = getattr(tier, otherwise) if otherwise else None
        if price is not None:  # a tier that leaves a kind out keeps the price of the one below
            found = np.where((trace.input_tokens > tier.above) | (tier.above == 0), price, found)
    return found


def sellers(offers: Mapping[str, Offer], weights: str) -> list[Offer]:
    """Offers of these weights that have both prices."""
    return [one for one in offers.values() if one.weights == weights and one.base.input and one.base.output]


def chosen(offers: Mapping[str, Offer], weights: str, provider: str | None, trace: Trace) -> Bill:
    """The bill of the provider asked for, or the smallest of all that sell these weights. BadInput where none does."""
    found = sellers(offers, weights)
    if provider is not None:
        names = {one.provider for one in found}
        if provider.lower() not in names:
            raise unknown(f"provider of {weights}", provider.lower(), names)
        found = [one for one in found if one.provider == provider.lower()]
    if not found:
        raise BadInput("--provider", f"must be given as PROVIDER/MODEL: no known offer sells {weights}", "nothing",
                       "or give a --table with the column weights")
    return min((bill(one, trace) for one in found), key=lambda b: b.dollars)


@dataclass(frozen=True, eq=False)
class Hours:
    """Requests per second of each hour of a trace, shape (hours,)."""

    rates: np.ndarray

    @property
    def peak(self) -> float:
        """The busiest hour's requests per second."""
        return float(self.rates.max())


def hours(trace: Trace) -> Hours:
    """A trace by the hour; one shorter than an hour is one. BadInput without arrival times."""
    if trace.arrival is None or trace.arrival[-1] <= 0:
        raise BadInput("--trace", "must have arrival times that span some time", trace.name,
                       "hours and a volume a day need them")
    span = float(trace.arrival[-1])
    count = max(1, int(span // HOUR) + (span % HOUR >= _SHORTEST))
    place = np.minimum((trace.arrival // HOUR).astype(int), count - 1)
    lengths = np.full(count, HOUR)
    lengths[-1] = span - HOUR * (count - 1)
    return Hours(np.bincount(place, minlength=count) / lengths)


@dataclass(frozen=True)
class Own:
    """A way to have machines: dollars a day of one, how many volumes of the trace one carries at the busiest hour."""

    name: str
    day: float
    capacity: float

    def machines(self, volume: np.ndarray | float) -> np.ndarray:
        """Whole machines that a multiple of the trace needs."""
        return np.maximum(1.0, np.ceil(np.asarray(volume) / self.capacity - 1e-9))

    def cost(self, volume: np.ndarray | float) -> np.ndarray:
        """Dollars a day."""
        return self.machines(volume) * self.day

    def turns(self, api_day: float) -> tuple[float, float]:
        """The volumes at which it is first cheaper than an API, and from which it stays so; infinite where never."""
        first = self.day / api_day if api_day else np.inf
        return (first if first <= self.capacity else np.inf,
                float(charges.lasting_volume(self.day, api_day, self.capacity)) if api_day else np.inf)


def by_the_hour(found: Hours, rate: float, hour: float) -> float:
    """Dollars a day when machines are rented for each hour as it needs them."""
    return float(np.maximum(1.0, np.ceil(found.rates / rate)).mean()) * hour * DAY / HOUR
