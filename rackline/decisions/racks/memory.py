"""The memory wall: what part of a chip's price its memory is, and the same model on leaner chips and more stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rackline import units
from rackline.decisions.answer import Axis, Column, Line, Plot, Series, Source, Table
from rackline.decisions.equations import line
from rackline.decisions.money import dollars_per_million
from rackline.decisions.racks.case import Case, Part, sourced
from rackline.facts.fact import Fact
from rackline.physics import capacity, designs
from rackline.systems.domains import with_domain
from rackline.systems.layout import Layout
from rackline.systems.memory import USABLE, memory
from rackline.systems.passes import decode
from rackline.systems.placing import layouts, why_not
from rackline.systems.serving import Server

_KNOWLEDGE = "general knowledge, read in no source"
MEMORY_PRICE = Fact(value=15e-9, low=8e-9, high=60e-9, unit="dollars/byte", kind="assumed", date="2026-11-21",
                    source=_KNOWLEDGE, note="HBM as a chip maker buys it; high: in a shortage, with his margin; "
                    "give --memory-price")
YEARS = Fact(value=4.0, low=3.0, high=6.0, unit="count", kind="assumed", date="2026-11-21", source=_KNOWLEDGE,
             note="years over which a chip is paid off")
CAPITAL = Fact(value=0.7, low=0.5, high=0.85, unit="ratio", kind="assumed", date="2026-11-21", source=_KNOWLEDGE,
               note="part of a chip-hour's price that pays for the machine; the rest is power, place, people, margin")
HALF = 0.5  # of capital spending goes to memory, says the lecture
STAGES = (1, 2, 4, 8)
_HOURS = 8766.0  # of a year


@dataclass(frozen=True)
class Staged:
    """The model over so many stages, a domain each: bytes a chip must have, its price, seconds and dollars a token."""

    stages: int
    weights: float
    cache: float
    needed: float
    cost: float
    tpot: float
    tokens: float  # per second and chip
    dollars: float  # per million tokens
    full_dollars: float  # with the whole memory


def part(case: Case) -> Part:
    """The subject: the share alone without a model."""
    byte, cost = memory_price(case), chip_cost(case)
    shares = _shares(case, byte, cost)
    staged = _staged(case, byte, cost) if case.model else []
    tables = (_share_table(case, byte, cost, shares), *((_stage_table(case, staged),) if staged else ()))
    plots = (_share_plot(case, cost), *((_stage_plot(staged),) if staged else ()))
    return Part(_sentence(case, shares, byte, cost, staged), tables, plots, tuple(_notes(case, staged)),
                tuple(_explain(case, byte, cost, staged)), tuple(_sources(byte, cost)),
                {"memory_price": byte.value, "chip_cost": cost.value, "memory_share": shares[0],
                 "memory_share_low": shares[1], "memory_share_high": shares[2],
                 "price_at_half": _at_half(case, cost), "stages": [vars(s) for s in staged]})


def memory_price(case: Case) -> Fact:
    """Dollars per byte of a chip's memory: the user's, else the assumption."""
    return _given(case.question.memory_price, "dollars/byte", "--memory-price") or MEMORY_PRICE


def chip_cost(case: Case) -> Fact:
    """Dollars that a chip costs to buy with its share of the rack: the user's, else from what a chip-hour costs."""
    return _given(case.question.chip_cost, "dollars", "--chip-cost") or capital(case.price)


def capital(price: Fact) -> Fact:
    """Dollars that a chip cost, from what its hour costs."""
    ends = [hourly * years * share * _HOURS for hourly, years, share in zip(
        _ends(price), _ends(YEARS), _ends(CAPITAL), strict=True)]
    return Fact(value=ends[0], low=ends[1], high=ends[2], unit="dollars", kind="assumed", date=price.date,
                source=f"price per chip-hour ({price.source}) × years × its part for capital",
                note="give --chip-cost")


def _given(value: float | None, unit: str, flag: str) -> Fact | None:
    return None if value is None else Fact(value=value, unit=unit, kind="published", source=f"the user's {flag}",
                                           date="now")


def _ends(fact: Fact) -> tuple[float, float, float]:
    return (fact.value, fact.value if fact.low is None else fact.low, fact.value if fact.high is None else fact.high)


def _shares(case: Case, byte: Fact, cost: Fact) -> tuple[float, float, float]:
    """The share, at least and at most."""
    size = case.machine.chip.memory_capacity.value
    p, c = _ends(byte), _ends(cost)
    share = lambda price, chip: min(1.0, float(designs.memory_share(size, price, chip)))  # noqa: E731
    return share(p[0], c[0]), share(p[1], c[2]), share(p[2], c[1])


def _at_half(case: Case, cost: Fact) -> float:
    return float(designs.memory_price_at_share(HALF, cost.value, case.machine.chip.memory_capacity.value))


# ---- leaner chips, more stages


def _staged(case: Case, byte: Fact, cost: Fact) -> list[Staged]:
    base = _layout(case)
    if base is None:
        return []
    counts = [p for p in STAGES if p <= case.some_model.depth and (p == 1 or case.machine.scale_out is not None)]
    return [_stage(case, replace(base, pipeline=p), byte.value, cost.value) for p in counts]


def _layout(case: Case) -> Layout | None:
    """The layout over one domain, without stages, that is fastest at the batch asked for."""
    machine, model = case.one_domain, case.some_model
    batch = float(case.batch * machine.domain)
    found = [x for x in layouts(model, machine) if x.replicas == 1 and x.pipeline == 1
             and bool(memory(model, machine, x, batch, case.context).fits)
             and not why_not(model, machine, x, case.context)]
    server = Server(model, machine)
    return min(found, key=lambda x: float(server.stage_time(x, decode(batch, case.context))), default=None)


def _stage(case: Case, layout: Layout, byte: float, cost: float) -> Staged:
    d, p = case.machine.domain, int(layout.pipeline)
    machine = with_domain(case.machine, d, d * p)
    micro = float(case.batch * d)
    held = memory(case.some_model, machine, layout, micro * p, case.context)
    needed = float(held.total) / USABLE.value
    time = p * float(Server(case.some_model, machine).stage_time(layout, decode(micro, case.context)))
    lean = float(designs.slimmed_cost(cost, machine.chip.memory_capacity.value, needed, byte))
    rate, chips = micro * p / time, d * p
    full = dollars_per_million(case.price.value, chips, rate)
    return Staged(p, float(held.weights), float(held.cache + held.state), needed, lean, time, rate / chips,
                  full * (1.0 - CAPITAL.value * (1.0 - lean / cost)), full)


def _sentence(case: Case, shares: tuple[float, float, float], byte: Fact, cost: Fact, staged: list[Staged]) -> str:
    text = (f"Memory is {units.show(shares[0], 'ratio')} of the price of one {case.machine.chip.title} "
            f"{_span(shares)} at {units.show(byte.value, 'dollars/byte')} and {units.show(cost.value, 'dollars')} a "
            f"chip; it is half at {units.show(_at_half(case, cost), 'dollars/byte')}")
    if len(staged) > 1:
        first, last = staged[0], staged[-1]
        has = case.machine.chip.memory_capacity.value
        text += (f"; {last.stages} stages need {units.show(last.needed, 'bytes')} a chip instead of "
                 f"{units.show(first.needed, 'bytes')} of {units.show(has, 'bytes')}")
    return text + "."


def _span(shares: tuple[float, float, float]) -> str:
    """The interval in brackets; nothing where both prices are given."""
    low, high = (units.show(x, "ratio") for x in shares[1:])
    return "" if low == high else f"({low} … {high})"


def _share_table(case: Case, byte: Fact, cost: Fact, shares: tuple[float, float, float]) -> Table:
    size = case.machine.chip.memory_capacity.value
    rows = (("price of memory", byte.shown()), ("memory of a chip", units.show(size, "bytes")),
            ("what that costs", units.show(size * byte.value, "dollars")), ("price of a chip", cost.shown()),
            ("share of memory", f"{units.show(shares[0], 'ratio')} {_span(shares)}".rstrip()),
            ("it is half at", units.show(_at_half(case, cost), "dollars/byte")))
    return Table(f"Memory's share of the price: {case.machine.chip.title}", (Column("what"), Column("value")), rows)


def _stage_table(case: Case, staged: list[Staged]) -> Table:
    columns = (Column("stages, a domain each", "count"), Column("weights a chip", "bytes"),
               Column("KV a chip", "bytes"),
               Column("memory a chip needs", "bytes"), Column("leaner chip", "dollars"), Column("per token", "seconds"),
               Column("tok/s a chip", "count"), Column("on leaner chips", "dollars/Mtok"),
               Column("on these", "dollars/Mtok"))
    rows = tuple((s.stages, s.weights, s.cache, s.needed, s.cost, s.tpot, s.tokens, s.dollars, s.full_dollars)
                 for s in staged)
    return Table(f"{case.some_model.name}, {case.batch:,} sequences a chip and stage at {case.context:,.0f} "
                 "tokens, on chips with only the memory they need", columns, rows)


def _share_plot(case: Case, cost: Fact) -> Plot:
    x = np.geomspace(5e-9, 500e-9, 49)
    size = case.machine.chip.memory_capacity.value
    share = lambda c: np.minimum(1.0, designs.memory_share(size, x, c)).tolist()  # noqa: E731
    _, low, high = _ends(cost)
    return Plot("Memory's share of the price against the price of memory",
                Axis("price of memory", "dollars/byte", log=True), Axis("share of a chip's price", "ratio"),
                (Series(case.machine.chip.title, x.tolist(), share(cost.value), share(high), share(low)),),
                ((MEMORY_PRICE.value, "assumed"), (_at_half(case, cost), "half")))


def _stage_plot(staged: list[Staged]) -> Plot:
    x = [float(s.stages) for s in staged]
    return Plot("Memory that a chip needs against pipeline stages", Axis("stages, a domain each"),
                Axis("bytes a chip", "bytes"), (Series("weights", x, [s.weights for s in staged]),
                                                Series("KV", x, [s.cache for s in staged]),
                                                Series("needed in all", x, [s.needed for s in staged])))


def _notes(case: Case, staged: list[Staged]) -> Iterator[str]:
    yield ("A chip's price is its share of the whole machine as bought; hosts' memory is not counted, and the "
           "interval pairs the least price of memory with the dearest chip and the other way round.")
    if staged:
        yield ("Stages divide the weights only: every stage keeps a micro-batch in flight, so KV a chip stays. The "
               "leaner chip keeps its bandwidth, though stacks of memory bring both; time includes a hop a stage.")
    elif case.model:
        yield f"{case.batch:,} sequences a chip of {case.context:,.0f} tokens do not fit in one domain here."
    yield ("The lecture quotes half of capital spending: with memory at its buyer's contract price it is far less of a "
           "machine's price; it comes near half of what a chip costs to make, or in a shortage.")


def _explain(case: Case, byte: Fact, cost: Fact, staged: list[Staged]) -> Iterator[Line]:
    size = case.machine.chip.memory_capacity.value
    yield line("memory's share", designs.memory_share, "ratio", C=size, memory_price=byte.value, cost=cost.value)
    yield line("price at which it is half", designs.memory_price_at_share, "dollars/byte", share=HALF, cost=cost.value,
               C=size)
    for s in staged:
        yield line(f"leaner chip for {s.stages} stages", designs.slimmed_cost, "dollars", cost=cost.value, C=size,
                   C_needed=s.needed, memory_price=byte.value)
    if staged:
        model, d = case.some_model, case.machine.domain
        yield line("lecture's memory per chip, four stages", capacity.memory_per_chip, "bytes", P=4.0, E=float(d),
                   b=float(case.batch * d), L=case.context, weights=model.weight_bytes(),
                   kv=model.kv_bytes_per_token())


def _sources(byte: Fact, cost: Fact) -> Iterator[Source]:
    yield sourced("price of memory", byte)
    yield sourced("price of a chip", cost)
    yield sourced("years", YEARS)
    yield sourced("part of a chip-hour that is capital", CAPITAL)
