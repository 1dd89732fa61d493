"""The machine as an object: chips, switches, hops, cables, power, weight, and how that grows with the domain."""

from __future__ import annotations

from collections.abc import Iterator

from rackline import units
from rackline.decisions.answer import Column, Line, Source, Table
from rackline.decisions.equations import line
from rackline.decisions.racks.case import Case, Part, sourced
from rackline.facts.fact import Fact, named_facts
from rackline.facts.machine import Machine
from rackline.physics import capacity
from rackline.systems.domains import bisection, hops

Row = tuple[str, str, str]


def part(case: Case) -> Part:
    """The machine's own table; facts that are from memory say so in --cite."""
    m = case.machine
    return Part(_sentence(m), (Table(m.title, (Column("what"), Column("one domain"), Column("a chip")),
                                     tuple(_rows(m))),),
                notes=tuple(_notes(m)), explain=tuple(_explain(m)), data=_data(m))


def _sentence(m: Machine) -> str:
    net = m.scale_up
    if net is None:
        return f"{m.title}: {m.chips} chip{'s' * (m.chips > 1)}, no scale-up network."
    far = hops(net)[0]
    out = f"; {_ratio(m):.3g}× slower beyond" if m.scale_out else ""
    cabled = f", {units.show(net.cables.value)} cables" if net.cables else ""
    return (f"{m.title}: {m.domain} chips in a domain, at most {far:.0f} hops apart at "
            f"{units.show(net.bandwidth.value, 'bytes/s')} a chip{out}{cabled}.")


def _ratio(m: Machine) -> float:
    assert m.scale_up
    assert m.scale_out
    return m.scale_up.bandwidth.value / m.scale_out.bandwidth.value


def _rows(m: Machine) -> Iterator[Row]:
    chip, n = m.chip, m.domain
    yield "chips (packages)", f"{n:,}", chip.title
    yield "chips in all", f"{m.chips:,}", ""
    if m.node:
        yield "chips of one node", f"{m.node}", ""
    for name, fact in chip.flops.items():
        yield f"FLOP/s in {name}", units.show(n * fact.value, "flop/s"), fact.shown()
    yield "memory", units.show(n * chip.memory_capacity.value, "bytes"), chip.memory_capacity.shown()
    yield "memory bandwidth", units.show(n * chip.memory_bandwidth.value, "bytes/s"), chip.memory_bandwidth.shown()
    yield from _network_rows(m)
    yield from _body_rows(m)


def _network_rows(m: Machine) -> Iterator[Row]:
    net = m.scale_up
    if net is not None:
        far, mean = hops(net)
        shape = " × ".join(map(str, net.axes)) + " torus" if net.axes else net.kind
        yield "scale-up network", shape, net.bandwidth.shown() + " one way"
        yield "bisection of a domain", units.show(bisection(m), "bytes/s"), ""
        yield "hops, farthest and mean", f"{far:.0f} and {mean:.3g}", net.latency.shown()
        if net.switches:
            yield "switches", net.switches.shown(), f"{net.switches.value / m.domain:.3g}"
        if net.cables:
            yield "cables", net.cables.shown(), f"{net.cables.value / m.domain:.3g}"
    if m.scale_out is not None:
        slower = f"{_ratio(m):.3g}× slower than scale-up" if net else ""
        yield "scale-out network", slower, m.scale_out.bandwidth.shown() + " one way"


def _body_rows(m: Machine) -> Iterator[Row]:
    for name, fact, unit in (("power", m.power, "watts"), ("weight", m.weight, "kilograms")):
        if fact is not None:
            yield name, fact.shown(), units.show(fact.value / m.domain, unit)
    if m.chip.power is not None:
        yield "power of the chips alone", units.show(m.domain * m.chip.power.value, "watts"), m.chip.power.shown()
    if m.price is not None:
        yield "price", units.show(m.domain * m.price.value, "dollars/hour"), m.price.shown()


def _notes(m: Machine) -> Iterator[str]:
    if m.scale_up and m.scale_up.cables:
        yield ("Cables grow with the chips, so in the same rack their density does too: twice the chips, twice "
               f"the cables ({units.show(2 * m.scale_up.cables.value)}); bend radius, connectors, weight, heat limit.")
    if m.note:
        yield f"{m.title}: {m.note}."
    missing = [name for name, fact in _published(m) if fact is None]
    if missing:
        yield f"Not published, or not read: {', '.join(missing)}."


def _published(m: Machine) -> tuple[tuple[str, Fact | None], ...]:
    net = m.scale_up
    switched = net is not None and not net.axes
    return (("power", m.power), ("weight", m.weight),
            *((("switches", net.switches), ("cables", net.cables)) if net and switched else ()))


def _explain(m: Machine) -> Iterator[Line]:
    known = {"chips": float(m.domain), "chip_capacity": m.chip.memory_capacity.value}
    yield line("memory of a domain", capacity.domain_capacity, "bytes", **known)
    if m.scale_up and m.scale_up.cables:
        each = m.scale_up.cables.value / m.domain
        yield line("cables with twice the chips", capacity.cables, "count", chips=2.0 * m.domain, links=each, wires=1.0)


def sources(m: Machine) -> Iterator[Source]:
    """Every fact of the machine without its memory tiers."""
    for name, fact in named_facts(m):
        if not name.startswith("tiers"):
            yield sourced(name, fact)


def _data(m: Machine) -> dict:
    net = m.scale_up
    value = lambda fact: None if fact is None else fact.value  # noqa: E731
    far, mean = hops(net) if net else (None, None)
    return {"name": m.name, "domain": m.domain, "chips": m.chips, "node": m.node,
            "memory": m.domain * m.chip.memory_capacity.value,
            "memory_bandwidth": m.domain * m.chip.memory_bandwidth.value, "hops_farthest": far, "hops_mean": mean,
            "bisection": bisection(m), "switches": value(net.switches) if net else None,
            "cables": value(net.cables) if net else None, "power": value(m.power), "weight": value(m.weight),
            "scale_up_over_scale_out": _ratio(m) if net and m.scale_out else None}
