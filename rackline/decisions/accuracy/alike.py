"""How residuals of measured training steps go together: what stacks, chips, formats and models share, shrunk.

A coefficient may be off by a share that all steps of one stack and chip have in common: their residuals then go
together as far as they spend their time alike. What is left goes together in one model on one chip, and in neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.settings import Like
from rackline.facts.micro import family
from rackline.systems.logfit import kernel, same

NOISE = 0.025  # of one measurement, as a share of its seconds
MONTHS = 1.5  # in which what two releases have in common decays
# how far apart neighbours are: batch, length, micro-batch, tensors, stages, ranks, experts, pieces, shards, recompute,
# the model's size; in logarithms
NEAR = np.array([2.0, 1.2, 1.0, 1.0, 1.0, 2.5, 2.0, 2.5, 0.5, 0.7, 1.0])


@dataclass(frozen=True)
class Shared:
    """What is shared by steps that have a key in common: `slopes` of coefficients, `offset` of the whole; and a decay.

    Standard deviations of logarithms.
    """

    key: Callable[[Like], tuple[str, ...]]
    slopes: float = 0.0
    offset: float = 0.0
    near: float = 0.0
    ages: bool = False  # less between releases that are further apart


_SHARED: Mapping[str, Shared] = {
    "stack": Shared(lambda k: (k.engine,), slopes=0.38, near=0.16),
    "release": Shared(lambda k: (k.engine,), slopes=0.26, ages=True),
    "stack on chip": Shared(lambda k: (k.engine, k.chip), slopes=0.24),
    "stack on a design": Shared(lambda k: (k.engine, family(k.chip)), slopes=0.26),
    "stack in format": Shared(lambda k: (k.engine, k.precision), slopes=0.32, offset=0.13),
    "model on chip": Shared(lambda k: (k.engine, k.model, k.mode, k.chip), offset=0.08),
    "release of model on chip": Shared(lambda k: (k.engine, k.model, k.mode, k.chip), offset=0.1, ages=True),
    "series": Shared(lambda k: k.series, near=0.06),
}


def age(version: str) -> float:
    """Months of a release named by year and month ("26.04.01"), 0 where there is none."""
    found = re.search(r"\b(\d\d)\.(\d\d)(?:\.(\d\d))?\b", version)
    return 12.0 * int(found[1]) + int(found[2]) + 0.1 * int(found[3] or 0) if found else 0.0


@dataclass(frozen=True, eq=False)
class _Traits:
    shares: np.ndarray  # (n, k): of the pooled seconds, by part
    place: np.ndarray
    ages: np.ndarray
    likes: list[Like]


def _traits(found: Sequence[Sample], logs: np.ndarray) -> _Traits:
    part = np.stack([s.decode for s in found]) * np.exp(logs)
    return _Traits(part / part.sum(1, keepdims=True), np.stack([s.place for s in found]),
                   np.array([age(s.like.version) for s in found]), [s.like for s in found])


def together(a: Sequence[Sample], b: Sequence[Sample], logs: np.ndarray) -> np.ndarray:
    """Covariance of the residuals of training steps, shape (len(a), len(b)); logs: of the pooled coefficients."""
    one, other = _traits(a, logs), _traits(b, logs)
    slopes = one.shares @ other.shares.T
    near = kernel(one.place, other.place, NEAR)
    decay = np.exp(-np.abs(one.ages[:, None] - other.ages[None, :]) / MONTHS)
    whole = np.zeros(slopes.shape)
    for shared in _SHARED.values():
        both = same([shared.key(k) for k in one.likes], [shared.key(k) for k in other.likes])
        part = shared.slopes**2 * slopes + shared.offset**2 + shared.near**2 * near
        whole = whole + both * part * (decay if shared.ages else 1.0)
    return whole


def prior(found: Sequence[Sample], logs: np.ndarray) -> np.ndarray:
    """Variance of each residual before anything like it was seen, shape (len(found),)."""
    shares = (_traits(found, logs).shares ** 2).sum(1)
    return sum((s.slopes**2 * shares + s.offset**2 + s.near**2 for s in _SHARED.values()), start=np.zeros(len(found)))
