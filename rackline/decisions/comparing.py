"""What a published measurement measured, as passes; measured seconds beside predicted ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rackline.facts.machine import Machine
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.systems.clock import PassTime, pass_time
from rackline.systems.layout import Layout
from rackline.systems.passes import Pass


@dataclass(frozen=True)
class Step:
    """A forward pass on one pipeline stage of a layout, so many times one after another."""

    pass_: Pass
    layout: Layout
    times: float = 1.0


@dataclass(frozen=True)
class Case:
    """What a row measured as passes: `seconds` were measured for all `steps` together."""

    what: str
    seconds: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Comparison:
    """Seconds measured beside seconds predicted: lower (everything overlaps), time, upper (nothing does)."""

    measured: Measured
    what: str
    seconds: float
    lower: float
    time: float
    upper: float
    limiter: str

    @property
    def utilisation(self) -> float:
        """Lower bound over measured: the share of the measured time that the busiest resource must have worked."""
        return self.lower / self.seconds


@dataclass(frozen=True)
class Unpredicted:
    """A row that cannot be predicted, and why."""

    measured: Measured
    reason: str


def timed(row: Measured, case: Case, model: Model, machine: Machine) -> Comparison:
    """A row beside the roofline's seconds for the passes that it measured."""
    times = [(pass_time(model, machine, s.layout, s.pass_), s.times) for s in case.steps]
    total: Callable[[str], float] = lambda edge: float(sum(n * getattr(t, edge) for t, n in times))  # noqa: E731
    longest: PassTime = max(times, key=lambda pair: float(pair[0].time) * pair[1])[0]
    return Comparison(row, case.what, case.seconds, total("lower"), total("time"), total("upper"), str(longest.limiter))
