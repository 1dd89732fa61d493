"""The intervals of a simulation: the same requests again with every pass as fast and as slow as it may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from rackline.decisions import simulated
from rackline.decisions.intervals import Around, around_pass, figure, of_simulated_prompts
from rackline.decisions.simulate_case import Case
from rackline.decisions.simulate_data import Simulated, summed
from rackline.decisions.simulate_explain import mean_pass
from rackline.decisions.watch import fill
from rackline.systems.clock import Stretched
from rackline.systems.serving import Server
from rackline.systems.simulation import new_book, simulate

FIRST = "time_to_first_token"
TOKEN = "time_per_output_token"
_TIMES = (FIRST, TOKEN, "end_to_end")
_MONEY = "dollars_per_million"


@dataclass(frozen=True, eq=False)
class Edge:
    """What the same requests meet when every pass takes so many times longer: spreads, curves, queues, numbers."""

    factor: float
    spreads: dict[str, dict[str, float]]
    curves: dict[str, tuple[list, list]]
    queues: dict[str, np.ndarray]
    numbers: dict[str, float]


@dataclass(frozen=True, eq=False)
class Between:
    """A simulation, what may move its mean pass and its first tokens, and its two edges: the fast, the slow."""

    found: Simulated
    passes: Around
    first: Around
    edges: tuple[Edge, ...]

    @cached_property
    def figures(self) -> dict[str, dict[str, Any]]:
        """Every figure that has an interval, by its name in the data."""
        return dict(_figures(self))

    def ends(self, name: str) -> tuple[float, float]:
        """The low and high end of a figure."""
        one = self.figures[name]
        return one["low"], one["high"]

    def shares(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest share of requests within each time of a curve."""
        times, shares = (np.asarray(x) for x in self.found.spreads[1][name])
        moved = [np.interp(times, *edge.curves[name], left=0.0, right=1.0) for edge in self.edges]
        if name == FIRST:
            moved += [np.interp(times / np.exp(end), times, shares, left=0.0, right=1.0) for end in self.first.ends]
        return np.minimum.reduce([shares, *moved]), np.maximum.reduce([shares, *moved])

    def queue(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The fewest and the most requests waiting or running at each moment."""
        counts = [self.found.timeline[name], *(edge.queues[name] for edge in self.edges)]
        return np.minimum.reduce(counts), np.maximum.reduce(counts)


def between(found: Simulated, seed: int) -> Between | None:
    """A simulation with its edges; None under a roofline, and where somebody interrupted it."""
    if found.interrupted:
        return None
    d = found.case.deployment
    server, pass_ = Server(d.model, d.machine, d.clock), mean_pass(found)
    passes, first = (around_pass(server, d.layout, pass_, family) for family in ("tpot together", "ttft together"))
    if passes is None or first is None:
        return None
    first = of_simulated_prompts(first, server)
    edges = [_edge(found, float(np.exp(end)), seed) for end in passes.ends]
    return Between(found, passes, first, tuple(edges)) if None not in edges else None  # type: ignore[arg-type]


def stretched(case: Case, factor: float) -> Case:
    """The case with every pass so many times as long."""
    d = case.deployment
    return replace(case, deployment=replace(d, clock=Stretched(d.clock, factor)))


def _edge(found: Simulated, factor: float, seed: int) -> Edge | None:
    """What is kept of a run: the log of ten million requests is not."""
    case = stretched(found.case, factor)
    requests = case.offered.requests
    book = new_book(len(requests.input))
    fill(f"simulating passes × {factor:.2f}", "requests", book.finish)
    log = simulate(requests, case.deployment, seed=seed, book=book)
    if np.isnan(log.finish).any():
        return None
    ran = Simulated(case, log, None)
    spreads, curves = ran.spreads
    return Edge(factor, spreads, curves, simulated.over_time(log, simulated.moments(found.log)), summed(ran))


def _figures(b: Between) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in _TIMES:
        for column, value in b.found.spreads[0][name].items():
            if value > 0.0:
                ends = [edge.spreads[name][column] for edge in b.edges]
                yield f"{name}.{column}", _widened(value, ends, b, b.first.ends if name == FIRST else (0.0, 0.0))
    for name, value in summed(b.found).items():
        if value > 0.0:
            yield name, _number(name, value, [edge.numbers[name] for edge in b.edges], b)


def _widened(value: float, ends: list[float], b: Between, own: tuple[Any, Any]) -> dict[str, Any]:
    """A time between its runs at both ends, or as far off as its metric was found to be where that is wider."""
    low = min(value, *ends, value * float(np.exp(own[0])))
    high = max(value, *ends, value * float(np.exp(own[1])))
    causes = figure(value, b.first if own[1] else b.passes)["causes"]
    return {"value": value, "low": low, "high": high, "causes": causes | _simulated(value, ends)}


def _number(name: str, value: float, ends: list[float], b: Between) -> dict[str, Any]:
    """Tokens a second, shares, dollars: between the runs; dollars also with the price of a chip-hour."""
    ends = [max(end, 0.0) for end in ends]  # a share of nothing is rounded to either side of zero
    low, high = min(value, *ends), max(value, *ends)
    causes = _simulated(value, ends)
    if name.startswith(_MONEY) and low > 0.0:
        run = Around(residuals=(float(np.log(low / value)), float(np.log(high / value)))).paid(b.found.case.price)
        low, high = float(run.low(value)), float(run.high(value))
        priced = figure(value, run)["causes"].get("price")
        causes |= {"price": priced} if priced else {}
    return {"value": value, "low": low, "high": high, "causes": causes}


def _simulated(value: float, ends: list[float]) -> dict[str, dict[str, float]]:
    return {"simulated": {"low": min(1.0, *(end / value for end in ends)),
                          "high": max(1.0, *(end / value for end in ends))}}
