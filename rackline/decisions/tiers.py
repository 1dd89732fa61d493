"""Where a context should wait for its next use: kept in a memory or computed again, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rackline.decisions import tiers_view
from rackline.decisions.answer import Answer
from rackline.decisions.fitting import what_would_fit
from rackline.decisions.questions import Step
from rackline.decisions.step_case import Choice, asked, choose
from rackline.decisions.stepping import Case
from rackline.decisions.tier_costs import RECOMPUTE, Cost, Span, context_bytes, costs, envelope
from rackline.decisions.tier_mix import Demand, Kept, Mix, best_mix, best_ttl, demand
from rackline.decisions.tier_places import places
from rackline.errors import BadInput


@dataclass(frozen=True)
class Traced:
    """What a trace adds: the best mix, each place alone at its best, the best time-to-live in each."""

    demand: Demand
    ways: tuple[Cost, ...]
    bytes: float  # that the ways are of
    mix: Mix
    alone: tuple[Mix, ...]
    kept: tuple[Kept, ...]


@dataclass(frozen=True)
class Waited:
    """One context's ways to wait: the prefill that computes it again, every place, and the envelope."""

    question: Any
    case: Case
    rule: str
    context: float
    bytes: float
    ways: tuple[Cost, ...]
    spans: tuple[Span, ...]
    traced: Traced | None

    @property
    def again(self) -> Cost:
        """Computing it again."""
        return self.ways[-1]


def answer(q: Any) -> Answer:
    """The tiers: BadInput for contradictory options; infeasible where the model does not fit on the machine."""
    waited = gather(q)
    if isinstance(waited, Choice):
        model = q.model.with_formats(weights=q.weights, kv=q.kv)
        return tiers_view.fits_nowhere(q, waited.reasons, what_would_fit(model, q.on, q.context))
    return tiers_view.answer(waited)


def gather(q: Any) -> Waited | Choice:
    """Everything that the answer shows; the Choice with its reasons where nothing fits."""
    limit = q.model.max_context
    if limit is not None and q.context > limit:
        raise BadInput("--context", f"the model reads at most {limit:,} tokens", f"{q.context:,.0f}")
    machine = q.on if q.tiers is None else q.on.model_copy(update={"tiers": q.tiers})
    step = Step(model=q.model, on=machine, context=(q.context,), weights=q.weights, kv=q.kv, price=q.price,
                layout=q.layout, pass_="prefill")
    choice = choose(step, asked(step))
    if choice.case is None:
        return choice
    case = choice.case
    ways = tuple(way for way in costs(case, q.context, places(machine, case.price.value))
                 if q.ttft is None or way.latency <= q.ttft or way.name == RECOMPUTE)
    in_time = ways if q.ttft is None or ways[-1].latency <= q.ttft else ways[:-1]
    traced = None if q.trace is None else _traced(case, q.trace)
    return Waited(q, case, choice.rule, q.context, context_bytes(case, q.context), ways, envelope(in_time), traced)


def _traced(case: Case, trace: Any) -> Traced:
    asked_for = demand(case, trace)
    n = context_bytes(case, asked_for.context)
    ways = costs(case, asked_for.context, places(case.server.machine, case.price.value))[:-1]
    alone = tuple(best_mix(asked_for, (way,), n) for way in ways)
    return Traced(asked_for, ways, n, best_mix(asked_for, ways, n), alone,
                  tuple(best_ttl(asked_for, way, n) for way in ways))
