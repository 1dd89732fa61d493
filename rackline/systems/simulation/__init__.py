"""A request-level simulator of serving on the same ledger."""

from __future__ import annotations

from rackline.systems.simulation.naive import simulate_naive
from rackline.systems.simulation.prepare import prepare
from rackline.systems.simulation.records import Deployment, KvTier, Limits, Log, PassLog, Requests

__all__ = ["Deployment", "KvTier", "Limits", "Log", "PassLog", "Requests", "simulate"]


def simulate(requests: Requests, deployment: Deployment, *, seed: int = 0) -> Log:
    """Serves all requests on a deployment, pass by pass; the same seed gives the same log.

    Errors: BadInput for requests or limits that can never be served.
    """
    from rackline.systems.simulation.chosen import simulate_fast, slow_reasons

    prepared = prepare(requests, deployment)
    if slow_reasons(requests, prepared, deployment):
        return simulate_naive(requests, prepared, deployment, seed)
    return simulate_fast(requests, prepared, deployment)
