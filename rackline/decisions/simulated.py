"""What a log says: percentiles, throughput, goodput, queues over time. A few arrays of one number a request at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from rackline.decisions.search import Targets
from rackline.systems.simulation.records import Log, PassLog, Requests

PERCENTILES = (50, 90, 95, 99)
POINTS = 200  # moments of a plot
FINE = 10_000  # moments that a maximum is looked for in
CURVE = np.concatenate([np.linspace(0.0, 0.9, 46), np.linspace(0.905, 0.99, 18), [0.995, 0.999, 1.0]])


def first_token(log: Log) -> np.ndarray:
    """Seconds from arrival to the first token, shape (n,)."""
    return log.first_token - log.arrival


def per_token(log: Log, requests: Requests) -> np.ndarray:
    """Seconds per output token after the first, shape (n,); nan for requests of one token.

    Eq: tpot = (finish - first token)/(output - 1)
    """
    later = log.finish - log.first_token
    with np.errstate(invalid="ignore", divide="ignore"):
        later /= requests.output - 1
    later[requests.output <= 1] = np.nan
    return later


def end_to_end(log: Log) -> np.ndarray:
    """Seconds from arrival to the last token, shape (n,)."""
    return log.finish - log.arrival


def queueing(log: Log) -> np.ndarray:
    """Seconds from arrival to the first pass, shape (n,)."""
    return log.admitted - log.arrival


def times(log: Log, requests: Requests) -> Iterator[tuple[str, np.ndarray]]:
    """The four times of every request by their names, one after the other."""
    yield "time_to_first_token", first_token(log)
    yield "time_per_output_token", per_token(log, requests)
    yield "end_to_end", end_to_end(log)
    yield "queueing", queueing(log)


def spread(values: np.ndarray) -> dict[str, float]:
    """Mean, percentiles and maximum of what is a number; the array is reordered."""
    values = values if not np.isnan(values).any() else values[~np.isnan(values)]
    if not values.size:
        return dict.fromkeys(("mean", *(f"p{p}" for p in PERCENTILES), "max"), float("nan"))
    found = np.percentile(values, PERCENTILES, overwrite_input=True)
    return {"mean": float(values.mean()), **{f"p{p}": float(v) for p, v in zip(PERCENTILES, found, strict=True)},
            "max": float(values.max())}


def curve(values: np.ndarray) -> tuple[list[float], list[float]]:
    """(times, shares): the share of requests within each time; the array is reordered."""
    values = values[~np.isnan(values)]
    if not values.size:
        return [], []
    return np.quantile(values, CURVE, overwrite_input=True).tolist(), CURVE.tolist()


def spreads(log: Log, requests: Requests) -> tuple[dict[str, dict[str, float]], dict[str, tuple[list, list]]]:
    """The spread and the curve of each of the four times."""
    found, curves = {}, {}
    for name, values in times(log, requests):
        curves[name] = curve(values)
        found[name] = spread(values)
    return found, curves


def makespan(log: Log) -> float:
    """Seconds from the first arrival to the last token."""
    return float(np.nanmax(log.finish) - np.nanmin(log.arrival))


def finished(log: Log) -> int:
    """Requests that were served."""
    return int(log.finish.size - np.isnan(log.finish).sum())


def throughput(log: Log, requests: Requests, chips: int) -> dict[str, float]:
    """Requests and tokens a second from the first arrival to the last token, of all and a chip."""
    span = makespan(log)
    done = ~np.isnan(log.finish)
    rates = {"requests_per_second": done.sum() / span,
             "input_tokens_per_second": requests.input.sum(where=done) / span,
             "output_tokens_per_second": requests.output.sum(where=done) / span}
    per_chip = {f"{name}_per_chip": rate / chips for name, rate in rates.items()}
    return {name: float(rate) for name, rate in (rates | per_chip).items()}


def meeting(log: Log, requests: Requests, targets: Targets) -> np.ndarray:
    """Whether each request was served within the targets, shape (n,)."""
    met = ~np.isnan(log.finish)
    if np.isfinite(targets.ttft):
        met &= first_token(log) <= targets.ttft
    if np.isfinite(targets.tpot):
        met &= ~(per_token(log, requests) > targets.tpot)
    return met


def goodput(log: Log, requests: Requests, targets: Targets) -> dict[str, float] | None:
    """Requests a second that meet the targets, and their share of all; None without targets."""
    if not (np.isfinite(targets.ttft) or np.isfinite(targets.tpot)):
        return None
    met = int(meeting(log, requests, targets).sum())
    return {"share": met / log.finish.size, "requests_per_second": met / makespan(log)}


def moments(log: Log, points: int = POINTS) -> np.ndarray:
    """Times from the first arrival to the last token at which queues are looked at, shape (points,)."""
    return np.linspace(float(np.nanmin(log.arrival)), float(np.nanmax(log.finish)), points)


def most(log: Log) -> dict[str, int]:
    """Most requests waiting and in service at any of FINE moments."""
    return {name: int(counts.max()) for name, counts in over_time(log, moments(log, FINE)).items()}


def over_time(log: Log, at: np.ndarray) -> dict[str, np.ndarray]:
    """Requests waiting for their first pass and requests in service at each moment, arrays of at's shape."""
    came, began, ended = (_until(x, at) for x in (log.arrival, log.admitted, log.finish))
    return {"waiting": came - began, "running": began - ended}


def _until(when: np.ndarray, at: np.ndarray) -> np.ndarray:
    """How many of `when` are at or before each moment: a histogram, as sorting ten millions takes seconds."""
    edges = np.concatenate([[-np.inf], np.nextafter(at, np.inf), [np.inf]])
    return np.cumsum(np.histogram(when[~np.isnan(when)], edges)[0][:-1])


def occupancy(passes: PassLog, at: np.ndarray, replicas: range, blocks: int) -> np.ndarray:
    """The share of all KV pages in use at each moment, as the last pass of each replica before it had them.

    Ignores: idle times between passes where the log keeps only every second, fourth, … pass.
    """
    used = np.zeros(at.shape)
    order = np.argsort(passes.replica, kind="stable")
    ends = np.searchsorted(passes.replica[order], np.arange(replicas.start, replicas.stop + 1))
    for low, high in pairwise(ends):
        mine = order[low:high]
        last = np.searchsorted(passes.start[mine], at, side="right") - 1
        over = np.append(passes.start[mine] + passes.seconds[mine], -np.inf)[last] + 1e-12 < at
        used += np.where(over if passes.every == 1 else last < 0, 0.0, np.append(passes.blocks[mine], 0)[last])
    return used / max(len(replicas) * blocks, 1)


def hits(log: Log, requests: Requests) -> dict[str, Any]:
    """Shares of all prompt tokens that were taken from a cache, in all and tier by tier; HBM is what no tier loaded."""
    total, cached = int(requests.input.sum()), int(log.cached.sum())
    tiers: Mapping[str, int] = log.tier_tokens
    loaded = {name: tokens / total for name, tokens in tiers.items()}
    return {"prefix": cached / total, "hbm": max(cached - sum(tiers.values()), 0) / total, "tiers": loaded}


def mean_waiting(log: Log) -> float:
    """Requests waiting on average over the run.

    Eq: mean = sum of waits / makespan (Little's law)
    """
    return float(np.nansum(queueing(log)) / makespan(log))


def mean_running(log: Log) -> float:
    """Requests between their first pass and their last token on average over the run."""
    return float(np.nansum(log.finish - log.admitted) / makespan(log))
