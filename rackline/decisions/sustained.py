"""Whether a deployment keeps up, and the rate that it could sustain: the same requests, all waiting from the start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rackline.decisions.simulated import finished, makespan, queueing
from rackline.systems.simulation import Deployment, Log, Requests, simulate

MOST = 20_000  # requests replayed: enough for a rate
MANY = 4.0  # times as many requests as run at once: then the middle of the run is steady
LONG = 1.0  # seconds of waiting that nobody calls a growing queue


def sustained_rate(requests: Requests, deployment: Deployment, seed: int = 0) -> float:
    """Requests a second when requests never lack: from the tenth to the ninetieth hundredth of the answers.

    Ignores: arrivals and who waits for whom; of few requests, all the time from the first to the last answer counts.
    """
    some = waiting_all(requests, MOST)
    log = simulate(some, deployment, seed=seed)
    n = len(some.input)
    if n < MANY * deployment.limits.sequences * int(deployment.layout.replicas):
        return n / makespan(log)
    low, high = np.quantile(log.finish, (0.1, 0.9))
    return float(0.8 * n / (high - low)) if high > low else n / makespan(log)


def waiting_all(requests: Requests, most: int) -> Requests:
    """The first requests, all there at time 0."""
    n = min(most, len(requests.input))
    return replace(requests, arrival=np.zeros(n), input=requests.input[:n], output=requests.output[:n],
                   after=np.full(n, -1, dtype=np.int64), delay=np.zeros(n), block_start=requests.block_start[:n + 1])


def seems_behind(log: Log) -> bool:
    """Whether the last quarter of the requests waited over a second and twice as long as the first half.

    A cheap sign: whether it is a growing queue, the sustained rate tells.
    """
    waits = queueing(log)
    n = finished(log)
    if n < 8 or np.isnan(waits).any():
        return bool(np.isnan(waits).any())
    early, late = float(waits[: n // 2].mean()), float(waits[-(n // 4):].mean())
    return late > LONG and late > 2.0 * early
