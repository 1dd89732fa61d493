"""The clock of measurements: a roofline with fitted efficiencies and fixed times, each a Fact with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.facts.calibration import Calibration, calibration
from rackline.facts.fact import Fact
from rackline.facts.machine import Machine
from rackline.systems.clock import RESOURCES, PassTime, Roofline, TermTime
from rackline.systems.parts import MICRO, memory_part
from rackline.systems.work import Work

Number = Any
FAMILY = "tpot together"  # passes of serving engines, decoding and prompts mixed
CARDS = "tpot cards"  # the same on machines whose chips meet over the host's bus: single cards and PCIe boxes


@dataclass(frozen=True)
class Calibrated:
    """Each resource so many times the datasheet's seconds, and microseconds for what starts kernels and messages.

    Eq: t = sum of max(k_compute*t_compute, k_memory*t_memory) + k_network*t_network + fixed times
    k_memory is that of weights, experts or cache. An engine that was never measured has no fixed time of its own.
    cards: the coefficients on a host's bus, where there are any of their own.
    Ignores: what a residual of one series shows; `rackline validate` adds that and says so.
    """

    coefficients: Mapping[str, Fact]
    engine: str = ""
    cards: Mapping[str, Fact] | None = None

    def _value(self, name: str) -> float:
        return self.coefficients[name].value if name in self.coefficients else 0.0

    def __call__(self, terms: Mapping[str, Work], machine: Machine) -> PassTime:
        if self.cards is not None and on_a_bus(machine):
            return Calibrated(self.cards, self.engine)(terms, machine)
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
    return Calibrated(families[FAMILY].coefficients, engine,
                      families[CARDS].coefficients if CARDS in families else None)


def on_a_bus(machine: Machine) -> bool:
    """Whether a machine's chips meet over the host's bus."""
    return machine.scale_up is not None and machine.scale_up.kind == "host"
