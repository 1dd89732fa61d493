"""A real serving run beside its simulation: the same requests and limits, pass times of the roofline or calibrated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rackline.decisions.kinds import Param, read
from rackline.decisions.simulated import end_to_end, first_token, per_token, queueing
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.facts.vllm_logs import ServingRun
from rackline.systems.clock import Clock, Roofline, Stretched
from rackline.systems.simulation import Deployment, Limits, Log, Requests, simulate
from rackline.systems.simulation.traffic import own_blocks, requests_of

TIMES = ("time to first token", "of it in the queue", "time per output token", "end to end")
NEAR = 1e-3  # relative distance of a mean time per output token that counts as met
MOST_STRETCH = 16.0


@dataclass(frozen=True, eq=False)
class Served:
    """A run with its simulation, the calibrated one, and one whose passes are stretched till the mean gap agrees."""

    run: ServingRun
    deployment: Deployment
    log: Log
    calibrated: Log
    stretch: float
    stretched: Log


def served(run: ServingRun, clock: Clock) -> Served:
    """The run simulated as the roofline has it, by a calibrated clock, and stretched."""
    deployment, requests = deployment_of(run), asked(run)
    log = simulate(requests, deployment)
    factor = stretch(requests, deployment, float(measured(run)[TIMES[2]].mean()))
    return Served(run, deployment, log, simulate(requests, replace(deployment, clock=clock)), factor,
                  simulate(requests, _stretched(deployment, factor)))


def deployment_of(run: ServingRun) -> Deployment:
    """The run's model, machine, layout and limits."""
    layout = read(Param("layout", "", "layout"), run.layout)
    weights, kv = run.formats
    return Deployment(model(run.model).with_formats(weights=weights, kv=kv), machine(run.machine, run.chips), layout,
                      Limits(run.sequences, run.tokens, "reserved" if run.reserved else "chunked",
                             prefix_caching=run.caching, kv_blocks=run.kv_blocks, ranks="apart"))


def asked(run: ServingRun) -> Requests:
    """The run's requests at the moments when the engine queued them.

    Ignores: what requests share in a prefix cache, as the log has no hashes; a preempted one finds its own prompt.
    """
    requests = replace(requests_of(run.trace), block_tokens=run.block_tokens)
    return own_blocks(requests) if run.caching else requests


def _stretched(deployment: Deployment, factor: float) -> Deployment:
    return replace(deployment, clock=Stretched(Roofline(), factor))


def stretch(requests: Requests, deployment: Deployment, mean: float) -> float:
    """How many times longer every pass must take for a mean time per output token in seconds, by bisection."""
    low, high = 1.0, MOST_STRETCH
    while high / low > 1.0 + NEAR:
        middle = float(np.sqrt(low * high))
        log = simulate(requests, _stretched(deployment, middle))
        low, high = (middle, high) if float(np.nanmean(per_token(log, requests))) < mean else (low, middle)
    return float(np.sqrt(low * high))


def measured(run: ServingRun) -> dict[str, np.ndarray]:
    """The measured times of every request by name, in seconds."""
    arrival = run.trace.arrival
    assert arrival is not None
    return dict(zip(TIMES, (run.first_token - arrival, run.scheduled - arrival,
                            (run.finish - run.first_token) / np.maximum(run.trace.output_tokens - 1, 1),
                            run.finish - arrival), strict=True))


def predicted(log: Log, run: ServingRun) -> dict[str, np.ndarray]:
    """The same of a simulation."""
    return dict(zip(TIMES, (first_token(log), queueing(log), per_token(log, requests_of(run.trace)), end_to_end(log)),
                    strict=True))
