"""Requests drawn from a population of clients, where a question is given one instead of a trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rackline.errors import BadInput
from rackline.facts.traces import Trace
from rackline.facts.traces.servegen import Population
from rackline.systems.simulation.arrivals import stream
from rackline.systems.simulation.drawing import drawn


def requests_from(population: Population, duration: float | None, rate: float | None, seed: int) -> Trace:
    """The requests of so many seconds, from midnight on; rate: requests a second, None: the clients' own."""
    if duration is None:
        raise BadInput("--duration", "must be given with clients' files, from which requests are drawn", "nothing",
                       f'for example --duration "1 h"; {population.name} has {len(population.clients)} clients')
    return drawn(population, stream(seed, "clients"), duration, rate)


def with_trace(q: Any) -> Any:
    """A simulation's question with the requests drawn, so that what follows finds a trace of that rate and length."""
    if not isinstance(q.trace, Population):
        return q
    if q.arrivals != "trace":
        raise BadInput("--arrivals", "are the clients' own where requests are drawn from their files", q.arrivals)
    if getattr(q, "clients", None) is not None:
        raise BadInput("--clients", "of a closed loop do not go with files of clients that have rates of their own",
                       q.clients)
    return replace(q, trace=requests_from(q.trace, q.duration, q.rate, q.seed), rate=None, duration=None)
