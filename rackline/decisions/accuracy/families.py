"""What families of measured rows are fitted as, by kind: coefficients, terms, how what is left over goes together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rackline.decisions.accuracy import alike, pass_groups, served_families
from rackline.decisions.accuracy.sample import TRAINING, Sample
from rackline.decisions.accuracy.served_families import FIRST_FAMILIES, OTHER, SMOOTH, Coefficients
from rackline.systems.calibrated import PROMPTS
from rackline.systems.logfit import FAR, LOOSE, Terms, plain, same, together
from rackline.systems.pass_parts import PHASES
from rackline.systems.training import STEP_PARTS, WORKING

# of a training step: microseconds, times activations are moved, shares of messages that nothing hides
STEP_START = {"scores": 2.0, "experts": 2.0, "token": 40.0, "copies": 20.0, "logits": 3.0, "weights": 1.0,
              "optimizer": 1.0, "tensor": 0.7, "context": 0.5, "exchange": 1.0, "send": 0.5, "reduce": 0.5,
              "shards": 0.3, "layer": 100.0, "routing": 500.0, "expert": 20.0, "step": 20.0}
EFFICIENCY = 1.25


@dataclass(frozen=True, eq=False)
class Likeness:
    """How residuals of a family go together: covariance of two lists of samples, variances, noise of one row."""

    together: Callable[[Sequence[Sample], Sequence[Sample]], np.ndarray]
    prior: Callable[[Sequence[Sample]], np.ndarray]
    noise: float


@dataclass(frozen=True, eq=False)
class Kind:
    """How families of a kind are fitted, how their rows correct each other, what their intervals are made of.

    terms: of samples, at the pace of the tokens' coefficients (logarithms) where `paced`; likeness: given a family and
    its logarithms, None where rows correct their kin (kin.py); pool: rows alike in it correct each other; identity:
    tells that a row was seen; group: rows alike in it share a spread, shrunk as by `shrink` rows of the family; scaled:
    corrections know how far off they are, of series never seen too; far: relative error that pulls as one far off.
    """

    coefficients: Callable[[str], Coefficients]
    terms: Callable[[str, Sequence[Sample], Any], Terms]
    likeness: Callable[[str, np.ndarray], Likeness] | None
    pool: Callable[[Sample], tuple] = lambda s: s.like.series
    identity: Callable[[Sample], Any] = lambda s: s.row.id
    group: Callable[[Sample], str] = lambda s: " · ".join(s.like.series)
    shrink: float = 12.0
    paced: bool = False
    scaled: bool = False
    far: float = FAR


def _of_passes(family: str) -> Coefficients:
    names, (start, least) = PHASES[family.split()[0]], pass_groups.starts(family)
    return Coefficients(names, start, least, np.full(len(names), LOOSE))


def _of_steps(family: str) -> Coefficients:
    return Coefficients(STEP_PARTS, np.log([STEP_START.get(name, EFFICIENCY) for name in STEP_PARTS]),
                        np.array([0.0 if name in WORKING else -9.0 for name in STEP_PARTS]),
                        np.full(len(STEP_PARTS), LOOSE))


def _plain(family: str, found: Sequence[Sample], pace: None) -> Terms:
    return plain(np.stack([s.decode for s in found]))


def _in_series(family: str, logs: np.ndarray) -> Likeness:
    how = SMOOTH.get(family, OTHER)
    prior = how.series**2 + how.near**2 + how.version**2 + how.near_version**2
    version = lambda found: [(s.like.version, s.like.source) for s in found]  # noqa: E731
    place = lambda found: np.stack([s.place for s in found])  # noqa: E731
    return Likeness(lambda a, b: together(place(a), place(b), same(version(a), version(b)), how),
                    lambda a: np.full(len(a), prior), how.noise)


def _of_stacks(family: str, logs: np.ndarray) -> Likeness:
    return Likeness(lambda a, b: alike.together(a, b, logs), lambda a: alike.prior(a, logs), alike.NOISE)


TOKENS = Kind(served_families.coefficients, served_families.tokens, _in_series)
FIRST_TOKENS = replace(TOKENS, terms=served_families.first_tokens, paced=True, far=0.3)
PASSES = Kind(_of_passes, _plain, None)
STEPS = Kind(_of_steps, _plain, _of_stacks, pool=lambda s: (s.family,), identity=lambda s: s.measurement,
             group=lambda s: s.like.engine, shrink=30.0, scaled=True)  # series are short; rows of a stack err together
KINDS: dict[str, Kind] = {
    **dict.fromkeys(served_families.STARTS, TOKENS), **dict.fromkeys(FIRST_FAMILIES, FIRST_TOKENS),
    PROMPTS: replace(FIRST_TOKENS, terms=served_families.prompts, far=FAR),
    **dict.fromkeys(PHASES, PASSES), TRAINING: STEPS}


def kind(family: str) -> Kind:
    """The kind of a family; single passes' are named by their phase first."""
    return KINDS[family if family in KINDS else family.split()[0]]


def coefficients(family: str) -> Coefficients:
    """A family's coefficients before any row was seen: names, starts, the least that physics allows."""
    return kind(family).coefficients(family)


def names(family: str) -> tuple[str, ...]:
    """The coefficients of a family."""
    return coefficients(family).names


def terms(family: str, found: Sequence[Sample], pace: np.ndarray | None = None) -> Terms:
    """The terms of samples of a family; pace: logarithms of the coefficients of tokens, for first tokens."""
    return kind(family).terms(family, found, pace)
