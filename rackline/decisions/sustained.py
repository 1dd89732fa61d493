"""Whether a deployment keeps up, and the rate that it could sustain: the same requests, all waiting from the start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rackline.decisions.simulated import finished, makespan, queueing
from rackline.systems.simulation import Deployment, Log, Requests, simulate

MOST = 200_000  # requests replayed
FEWER = 2000  # of them where only the readable loop can run, which is slow
ENOUGH = 20_000  # requests that give a rate, if they are many for those that run at once
MANY = 8  # times as many requests as can run at once: then the middle of the run is steady
LONG = 1.0  # seconds of waiting that nobody calls a growing queue


def sustained_rate(requests: Requests, deployment: Deployment, seed: int = 0) -> float:
    """Requests a second when requests never lack: from the tenth to the ninetieth hundredth of the answers.

    Few requests are repeated until they are many for the sequences that run at once; those that share prefixes are
    not, and all the time from the first arrival to the last answer counts. Ignores: who waits for whom.
    """
    slots = deployment.limits.sequences * deployment.ranks * int(deployment.layout.replicas)
    most = FEWER if _slow(deployment) else MOST
    some = waiting_all(requests, min(max(MANY * slots, min(len(requests.input), ENOUGH)), most))
    log = simulate(some, deployment, seed=seed)
    n = len(some.input)
    low, high = np.quantile(log.finish, (0.1, 0.9))
    return float(0.8 * n / (high - low)) if n >= MANY * slots and high > low else n / makespan(log)


def _slow(deployment: Deployment) -> bool:
    return deployment.drafted > 0 or bool(deployment.tiers)


def waiting_all(requests: Requests, count: int) -> Requests:
    """So many requests, all there at time 0: the first, or all over and over where that repeats no prefix."""
    n = len(requests.input)
    count = min(count, n) if requests.block.size else count
    rows = np.arange(count) % n
    start = requests.block_start[:count + 1] if requests.block.size else np.zeros(count + 1, dtype=np.int64)
    return replace(requests, arrival=np.zeros(count), input=requests.input[rows], output=requests.output[rows],
                   after=np.full(count, -1, dtype=np.int64), delay=np.zeros(count), block_start=start)


def seems_behind(log: Log) -> bool:
    """Whether the last quarter of the requests waited over a second and twice as long as the first half.

    A cheap sign: whether it is a growing queue, the sustained rate tells.
    """
    waits = queueing(log)
    n = finished(log)
    if n < 8:
        return False
    early, late = float(waits[: n // 2].mean()), float(waits[-(n // 4):].mean())
    return late > LONG and late > 2.0 * early
