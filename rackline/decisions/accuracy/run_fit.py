"""The clock of cards: coefficients from other measurements, moved by whole logs of runs, through the simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rackline.decisions.accuracy.calibrated_from import EACH
from rackline.decisions.vllm_runs import asked, deployment_of
from rackline.facts.calibration import Calibration, Family
from rackline.facts.fact import Fact
from rackline.facts.machine import Machine
from rackline.facts.micro import micro_groups
from rackline.facts.vllm_logs import ServingRun, run_names, serving_run
from rackline.systems.calibrated import CARDS, FAMILY, Calibrated, on_a_bus
from rackline.systems.logfit import NINE_TENTHS
from rackline.systems.parts import MICRO, PHYSICAL
from rackline.systems.simulation import Requests, simulate

DATE = "2026-11-28"  # when the logs were last looked through
# how far a coefficient may be from where it starts, as the logarithm's standard deviation: shares of rates as far as
# chips that the micro-benchmarks had not seen; fixed times by half; a host's bus with or without direct access
SPREAD = {"weights": 0.1, "experts": 0.15, "cache": 0.1, "compute": 0.15, "network": 1.0, "message": 0.5, "layer": 0.5,
          "pick": 0.5, "token": 0.7, "routed": 0.7, "sequence": 0.5}
_BUS = "collective: through the host"  # whether chips may write to each other's memory is seldom said
_TOKEN = 5.0  # activations written and read between kernels: 10 bytes a hidden number and layer (see systems.ledger)
_NOISE = 0.05  # relative, of one request's times
_COUNTS = 30.0  # requests that a run counts as: those in one pass err together
# of the logarithms: a derivative (wide: times jump where a request waits a pass more), furthest at once; steps; fall
_STEP, _MOVE, _MOST, _ENOUGH = 0.12, 0.4, 40, 1e-4


def starts(by: Calibration) -> dict[str, float]:
    """Where the coefficients start, from measurements of other kinds: single decodes, kernels, collectives, engines."""
    share = {group: micro_groups()[group].values for group in ("gemm", "decode attention", _BUS)}
    pooled = by.families[FAMILY].coefficients
    weights = by.families["decode"].coefficients["weights"].value
    layer = pooled["layer"].value * (pooled["layer vllm"].value if "layer vllm" in pooled else 1.0)
    return {"weights": weights, "experts": pooled["experts"].value, "cache": 1.0 / share["decode attention"]["memory"],
            "compute": 1.0 / share["gemm"]["compute"], "network": 1.0 / share[_BUS]["wire"],
            "message": share[_BUS]["fixed"] / MICRO, "layer": layer, "pick": pooled["pick"].value,
            "token": _TOKEN, "routed": pooled["routed"].value, "sequence": pooled["sequence"].value}


def cards(by: Calibration, runs: Sequence[ServingRun]) -> Family:
    """The coefficients on a host's bus that the runs' logs make of the starts; intervals as wide as the pooled ones."""
    logs, covariance = fitted(np.log(list(starts(by).values())), runs)
    pooled, names = by.families[FAMILY], ", ".join(run.name for run in runs) or "no log"
    wide = NINE_TENTHS * np.sqrt(np.diag(covariance))
    facts = {name: Fact(value=_round(np.exp(at)), low=_round(np.exp(at - far)), high=_round(np.exp(at + far)),
                        unit="ratio", kind="derived", date=DATE, note=EACH.get(name, ""),
                        source=f"micro-benchmarks and single decodes, moved by {names} through the simulation")
             for name, at, far in zip(SPREAD, logs, wide, strict=True)}
    return Family(coefficients=facts, rows=sum(len(run.trace) for run in runs), seen=pooled.unseen, near=pooled.unseen,
                  unseen=pooled.unseen)


def with_cards(by: Calibration, runs: Sequence[ServingRun]) -> Calibration:
    """A calibration whose coefficients on a host's bus are those that the runs make."""
    return by.model_copy(update={"families": {**by.families, CARDS: cards(by, runs)}})


def without(by: Calibration, served: str, machine: Machine) -> Calibration:
    """A calibration in which no bundled log of this model on this machine has a part."""
    if CARDS not in by.families or not on_a_bus(machine):
        return by
    bundled = [serving_run(name) for name in run_names()]
    others = [run for run in bundled if (run.model, run.machine) != (served, machine.name)]
    return by if len(others) == len(bundled) else with_cards(by, others)


def _problem(start: np.ndarray, runs: Sequence[ServingRun]) -> _Problem:
    return _Problem(tuple(_Run(run, asked(run)) for run in runs), start, np.array(list(SPREAD.values())))


def unlikeliness(by: Calibration, runs: Sequence[ServingRun], given: Mapping[str, float]) -> float:
    """What `fitted` makes least, of coefficients by name (each as in SPREAD), given a calibration's starts."""
    residuals = _problem(np.log(list(starts(by).values())), runs).residuals(np.log([given[name] for name in SPREAD]))
    return float(residuals @ residuals)


def fitted(start: np.ndarray, runs: Sequence[ServingRun]) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the coefficients and their covariance: the likeliest, given the starts and the runs' requests.

    Eq: sum of (residual/noise)² + ((logs - start)/spread)² is least; Levenberg and Marquardt's steps
    """
    least = np.array([0.0 if name in PHYSICAL else -9.0 for name in SPREAD])
    problem = _problem(start, runs)
    at, damping = np.maximum(start, least), 1e-2
    now = problem.residuals(at)
    for _ in range(_MOST if runs else 0):
        slope = problem.slope(at)
        normal, pull = slope.T @ slope, slope.T @ now
        better = False
        while damping < 1e3 and not better:
            move = -np.linalg.solve(normal + damping * np.diag(np.diag(normal)), pull)
            tried = np.maximum(at + np.clip(move, -_MOVE, _MOVE), least)
            then = problem.residuals(tried)
            better = bool(then @ then < now @ now)
            damping = damping / 4.0 if better else damping * 5.0
        if not better:
            break
        done = now @ now - then @ then < _ENOUGH * (now @ now)
        at, now, damping = tried, then, max(damping, 1e-4)
        if done:
            break
    slope = problem.slope(at)
    return at, np.linalg.inv(slope.T @ slope)


@dataclass(frozen=True, eq=False)
class _Run:
    run: ServingRun
    requests: Requests

    def residuals(self, clock: Calibrated) -> np.ndarray:
        """Of each request: the gap between tokens as a logarithm, end to end over the mean; shape (2n,)."""
        run, steps = self.run, np.maximum(self.requests.output - 1, 1)
        log = simulate(self.requests, replace(deployment_of(run), clock=clock))
        gaps = np.log((log.finish - log.first_token + MICRO) / (run.finish - run.first_token + MICRO))
        whole = run.finish - self.requests.arrival
        found = np.concatenate([np.where(steps > 1, gaps, 0.0), (log.finish - log.arrival - whole) / whole.mean()])
        return found * np.sqrt(_COUNTS / len(found)) / _NOISE


@dataclass(frozen=True, eq=False)
class _Problem:
    runs: tuple[_Run, ...]
    start: np.ndarray
    far: np.ndarray

    def residuals(self, logs: np.ndarray) -> np.ndarray:
        clock = Calibrated({name: _plain(float(np.exp(at))) for name, at in zip(SPREAD, logs, strict=True)}, rated=True)
        return np.concatenate([*(one.residuals(clock) for one in self.runs), (logs - self.start) / self.far])

    def slope(self, logs: np.ndarray) -> np.ndarray:
        """Derivatives of the residuals, shape (residuals, coefficients)."""
        moves = _STEP * np.eye(len(logs))
        return np.stack([(self.residuals(logs + move) - self.residuals(logs - move)) / (2.0 * _STEP)
                         for move in moves], axis=1)


def _plain(value: float) -> Fact:
    return Fact(value=value, unit="ratio", kind="derived", source="a step of the fit", date=DATE)


def _round(value: float) -> float:
    """Five significant digits: the same on every machine."""
    return float(f"{value:.5g}")
