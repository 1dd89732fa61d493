"""Where the ledger's lines cross: balance batch, balance context, knee, and the penalty of batch 1.

Nothing here has a cost formula of its own: each number is found on the times of stepping.Case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rackline.decisions.stepping import CACHE_TERMS, Case
from rackline.physics import blackboard
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.passes import decode

ENDLESS = 2.0**40  # sequences a data rank, or tokens a sequence: beyond any memory


def crossing(gap: Callable[[np.ndarray], np.ndarray], most: float = ENDLESS) -> float:
    """The smallest x in [1, most] at which gap(x) reaches zero; between whole numbers along a straight line.

    gap takes an array of whole numbers. 1 where it is not below zero there; infinite where it never reaches zero.
    """
    low, high = 1.0, most
    if gap(np.array([low]))[0] >= 0:
        return low
    while True:
        x = np.unique(np.round(np.geomspace(low, high, 129)))
        reached = gap(x) >= 0
        if not reached.any():
            return float("inf")
        low, high = x[(first := int(np.argmax(reached))) - 1], x[first]
        if high - low <= 1:
            below, above = gap(np.array([low, high]))
            return float(low + (high - low) * below / (below - above))


def balance_batch(case: Case, context: float) -> float:
    """Batch of a replica at which the ledger's compute takes as long as memory; infinite where KV alone is longer."""

    def gap(ranks: np.ndarray) -> np.ndarray:
        step = case.step(ranks * case.unit, context)
        return np.asarray(step.compute - step.memory)

    return crossing(gap) * case.unit


def knee(case: Case, context: float) -> float:
    """Batch at which what grows with it (compute, or reading the cache) takes as long as reading the weights."""

    def gap(ranks: np.ndarray) -> np.ndarray:
        step = case.step(ranks * case.unit, context)
        return np.asarray(np.maximum(step.compute, step.cache) - step.weights)

    return crossing(gap) * case.unit


def balance_context(case: Case) -> float:
    """Context at which, in an endless batch, memory takes as long as compute, attention's arithmetic included."""

    def gap(context: np.ndarray) -> np.ndarray:
        step = case.step(np.full(context.shape, ENDLESS * case.unit), context)
        return np.asarray(step.memory - step.compute)

    return crossing(gap)


def compute_share(case: Case, context: float) -> float:
    """Share of the step that compute is busy in an endless batch where all overlap but the network; never above 1."""
    step = case.step(ENDLESS * case.unit, context)
    return float(step.compute / max(step.compute, step.memory))


def drain_batch(case: Case, context: float, drain: float) -> float:
    """Largest batch whose pass, terms in sequence, takes no longer than the memory's drain time; 0 if none does."""

    def gap(ranks: np.ndarray) -> np.ndarray:
        return np.asarray(case.step(ranks * case.unit, context).time - drain)

    if case.step(1.0, context).time > drain:
        return 0.0
    return float(max(1.0, np.floor(crossing(gap)) * case.unit))


@dataclass(frozen=True)
class Penalty:
    """Cost of a token at batch 1 over an endless batch: all weights charged, experts counted, the whole ledger."""

    two_term: float
    experts_counted: float
    ledger: float


def batch_one_penalty(case: Case, context: float) -> Penalty:
    """The penalty by the lecture's formula, by the same with the weights that one token reads, and by the ledger."""
    s = case.symbols
    by = [blackboard.batch_one_penalty(context, weights_read=read, **s.of("N_active", "kv", "F", "W"))
          for read in (s.weights, weights_read_by_one(case))]
    endless = ENDLESS * case.unit
    ratio = case.step(1.0, context).lower / (case.step(endless, context).lower / endless)
    return Penalty(float(by[0]), float(by[1]), float(ratio))


def weights_read_by_one(case: Case) -> float:
    """Bytes of weights that one token reads on one chip: only the experts it asks for."""
    one = ledger(case.server.model, Layout(), decode(1.0, 0.0))
    return float(sum(work.bytes for name, work in one.items() if not name.endswith(CACHE_TERMS)))
