"""The clock of measurements: a roofline with fitted efficiencies and fixed times, each a Fact with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rackline.facts.calibration import Band, Calibration, Family, calibration
from rackline.facts.fact import Fact
from rackline.facts.machine import Machine
from rackline.systems.clock import RESOURCES, PassTime, Roofline, TermTime
from rackline.systems.parts import MICRO, PHYSICAL, memory_part
from rackline.systems.work import Work

Number = Any
FAMILY = "tpot together"  # passes of serving engines, decoding and prompts mixed
FIRST = "ttft together"  # first tokens of those engines
PROMPTS = "prefill"  # passes over whole prompts, timed alone


@dataclass(frozen=True)
class Calibrated:
    """Each resource so many times the datasheet's seconds, and microseconds for what starts kernels and messages.

    Eq: t = sum of max(k_compute*t_compute, k_memory*t_memory) + k_network*t_network + fixed times
    k_memory is that of weights, experts or cache. An engine that was never measured has no fixed time of its own.
    Ignores: what a residual of one series shows; `rackline validate` adds that and says so.
    """

    coefficients: Mapping[str, Fact]
    engine: str = ""
    families: Mapping[str, Family] = field(default_factory=dict)  # of metrics, that it belongs to

    def _value(self, name: str) -> float:
        return self.coefficients[name].value if name in self.coefficients else 0.0

    def band(self, family: str) -> Band:
        """Where nine of ten measured values of a family lie, or of passes where that one was not measured."""
        return self.families[family if family in self.families else FAMILY].unseen

    def of(self, family: str) -> Calibrated:
        """The clock of another family of metrics: of whole prompts instead of serving engines' passes."""
        known = self.families.get(family)
        return self if known is None else replace(self, coefficients=known.coefficients)

    @property
    def prompt_factor(self) -> float:
        """How many times as long as its passes a prompt was found to take until its first token; at least 1."""
        known = self.families[FIRST].coefficients if FIRST in self.families else {}
        return max(1.0, known["prompt"].value) if "prompt" in known else 1.0

    def __call__(self, terms: Mapping[str, Work], machine: Machine) -> PassTime:
        bound = Roofline()(terms, machine)
        compute, network = self._value("compute"), self._value("network")
        timed = {name: TermTime(t.compute * compute, t.memory * self._value(memory_part(name)), t.network * network)
                 for name, t in bound.terms.items()}
        sums = {r: sum((getattr(t, r) for t in timed.values()), start=0.0) for r in RESOURCES}
        overhead = sum((self._fixed(work) for work in terms.values()), start=0.0) + self._tokens(terms, machine)
        return PassTime(timed, **sums, time=sum((t.time for t in timed.values()), start=overhead), overhead=overhead)

    def _fixed(self, work: Work) -> Number:
        """Seconds that a term's kernels and messages take to start."""
        layer = self._value("layer") + self._value(f"layer {self.engine}")
        started = layer * work.layers + self._value("pick") * work.picks
        for message in work.messages:
            each = self._value("message") * (np.asarray(message.group) > 1)
            started = started + message.count * (each + self._value("hop") * np.log2(np.maximum(message.group, 1)))
        return MICRO * started

    def _tokens(self, terms: Mapping[str, Work], machine: Machine) -> Number:
        """Seconds of reading and writing the new tokens' activations, once a layer."""
        if "embedding" not in terms:
            return 0.0
        layers = sum((work.layers for work in terms.values()), start=0.0)
        return self._value("token") * layers * terms["embedding"].bytes / machine.chip.memory_bandwidth.value


def calibrated(engine: str = "", by: Calibration | None = None) -> Calibrated:
    """The clock of a calibration (the bundled one) for an engine: vllm, sglang, tensorrt-llm, or none named."""
    families = (by or calibration()).families
    return Calibrated(families[FAMILY].coefficients, engine, families)


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
