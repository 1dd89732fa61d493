"""One forward pass: its time, what limits it, latency and cost against batch or context, and where the lines cross."""

from __future__ import annotations

from typing import Any

from rackline.decisions import clocks, step_view
from rackline.decisions.answer import Answer
from rackline.decisions.fitting import what_would_fit
from rackline.decisions.step_case import asked, choose, point
from rackline.decisions.stepped import gather
from rackline.systems.calibrated import usable


def answer(q: Any) -> Answer:
    """The step: BadInput for contradictory options; infeasible with reasons where model or batch does not fit."""
    clocks.check_engine(q)
    points = asked(q)
    choice = choose(q, points)
    if choice.case is None:
        model = q.model.with_formats(weights=q.weights, kv=q.kv)
        changes = what_would_fit(model, q.on, points.context, usable(clocks.clock_of(q), q.on).value)
        return step_view.fits_nowhere(q, points, choice.reasons, changes)
    case, batch = choice.case, point(choice.case, points)
    if batch > case.largest_batch(points.context):
        return step_view.batch_too_large(case, points, batch)
    shown = step_view.answer(gather(case, points, choice.rule, batch))
    return clocks.told(shown, q, case.server.model)
