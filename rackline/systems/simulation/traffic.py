"""From a trace to the requests of a simulation: open, in chains of a session's turns, or a closed loop of clients."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from rackline.errors import BadInput
from rackline.facts.traces import Trace
from rackline.systems.simulation.records import Requests

Turns = Literal["recorded", "chained"]
_PAGE = 16  # tokens of a KV page where the trace has no blocks of its own


def requests_of(trace: Trace, turns: Turns = "recorded") -> Requests:
    """The trace's requests at their recorded times.

    turns: "chained" lets each turn of a session wait for the end of the one before, and then for the time that was
    recorded between their arrivals. Ignores: that this time held the serving of the earlier turn too; the chained
    session is longer than the recorded one by the time that serving took there.
    Errors: BadInput for a trace of lengths only.
    """
    if trace.arrival is None:
        raise BadInput(f"trace {trace.name}", "must have arrivals to be replayed", "lengths only",
                       "give a rate to draw them, or a number of clients in a closed loop")
    if turns == "recorded" or trace.session is None:
        return _requests(trace, trace.arrival, *_unchained(len(trace)))
    after = turn_before(trace.session)
    chained = after >= 0
    delay = np.zeros(len(trace))
    delay[chained] = trace.arrival[chained] - trace.arrival[after[chained]]
    return _requests(trace, trace.arrival, after, delay)


def own_blocks(requests: Requests) -> Requests:
    """The requests with blocks of their prompts that no other has: what a preempted one may find again.

    Ignores: a last block that is not full, and blocks of output tokens.
    """
    counts = requests.input // requests.block_tokens
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return replace(requests, block_start=start, block=np.arange(int(start[-1]), dtype=np.int64))


def turn_before(session: np.ndarray) -> np.ndarray:
    """The index of the turn before each request in its session, shape of `session`; -1: the first turn, or of none."""
    order = np.argsort(session, kind="stable")
    follows = (session[order][1:] == session[order][:-1]) & (session[order][1:] >= 0)
    after = np.full(session.size, -1, np.int64)
    after[order[1:][follows]] = order[:-1][follows]
    return after


def closed_loop(trace: Trace, clients: int, thinking: float = 0.0) -> Requests:
    """The trace's requests sent by so many clients, each waiting for its answer and then `thinking` seconds.

    All start at once, as InferenceX does. Recorded arrivals and sessions are not used. Client c sends requests
    c, c + clients, … Ignores: that a free client could take the next request in line, which matters only where lengths
    follow a pattern.
    """
    if not 1 <= clients <= 1e9 or not 0 <= thinking < np.inf:
        raise BadInput("closed loop", "must have at least one client and a thinking time of at least zero",
                       f"{clients} clients, {thinking} s")
    after = np.maximum(np.arange(len(trace), dtype=np.int64) - int(clients), -1)
    delay = np.where(after >= 0, float(thinking), 0.0)
    return _requests(trace, np.zeros(len(trace)), after, delay)


def _unchained(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(n, -1, np.int64), np.zeros(n)


def _requests(trace: Trace, arrival: np.ndarray, after: np.ndarray, delay: np.ndarray) -> Requests:
    starts, blocks, size = np.zeros(len(trace) + 1, np.int64), np.zeros(0, np.int64), _PAGE
    if trace.prefix is not None and trace.block_tokens is not None:
        starts, blocks, size = trace.prefix.offsets, dense(trace.prefix.values), trace.block_tokens
    return Requests(arrival=arrival, input=trace.input_tokens, output=trace.output_tokens, after=after, delay=delay,
                    block_start=starts, block=blocks, block_tokens=size)


def dense(hashes: np.ndarray) -> np.ndarray:
    """The same equalities among numbers from 0 to at most how many hashes there are, shape of `hashes`."""
    if hashes.size and hashes.min() >= 0 and hashes.max() < hashes.size:
        return hashes  # a resampled trace's, for one: no sort of hundreds of millions
    return np.unique(hashes, return_inverse=True)[1].astype(np.int64, copy=False).reshape(hashes.shape)
