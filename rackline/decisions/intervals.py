"""How far a calibrated figure may lie from its value: what the fit left over, its coefficients, the facts it read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rackline.facts.fact import Fact, FactPath, facts_of, with_fact
from rackline.facts.machine import Machine
from rackline.systems.calibrated import FAMILY, Calibrated, at_the_ends
from rackline.systems.clock import Clock
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.passes import Pass
from rackline.systems.serving import Server
from rackline.systems.work import Work

Number = Any
Ends = tuple[Number, Number]  # logarithms of low and of high over the value
NONE: Ends = (0.0, 0.0)
CAUSES = ("residuals", "coefficients", "facts", "price")


@dataclass(frozen=True, eq=False)
class Around:
    """What may move a figure, by cause; each pair of numbers or arrays, of the figure's shape.

    residuals: what nine of ten measured values of other models, chips and series lie within. The others: every
    coefficient and every fact at the ends of its own interval, one after the other.
    """

    residuals: Ends = NONE
    coefficients: Ends = NONE
    facts: Ends = NONE
    price: Ends = NONE

    @property
    def ends(self) -> Ends:
        """All causes together.

        Eq: high = sqrt(sum of high**2), low = -sqrt(sum of low**2), of logarithms
        Ignores: causes that go together, above all that a fit trades one coefficient for another; what is left over
        was measured with the facts and coefficients as wrong as they are, so the whole is rather too wide.
        """
        return together(getattr(self, cause) for cause in CAUSES)

    def low(self, value: Number) -> Number:
        """The figure's low end."""
        return value * np.exp(self.ends[0])

    def high(self, value: Number) -> Number:
        """The figure's high end."""
        return value * np.exp(self.ends[1])

    def of_rates(self) -> Around:
        """The same about a figure that falls as this one grows: tokens a second, of seconds a token."""
        return Around(*((-high, -low) for low, high in (getattr(self, cause) for cause in CAUSES)))

    def at(self, index: Any) -> Around:
        """About one figure of an array of them."""
        shape = np.broadcast_shapes(*(np.shape(end) for cause in CAUSES for end in getattr(self, cause)))
        picked = (tuple(float(np.broadcast_to(end, shape)[index]) for end in getattr(self, cause)) for cause in CAUSES)
        return Around(*picked)  # type: ignore[arg-type]

    def paid(self, price: Fact) -> Around:
        """About the same figure in dollars."""
        return replace(self, price=_of(price))


def together(causes: Iterator[Ends]) -> Ends:
    """Causes that do not know of each other, as one."""
    lows, highs = zip(*causes, strict=True)
    return -np.sqrt(sum(np.square(low) for low in lows)), np.sqrt(sum(np.square(high) for high in highs))


def around_pass(server: Server, layout: Layout, pass_: Pass, family: str = FAMILY) -> Around | None:
    """What may move the seconds of a pass, arrays of its shape; None for a bound, which has no such interval.

    family: of metrics, whose measured values show what the clock leaves over.
    """
    if not isinstance(server.clock, Calibrated):
        return None
    band = server.clock.band(family)
    terms = ledger(server.model, layout, pass_)
    time = np.asarray(server.clock(terms, server.machine).time)
    return Around((band.low, band.high), _coefficients(server.clock, terms, server.machine, time),
                  _facts(server.clock, terms, server.machine, time))


def _coefficients(clock: Calibrated, terms: Mapping[str, Work], machine: Machine, time: np.ndarray) -> Ends:
    moved = np.asarray(at_the_ends(clock.on(machine), time.ndim)(terms, machine).time)
    return _quadrature(np.log(moved / time))


def _facts(clock: Clock, terms: Mapping[str, Work], machine: Machine, time: np.ndarray) -> Ends:
    """Every fact that a pass reads at both ends of its interval; each fact's higher and lower seconds."""
    moved = []
    for path, fact in timing_facts(machine):
        ends = [np.log(np.asarray(clock(terms, with_fact(machine, path, end)).time) / time)
                for end in (fact.low, fact.high) if end]
        moved += [np.minimum.reduce([*ends, np.zeros(time.shape)]), np.maximum.reduce([*ends, np.zeros(time.shape)])]
    return _quadrature(np.stack(moved)) if moved else NONE


def _quadrature(moved: np.ndarray) -> Ends:
    """Logarithms of shape (changes, ...) that lie below and above zero, each summed in quadrature."""
    low, high = np.minimum(moved, 0.0), np.maximum(moved, 0.0)
    return -np.sqrt(np.sum(low**2, axis=0)), np.sqrt(np.sum(high**2, axis=0))


def timing_facts(machine: Machine) -> list[tuple[FactPath, Fact]]:
    """The facts with an interval that seconds of a pass depend on: arithmetic, memory bandwidth, networks."""
    reads = {("chip", "flops"), ("chip", "memory_bandwidth")}
    reads |= {(tier, name) for tier in ("scale_up", "scale_out") for name in ("bandwidth", "latency")}
    return [(path, fact) for path, fact in facts_of(machine) if path[:2] in reads
            and not (fact.low in (None, fact.value) and fact.high in (None, fact.value))]


def _of(fact: Fact) -> Ends:
    """A fact's own interval as logarithms."""
    if fact.value <= 0.0:
        return NONE
    low, high = (fact.value if end is None else end for end in (fact.low, fact.high))
    return float(np.log(max(low, 1e-3 * fact.value) / fact.value)), float(np.log(high / fact.value))


def of_simulated_prompts(around: Around, server: Server) -> Around:
    """About a first token that is simulated with its prompt's passes alone: prompts were found to take longer."""
    low, high = around.residuals
    return replace(around, residuals=(low, high + float(np.log(server.prompt_factor))))


def figure(value: float, around: Around) -> dict[str, Any]:
    """A figure with its interval and what makes it, for --json; of the causes the factors low and high."""
    causes = {cause: {"low": float(np.exp(low)), "high": float(np.exp(high))}
              for cause in CAUSES if (ends := getattr(around, cause)) != NONE for low, high in (ends,)}
    return {"value": value, "low": float(around.low(value)), "high": float(around.high(value)), "causes": causes}
