"""Closed loops of clients that start all at once, request by request: what the closed form of a first token sums up.

Nothing predicts by this: it is there to see what the closed form lacks. The passes are those of the tokens' own clock,
which knows little of a prompt alone; so the simulated time is one part of a fit beside the same fixed times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rackline.decisions.accuracy.calibrating import parted
from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.settings import MEAN_LENGTH, Setting
from rackline.facts.traces.trace import Trace
from rackline.systems.clock import Clock
from rackline.systems.logfit import fit, numbered
from rackline.systems.memory import USED, largest_batch
from rackline.systems.parts import MICRO, PARTS
from rackline.systems.simulation import Deployment, Limits, Log, Requests, simulate
from rackline.systems.simulation.arrivals import stream
from rackline.systems.simulation.traffic import closed_loop

SEED = 0
ROUNDS = 10  # requests of each client
SHORTEST = 0.8  # of the stated length; lengths are drawn evenly from there to it
CHUNK = 8192  # new tokens of a pass: what vLLM, SGLang and TensorRT-LLM take by default on large chips
RESERVES = ("tensorrt-llm",)  # admits a request only where its whole output will fit
FAR = 0.3  # relative error from which a row pulls with a constant force
_MILLI = 1e-3
# the simulated time as if memory had no end, what memory adds, then fixed times; in these units where a fit starts
START = {"simulated": 1.5, "waiting for memory": 1.0, "start": 5.0, "layer": 30.0, "pick": 30.0, "client": 300.0,
         "simulated sglang": 1.0, "layer sglang": 100.0}


def requests_of(one: Setting) -> Requests:
    """The requests of a setting's clients: drawn lengths where its source draws them, otherwise all equal."""
    clients = max(1, round(one.clients))
    prompts, replies = (_lengths(tokens, one.bursts, clients * ROUNDS, name)
                        for tokens, name in ((one.input, "prompts"), (one.output, "replies")))
    return closed_loop(Trace("closed loop", one.row.source, prompts, replies), clients)


def _lengths(mean: float, drawn: bool, n: int, name: str) -> np.ndarray:
    if not drawn:
        return np.full(n, max(1, round(mean)), dtype=np.int64)
    most = mean / MEAN_LENGTH
    rng = stream(SEED, f"closed loop {name}")
    return np.maximum(1, rng.integers(int(SHORTEST * most), int(most) + 1, n)).astype(np.int64)


def room(one: Setting) -> float:
    """Requests of mean length that fit in one replica; that the row exists shows that one a rank does."""
    fits = float(largest_batch(one.model, one.machine, one.layout, one.input + one.output, USED.value))
    return max(fits, float(one.layout.data))


def need(one: Setting) -> float:
    """What its clients ask of KV memory at most, over what there is."""
    return one.clients / room(one)


def simulated(one: Setting, clock: Clock, bounded: bool = True) -> Log:
    """The log of a setting's clients on one replica; BadInput where its weights leave no room at all.

    bounded: by its KV memory; otherwise there is room for all.
    """
    clients = max(1, round(one.clients))
    longest = (one.input + one.output) / MEAN_LENGTH + 1.0
    held = min(room(one), clients) if bounded else clients
    at_once = max(1, int(held)) if one.like.engine in RESERVES else clients
    limits = Limits(at_once, max(CHUNK, clients), kv_blocks=int(held * longest // 16) + 1)
    return simulate(requests_of(one), Deployment(one.model, one.machine, one.layout, limits, clock), seed=SEED)


def columns(found: Sequence[Sample], free: np.ndarray, waits: np.ndarray) -> np.ndarray:
    """What a first token is made of, shape (n, len(START)): simulated mean seconds of each row, then fixed times."""
    layer, pick = (np.array([s.decode[PARTS.index(name)] for s in found]) for name in ("layer", "pick"))
    clients, sglang = (np.array(column) for column in (
        [s.clients for s in found], [float(s.like.engine == "sglang") for s in found]))
    return np.column_stack([free, waits, _MILLI * np.ones(len(found)), layer, pick, MICRO * clients, sglang * free,
                            sglang * (layer + pick)])


def left_out(found: Sequence[Sample], x: np.ndarray, key: str) -> np.ndarray:
    """Logarithms of measured over predicted seconds, each row's model, chip or series left out of its fit."""
    parts, y = np.array(parted(found, key)), np.log([s.seconds for s in found])
    start = np.log(list(START.values()))
    error = np.zeros(len(found))
    for part in dict.fromkeys(parts.tolist()):
        test = parts == part
        series = numbered([s.like.series for s, out in zip(found, test, strict=True) if not out])
        error[test] = y[test] - np.log(fit(x[~test], y[~test], start, np.full(len(start), -9.0), series, far=FAR)
                                       .seconds(x[test]))
    return error
