"""Sums of parts fitted to measured seconds: relative errors count, few rows far off do not; and smooth corrections."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

FAR = 0.15  # relative error from which a row pulls with a constant force (Huber)
LOOSE = 0.03  # how hard a coefficient is held at its start: a row weighs one where it is near
ENOUGH = 1e-6  # relative decrease of the objective at which the fit stops
MOST_STEPS = 100
NINE_TENTHS = 1.645  # standard deviations about the mean that hold 0.9 of a normal


@dataclass(frozen=True, eq=False)
class Terms:
    """Seconds as a sum of terms: parts (n, m), each times a product of coefficients, to the powers (m, k) of each.

    weight: how much each row counts, shape (n,) or one for all.
    """

    parts: np.ndarray
    powers: np.ndarray
    weight: np.ndarray | float = 1.0

    def each(self, logs: np.ndarray) -> np.ndarray:
        """Seconds of every term, shape (n, m)."""
        return self.parts * np.exp(self.powers @ logs)


def plain(x: np.ndarray) -> Terms:
    """Terms that have one coefficient each, in order; x: (n, k)."""
    return Terms(x, np.eye(x.shape[1]))


@dataclass(frozen=True, eq=False)
class Fit:
    """Logarithms of the coefficients of shape (k,), and their covariance across groups of rows, shape (k, k)."""

    logs: np.ndarray
    covariance: np.ndarray

    def seconds(self, x: Terms | np.ndarray) -> np.ndarray:
        """Seconds of terms, or of rows of parts of shape (n, k)."""
        terms = plain(x) if isinstance(x, np.ndarray) else x
        return terms.each(self.logs).sum(1)


@dataclass(frozen=True, eq=False)
class _State:
    logs: np.ndarray
    share: np.ndarray  # (n, k): the share of a row's predicted seconds that grows with a coefficient
    residual: np.ndarray  # (n,)
    objective: float


@dataclass(frozen=True, eq=False)
class _Problem:
    terms: Terms
    y: np.ndarray
    start: np.ndarray
    least: np.ndarray
    hold: np.ndarray
    far: float

    def at(self, logs: np.ndarray) -> _State:
        part = self.terms.each(logs)
        whole = part.sum(1)
        residual = self.y - np.log(whole)
        size = np.abs(residual)
        loss = np.where(size < self.far, 0.5 * residual**2, self.far * (size - 0.5 * self.far))
        held = 0.5 * float(self.hold @ (logs - self.start) ** 2)
        share = (part / whole[:, None]) @ self.terms.powers
        return _State(logs, share, residual, float((self.terms.weight * loss).sum()) + held)

    def weight(self, state: _State) -> np.ndarray:
        return self.terms.weight * np.minimum(1.0, self.far / np.maximum(np.abs(state.residual), 1e-12))

    def normal(self, state: _State) -> tuple[np.ndarray, np.ndarray]:
        weight = self.weight(state)
        matrix = state.share.T @ (state.share * weight[:, None]) + np.diag(self.hold)
        return matrix, state.share.T @ (weight * state.residual) - self.hold * (state.logs - self.start)


def fit(x: Terms | np.ndarray, y: np.ndarray, start: np.ndarray, least: np.ndarray, groups: np.ndarray,
        hold: np.ndarray | float = LOOSE, far: float = FAR) -> Fit:
    """Coefficients above `least` such that the sum of terms is near exp(y) seconds; groups: (n,) of integers.

    x: terms, or parts (n, k) that have one coefficient each.
    Eq: sum of huber(y - log(sum of terms)) + hold*(logs - start)²/2 is least
    Coefficients whose terms are zero in every row stay where they start.
    """
    terms = plain(x) if isinstance(x, np.ndarray) else x
    problem = _Problem(terms, y, start, least, np.broadcast_to(np.asarray(hold, dtype=float), start.shape), far)
    state, damping = problem.at(np.maximum(start, least)), 1e-6
    for _ in range(MOST_STEPS):
        found, damping = _step(problem, state, damping)
        if found is None or state.objective - found.objective < ENOUGH * max(1.0, state.objective):
            state = found or state
            break
        state = found
    return Fit(state.logs, _covariance(problem, state, groups))


def _step(problem: _Problem, state: _State, damping: float) -> tuple[_State | None, float]:
    """The next state, None where no step helps; coefficients at their limit that want below it stay."""
    matrix, slope = problem.normal(state)
    free = np.flatnonzero(~((state.logs <= problem.least + 1e-9) & (slope < 0.0)))
    while damping < 1e8:
        damped = matrix + np.diag(damping * (np.diag(matrix) + 1e-3))
        move = np.zeros_like(slope)
        move[free] = np.linalg.solve(damped[np.ix_(free, free)], slope[free])
        tried = problem.at(np.maximum(state.logs + np.clip(move, -1.0, 1.0), problem.least))
        if tried.objective <= state.objective:
            return tried, max(damping / 10.0, 1e-8)
        damping = max(10.0 * damping, 1e-4)
    return None, damping


def _covariance(problem: _Problem, state: _State, groups: np.ndarray) -> np.ndarray:
    """Of the coefficients when whole groups of rows are drawn again (rows of one series err together)."""
    matrix, _ = problem.normal(state)
    pull = state.share * (problem.weight(state) * state.residual)[:, None]
    sums = np.zeros((int(groups.max(initial=0)) + 1, pull.shape[1]))
    np.add.at(sums, groups, pull)
    inverse = np.linalg.inv(matrix)
    return inverse @ (sums.T @ sums) @ inverse


# ---- the smooth correction


@dataclass(frozen=True)
class Smooth:
    """How residuals of one series go together: spreads of what all its rows share and of what near ones share.

    `version`, `near_version`: the same within one version and source. `noise`: of one row.
    """

    series: float
    near: float
    version: float
    near_version: float
    noise: float


WIDE = np.array([3.0, 3.0, 3.0, 2.0, 2.0, 2.0])
NARROW = np.array([1.2, 1.2, 1.2, 1.0, 0.8, 1.0])


def numbered(keys: Sequence[Hashable]) -> np.ndarray:
    """A whole number for every distinct key, in the order of their first places; shape (n,)."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=int)


def same(a: Sequence[Hashable], b: Sequence[Hashable]) -> np.ndarray:
    """One where keys a (n) and b (m) are equal, else zero; shape (n, m)."""
    which = numbered([*a, *b])
    return (which[: len(a), None] == which[None, len(a) :]).astype(float)


def kernel(a: np.ndarray, b: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """How near places a (n, k) and b (m, k) are, in widths (k,): one where they are the same; shape (n, m)."""
    return np.exp(-0.5 * (((a[:, None, :] - b[None, :, :]) / widths) ** 2).sum(2))


def together(a: np.ndarray, b: np.ndarray, same: np.ndarray, how: Smooth) -> np.ndarray:
    """Covariance of residuals at places a (n, 6) and b (m, 6) of one series; `same` version, shape (n, m)."""
    wide, near = kernel(a, b, WIDE), kernel(a, b, NARROW)
    return how.series**2 * wide + how.near**2 * near + same * (how.version**2 * wide + how.near_version**2 * near)


def row_noise(matrix: np.ndarray, residual: np.ndarray, noise: float) -> np.ndarray:
    """The variance that each row is granted: a row far from its neighbours is believed less (Student's t, 4)."""
    weight = np.ones(len(residual))
    for _ in range(3):
        rest = residual - matrix @ np.linalg.solve(matrix + np.diag(noise**2 / weight), residual)
        weight = 5.0 / (4.0 + (rest / noise) ** 2)
    return noise**2 / weight


def predict(cross: np.ndarray, matrix: np.ndarray, granted: np.ndarray, residual: np.ndarray,
            prior: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of residuals from those seen; cross: (n, m), matrix: (m, m), granted, residual: (m,)."""
    solved = np.linalg.solve(matrix + np.diag(granted), np.column_stack([residual, cross.T]))
    spread = prior - np.einsum("nm,mn->n", cross, solved[:, 1:])
    return cross @ solved[:, 0], np.maximum(spread, 0.0)
