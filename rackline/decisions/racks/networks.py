"""The same exchange on other networks: one domain and two, boxes of eight, limited routing, a torus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rackline import units
from rackline.decisions.answer import Column, Line, Source, Table
from rackline.decisions.cite import cite
from rackline.decisions.equations import line
from rackline.decisions.racks.case import Case, Part
from rackline.facts.formats import bytes_per_number
from rackline.facts.machine import Machine
from rackline.facts.model import FeedForward
from rackline.physics import collectives
from rackline.physics import experts as exact
from rackline.systems.domains import as_torus, with_domain
from rackline.systems.ledger import ACTIVATION_BYTES
from rackline.systems.network import message_time
from rackline.systems.work import Message

_BOX = 8  # chips of a box, the two-level network of most data centres
_LIMIT = 4  # nodes that DeepSeek-V3's router may choose among


@dataclass(frozen=True)
class Exchange:
    """One dispatch on one network: chips, seconds, bytes that a chip sends beyond its domain."""

    network: str
    chips: int
    time: float
    beyond: float


@dataclass(frozen=True)
class Asked:
    """What is exchanged: `tokens` a chip, each a piece of `size` bytes to k of the experts."""

    machine: Machine
    moe: FeedForward
    tokens: float
    size: float

    @property
    def payload(self) -> float:
        """Bytes that a chip hands out once."""
        return self.tokens * self.size

    def hit(self, places: float) -> float:
        """Distinct chips or nodes, of so many, that a token's experts sit on."""
        return float(exact.chips_hit(places, self.moe.experts, self.moe.top_k))


def part(case: Case) -> Part:
    """The subject; a machine without networks or a dense model has only the closed form."""
    m = case.machine
    if m.scale_up is None or case.moe is None:
        why = "no scale-up network" if m.scale_up is None else "no routed experts"
        return Part("", notes=(f"Networks are compared by a routed layer's exchange: {why} here.",))
    asked = Asked(m, case.moe, float(case.batch), _size(case))
    found = tuple(exchanges(asked))
    return Part(_sentence(m, found), (_table(asked, found),), notes=tuple(_notes(m)), explain=tuple(_explain(asked)),
                sources=_sources(asked),
                data={"exchanges": [{"network": e.network, "chips": e.chips, "seconds": e.time, "beyond": e.beyond,
                                     "over_one_domain": e.time / found[0].time} for e in found]})


def _sources(a: Asked) -> tuple[Source, ...]:
    """The machine's facts by how far the time over two domains moves with each; over one, where there is no other."""
    bare = a.machine.model_copy(update={"tiers": ()})
    return cite(lambda m: list(exchanges(replace(a, machine=m)))[0 if m.scale_out is None else 1].time, bare)


def _size(case: Case) -> float:
    assert case.moe
    stored = bytes_per_number(case.some_model.formats["experts"])
    return float(case.moe.expert_matrices[0].inputs * min(ACTIVATION_BYTES, max(1.0, stored)))


def exchanges(a: Asked) -> Iterator[Exchange]:
    """One dispatch of the same tokens a chip on every network."""
    m, d = a.machine, a.machine.domain
    one = with_domain(m, d, d)
    yield Exchange(f"one domain of {d}", d, _time(a, one, d), 0.0)
    if m.scale_out is not None:
        two = with_domain(m, d, 2 * d)
        leaving = collectives.outside_fraction(2.0) * a.moe.top_k * a.payload
        yield Exchange(f"two domains of {d}, a copy for each expert", 2 * d, _every_copy(a, two, 2 * d), leaving)
        yield Exchange(f"two domains of {d}, one copy a domain", 2 * d, _time(a, two, 2 * d),
                       _beyond(a, 2.0))
    if not _is_torus(m):
        yield Exchange(f"one domain of {2 * d}", 2 * d, _time(a, with_domain(m, 2 * d, 2 * d), 2 * d), 0.0)
        yield from _boxes(a)
        torus = as_torus(one)
        assert torus.scale_up
        axes = " × ".join(map(str, torus.scale_up.axes))
        yield Exchange(f"a torus of {axes}, the same byte/s a chip", d, _time(a, torus, d), 0.0)


def _is_torus(m: Machine) -> bool:
    return bool(m.scale_up and m.scale_up.axes)


def _boxes(a: Asked) -> Iterator[Exchange]:
    """As many of the chips in boxes of eight as are a power of two."""
    m = a.machine
    d = 1 << (m.domain.bit_length() - 1)  # experts divide evenly over the boxes
    if m.scale_out is None or d <= _BOX:
        return
    boxes, nodes = with_domain(m, _BOX, d), float(d // _BOX)
    yield Exchange(f"{nodes:.0f} boxes of {_BOX}, a copy for each expert", d, _every_copy(a, boxes, d),
                   collectives.outside_fraction(nodes) * a.moe.top_k * a.payload)
    yield Exchange(f"{nodes:.0f} boxes of {_BOX}, one copy a box", d, _time(a, boxes, d), _beyond(a, nodes))
    limit = a.moe.top_groups if a.moe.groups > 1 else _LIMIT
    if limit < nodes and a.moe.experts % nodes == 0:
        few = float(exact.nodes_hit_limited(nodes, limit, a.moe.experts, a.moe.top_k))
        yield Exchange(f"the same, router limited to {limit} boxes", d, _limited(a, boxes, few, nodes),
                       few * collectives.outside_fraction(nodes) * a.payload)


def _time(a: Asked, machine: Machine, chips: int) -> float:
    message = Message("all-to-all", chips, a.payload, copies=a.hit(chips), domains=a.moe.top_k)
    return float(message_time(machine, message))


def _beyond(a: Asked, domains: float) -> float:
    return float(min(a.hit(domains), a.moe.top_k) * collectives.outside_fraction(domains) * a.payload)


def _every_copy(a: Asked, machine: Machine, chips: int) -> float:
    """Every expert's copy travels by itself: the lecture's all-to-all."""
    assert machine.scale_up
    assert machine.scale_out
    wire = collectives.two_level_all_to_all_time(a.payload * a.moe.top_k, chips, machine.domain,
                                                 machine.scale_up.bandwidth.value, machine.scale_out.bandwidth.value)
    return float(wire) + machine.scale_out.latency.value


def _limited(a: Asked, machine: Machine, few: float, nodes: float) -> float:
    assert machine.scale_up
    assert machine.scale_out
    wire = collectives.limited_exchange_time(a.hit(nodes * _BOX), few * collectives.outside_fraction(nodes), a.payload,
                                             machine.scale_up.bandwidth.value, machine.scale_out.bandwidth.value)
    return float(wire) + machine.scale_out.latency.value


def _sentence(m: Machine, found: tuple[Exchange, ...]) -> str:
    two = [e for e in found if e.network.startswith("two domains")]
    if not two:
        return f"An exchange in one domain takes {units.show(found[0].time, 'seconds')}; nothing leads beyond it."
    return (f"Across two domains the same exchange takes {two[0].time / found[0].time:.3g}× as long, "
            f"{two[1].time / found[0].time:.3g}× with one copy a domain.")


def _table(a: Asked, found: tuple[Exchange, ...]) -> Table:
    columns = (Column("network"), Column("chips", "count"), Column("one dispatch", "seconds"),
               Column("over one domain", "count"), Column("leaves the domain, a chip", "bytes"))
    rows = tuple((e.network, e.chips, e.time, e.time / found[0].time, e.beyond) for e in found)
    return Table(f"{a.tokens:,.0f} tokens a chip to their {a.moe.top_k} of {a.moe.experts} experts", columns, rows)


def _notes(m: Machine) -> Iterator[str]:
    yield ("Both networks carry at once and the slower one decides; uniform routing; no congestion. A larger domain is "
           "given the same byte/s a chip: what it costs in cables is the price of it.")
    out = m.scale_out.bandwidth if m.scale_out else None
    if out is not None and out.low is not None and out.low < out.value and m.scale_up:
        yield (f"With the slowest network card sold ({units.show(out.low, 'bytes/s')}) scale-out is "
               f"{m.scale_up.bandwidth.value / out.low:.3g}× slower than scale-up.")


def _explain(a: Asked) -> Iterator[Line]:
    m = a.machine
    assert m.scale_up
    if m.scale_out is not None:
        ratio = m.scale_up.bandwidth.value / m.scale_out.bandwidth.value
        yield line("two domains over one, the lecture's ½ × 8", collectives.rack_slowdown, "count", racks=2.0,
                   ratio=8.0)
        yield line("the same here", collectives.rack_slowdown, "count", racks=2.0, ratio=ratio)
        yield line("share that leaves one of two domains", collectives.outside_fraction, "ratio", racks=2.0)
        yield line("scale-up over scale-out time of a pipeline of racks", collectives.stage_traffic_ratio, "count",
                   ratio=ratio, k=float(a.moe.top_k), layers=1.0)
