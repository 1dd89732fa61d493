"""Buying by the token against machines of one's own, as sentence, tables and plot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rackline import units
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table
from rackline.decisions.clocks import is_calibrated
from rackline.decisions.equations import line
from rackline.decisions.prices.hosting import Own, by_the_hour
from rackline.facts.fact import named_facts
from rackline.physics import charges

if TYPE_CHECKING:
    from rackline.decisions.prices.buy import Bought

_MOST_HOURS = 48
_POINTS = 240
_HOURS = 24.0


def answer(b: Bought) -> Answer:
    """The answer of a comparison."""
    tables = (_bill(b), _ways(b), _hours(b))
    return Answer("buy", _headline(b), "bound", tables, (_plot(b),), tuple(_notes(b)), tuple(_explain(b)),
                  tuple(_sources(b)), data=_data(b))


def _tokens(b: Bought) -> float:
    """Tokens a day."""
    return (b.bill.fresh + b.bill.cached + b.bill.output) / len(b.q.trace) * b.requests_day


def _headline(b: Bought) -> str:
    own = min(b.own, key=lambda o: float(o.cost(1.0)))
    machines, day = float(own.machines(1.0)), float(own.cost(1.0))
    cheaper = (f"buying by the token is {day / b.api_day:.3g}× cheaper" if day > b.api_day
               else f"own machines are {b.api_day / day:.3g}× cheaper")
    return (f"{b.requests_day:,.0f} requests a day ({units.show(_tokens(b), 'tokens')} tokens) of {b.q.trace.name} "
            f"cost {_dollars(b.api_day)} a day from {b.bill.offer.name}, {_dollars(day)} on {machines:,.0f} × "
            f"{b.q.on.title} {own.name}: {cheaper}; {_turn(b, own)}.")


def _turn(b: Bought, own: Own) -> str:
    first, lasting = own.turns(b.api_day)
    if np.isinf(first):
        full = own.day / own.capacity / b.api_day
        return f"it never turns: full machines still cost {full:.3g}× the API"
    tail = "" if np.isclose(first, lasting) else f", for good from {lasting:.3g}×"
    return f"it turns at {first:.3g}× that volume ({units.show(first * _tokens(b), 'tokens')} tokens a day){tail}"


def _dollars(value: float) -> str:
    return units.show(value, "dollars")


def _bill(b: Bought) -> Table:
    tokens = {"fresh input": b.bill.fresh, "cached input": b.bill.cached, "output": b.bill.output}
    scale = b.requests_day / len(b.q.trace)
    base = b.bill.offer.base
    writes = base.cache_write_5m if b.bill.caches and base.cache_write_5m else base.input
    price = {"fresh input": writes, "cached input": base.cached_input, "output": base.output}
    return Table(f"Tokens of a day, and what {b.bill.offer.name} asks for them", (
        Column("kind"), Column("tokens", "tokens"), Column("price of a short request", "dollars/Mtok")),
        tuple((name, count * scale, price[name] if count else None) for name, count in tokens.items()))


def _ways(b: Bought) -> Table:
    rows = [("by the token", None, b.api_day, 1.0, None, None), *((own.name, *_way(b, own)) for own in b.own)]
    hourly = by_the_hour(_scaled(b), b.rate, b.own[0].day / _HOURS)
    rows.append(("rented, as many each hour as it needs", None, hourly, hourly / b.api_day, None, None))
    titles = ("machines", "a day", "over by the token", "cheaper from, × this volume", "for good from")
    columns = [Column(title, "dollars" if title == "a day" else "count") for title in titles]
    return Table("Dollars a day", (Column("way"), *columns), tuple(rows))


def _way(b: Bought, own: Own) -> tuple:
    cost = float(own.cost(1.0))
    return (float(own.machines(1.0)), cost, cost / b.api_day, *own.turns(b.api_day))


def _scaled(b: Bought) -> Any:
    return type(b.hours)(b.hours.rates * b.q.volume)


def _hours(b: Bought) -> Table:
    """Each hour's rate, the machines it needs, and how busy a fleet for the peak is."""
    rates = _scaled(b).rates
    fleet = float(b.own[0].machines(1.0))
    rows = tuple((i, float(rate), float(np.ceil(rate / b.rate)), float(rate / b.rate / fleet))
                 for i, rate in enumerate(rates[:_MOST_HOURS]))
    return Table(f"By the hour, with {fleet:,.0f} machine{'s' * (fleet > 1)} of {b.rate:.3g} requests/s", (
        Column("hour", "count"), Column("requests/s", "count"), Column("machines needed", "count"),
        Column("utilisation", "ratio")), rows)


def _plot(b: Bought) -> Plot:
    firsts = [own.turns(b.api_day)[0] for own in b.own]
    finite = [x for x in firsts if np.isfinite(x)]
    high = 10.0 * max([1.0, b.own[0].capacity, *finite])
    low = min([0.1, *(x / 10 for x in finite), b.own[0].capacity])
    volume = np.unique(np.concatenate([np.geomspace(low, high, _POINTS), finite]))
    ways = {f"by the token, {b.bill.offer.provider}": volume * b.api_day} | {o.name: o.cost(volume) for o in b.own}
    series = [Series(name, [*map(float, volume)], [*map(float, dollars)]) for name, dollars in ways.items()]
    marks = tuple((x, f"{own.name} cheaper") for own, x in zip(b.own, firsts, strict=True) if np.isfinite(x))
    return Plot("Dollars a day against volume", Axis("times this volume", log=True),
                Axis("dollars a day", "dollars", log=True), tuple(series), ((1.0, "this volume"), *marks))


def _notes(b: Bought) -> Iterator[str]:
    q, o = b.q, b.option
    whole = "calibrated rate" if is_calibrated(q) else "bound"
    yield (f"Own machines: {q.model.name} as {o.layout.name()} ({o.mode}), {b.rate:.3g} requests/s a machine, "
           f"{units.show(o.tpot, 'seconds')} per output token, first token after {units.show(o.ttft, 'seconds')}. "
           + (f"{units.show(q.reached, 'ratio')} of the {whole}, as asked." if q.reached < 1.0 else
              "" if is_calibrated(q) else "A bound: --reached 50% asks for an engine that carries half of it."))
    if b.bill.offer.weights != q.model.name:
        yield f"{b.bill.offer.name} is not known to sell {q.model.name}: two models are compared, not two ways to one."
    if q.trace.prefix is None:
        yield "The trace carries no prefix hashes: nothing is counted as cached, on either side."
    elif b.bill.caches:
        yield ("Cached tokens are those of a cache without bound, paid at the hit's price; own machines are given no "
               "prefix cache, which would save them at most the same share of prompts.")
    else:
        yield "The offer has no cache price, or writing costs more than the hits save: all input is paid in full."
    yield (f"The trace spans {units.show(float(q.trace.arrival[-1]), 'seconds')} and stands for every day; a fleet is "
           "sized for its busiest hour, each hour on average.")
    if q.purchase is None:
        yield "--purchase DOLLARS, of a chip with its share of the machine, adds buying, with --years and --energy."


def _explain(b: Bought) -> Iterator[Line]:
    for own in b.own:
        yield Line(f"first cheaper, {own.name}", "machine's day / API's day", f"{own.day:.4g} / {b.api_day:.4g}",
                   own.day / b.api_day, "count")
        yield line(f"cheaper for good, {own.name}", charges.lasting_volume, "count", own=own.day, bought=b.api_day,
                   capacity=own.capacity)
    q = b.q
    yield Line("volumes of the trace that a machine carries", "rate / busiest hour",
               f"{b.rate:.4g} / {b.hours.peak * q.volume:.4g}", b.own[0].capacity, "count")
    if q.purchase is not None and q.on.power:
        yield line("a bought chip's hour", charges.purchase_per_hour, "dollars/hour", capital=q.purchase, years=q.years,
                   power=q.on.power.value / max(q.on.domain, 1), energy_price=q.energy)


def _sources(b: Bought) -> Iterator[Source]:
    yield Source(b.bill.offer.name, "prices", b.bill.offer.source, b.bill.offer.date)
    yield Source(b.q.trace.name, f"{len(b.q.trace):,} requests", b.q.trace.source, "")
    yield Source("chip-hour", b.price.shown(), b.price.source, b.price.date)
    for path, fact in named_facts(b.q.on):
        if not path.startswith(("tiers", "price")):
            yield Source(f"{b.q.on.name} {path}", fact.shown(), fact.source, fact.date)


def _data(b: Bought) -> dict[str, Any]:
    return {
        "model": b.q.model.name, "machine": b.q.on.name, "trace": b.q.trace.name, "offer": b.bill.offer.name,
        "requests_per_day": b.requests_day, "tokens_per_day": _tokens(b), "api_dollars_per_day": b.api_day,
        "caches": b.bill.caches, "layout": b.option.layout.name(), "requests_per_second_per_machine": b.rate,
        "hours": [*map(float, _scaled(b).rates)],
        "own": [{"way": own.name, "machines": float(own.machines(1.0)), "dollars_per_day": float(own.cost(1.0)),
                 "capacity": own.capacity, "turns_at": own.turns(b.api_day)[0],
                 "for_good_from": own.turns(b.api_day)[1]}
                for own in b.own]}
