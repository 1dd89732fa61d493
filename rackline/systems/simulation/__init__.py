"""A request-level simulator of serving on the same ledger."""

from __future__ import annotations

from rackline.systems.simulation.book import Book, new_book
from rackline.systems.simulation.naive import simulate_naive
from rackline.systems.simulation.prepare import prepare
from rackline.systems.simulation.records import Deployment, KvTier, Limits, Log, PassLog, Requests

__all__ = ["Deployment", "KvTier", "Limits", "Log", "PassLog", "Requests", "new_book", "simulate"]


def simulate(requests: Requests, deployment: Deployment, *, seed: int = 0, book: Book | None = None) -> Log:
    """Serves all requests on a deployment, pass by pass; the same seed gives the same log.

    book: empty rows (new_book) that the log will be made of, for those who want to look at them while they fill.
    Errors: BadInput for requests or limits that can never be served.
    """
    from rackline.systems.simulation.chosen import simulate_fast, slow_reasons

    prepared = prepare(requests, deployment)
    if slow_reasons(requests, prepared, deployment):
        return simulate_naive(requests, prepared, deployment, seed, book)
    return simulate_fast(requests, prepared, deployment, book)
