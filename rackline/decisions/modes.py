"""Fast, standard and slow service: price multiple against speed multiple, on one machine and on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rackline.decisions import modes_view
from rackline.decisions.answer import Answer
from rackline.decisions.clocks import check_engine, clock_of, passed_down
from rackline.decisions.fitting import what_would_fit
from rackline.decisions.mode_points import LECTURE, Point, Service, service
from rackline.decisions.money import chip_price
from rackline.errors import BadInput
from rackline.facts.fact import Fact
from rackline.physics import operating
from rackline.systems.calibrated import usable
from rackline.systems.serving import Server

ACCEPTANCE = Fact(value=0.8, unit="ratio", kind="assumed", low=0.6, high=0.9, date="2026-11-21",
                  source="DeepSeek-V3 technical report (arXiv 2412.19437): the second token is accepted in 85 to 90 %",
                  note="later tokens are accepted less often; give --acceptance")


@dataclass(frozen=True)
class Ends:
    """A service's slow, standard and fast points and what the lecture's multiples meet."""

    service: Service
    standard: Point
    quicker: Point | None  # the cheapest of 2.5 times the standard's speed
    bought: Point | None  # the fastest for six times its price

    def speed(self, point: Point) -> float:
        """Speed over the standard's."""
        return self.standard.tpot / point.tpot

    def price(self, point: Point) -> float:
        """Price over the standard's."""
        return point.cost / self.standard.cost


@dataclass(frozen=True)
class Compared:
    """All services, the one asked about first; `limit` is the standard's most seconds per token."""

    question: Any
    limit: float
    acceptance: Fact
    ends: tuple[Ends, ...]
    left_out: tuple[str, ...]

    @property
    def own(self) -> Ends:
        """The machine asked about, nothing drafted."""
        return self.ends[0]


def answer(q: Any) -> Answer:
    """The modes: BadInput for contradictory options; infeasible where the model does not fit on the machine."""
    check_engine(q)
    clock = clock_of(q)
    model = q.model.with_formats(weights=q.weights, kv=q.kv)
    if model.max_context is not None and q.context > model.max_context:
        raise BadInput("--context", f"the model reads at most {model.max_context:,} tokens", f"{q.context:,.0f}")
    chance = acceptance(q)
    found, left_out = [], []
    for machine in (q.on, *(q.beside or ())):
        price = chip_price(machine, q.price if machine is q.on else None)
        for drafted in sorted({0, q.drafted}):
            one = service(Server(model, machine, clock), q.context, price, drafted, chance.value)
            if one.points:
                found.append(one)
            elif not drafted:
                left_out.append(machine.title)
    if q.on.title in left_out:
        return modes_view.fits_nowhere(q, what_would_fit(model, q.on, q.context, usable(clock, q.on).value))
    chip = q.on.chip
    limit = q.standard or float(operating.drain_time(chip.memory_capacity.value, chip.memory_bandwidth.value))
    ends = tuple(_ends(one, limit) for one in found)
    return passed_down(modes_view.answer(Compared(q, limit, chance, ends, tuple(left_out))), q, model)


def acceptance(q: Any) -> Fact:
    """The chance that a drafted token is accepted: the user's or the published one."""
    if q.acceptance is None:
        return ACCEPTANCE
    return Fact(value=q.acceptance, unit="ratio", kind="published", source="the user's --acceptance", date="now")


def _ends(one: Service, limit: float) -> Ends:
    standard = one.within(limit) or one.fast
    speed, price = LECTURE
    return Ends(one, standard, one.within(standard.tpot / speed), one.for_price(standard.cost * price))
