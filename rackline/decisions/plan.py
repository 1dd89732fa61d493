"""How to serve this model on these machines: every layout and batch that fits, ranked, explained, ready to launch."""

from __future__ import annotations

from typing import Any

import numpy as np

from rackline.decisions import plan_view
from rackline.decisions.answer import Answer
from rackline.decisions.clocks import clock_of, engine_of, is_calibrated, told
from rackline.decisions.fitting import what_would_fit
from rackline.decisions.money import chip_price
from rackline.decisions.planned import Planned, decode_only, workload
from rackline.decisions.search import Search, Targets, ranked, search
from rackline.errors import BadInput
from rackline.systems.layout import Layout
from rackline.systems.placing import layouts, why_not
from rackline.systems.serving import Server, Workload

MODES = {"together": ("together",), "apart": ("apart",), "both": ("together", "apart")}


def answer(q: Any) -> Answer:
    """The plan: BadInput for contradictory options; infeasible with reasons where nothing fits or meets the targets."""
    _check_confirm(q)
    model = q.model.with_formats(weights=q.weights, kv=q.kv)
    work = workload(q)
    _check_length(model.max_context, work)
    targets = Targets(*(np.inf if x is None else float(x) for x in (q.ttft, q.tpot, q.max_batch)))
    question = Search(Server(model, q.on, clock_of(q)), work, targets, q.goal)
    fitting, infeasible = _sorted_out(question)
    if not fitting:
        changes = what_would_fit(model, q.on, work.longest, question.server.usable)
        return plan_view.fits_nowhere(question, infeasible, changes)
    modes = ("decode",) if decode_only(q) else MODES[q.mode]
    found = search(question, fitting, modes)
    planned = Planned(q, question, chip_price(q.on, q.price), fitting, infeasible, found,
                      ranked(found.options, q.goal))
    if not planned.ranked:
        return plan_view.misses_targets(planned)
    return _with_series(told(plan_view.answer(_confirmed(planned, q.confirm)), q, model), planned)


def _with_series(answer: Answer, planned: Planned) -> Answer:
    if not (is_calibrated(planned.request) and engine_of(planned.request)):
        return answer
    from rackline.decisions.plan_series import added  # every measurement, only for those who name an engine

    return added(answer, planned)


def _confirmed(planned: Planned, count: int | None) -> Planned:
    if count is None:
        return planned
    from rackline.decisions.confirm import confirm  # the simulator, only for those who ask for it

    return confirm(planned, count)


def _check_confirm(q: Any) -> None:
    if q.confirm is not None and q.trace is None:
        raise BadInput("--confirm", "simulates a request trace", "no --trace", "for example --trace azure-conv")
    if q.confirm is not None and q.trace.arrival is None:
        raise BadInput("--confirm", "needs a trace that says when requests arrive", q.trace.name)


def _check_length(max_context: int | None, work: Workload) -> None:
    if max_context is not None and work.longest > max_context:
        raise BadInput("context", f"the model reads at most {max_context:,} tokens", f"{work.longest:,.0f} tokens",
                       "shorten --input, --output or --context")


def _sorted_out(question: Search) -> tuple[list[Layout], list[tuple[Layout, tuple[str, ...]]]]:
    """The layouts that fit, and the others with every reason."""
    fitting, infeasible = [], []
    for layout in layouts(question.server.model, question.server.machine):
        server = question.server
        reasons = why_not(server.model, server.machine, layout, question.work.longest, server.usable)
        if reasons:
            infeasible.append((layout, reasons))
        else:
            fitting.append(layout)
    return fitting, infeasible
