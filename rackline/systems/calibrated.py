"""The clock of measurements: a roofline with fitted efficiencies and fixed times, each a Fact with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rackline.facts.calibration import Band, Calibration, Family, calibration
from rackline.facts.fact import Fact
from rackline.facts.machine import Machine
from rackline.systems.clock import RESOURCES, Clock, PassTime, Roofline, Stretched, TermTime
from rackline.systems.memory import USABLE, USED
from rackline.systems.parts import MICRO, PHYSICAL, memory_part
from rackline.systems.shares import DATASHEET, measured_shares
from rackline.systems.work import Work

Number = Any
MILLI = 1e-3
FAMILY = "tpot together"  # passes of serving engines, decoding and prompts mixed
FIRST = "ttft together"  # first tokens of those engines
PROMPTS = "prompts"  # the same first tokens, in times of what a pass over the prompt takes
CARDS = "tpot cards"  # passes on machines whose chips meet over the host's bus: single cards and PCIe boxes
LOW = ("nvfp4", "mxfp4")  # formats of four bits that are computed in, which deviate from the common coefficients


@dataclass(frozen=True)
class Calibrated:
    """Each resource so many times what micro-benchmarks reach, and microseconds for what starts kernels and messages.

    Eq: t = sum of max(k_compute*t_compute, k_memory*t_memory) + k_network*t_network + fixed times
    t at the shares of the datasheet's rates that kernels and collectives were measured to reach; never below the
    datasheet's. k_memory is that of weights, experts or cache. On a host's bus the coefficients of cards count, where
    there are any, times the datasheet's seconds. An engine that was never measured has the common fixed times.
    Ignores: what a residual of one series shows; `rackline validate` adds that and says so.
    """

    coefficients: Mapping[str, Fact]
    engine: str = ""
    families: Mapping[str, Family] = field(default_factory=dict)  # of metrics, that it belongs to
    factor: float = 1.0  # of every time
    rated: bool = False  # whether coefficients are times the datasheet's seconds

    def _value(self, name: str, otherwise: float = 0.0) -> float:
        return self.coefficients[name].value if name in self.coefficients else otherwise

    def band(self, family: str) -> Band:
        """Where nine of ten measured values of a family lie, or of passes where that one was not measured."""
        return self.families[family if family in self.families else FAMILY].unseen

    @property
    def prompts(self) -> Calibrated:
        """The clock of whole prompts until their first token."""
        return replace(self, factor=self.factor * self.prompt_factor)

    @property
    def prompt_factor(self) -> float:
        """How many times as long as its passes a prompt was found to take until its first token; at least 1."""
        known = self.families[PROMPTS].coefficients if PROMPTS in self.families else {}
        return max(1.0, known["prompt"].value) if "prompt" in known else 1.0

    def waiting(self, step: Number, sequences: Number) -> Number | None:
        """Seconds that first tokens were found to wait beside prompts, with so many sequences at once; None: unknown.

        Eq: t = pass*step + start + client*sequences
        step: seconds of a decoding pass. None where no first tokens were measured.
        """
        if PROMPTS not in self.families:
            return None
        known = self.families[PROMPTS].coefficients
        of = lambda name: known[name].value if name in known else 0.0  # noqa: E731
        return of("pass") * step + MILLI * of("start") + MICRO * of("client") * sequences

    def on(self, machine: Machine) -> Calibrated:
        """The clock with the coefficients that count on a machine."""
        if self.rated or CARDS not in self.families or not on_a_bus(machine):
            return self
        return replace(self, coefficients=self.families[CARDS].coefficients, rated=True)

    def __call__(self, terms: Mapping[str, Work], machine: Machine) -> PassTime:
        return self.on(machine)._timed(terms, machine)

    def _timed(self, terms: Mapping[str, Work], machine: Machine) -> PassTime:
        stored = {stored for work in terms.values() for stored in work.flops}
        shares = DATASHEET if self.rated else measured_shares(machine, stored)
        low, timed = _stored(terms) in LOW, {}
        for name, bound in Roofline()(terms, machine).terms.items():
            part, kept = memory_part(name), next(iter(terms[name].flops), None)
            memory = self._value(part) * (self._value(f"{part} in 4 bits", 1.0) if low else 1.0)
            reached = memory / shares.bytes(name, kept)
            computed, sent = self._value("compute") / shares.work(name, kept), self._value("network") / shares.network
            timed[name] = TermTime(self.factor * bound.compute * _least(computed),
                                   self.factor * bound.memory * _least(reached),
                                   self.factor * bound.network * _least(sent))
        sums = {r: sum((getattr(t, r) for t in timed.values()), start=0.0) for r in RESOURCES}
        overhead = sum((self._fixed(work) for work in terms.values()), start=0.0) + self._tokens(terms, machine, low)
        overhead = self.factor * overhead
        return PassTime(timed, **sums, time=sum((t.time for t in timed.values()), start=overhead), overhead=overhead)

    def _fixed(self, work: Work) -> Number:
        """Seconds that a term's kernels and messages take to start, and its sequences to schedule."""
        layer = self._value("layer") * self._value(f"layer {self.engine}", 1.0)
        started = layer * work.layers + self._value("pick") * work.picks + self._value("sequence") * work.sequences
        for message in work.messages:
            each = self._value("message") * (np.asarray(message.group) > 1)
            started = started + message.count * (each + self._value("hop") * np.log2(np.maximum(message.group, 1)))
        return MICRO * started

    def _tokens(self, terms: Mapping[str, Work], machine: Machine, low: bool) -> Number:
        """Seconds of reading and writing the new tokens' activations, once a layer and once an expert picked."""
        if "embedding" not in terms:
            return 0.0
        layers = sum((work.layers for work in terms.values()), start=0.0)
        picks = sum((work.picks for work in terms.values()), start=0.0)
        token = self._value("token") * (self._value("token in 4 bits", 1.0) if low else 1.0)
        times = token * layers + self._value("routed") * picks
        return times * terms["embedding"].bytes / machine.chip.memory_bandwidth.value


def _least(times: Number) -> Number:
    """So many times the datasheet's seconds, never fewer than those."""
    return np.maximum(times, 1.0)


def _stored(terms: Mapping[str, Work]) -> str:
    """The format of the weights that count: of the experts, where there are any."""
    named = [name for kind in ("experts.", "dense.") for name in terms if name.startswith(kind) and terms[name].flops]
    return next(iter(terms[named[0]].flops)) if named else ""


def calibrated(engine: str = "", by: Calibration | None = None) -> Calibrated:
    """The clock of a calibration (the bundled one) for an engine: vllm, sglang, tensorrt-llm, or none named."""
    families = (by or calibration()).families
    return Calibrated(families[FAMILY].coefficients, engine, families)


def on_a_bus(machine: Machine) -> bool:
    """Whether a machine's chips meet over the host's bus."""
    return machine.scale_up is not None and machine.scale_up.kind == "host"


def usable(clock: Clock, machine: Machine) -> Fact:
    """The share of a chip's memory for weights and caches: engines' own where measurements time the passes.

    What was measured is of chips in servers, on networks of their own. Cards leave more of their smaller memory to
    activations, and chips alone more to their host: theirs is every other clock's share.
    """
    inner = clock.clock if isinstance(clock, Stretched) else clock
    own = machine.scale_up is not None and not on_a_bus(machine)
    return USED if isinstance(inner, Calibrated) and own else USABLE


def at_the_ends(clock: Calibrated, dimensions: int) -> Calibrated:
    """The clock with one coefficient after the other at the low, then at the high end of its interval.

    Along a new first axis before so many others. What a datasheet bounds never falls below it.
    """
    names = list(clock.coefficients)
    facts = {name: _at_ends(name, fact, 2 * i, 2 * len(names), dimensions)
             for i, (name, fact) in enumerate(clock.coefficients.items())}
    return replace(clock, coefficients=facts)


def _at_ends(name: str, fact: Fact, place: int, count: int, dimensions: int) -> Fact:
    least = min(1.0, fact.value) if name in PHYSICAL else 0.0
    values = np.full(count, fact.value)
    values[place] = max(least, fact.value if fact.low is None else fact.low)
    values[place + 1] = fact.value if fact.high is None else fact.high
    return fact.model_copy(update={"value": values.reshape((count,) + (1,) * dimensions)})
