"""Whether a long-context step, an output price and a cache discount hold at one operating point, and what must go."""

from __future__ import annotations

from dataclasses import dataclass

from rackline import units
from rackline.decisions.answer import Line
from rackline.decisions.equations import line
from rackline.decisions.prices.readings import BALANCE, Reader
from rackline.physics import charges, passes_and_prices

SPARSITY = 8.0  # total over active parameters: the lecture's


@dataclass(frozen=True)
class Way:
    """One assumption let go: what, what then holds instead, and why that is or is not enough."""

    gone: str
    then: str
    enough: str
    line: Line


@dataclass(frozen=True)
class Point:
    """The verdict on all readings at one point: a sentence, whether they agree, and the ways out."""

    verdict: str
    agrees: bool | None  # None: too few prices to contradict one another
    ways: tuple[Way, ...]


def point(reader: Reader, sparsity: float = SPARSITY) -> Point:
    """The readings of an offer held against one another at the reader's context."""
    offer = reader.offer
    ratio = offer.base.ratio("output", "input")
    if ratio is None:
        return Point("Without both an input and an output price nothing can be held against the step.", None, ())
    if offer.step is None:
        context = float(charges.balance_behind_ratio(reader.context, max(ratio, 1.0)))
        return Point(f"No long-context step: output at {ratio:.3g}× alone puts the balance context at or below "
                     f"{units.show(context, 'tokens')}.", None, (_balance(reader, ratio),))
    start = offer.step.above
    cost = float(passes_and_prices.premium_needed(reader.context, start))
    if ratio <= cost:
        return Point(f"They agree: at {units.show(reader.context, 'tokens')} tokens a balance at "
                     f"{_k(start)} makes output {cost:.3g}× input, {ratio:.3g}× is charged.", True, ())
    verdict = (f"They exclude one another: output at {ratio:.3g}× input says that at {_k(reader.context)} tokens "
               f"memory already takes longer than compute; memory only grows from there, so they are equal below "
               f"{_k(reader.context)}, not at {_k(start)}. Whatever the batch, the step is not the balance context, or "
               f"output carries {ratio / cost:.3g}× the margin of input.")
    ways = (_balance(reader, ratio), _batch(reader, ratio, sparsity), _margin(reader, ratio, cost))
    return Point(verdict, False, (*ways, *_discount(reader, ratio)))


def _k(tokens: float) -> str:
    return units.show(tokens, "tokens")


def _balance(reader: Reader, ratio: float) -> Way:
    found = line("balance context behind the output price", charges.balance_behind_ratio, "tokens", L=reader.context,
                 r=max(ratio, 1.0))
    kv = float(passes_and_prices.kv_from_price_step(1.0, reader.active, BALANCE.value, found.result))
    longest = reader.offer.window or (reader.offer.step.above if reader.offer.step else reader.context)
    need = float(passes_and_prices.premium_needed(longest, found.result))
    return Way("the step marks the balance context", f"balance at {_k(found.result)} tokens, {units.show(kv, 'bytes')} "
               f"of KV a token", f"consistent with the output price; {_k(longest)} tokens then cost {need:,.0f}× of a "
               "short one, so no such step covers them unless attention is sparse", found)


def _batch(reader: Reader, ratio: float, sparsity: float) -> Way:
    assert reader.offer.step
    start = reader.offer.step.above
    found = line("batch at which output costs that, with the balance at the step", charges.batch_below_balance, "count",
                 R=BALANCE.value, s=sparsity, r=ratio, L=reader.context, L0=start)
    rise = (ratio - reader.context / start + 1.0) / ratio
    return Way("the batch is large", f"a batch of {found.result:,.0f}, {found.result / BALANCE.value / sparsity:.0%} "
               "of the balance batch, weights read for most of the step", f"not enough: memory then binds at every "
               f"context, nothing turns at {_k(start)}, where output costs only {rise:.3g}× of a short one", found)


def _margin(reader: Reader, ratio: float, cost: float) -> Way:
    found = Line("margin of output over that of input", "price ratio / cost ratio", f"{ratio:.4g} / {cost:.4g}",
                 ratio / cost, "count")
    return Way("one margin for input and output", f"output's margin is {ratio / cost:.3g}× that of input",
               "keeps the step's reading; the output price then says nothing of memory", found)


def _discount(reader: Reader, ratio: float) -> tuple[Way, ...]:
    """The cache discount at both readings' KV."""
    hit = reader.offer.base.ratio("cached_input", "input")
    if not hit or reader.kv is None:
        return ()
    other = reader.context / ratio
    kv = float(passes_and_prices.kv_from_price_step(1.0, reader.active, BALANCE.value, other))
    found = line("bandwidth that a hit pays for, KV from the step", charges.tier_bandwidth, "bytes/s", r=hit,
                 kv=reader.kv, N_active=reader.active, F=reader.rate)
    more = float(charges.tier_bandwidth(hit, kv, reader.active, reader.rate))
    return (Way("(the cache discount)", f"{hit:.3g}× pays for {units.show(found.result, 'bytes/s')} a chip with the "
                f"step's KV, {units.show(more, 'bytes/s')} with the output price's", "holds with both: it only moves "
                "the tier", found),)
