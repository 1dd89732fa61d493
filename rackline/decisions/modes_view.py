"""Fast, standard and slow service as an Answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rackline import units
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table
from rackline.decisions.cite import cite
from rackline.decisions.clocks import is_calibrated
from rackline.decisions.equations import line
from rackline.decisions.mode_points import LECTURE, Point, Service, lecture_base, pass_seconds
from rackline.facts.machine import Machine
from rackline.physics import speculation

if TYPE_CHECKING:
    from rackline.decisions.modes import Compared, Ends

_PARTS = {"compute": "arithmetic", "weights": "reading weights", "cache": "reading KV", "network": "messages"}


def answer(c: Compared) -> Answer:
    """The full answer."""
    return Answer("modes", headline(c), "bound", (_services(c), _ends(c), _lecture(c)), (_plot(c), _dollars(c)),
                  tuple(_notes(c)), tuple(_explain(c)), tuple(_sources(c)), data=data(c))


def headline(c: Compared) -> str:
    """One sentence: what fast and slow cost beside standard."""
    own = c.own
    s, fast, slow = own.service, own.service.fast, own.service.slow
    meant = f"standard is {1 / own.standard.tpot:,.3g} tok/s at {units.show(own.standard.cost, 'dollars')} a million"
    lecture = ("2.5× the speed is out of reach" if own.quicker is None else
               f"2.5× the speed costs {own.price(own.quicker):.3g}× (the lecture's products ask 6×)")
    where = f"{s.case.server.model.name} on {s.case.server.machine.title} at {c.question.context:,.0f} tokens"
    return (f"{where}: {meant}; {lecture}, fast ends at {own.speed(fast):.3g}× for {own.price(fast):.3g}×, slow at "
            f"{own.speed(slow):.3g}× for {own.price(slow):.3g}×.")


def _services(c: Compared) -> Table:
    columns = (Column("service"), Column("mode"), Column("layout"), Column("batch a replica", "count"),
               Column("tok/s of a user", "count"), Column("$/Mtok", "dollars"), Column("speed ×", "count"),
               Column("price ×", "count"), Column("busy most with"))
    rows = []
    for e in c.ends:
        for name, p in _modes(e):
            rows.append((e.service.name, name, p.layout.name(), p.batch, 1 / p.tpot, p.cost, e.speed(p), e.price(p),
                         busiest(e.service, p)))
    return Table("Modes: multiples of each service's own standard", columns, tuple(rows))


def _modes(e: Ends) -> Iterator[tuple[str, Point]]:
    yield "slow", e.service.slow
    yield "standard", e.standard
    if e.quicker is not None:
        yield "2.5× as fast", e.quicker
    if e.bought is not None:
        yield "for 6× the price", e.bought
    yield "fastest", e.service.fast


def shares(service: Service, point: Point) -> dict[str, float]:
    """Seconds of each part over those of the pass; they overlap, so their sum is more than one."""
    step = service.step(point)
    return {name: float(getattr(step, name) / step.time) for name in _PARTS}


def busiest(service: Service, point: Point) -> str:
    """The part of a pass that takes longest."""
    found = shares(service, point)
    part = max(found, key=lambda name: found[name])
    return f"{_PARTS[part]} ({units.show(found[part], 'ratio')})"


def _ends(c: Compared) -> Table:
    rows = []
    for e in c.ends:
        rows.append((e.service.name, "fastest", why_fast_ends(e.service)))
        rows.append((e.service.name, "cheapest", why_slow_ends(e.service)))
    return Table("Why it goes no further", (Column("service"), Column("end"), Column("why")), tuple(rows))


def why_fast_ends(service: Service) -> str:
    """What a user alone still waits for."""
    point = service.fast
    found = shares(service, point)
    first, second = sorted(found, key=lambda name: -found[name])[:2]
    return (f"at batch {point.batch:,.0f} over {point.layout.replica} chips a pass is {_PARTS[first]} "
            f"({units.show(found[first], 'ratio')}) and {_PARTS[second]} ({units.show(found[second], 'ratio')}): "
            "fewer users save nothing more, more chips add messages")


def why_slow_ends(service: Service) -> str:
    """What more users would no longer share."""
    point = service.slow
    found, most = shares(service, point), service.largest_batch(point)
    kept = max(found["compute"], found["cache"])
    what = "arithmetic" if found["compute"] >= found["cache"] else "reading KV"
    full = point.batch >= 0.98 * most
    why = "memory is full" if full else f"more users (memory holds {most:,.0f}) only wait longer"
    return (f"{why} at batch {point.batch:,.0f}; {what} ({units.show(kept, 'ratio')} of the pass) is each user's own, "
            f"only the weights' {units.show(found['weights'], 'ratio')} could be shared further")


def _lecture(c: Compared) -> Table:
    columns = (Column("service"), Column("price of 2.5× the speed", "count"), Column("speed for 6× the price", "count"),
               Column("standard from which it is 6×, tok/s", "count"), Column("its $/Mtok", "dollars"))
    rows = []
    for e in c.ends:
        base = lecture_base(e.service)
        rows.append((e.service.name, float("nan") if e.quicker is None else e.price(e.quicker),
                     float("nan") if e.bought is None else e.speed(e.bought),
                     float("nan") if base is None else 1 / base.tpot, float("nan") if base is None else base.cost))
    return Table("The lecture's 6× price for 2.5× speed", columns, tuple(rows))


def _plot(c: Compared) -> Plot:
    curves = [Series(e.service.name, [e.speed(p) for p in e.service.points], [e.price(p) for p in e.service.points])
              for e in c.ends]
    return Plot("Price against speed, as multiples of standard", Axis("speed over standard", log=True),
                Axis("price over standard", log=True),
                (*curves, Series("standard", [1.0], [1.0], marks=True),
                 Series("the lecture's fast mode", [LECTURE[0]], [LECTURE[1]], marks=True)))


def _dollars(c: Compared) -> Plot:
    curves = [Series(e.service.name, [1 / p.tpot for p in e.service.points], [p.cost for p in e.service.points])
              for e in c.ends]
    standard = Series("standard", [1 / e.standard.tpot for e in c.ends], [e.standard.cost for e in c.ends], marks=True)
    return Plot("Price against speed", Axis("tokens/s a user sees", "tokens/s", log=True),
                Axis("$ per million output tokens", "dollars", log=True), (*curves, standard))


def _notes(c: Compared) -> Iterator[str]:
    q = c.question
    yield (f"Standard: the cheapest within {units.show(c.limit, 'seconds')} per token"
           + ("" if q.standard else ", the time in which the chip's memory is read once (the lecture's train)")
           + f"; decoding only, {'calibrated' if is_calibrated(q) else 'datasheet'} rates, every layout and batch that "
           "fits.")
    for e in c.ends:
        if e.standard.tpot > c.limit * (1 + 1e-9):
            yield f"{e.service.name}: nothing is as fast as standard should be; its fastest stands for it."
    if q.drafted:
        tokens = float(speculation.expected_tokens(c.acceptance.value, q.drafted))
        yield (f"{q.drafted} drafted tokens, each accepted with {units.show(c.acceptance.value, 'ratio')}: "
               f"{tokens:.3g} tokens a pass. Drafting one takes one layer's share of a pass, as a "
               "multi-token-prediction module does.")
        yield from (_gain(plain, draft) for plain, draft in _pairs(c))
    for title in c.left_out:
        yield f"{title}: {q.model.name} does not fit."
    if len({e.service.case.price.value for e in c.ends}) > 1:
        yield "Each machine at its own rental price; --price is for the machine of --on."


def _pairs(c: Compared) -> Iterator[tuple[Ends, Ends]]:
    for plain in c.ends:
        for draft in c.ends:
            same = draft.service.case.server.machine is plain.service.case.server.machine
            if same and draft.service.case.drafted and not plain.service.case.drafted:
                yield plain, draft


def _gain(plain: Ends, draft: Ends) -> str:
    fastest = plain.service.fast.tpot / draft.service.fast.tpot
    cheapest = draft.service.slow.cost / plain.service.slow.cost
    return (f"{plain.service.name}: drafting makes the fastest {fastest:.3g}× as fast and the cheapest "
            f"{cheapest:.3g}× as dear: it pays where reading weights, not arithmetic, fills a pass.")


def _explain(c: Compared) -> Iterator[Line]:
    for e in c.ends:
        for name, p in (("slow", e.service.slow), ("standard", e.standard), ("fastest", e.service.fast)):
            case = replace(e.service.case, layout=p.layout)
            seconds = float(pass_seconds(case, p.batch, e.service.context))  # type: ignore[arg-type]
            tokens = seconds / p.tpot
            yield Line(f"{e.service.name}, {name}: seconds per token", "tpot = (pass + drafted*draft)/tokens a pass",
                       f"{seconds:.4g} s / {tokens:.4g}", p.tpot, "seconds")
            machine = case.server.machine
            yield Line(f"{e.service.name}, {name}: a million tokens", "c = price*chips/3600*tpot/(batch*replicas)*1e6",
                       f"{case.price.value:g} × {machine.chips} / 3600 × {p.tpot:.4g} / ({p.batch:,.0f} × "
                       f"{p.layout.replicas}) × 1e6", p.cost, "dollars")
    if c.question.drafted:
        yield line("tokens a pass", speculation.expected_tokens, "count", acceptance=c.acceptance.value,
                   drafted=float(c.question.drafted))


def _sources(c: Compared) -> Iterator[Source]:
    """The machine's facts, by how far the fastest service's time per token moves with each."""
    own = c.own.service

    def fastest(machine: Machine) -> float:
        case = replace(own.case, server=replace(own.case.server, machine=machine), layout=own.fast.layout)
        return float(case.step(own.fast.batch, own.context).time)

    yield from cite(fastest, own.case.server.machine)
    for e in c.ends:
        if not e.service.case.drafted:
            price = e.service.case.price
            yield Source(f"{e.service.name}: price per chip-hour", price.shown(), price.source, price.date)
    yield Source("acceptance of a drafted token", c.acceptance.shown(), c.acceptance.source, c.acceptance.date)
    yield Source("model configuration", own.case.server.model.name, own.case.server.model.source, "")


def _point(e: Ends, p: Point | None) -> dict[str, Any] | None:
    if p is None:
        return None
    return {"layout": p.layout.name(), "batch": p.batch, "time_per_output_token": p.tpot,
            "tokens_per_second": 1 / p.tpot, "cost": p.cost, "speed": e.speed(p), "price": e.price(p),
            "shares": shares(e.service, p)}


def data(c: Compared) -> dict[str, Any]:
    """What --json prints."""
    rows = []
    for e in c.ends:
        base = lecture_base(e.service)
        rows.append({
            "machine": e.service.case.server.machine.name, "drafted": e.service.case.drafted,
            "slow": _point(e, e.service.slow), "standard": _point(e, e.standard), "fastest": _point(e, e.service.fast),
            "at_2_5_times_the_speed": _point(e, e.quicker), "for_6_times_the_price": _point(e, e.bought),
            "lecture_base": _point(e, base), "why_fast_ends": why_fast_ends(e.service),
            "why_slow_ends": why_slow_ends(e.service),
            "frontier": [{"speed": e.speed(p), "price": e.price(p), "tokens_per_second": 1 / p.tpot, "cost": p.cost,
                          "batch": p.batch, "layout": p.layout.name()} for p in e.service.points]})
    return {"model": c.own.service.case.server.model.name, "context": c.question.context, "standard_seconds": c.limit,
            "acceptance": c.acceptance.value, "services": rows, "left_out": list(c.left_out)}


def fits_nowhere(q: Any, remedies: tuple[str, ...]) -> Answer:
    """The answer when no layout holds the model."""
    return Answer("modes", f"{q.model.name} does not fit on {q.on.title} with {q.context:,.0f} tokens of context.",
                  "derived", feasible=False, reasons=tuple(f"would fit with {r}" for r in remedies),
                  data={"would_fit": list(remedies)})
