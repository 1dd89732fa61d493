"""A plan's best options simulated on its trace, and ranked again by what the simulation says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rackline.decisions.money import dollars_per_million
from rackline.decisions.planned import CONFIRMED, Confirmed, Planned
from rackline.decisions.search import Option, Search, Targets
from rackline.decisions.simulated import first_token, per_token, spread
from rackline.decisions.sustained import sustained_rate
from rackline.decisions.watch import begin
from rackline.errors import BadInput
from rackline.facts.traces import Trace
from rackline.systems.simulation import Deployment, Limits, Requests, simulate
from rackline.systems.simulation.drawing import cut
from rackline.systems.simulation.traffic import requests_of

PREFILL_TOKENS = 2048  # new tokens of a pass that a decode pool may take to recompute what it preempted


def confirm(planned: Planned, count: int) -> Planned:
    """The plan with its first `count` options simulated; those that meet the targets at the mean stand first."""
    trace: Trace = planned.request.trace
    requests = requests_of(cut(trace, min(CONFIRMED, len(trace))))
    chosen = planned.ranked[:count]
    steps = begin("simulating", "layouts", len(chosen))
    tried = []
    for option in chosen:
        tried.append(_simulated(planned, option, requests))
        steps[0] += 1
    goal = planned.request.goal
    ordered = sorted(tried, key=lambda c: (not c.meets, *_worth(c, goal, planned.question.work.output)))
    return replace(planned, confirmed=tuple(ordered),
                   ranked=[*(c.option for c in ordered), *planned.ranked[len(chosen):]])


def _worth(c: Confirmed, goal: str, output: float) -> tuple[float, ...]:
    """What a goal wants least of, simulated; ties are broken by the time per token."""
    if not c.ttft:
        return (np.inf, np.inf)
    return {"price": (c.cost, c.tpot["mean"]), "throughput": (-c.sustained * output / c.option.chips, c.tpot["mean"]),
            "tpot": (c.tpot["mean"], c.ttft["mean"]), "ttft": (c.ttft["mean"], c.tpot["mean"])}[goal]


def _simulated(planned: Planned, option: Option, requests: Requests) -> Confirmed:
    deployment = deployment_of(planned.question, option)
    try:
        log = simulate(requests, deployment)
    except BadInput as error:  # a layout at the edge of its memory, once pages are whole
        return Confirmed(option, reason=f"{error.what} {error.rule}")
    ttft, tpot = spread(first_token(log)), spread(per_token(log, requests))
    rate = sustained_rate(requests, deployment)
    q = planned.question
    cost = dollars_per_million(planned.price.value, q.chips, rate * float(requests.output.mean()))
    return Confirmed(option, ttft, tpot, rate, cost, _meets(ttft, tpot, q.targets), int(log.preemptions.sum()))


def _meets(ttft: dict[str, float], tpot: dict[str, float], targets: Targets) -> bool:
    return ttft["mean"] <= targets.ttft and not tpot["mean"] > targets.tpot


def deployment_of(question: Search, option: Option) -> Deployment:
    """An option of a plan as a deployment: its batch as the limit of sequences, its chunk as that of tokens.

    Pools apart: the prefill pool takes as many prompts at once as planned.
    """
    server, work, layout = question.server, question.work, option.layout
    micro = max(1, int(np.ceil(option.batch / layout.pipeline)))
    sequences = max(1, int(option.batch))
    if option.prefill is None:
        tokens = micro + int(option.chunk * layout.data)
        return Deployment(server.model, server.machine, layout, Limits(sequences, tokens), server.clock)
    at_once = max(1, int(option.prompts * option.prefill.data))
    early = Limits(at_once * int(option.prefill.pipeline), max(1, int(np.ceil(at_once * work.input))))
    return Deployment(server.model, server.machine, layout, Limits(sequences, max(micro, PREFILL_TOKENS)), server.clock,
                      prefill=option.prefill, prefill_limits=early)
