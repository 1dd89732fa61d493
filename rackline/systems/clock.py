"""Clocks: from a ledger to seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.facts.formats import math_format
from rackline.facts.machine import Chip, Machine
from rackline.facts.model import Model
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.network import message_time
from rackline.systems.passes import Pass
from rackline.systems.work import Work

Number = Any
RESOURCES = ("compute", "memory", "network")


@dataclass(frozen=True)
class TermTime:
    """Seconds that one term keeps the arithmetic, the memory and the network of a chip busy."""

    compute: Number
    memory: Number
    network: Number

    @property
    def time(self) -> Number:
        """Seconds of the term alone: arithmetic and memory overlap, messages come after."""
        return np.maximum(self.compute, self.memory) + self.network

    @property
    def limiter(self) -> str:
        """The resource that the term keeps busy longest (of scalars)."""
        return max(RESOURCES, key=lambda r: float(np.max(getattr(self, r))))


def overlapped(compute: Number, memory: Number, network: Number, overhead: Number) -> Number:
    """Seconds of a pass whose resources all work at once, and of the overhead that nothing hides."""
    return np.maximum(np.maximum(compute, memory), network) + overhead


def in_turn(compute: Number, memory: Number, network: Number, overhead: Number) -> Number:
    """Seconds of a pass whose resources work one after the other."""
    return compute + memory + network + overhead


@dataclass(frozen=True)
class PassTime:
    """Seconds of a pass on one stage: per term, and their sums by resource.

    lower: everything overlaps. time: terms follow one another, each overlapping its own arithmetic and memory.
    upper: nothing overlaps. overhead: what belongs to no term and overlaps with none. lower <= time <= upper.
    """

    terms: Mapping[str, TermTime]
    compute: Number
    memory: Number
    network: Number
    time: Number
    overhead: Number = 0.0

    @property
    def lower(self) -> Number:
        """Seconds when all resources overlap: the lecture's maximum."""
        return overlapped(self.compute, self.memory, self.network, self.overhead)

    @property
    def upper(self) -> Number:
        """Seconds when nothing overlaps: the sum."""
        return in_turn(self.compute, self.memory, self.network, self.overhead)

    @property
    def limiter(self) -> Number:
        """Name of the resource with the largest sum, elementwise for arrays."""
        stacked = np.stack(np.broadcast_arrays(self.compute, self.memory, self.network))
        names = np.array(RESOURCES)[np.argmax(stacked, axis=0)]
        return str(names) if names.ndim == 0 else names


Clock = Callable[[Mapping[str, Work], Machine], PassTime]


@dataclass(frozen=True)
class Roofline:
    """The clock of datasheets: every resource at its stated rate, no overhead but the networks' latency."""

    def __call__(self, terms: Mapping[str, Work], machine: Machine) -> PassTime:
        rates = {name: fact.value for name, fact in machine.chip.flops.items()}
        bandwidth = machine.chip.memory_bandwidth.value
        timed = {name: TermTime(compute_time(work, rates, machine.chip), work.bytes / bandwidth,
                                sum((message_time(machine, m) for m in work.messages), start=0.0))
                 for name, work in terms.items()}
        sums = {r: sum((getattr(t, r) for t in timed.values()), start=0.0) for r in RESOURCES}
        return PassTime(timed, **sums, time=sum((t.time for t in timed.values()), start=0.0))


@dataclass(frozen=True)
class Stretched:
    """A clock whose every time is so many times another's."""

    clock: Clock
    factor: float

    def __call__(self, terms: Mapping[str, Work], machine: Machine) -> PassTime:
        timed = self.clock(terms, machine)
        scale = lambda t: TermTime(t.compute * self.factor, t.memory * self.factor, t.network * self.factor)  # noqa: E731
        return PassTime({name: scale(t) for name, t in timed.terms.items()}, timed.compute * self.factor,
                        timed.memory * self.factor, timed.network * self.factor, timed.time * self.factor,
                        timed.overhead * self.factor)


def compute_time(work: Work, rates: Mapping[str, float], chip: Chip) -> Number:
    """Seconds of arithmetic, each stored format at the fastest rate that the chip has for it."""
    return sum((flops / rates[math_format(stored, chip.flops)] for stored, flops in work.flops.items()), start=0.0)


def pass_time(model: Model, machine: Machine, layout: Layout, pass_: Pass, clock: Clock = Roofline()) -> PassTime:
    """Seconds that one micro-batch spends on one pipeline stage (the busiest); arrays broadcast."""
    return clock(ledger(model, layout, pass_), machine)
