"""What is known about a chip, a machine or a memory tier: every number with its source, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import truediv
from typing import Any

from rackline.decisions.answer import Answer, Column, Line, Source, Table
from rackline.facts.fact import Fact, named_facts
from rackline.facts.formats import bytes_per_number
from rackline.facts.machine import Chip, Machine, Tier
from rackline.physics import operating
from rackline.physics.blackboard import machine_balance
from rackline.units import show


@dataclass(frozen=True)
class Derived:
    """A number that follows from facts, with the interval that theirs imply."""

    what: str
    equation: str
    numbers: str
    value: float
    low: float
    high: float
    unit: str


def hardware_answer(record: Chip | Machine | Tier) -> Answer:
    """Every number of a chip, machine or tier with its source, and its balance and drain time."""
    facts = named_facts(record)
    derived = list(_derived(record))
    return Answer(
        question="facts", headline=_headline(record), badge="datasheet",
        tables=(_fact_table(record.title, facts), _derived_table(derived)),
        notes=_notes(record, facts),
        explain=tuple(Line(d.what, d.equation, d.numbers, d.value, d.unit) for d in derived),
        sources=tuple(Source(path, fact.shown(), fact.source, fact.date) for path, fact in facts),
        data=_data(record, facts, derived))


def _derived(record: Chip | Machine | Tier) -> Iterator[Derived]:
    if isinstance(record, Tier):
        yield drain_time(record.capacity, record.bandwidth)
        return
    chip = record.chip if isinstance(record, Machine) else record
    yield from (balance(chip, rate) for rate in chip.flops)
    yield drain_time(chip.memory_capacity, chip.memory_bandwidth)
    if isinstance(record, Machine):
        yield from _of_machine(record)


def balance(chip: Chip, rate: str) -> Derived:
    """Multiply-adds that a chip does in the time it reads one weight from memory."""
    flops, bandwidth, weight = chip.flops[rate], chip.memory_bandwidth, bytes_per_number(rate)
    numbers = f"{show(flops.value, 'flop/s')} · {weight:g} B / (2 · {show(bandwidth.value, 'bytes/s')})"
    spread = _spread(lambda F, W: machine_balance(F, W, weight), flops, bandwidth)
    return Derived(f"balance in {rate}", "R = F·w/(2·W)", numbers, *spread, "count")


def drain_time(capacity: Fact, bandwidth: Fact) -> Derived:
    """Seconds to read a whole memory once."""
    numbers = f"{show(capacity.value, 'bytes')} / {show(bandwidth.value, 'bytes/s')}"
    return Derived("drain time", "t = C/W", numbers, *_spread(operating.drain_time, capacity, bandwidth), "seconds")


def _of_machine(machine: Machine) -> Iterator[Derived]:
    chip, size = machine.chip, machine.domain
    yield _times(size, chip.memory_capacity, "memory of a domain", "E·C")
    yield _times(size, chip.memory_bandwidth, "memory bandwidth of a domain", "E·W")
    if machine.scale_up and machine.scale_out:
        inside, beyond = machine.scale_up.bandwidth, machine.scale_out.bandwidth
        numbers = f"{show(inside.value, 'bytes/s')} / {show(beyond.value, 'bytes/s')}"
        yield Derived("scale-up over scale-out", "W_up/W_out", numbers, *_spread(truediv, inside, beyond), "count")


def _times(count: int, fact: Fact, what: str, equation: str) -> Derived:
    low, high = _ends(fact)
    numbers = f"{count} · {show(fact.value, fact.unit)}"
    return Derived(what, equation, numbers, count * fact.value, count * low, count * high, fact.unit)


def _spread(ratio: Callable[[float, float], float], above: Fact, below: Fact) -> tuple[float, float, float]:
    """The ratio's value, and its least and most over both intervals; it rises with `above` and falls with `below`."""
    (low, high), (least, most) = _ends(above), _ends(below)
    return ratio(above.value, below.value), ratio(low, most), ratio(high, least)


def _ends(fact: Fact) -> tuple[float, float]:
    return (fact.value if fact.low is None else fact.low, fact.value if fact.high is None else fact.high)


def _headline(record: Chip | Machine | Tier) -> str:
    if isinstance(record, Tier):
        drain = show(drain_time(record.capacity, record.bandwidth).value, "seconds")
        return (f"{record.title}: {show(record.capacity.value, 'bytes')} a chip at "
                f"{show(record.bandwidth.value, 'bytes/s')}, drained in {drain}.")
    return _machine_headline(record) if isinstance(record, Machine) else _chip_headline(record)


def _chip_headline(chip: Chip) -> str:
    rate = "fp8" if "fp8" in chip.flops else "bf16"
    drain = show(drain_time(chip.memory_capacity, chip.memory_bandwidth).value, "seconds")
    title = f"{chip.title}, announced" if chip.announced else chip.title
    return (f"{title}: {show(chip.flops[rate].value, 'flop/s')} dense in {rate}, "
            f"{show(chip.memory_capacity.value, 'bytes')} at {show(chip.memory_bandwidth.value, 'bytes/s')}; "
            f"balance {balance(chip, rate).value:.0f}, drain time {drain}.")


def _machine_headline(machine: Machine) -> str:
    parts = [f"{machine.title}: {machine.chips:,} × {machine.chip.title}"]
    if machine.scale_up:
        inside = show(machine.scale_up.bandwidth.value, "bytes/s")
        parts.append(f"{inside} a chip inside a domain of {machine.domain:,}")
    if machine.scale_out:
        parts.append(f"{show(machine.scale_out.bandwidth.value, 'bytes/s')} between domains")
    if machine.price:
        parts.append(f"{machine.price.shown()} a chip")
    return ", ".join(parts) + "."


def _fact_table(title: str, facts: list[tuple[str, Fact]]) -> Table:
    columns = tuple(map(Column, ("number", "value", "interval", "kind", "source", "date")))
    rows = tuple((path, show(fact.value, fact.unit), _interval(fact), fact.kind, fact.source, fact.date)
                 for path, fact in facts)
    return Table(title, columns, rows)


def _interval(fact: Fact) -> str:
    if fact.low is None and fact.high is None:
        return ""
    return " … ".join(show(end, fact.unit) for end in _ends(fact))


def _derived_table(derived: list[Derived]) -> Table:
    columns = tuple(map(Column, ("what follows", "value", "low", "high", "equation")))
    rows = tuple((d.what, *(show(x, d.unit) for x in (d.value, d.low, d.high)), d.equation) for d in derived)
    return Table("What follows", columns, rows)


def _notes(record: Chip | Machine | Tier, facts: list[tuple[str, Fact]]) -> tuple[str, ...]:
    own = getattr(record, "note", "")
    return ((own,) if own else ()) + tuple(f"{path}: {fact.note}" for path, fact in facts if fact.note)


def _data(record: Chip | Machine | Tier, facts: list[tuple[str, Fact]],
          derived: list[Derived]) -> dict[str, Any]:
    keys = ("value", "unit", "low", "high", "source", "date", "kind", "note")
    follows = ("value", "low", "high", "unit", "equation")
    sizes = {"chips": record.chips, "domain": record.domain} if isinstance(record, Machine) else {}
    return {
        "record": type(record).__name__.lower(), "name": record.name, "title": record.title, **sizes,
        "facts": {path: {key: getattr(fact, key) for key in keys} for path, fact in facts},
        "derived": {d.what: {key: getattr(d, key) for key in follows} for d in derived}}
