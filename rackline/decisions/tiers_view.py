"""Waiting places as an Answer: headline, tables, plots, notes, equations, sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from rackline import units
from rackline.decisions import cache_prices, tiers_trace
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table, finite
from rackline.decisions.cite import cite
from rackline.decisions.equations import line
from rackline.decisions.money import chip_price
from rackline.decisions.tier_costs import RECOMPUTE, Cost, beaten, costs, time_to_live
from rackline.decisions.tier_places import OWN, places
from rackline.facts.machine import Machine
from rackline.physics import operating, tiers
from rackline.systems.memory import weight_bytes

if TYPE_CHECKING:
    from rackline.decisions.tiers import Waited

_POINTS = 97
_CONTEXTS, _SHORTEST, _LONGEST = 17, 1024.0, 2.0**20  # of the curve of times-to-live
_FIVE_MINUTES, _HOUR = cache_prices.TIMES


def answer(w: Waited) -> Answer:
    """The full answer."""
    more = () if w.traced is None else tiers_trace.tables(w.traced)
    plots = () if w.traced is None else tiers_trace.plots(w.traced)
    return Answer("tiers", headline(w), "bound", (_ways(w), *_held(w), _prices(w), _readings(w), *more),
                  (_plot(w), _by_context(w), *plots), tuple(_notes(w)), tuple(_explain(w)), tuple(_sources(w)),
                  data=data(w))


def headline(w: Waited) -> str:
    """One sentence: what waiting costs where, and until when."""
    tokens = f"{w.context:,.0f} tokens of {w.case.server.model.name}"
    again = (f"{units.show(w.bytes, 'bytes')} of KV; {units.show(w.again.retrieve, 'dollars')} and "
             f"{units.show(w.again.latency, 'seconds')} to compute again")
    stretches = [f"{_said(span.cost)} up to {units.show(span.end, 'seconds')}" for span in w.spans[:-1]]
    last = _said(w.spans[-1].cost) + (" beyond" if stretches else "")
    text = f"{tokens} ({again}) on {w.case.server.machine.title}: cheapest in {', '.join((*stretches, last))}"
    text = text.replace("in computed again", "computed again")
    if w.question.hold is None:
        return f"{text}."
    best = at_hold(w)[0]
    return (f"{text}; for {units.show(w.question.hold, 'seconds')}: {_said(best)}, "
            f"{units.show(float(best.at(w.question.hold)), 'dollars')} with a return in "
            f"{units.show(best.latency, 'seconds')}.")


def _said(way: Cost) -> str:
    return {OWN: "the chip's memory", RECOMPUTE: "computed again"}.get(way.name, way.name)


def at_hold(w: Waited) -> list[Cost]:
    """Every way that returns in time, the cheapest at the hold time first; of equal ones the nearest."""
    return sorted(w.ways, key=lambda way: float(way.at(w.question.hold)))


def _window(w: Waited, way: Cost) -> tuple[float, float]:
    span = next((s for s in w.spans if s.cost is way), None)
    return (span.start, span.end) if span else (float("nan"), float("nan"))


def _ways(w: Waited) -> Table:
    columns = (Column("place"), Column("hold, $ an hour", "dollars"), Column("return, $", "dollars"),
               Column("of it chip memory, $", "dollars"), Column("return takes", "seconds"),
               Column("drain time", "seconds"), Column("cheapest from", "seconds"), Column("until", "seconds"),
               Column("keep at most", "seconds"))
    rows = tuple((way.name, 3600.0 * way.hold, way.retrieve, way.landing, way.latency, way.drain, *_window(w, way),
                  float("nan") if way is w.again else time_to_live(way, w.again)) for way in w.ways)
    return Table(f"Keeping {w.context:,.0f} tokens ({units.show(w.bytes, 'bytes')})", columns, rows)


def _held(w: Waited) -> Iterator[Table]:
    hold = w.question.hold
    if hold is not None:
        columns = (Column("place"), Column("hold, $", "dollars"), Column("return, $", "dollars"),
                   Column("together, $", "dollars"), Column("return takes", "seconds"))
        rows = tuple((way.name, way.hold * hold, way.retrieve, float(way.at(hold)), way.latency) for way in at_hold(w))
        yield Table(f"Kept for {units.show(hold, 'seconds')}, cheapest first", columns, rows)


def _prices(w: Waited) -> Table:
    columns = (Column("kept in"), Column("write, 5 min", "dollars/Mtok"), Column("write, 1 hour", "dollars/Mtok"),
               Column("hit", "dollars/Mtok"))
    rows = [(way.name, *cache_prices.at_markup(way, w.again)) for way in w.ways if way is not w.again]
    provider = ("the provider", *(f.value for f in (cache_prices.SHORT, cache_prices.LONG, cache_prices.HIT)))
    return Table(f"Cache prices at the markup of fresh input at {cache_prices.BASE.shown()}, beside a provider's",
                 columns, (*rows, provider))


def _read(w: Waited) -> tuple[cache_prices.Reading, ...]:
    return cache_prices.readings(w.ways, w.spans, w.again, w.bytes)


def _readings(w: Waited) -> Table:
    rows = tuple((r.what, *(f"{place} ({units.show(number, r.unit)})" for place, number in
                            zip(r.places, r.numbers, strict=True))) for r in _read(w))
    return Table("Which memory a provider's times look like", (Column("by"), Column("5 minutes"), Column("1 hour")),
                 rows)


def _plot(w: Waited) -> Plot:
    ends = [s.start for s in w.spans if s.start > 0] or [1.0]
    x = np.geomspace(min(ends[0] / 10, 1.0), max(10 * ends[-1], 1e5), _POINTS)
    lines = [Series(way.name, x.tolist(), np.broadcast_to(way.at(x), x.shape).tolist()) for way in w.ways]
    corners = Series("takes over", [s.start for s in w.spans[1:]], [float(s.cost.at(s.start)) for s in w.spans[1:]],
                     marks=True)
    marks = ((_FIVE_MINUTES, "a provider's short hold"), (_HOUR, "its long one"))
    return Plot(f"Keeping {w.context:,.0f} tokens and using them once more",
                Axis("seconds until the next use", "seconds", log=True), Axis("dollars", "dollars", log=True),
                (*lines, corners), marks)


def _by_context(w: Waited) -> Plot:
    """Times-to-live against context: a longer one is dearer to compute, token for token, and so kept longer."""
    most = max(w.context, w.case.server.model.max_context or _LONGEST)
    x = np.geomspace(_SHORTEST, max(most, 2 * _SHORTEST), _CONTEXTS)
    found = [costs(w.case, float(length), places(w.case.server.machine, w.case.price.value)) for length in x]
    series = []
    for column in zip(*found, strict=True):
        kept = [time_to_live(way, every[-1]) for way, every in zip(column, found, strict=True)]
        points = [(float(a), b) for a, b in zip(x, kept, strict=True) if 0 < b < float("inf")]
        if points and column[0].name != RECOMPUTE:
            series.append(Series(column[0].name, [a for a, _ in points], [b for _, b in points]))
    return Plot("Keep at most: time-to-live against computing again", Axis("tokens of the context", "tokens", log=True),
                Axis("seconds kept", "seconds", log=True), tuple(series), ((w.context, "asked"),))


def _notes(w: Waited) -> Iterator[str]:
    case = w.case
    yield (f"Computed again as {case.layout.name()}, terms in sequence at datasheet rates: a bound, real prefill "
           f"reaches part of it and makes keeping better. {w.rule}")
    yield ("A place's return costs its device's time and the chips' memory reserved while KV arrives; writing it "
           "there once takes about as long again and is not counted. At a hold equal to its drain time a device costs "
           "as much for holding as for returning: the lecture's rule. Where capacity is sold apart from bandwidth (an "
           "object store, whose capacity here is nominal) the device's time overstates a return.")
    weights = float(weight_bytes(case.server.model, case.layout)) / case.server.machine.chip.memory_capacity.value
    yield (f"The chip's memory at its share of ${case.price.value:g} an hour; weights fill "
           f"{units.show(weights, 'ratio')} of it here, so a byte that is free for KV is really "
           f"{1 / max(1 - weights, 1e-3):.3g}× as dear.")
    for name, better in beaten(w.ways, w.spans).items():
        yield f"{name} is never the cheapest: {better} costs less even where it comes nearest."
    yield ("Dropping after “keep at most” costs less than twice what knowing the next use would; with uses at random "
           "(memoryless) and a mean gap below it, keep for ever.")
    if w.question.ttft is not None:
        yield f"Ways that take longer than {units.show(w.question.ttft, 'seconds')} to return are left out."


def _explain(w: Waited) -> Iterator[Line]:
    machine, n = w.case.server.machine, w.bytes
    yield Line("KV of the context", "sum over layers of width*bytes*tokens, state added",
               f"{w.case.server.model.kv_bytes_per_token():,.0f} B a token × {w.context:,.0f}", n, "bytes")
    yield line("a byte of the chip's memory", tiers.share_price, "dollars/byte/hour", price=w.case.price.value,
               C=machine.chip.memory_capacity.value)
    unit = float(w.case.unit)
    yield Line("computing it again", "price*chips/3600*time/prompts",
               f"{w.case.price.value:g} × {machine.chips} / 3600 × {w.again.latency:.4g} / prompts of a pass on "
               f"{unit:,.0f} ranks", w.again.retrieve, "dollars")
    for place in places(machine, w.case.price.value):
        known = {"n": n, "C": place.capacity, "W": place.bandwidth, "byte_price": place.byte_price}
        yield line(f"{place.name}: hold for an hour", tiers.hold_cost, "dollars", n=n, hold=3600.0,
                   byte_price=place.byte_price)
        if np.isfinite(place.bandwidth):
            yield line(f"{place.name}: its device's time for a return", tiers.retrieve_cost, "dollars", **known)
            yield line(f"{place.name}: drain time", operating.drain_time, "seconds", C=place.capacity,
                       W=place.bandwidth)
    for near, far in pairwise(w.spans):
        yield line(f"from {near.cost.name} to {far.cost.name}", tiers.break_even, "seconds",
                   retrieve_near=near.cost.retrieve, retrieve_far=far.cost.retrieve, hold_near=near.cost.hold,
                   hold_far=far.cost.hold)


def _sources(w: Waited) -> Iterator[Source]:
    """Facts by how far the least cost at the hold asked for (or an hour) moves with each."""
    hold = _HOUR if w.question.hold is None else w.question.hold

    def least(machine: Machine) -> float:
        case = replace(w.case, server=replace(w.case.server, machine=machine),
                       price=chip_price(machine, w.question.price))
        return min(float(way.at(hold)) for way in costs(case, w.context, places(machine, case.price.value)))

    yield from cite(least, w.case.server.machine)
    yield Source("price per chip-hour", w.case.price.shown(), w.case.price.source, w.case.price.date)
    for fact in (cache_prices.BASE, cache_prices.SHORT, cache_prices.LONG, cache_prices.HIT):
        yield Source(fact.note, fact.shown(), fact.source, fact.date)
    yield Source("model configuration", w.case.server.model.name, w.case.server.model.source, "")


def data(w: Waited) -> dict[str, Any]:
    """What --json prints."""
    rows = [{"place": way.name, "title": way.title, "hold_per_hour": 3600.0 * way.hold, "return": way.retrieve,
             "return_device": way.device, "return_chip_memory": way.landing, "return_seconds": way.latency,
             "drain_seconds": finite(way.drain), "keep_at_most": finite(time_to_live(way, w.again))
             if way is not w.again else None} for way in w.ways]
    hold = w.question.hold
    held = None if hold is None else [{"place": way.name, "cost": float(way.at(hold)), "return_seconds": way.latency}
                                      for way in at_hold(w)]
    return {"model": w.case.server.model.name, "machine": w.case.server.machine.name, "context": w.context,
            "kv_bytes": w.bytes, "price": w.case.price.value, "layout_name": w.case.layout.name(),
            "recompute": {"dollars": w.again.retrieve, "seconds": w.again.latency}, "places": rows,
            "envelope": [{"place": s.cost.name, "from": s.start, "until": finite(s.end)} for s in w.spans],
            "never_cheapest": beaten(w.ways, w.spans), "hold": hold, "at_hold": held,
            "cache_prices": {way.name: dict(zip(("write_5_min", "write_1_hour", "hit"),
                                                cache_prices.at_markup(way, w.again), strict=True))
                             for way in w.ways if way is not w.again},
            "readings": [{"by": r.what, "five_minutes": r.places[0], "one_hour": r.places[1],
                          "numbers": list(r.numbers), "unit": r.unit} for r in _read(w)],
            "trace": None if w.traced is None else tiers_trace.data(w.traced)}


def fits_nowhere(q: Any, reasons: tuple[str, ...], remedies: tuple[str, ...]) -> Answer:
    """The answer when no layout holds the model and one such context."""
    return Answer("tiers", f"{q.model.name} does not fit on {q.on.title} with {q.context:,.0f} tokens of context, so "
                  "nothing can be kept or computed there.", "derived", feasible=False,
                  reasons=(*(f"would fit with {r}" for r in remedies), *reasons), data={"would_fit": list(remedies)})
