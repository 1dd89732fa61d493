"""How many replicas a trace needs under targets: bisection on the simulator, every probe kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rackline.decisions import capacity_view, simulate_view
from rackline.decisions.answer import Answer
from rackline.decisions.clocks import told
from rackline.decisions.intervals import Around, around_pass
from rackline.decisions.probes import MOST_REPLICAS, Probe, Prober
from rackline.decisions.questions import Simulate
from rackline.decisions.simulate_case import Case, NoRoom, case, workload
from rackline.decisions.simulate_intervals import stretched
from rackline.decisions.sustained import sustained_rate
from rackline.decisions.watch import begin
from rackline.errors import BadInput
from rackline.systems.serving import Server

SHARES = (0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0, 1.1)  # of the sustained rate, for the curve of one replica
RARE = 1e-3  # of the trace's rate: requests that hardly ever meet
FINE = 1.02  # ratio of rates at which the bisection of one replica's rate ends
SHARED = ("model", "on", "chips", "trace", "input", "output", "rate", "arrivals", "requests", "duration", "ttft",
          "tpot", "layout", "routing", "sequences", "chunk", "prefix_caching", "weights", "kv", "price", "seed",
          "clock", "calibration", "engine")


@dataclass
class Sized:
    """What is known so far: every probe, requests/s that one replica sustains, and between which numbers the answer is.

    replicas: the fewest that meet the targets, None as long as that is not known. rate: most requests/s of one replica.
    """

    prober: Prober
    sustained: float = math.nan
    probes: list[Probe] = field(default_factory=list)
    curve: list[Probe] = field(default_factory=list)
    low: int = 0  # too few
    high: int | None = None  # enough
    rate: float | None = None
    alone: Probe | None = None
    interrupted: bool = False
    around: Around | None = None  # what may move a pass, where its seconds are no bound
    edges: tuple[Sized, ...] = ()  # the same with every pass as fast, and as slow, as it may be

    @property
    def replicas(self) -> int | None:
        """The answer, once both sides have met."""
        return self.high if self.high is not None and self.high - self.low == 1 else None


def answer(q: Any) -> Answer:
    """The fewest replicas; infeasible where a request alone misses the targets, or the model does not fit."""
    if q.ttft is None and q.tpot is None:
        raise BadInput("capacity", "needs a target", "neither --ttft nor --tpot", 'for example --ttft 2 --tpot "50 ms"')
    found = case(Simulate(**{name: getattr(q, name) for name in SHARED}))
    if isinstance(found, NoRoom):
        return simulate_view.no_room(found, "capacity")
    if found.offered.rate is None:
        raise BadInput("--trace", "must spread its requests over some time", found.offered.trace.name,
                       "more requests, or a --rate")
    found = _one_replica(found)
    sized = Sized(Prober(found, q.percentile, q.seed))
    try:
        _size(sized)
        _between(sized)
    except KeyboardInterrupt:  # what is known is shown
        sized.interrupted = True
    return told(capacity_view.answer(sized), q, found.deployment.model)


def _one_replica(found: Case) -> Case:
    layout = replace(found.deployment.layout, replicas=1)
    return replace(found, deployment=replace(found.deployment, layout=layout))


def _size(sized: Sized) -> None:
    """Fills in what is known, in the order of its worth."""
    prober = sized.prober
    steps = begin("simulating", "probes", 2 + len(SHARES) + 16)
    sized.alone = prober.alone(RARE)
    steps[0] += 1
    if not sized.alone.met:
        return
    offered = prober.case.offered
    sized.sustained = sustained_rate(offered.requests, prober.case.deployment, prober.seed)
    steps[0] += 1
    _replicas(sized, steps)
    steps[1] = steps[0] + len(SHARES) + 8
    for share in SHARES:
        sized.curve.append(prober.at_rate(share * sized.sustained))
        steps[0] += 1
    sized.rate = _rate(sized, steps)


def _replicas(sized: Sized, steps: list[int]) -> None:
    """Doubles from what the sustained rate asks for until the targets are met, then halves the rest.

    Ignores: that one more replica could make a percentile worse, as a router may deal unluckily.
    """
    rate = sized.prober.case.offered.rate
    assert rate is not None
    tried = min(max(1, math.ceil(rate / sized.sustained)), MOST_REPLICAS)
    while sized.replicas is None and sized.low < MOST_REPLICAS:
        probe = sized.prober.with_replicas(tried)
        sized.probes.append(probe)
        steps[0] += 1
        if probe.met:
            sized.high = tried
        else:
            sized.low = tried
        tried = min(2 * tried, MOST_REPLICAS) if sized.high is None else (sized.low + sized.high) // 2


def _rate(sized: Sized, steps: list[int]) -> float | None:
    """Most requests/s of one replica within the targets, between the curve's points that meet and miss them."""
    met = [p.rate for p in sized.curve if p.met]
    missed = [p.rate for p in sized.curve if not p.met]
    if not met or not missed or min(missed) < max(met):
        return max((rate for rate in met if not missed or rate < min(missed)), default=None)
    return _bisected(lambda rate: _kept(sized, rate, steps), max(met), min(missed))


def _kept(sized: Sized, rate: float, steps: list[int]) -> bool:
    probe = sized.prober.at_rate(rate)
    sized.curve.append(probe)
    sized.curve.sort(key=lambda p: p.rate)
    steps[0] += 1
    return probe.met


def _bisected(meets: Callable[[float], bool], low: float, high: float) -> float:
    while high / low > FINE:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if meets(middle) else (low, middle)
    return low


# ---- between the fastest and the slowest that a pass may be


def _between(sized: Sized) -> None:
    """Sizes the trace again with every pass at both ends of its interval; under a roofline nothing."""
    if sized.replicas is None:
        return
    sized.around = _around(sized)
    if sized.around is not None:
        sized.edges = tuple(_edge(sized, math.exp(end)) for end in sized.around.ends)


def _around(sized: Sized) -> Around | None:
    """What may move a mean pass: as many sequences as Little's law has in a replica, and their prompts."""
    case, probe = sized.prober.case, min((p for p in sized.probes if p.met), key=lambda p: p.replicas)
    d, work = case.deployment, workload(case.offered.trace)
    token = probe.tpot_median if math.isfinite(probe.tpot_median) else 0.0
    batch = min(max(1.0, probe.rate / probe.replicas * work.output * token), float(d.limits.sequences))
    micro = batch / d.layout.pipeline
    mean = work.decoding(micro) + work.prompting(micro / work.output)
    return around_pass(Server(d.model, d.machine, d.clock), d.layout, mean)


def _edge(sized: Sized, factor: float) -> Sized:
    """The trace sized again, and the curve of one replica at the same rates, with passes so many times as long."""
    prober = sized.prober
    edge = Sized(replace(prober, case=stretched(prober.case, factor)))
    steps = begin(f"simulating passes × {factor:.2f}", "probes", len(sized.curve) + 16)
    edge.alone = edge.prober.alone(RARE)
    if edge.alone.met:
        edge.sustained = sustained_rate(prober.case.offered.requests, edge.prober.case.deployment, prober.seed)
        _replicas(edge, steps)
    for probe in sized.curve:
        edge.curve.append(edge.prober.at_rate(probe.rate))
        steps[0] += 1
    return edge
