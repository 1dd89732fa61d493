"""What is missing in an offer's prices and what is lost with it; what contradicts itself and what follows."""

from __future__ import annotations

from collections.abc import Iterator

from rackline import units
from rackline.facts.api_prices import Offer

_LOST = {"input": "the output ratio, the cache ratio and the largest part of the evidence for the active parameters",
         "output": "the output ratio, and with it how memory-bound decode is",
         "cached_input": "the cache discount, and with it the tier that hits come from",
         "cache_write_1h": "what holding a byte for an hour costs"}
_NAMES = {"input": "input", "output": "output", "cached_input": "cached input",
          "cache_write_5m": "5-minute cache write", "cache_write_1h": "1-hour cache write"}


def lost(offer: Offer) -> Iterator[str]:
    """A sentence for every kind of price that is missing, and for a missing long-context step."""
    for kind, what in _LOST.items():
        price = getattr(offer.base, kind)
        if price is None:
            yield f"No {_NAMES[kind]} price: {what} cannot be read."
        elif price == 0:
            yield f"The {_NAMES[kind]} price is zero: it says nothing of cost, and is left out."
    if offer.step is None:
        yield "No long-context step: KV bytes a token cannot be read from one."


def contradictions(offer: Offer) -> Iterator[str]:
    """A sentence for every pair of prices that cannot both follow cost, and what follows from it."""
    base, step = offer.base, offer.step
    for above, below, so in (
            ("cached_input", "input", "nobody gains by a hit, and the ratio says nothing of a memory tier"),
            ("cached_input", "cache_write_5m", "a write costs less than reading it back"),
            ("cache_write_5m", "cache_write_1h", "holding five minutes costs more than an hour: no rent can be read"),
            ("input", "output", "decode would cost less than prefill, which no machine does: margins differ")):
        ratio = base.ratio(above, below)
        if ratio is not None and ratio > 1:
            yield (f"Contradictory: {_NAMES[above]} at {_money(getattr(base, above))} is dearer than {_NAMES[below]} "
                   f"at {_money(getattr(base, below))}; {so}.")
    if step and any(_below(getattr(step, kind), getattr(base, kind)) for kind in ("input", "output")):
        yield (f"Contradictory: beyond {units.show(step.above, 'tokens')} tokens a price is lower than below it; "
               "longer contexts never cost less, so the step is no cost.")
    yield from _modes(offer)


def _modes(offer: Offer) -> Iterator[str]:
    for mode, price in offer.modes.items():
        if mode == "fast" and _below(price.output, offer.base.output):
            yield "Contradictory: the fast mode is cheaper than the standard one; its reading is left out."
        if mode != "fast" and _below(offer.base.output, price.output):
            yield f"Contradictory: the {mode} mode is dearer than the standard one; waiting saves nothing."


def _below(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and a < b


def _money(price: float) -> str:
    return units.show(price, "dollars/Mtok")
