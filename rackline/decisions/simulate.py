"""What happens to users under real traffic: a request trace on a deployment, request by request."""

from __future__ import annotations

from typing import Any

import numpy as np

from rackline.decisions import simulate_view
from rackline.decisions.answer import Answer
from rackline.decisions.clocks import told
from rackline.decisions.simulate_case import Case, NoRoom, case
from rackline.decisions.simulate_data import Simulated
from rackline.decisions.simulate_intervals import between
from rackline.decisions.sustained import seems_behind, sustained_rate
from rackline.decisions.watch import fill
from rackline.systems.simulation import new_book, simulate


def answer(q: Any) -> Answer:
    """The simulation: BadInput for options or requests that cannot be; infeasible where the model does not fit."""
    found = case(q)
    if isinstance(found, NoRoom):
        return simulate_view.no_room(found)
    ran = run(found, q.seed)
    return told(simulate_view.answer(ran, q, between(ran, q.seed)), q, found.deployment.model)


def run(one: Case, seed: int) -> Simulated:
    """A case's log, and the rate it could sustain where its queue seems to grow without bound."""
    requests = one.offered.requests
    book = new_book(len(requests.input))
    fill("simulating", "requests", book.finish)
    log = simulate(requests, one.deployment, seed=seed, book=book)
    if np.isnan(log.finish).any():
        return Simulated(one, log, None)  # interrupted
    behind = one.offered.rate is not None and seems_behind(log)
    return Simulated(one, log, sustained_rate(requests, one.deployment, seed) if behind else None)
