"""Probes of a capacity question: one simulation each, at so many replicas or at a rate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rackline.decisions.offered import Offered
from rackline.decisions.simulate_case import Case
from rackline.decisions.simulated import first_token, per_token, throughput
from rackline.systems.simulation import Requests, simulate
from rackline.systems.simulation.drawing import cut
from rackline.systems.simulation.traffic import requests_of

MOST_REPLICAS = 16_384
CURVE = 20_000  # requests of a probe of one replica: enough for a percentile
FEW = 1000  # requests of the probe of requests alone


@dataclass(frozen=True)
class Probe:
    """One simulation: replicas, requests/s offered and served, seconds at the median and the percentile asked for."""

    replicas: int
    rate: float
    served: float
    requests: int
    ttft_median: float
    ttft: float
    tpot_median: float
    tpot: float
    met: bool


@dataclass(frozen=True, eq=False)
class Prober:
    """A case of one replica, the percentile that the targets hold at, a seed."""

    case: Case
    percentile: float
    seed: int

    def with_replicas(self, replicas: int) -> Probe:
        """All requests at their own rate."""
        return self._probe(self.case.offered, replicas)

    def at_rate(self, rate: float) -> Probe:
        """The first requests on one replica, faster or slower than they came."""
        some = self._first(CURVE)
        return self._probe(some.faster(rate / some.rate) if some.rate else some, 1)

    def alone(self, factor: float) -> Probe:
        """The first requests on one replica, so rare that they hardly meet."""
        return self._probe(self._first(FEW).faster(factor), 1)

    def _first(self, count: int) -> Offered:
        offered = self.case.offered
        if len(offered.trace) <= count:
            return offered
        trace = cut(offered.trace, count)
        span = float(trace.arrival[-1]) if trace.arrival is not None else 0.0
        return replace(offered, trace=trace, requests=requests_of(trace),
                       rate=(count - 1) / span if span > 0 else offered.rate)

    def _probe(self, offered: Offered, replicas: int) -> Probe:
        d = self.case.deployment
        deployment = replace(d, layout=replace(d.layout, replicas=replicas))
        log, requests = simulate(offered.requests, deployment, seed=self.seed), offered.requests
        served = throughput(log, requests, 1)["requests_per_second"]
        times = [self._percentiles(x) for x in (first_token(log), per_token(log, requests))]
        targets = self.case.targets
        # a trace without a second token has no time per token to miss
        met = times[0][1] <= targets.ttft and not times[1][1] > targets.tpot
        return Probe(replicas, offered.rate or 0.0, served, _count(requests), *times[0], *times[1], met)

    def _percentiles(self, values: np.ndarray) -> tuple[float, float]:
        values = values[~np.isnan(values)]
        if not values.size:
            return float("nan"), float("nan")
        found = np.percentile(values, (50.0, self.percentile), overwrite_input=True)
        return float(found[0]), float(found[1])


def _count(requests: Requests) -> int:
    return len(requests.input)
