"""rackline buy: a trace by the token from a provider, or on machines of one's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rackline.decisions import plan_view
from rackline.decisions.answer import Answer
from rackline.decisions.clocks import check_engine, clock_of, passed_down
from rackline.decisions.fitting import what_would_fit
from rackline.decisions.money import chip_price
from rackline.decisions.planned import KINDS, Planned
from rackline.decisions.prices import buy_view
from rackline.decisions.prices.hosting import DAY, Bill, Hours, Own, bill, chosen, hours
from rackline.decisions.search import Option, Search, Targets, ranked, search
from rackline.errors import BadInput
from rackline.facts.api_prices import bundled, offer, read_table
from rackline.facts.fact import Fact
from rackline.facts.traces import Trace, quantiles
from rackline.physics.charges import purchase_per_hour
from rackline.systems.placing import layouts, why_not
from rackline.systems.serving import Kind, Server, Workload

_HOURS = 24


@dataclass(frozen=True)
class Bought:
    """What a comparison found: the bill, the best layout, hours, ways of having machines, prices and the trace."""

    q: Any
    bill: Bill
    option: Option
    hours: Hours
    own: tuple[Own, ...]
    price: Fact
    api_day: float
    requests_day: float

    @property
    def rate(self) -> float:
        """Requests per second that one machine is taken to carry."""
        return self.option.rate * self.q.reached


def answer(q: Any) -> Answer:
    """The comparison; infeasible with reasons where the model does not fit or misses the targets."""
    check_engine(q)
    found = hours(q.trace)
    asked = _bill(q)
    planned = _planned(q)
    if isinstance(planned, Answer):
        return replace(planned, question="buy")
    option, price = planned.best, planned.price
    rate = option.rate * q.reached
    own = tuple(_own(q, price, rate / found.peak))
    days = float(q.trace.arrival[-1]) / DAY
    shown = buy_view.answer(Bought(q, asked, option, found, own, price, asked.dollars / days * q.volume,
                                   len(q.trace) / days * q.volume))
    return passed_down(shown, q, planned.question.server.model)


def _bill(q: Any) -> Bill:
    offers = bundled() if q.table is None else read_table(q.table)
    if q.provider and "/" in q.provider:
        return bill(offer(q.provider, offers), q.trace)
    return chosen(offers, q.model.name, q.provider, q.trace)


def _planned(q: Any) -> Planned | Answer:
    model, trace = q.model.with_formats(weights=q.weights, kv=q.kv), q.trace
    question = Search(Server(model, q.on, clock_of(q)), workload(trace),
                      Targets(*(np.inf if x is None else float(x) for x in (q.ttft, q.tpot))))
    if model.max_context and question.work.longest > model.max_context:
        raise BadInput("--trace", f"the model reads at most {model.max_context:,} tokens",
                       f"a request of {question.work.longest:,.0f}")
    longest, share = question.work.longest, question.server.usable
    every = [(layout, why_not(model, q.on, layout, longest, share)) for layout in layouts(model, q.on)]
    fitting = [layout for layout, reasons in every if not reasons]
    if not fitting:
        infeasible = [(layout, reasons) for layout, reasons in every if reasons]
        return plan_view.fits_nowhere(question, infeasible, what_would_fit(model, q.on, longest, share))
    found = search(question, fitting, ("together", "apart"))
    planned = Planned(q, question, chip_price(q.on, q.price), fitting, [], found, ranked(found.options, "price"))
    return planned if planned.ranked else plan_view.misses_targets(planned)


def workload(trace: Trace) -> Workload:
    """A trace's own lengths as a few kinds of requests."""
    longest = float((trace.input_tokens + trace.output_tokens).max())
    return Workload(tuple(Kind(*kind) for kind in quantiles(trace, KINDS)), trace.name, longest)


def _own(q: Any, price: Fact, capacity: float) -> list[Own]:
    chips = q.on.chips
    found = [Own("rented", price.value * chips * _HOURS, capacity / q.volume)]
    if q.purchase is not None:
        if q.on.power is None:
            raise BadInput("--purchase", f"needs the power of {q.on.title}, which is not known", q.purchase,
                           "give a machine file with power")
        watts = q.on.power.value / min(q.on.domain, chips) if q.on.domain > 1 else q.on.power.value
        hour = float(purchase_per_hour(q.purchase, q.years, watts, q.energy))
        found.append(Own(f"bought over {q.years:g} years", hour * chips * _HOURS, capacity / q.volume))
    return found
