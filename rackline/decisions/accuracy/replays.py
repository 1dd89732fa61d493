"""Replays of requests at their own moments, predicted by simulation: whole logs of runs, and published figures of such.

The clock is the calibrated one of the engine. A time under an open loop is no multiple of a pass's: where requests
come faster than they leave, a tenth more for a pass is minutes more for a queue. So an interval is that of the passes,
carried through the simulation: the same requests with passes as short and as long as nine of ten systems have them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, prod
from typing import Any

import numpy as np

from rackline.decisions.accuracy.predicted import Predicted
from rackline.decisions.accuracy.run_fit import without
from rackline.decisions.accuracy.settings import Like, Refused, like_of, served_machine, served_model
from rackline.decisions.vllm_runs import Stretched, asked, deployment_of
from rackline.errors import BadInput
from rackline.facts.calibration import Calibration
from rackline.facts.machine import Machine
from rackline.facts.measurements import Formats, Load, Measured
from rackline.facts.model import Model
from rackline.facts.spellings import engine_named
from rackline.facts.traces.trace import Trace
from rackline.facts.vllm_logs import ServingRun, reserves, run_names, serving_run
from rackline.systems.calibrated import FAMILY, calibrated
from rackline.systems.layout import Layout
from rackline.systems.simulation import Deployment, Limits, Requests, simulate
from rackline.systems.simulation.arrivals import stream
from rackline.systems.simulation.drawing import resampled, scaled
from rackline.systems.simulation.traffic import own_blocks, requests_of

SEED = 0
MODE = "replayed"
MOMENTS = "qwen3-30b-a3b-rtxpro6000"  # its passes are short: its engine saw requests nearly as they were sent
_STATISTICS: Mapping[str, Callable[[np.ndarray], Any]] = {
    "mean": np.nanmean, "median": np.nanmedian,
    "p99": lambda x: np.nanpercentile(x, 99)}
FIGURES = (*(f"{time}_{statistic}" for time in ("ttft", "tpot", "e2e") for statistic in _STATISTICS),
           "output_tokens_per_s", "total_tokens_per_s", "makespan")
Figures = Mapping[str, float]  # by name, in seconds; of a rate: seconds of a token


@dataclass(frozen=True, eq=False)
class Replay:
    """Requests at their moments, and what served them."""

    requests: Requests
    deployment: Deployment
    engine: str


def figures(arrival: np.ndarray, first: np.ndarray, finish: np.ndarray, requests: Requests) -> Figures:
    """The published figures of a run's times, arrays of shape (n,) in seconds; requests of one token have no gap."""
    later = np.where(requests.output > 1, (finish - first) / np.maximum(requests.output - 1, 1), np.nan)
    times = {"ttft": first - arrival, "tpot": later if (requests.output > 1).any() else finish - first,
             "e2e": finish - arrival}
    span = float(finish.max() - arrival.min())
    found = {f"{name}_{statistic}": float(of(values)) for name, values in times.items()
             for statistic, of in _STATISTICS.items()}
    return found | {"output_tokens_per_s": span / float(requests.output.sum()), "makespan": span,
                    "total_tokens_per_s": span / float((requests.input + requests.output).sum())}


def predicted_figures(replay: Replay, by: Calibration) -> dict[str, tuple[float, float, float]]:
    """Each figure of a replay: predicted without a log of the same, and the ends of its interval."""
    deployment = replay.deployment
    by = without(by, deployment.model.name, deployment.machine)
    clock, band = calibrated(replay.engine, by), by.families[FAMILY].unseen
    ran = [_simulated(replay, Stretched(clock, exp(at))) for at in (0.0, band.low, band.high)]
    return {name: (ran[0][name], min(one[name] for one in ran), max(one[name] for one in ran)) for name in FIGURES}


def _simulated(replay: Replay, clock: Stretched) -> Figures:
    log = simulate(replay.requests, replace(replay.deployment, clock=clock), seed=SEED)
    return figures(log.arrival, log.first_token, log.finish, replay.requests)


# ---- whole logs


def of_run(run: ServingRun, by: Calibration) -> list[Predicted]:
    """Every figure of a run's log, measured and predicted; BadInput where the model cannot have been served so."""
    replay = Replay(asked(run), deployment_of(run), engine_named(run.engine)[0])
    measured = figures(replay.requests.arrival, run.first_token, run.finish, replay.requests)
    made = predicted_figures(replay, by)
    like = Like(run.source[:40], replay.deployment.model.name, run.machine, *engine_named(run.engine), run.formats[0] or
                "as configured", MODE, "")
    return [_beside(_row(run, name, value), like, value, made[name]) for name, value in measured.items()]


def _row(run: ServingRun, name: str, seconds: float) -> Measured:
    rate = name.endswith("_per_s")
    load = Load(float(run.trace.input_tokens.mean()), float(run.trace.output_tokens.mean()), requests=len(run.trace))
    return Measured(f"{run.name}:{name}", name, 1.0 / seconds if rate else seconds,
                    "tokens/s" if rate else "seconds", source=run.source, model=run.model, hardware=run.machine,
                    chips=run.chips, engine=run.engine, formats=Formats(run.formats[0] or "", run.formats[1] or ""),
                    load=load, kind="measured")


def _beside(row: Measured, like: Like, measured: float, made: tuple[float, float, float]) -> Predicted:
    return Predicted(row, like, measured, *made, basis="unseen")


# ---- published figures


def is_replay(row: Measured) -> bool:
    """Whether a row is a figure of an open loop whose requests and rate are stated."""
    return row.metric in FIGURES and bool(row.load.rate and row.load.requests)


def of_rows(rows: Sequence[Measured], by: Calibration) -> tuple[list[Predicted], list[tuple[Measured, str]]]:
    """Rows of open loops; those of one run share its simulation."""
    predicted: list[Predicted] = []
    refused: list[tuple[Measured, str]] = []
    runs: dict[tuple, list[Measured]] = {}
    for row in rows:
        runs.setdefault((row.model, row.hardware, row.chips, row.engine, row.formats, row.sizes, row.load, row.notes),
                        []).append(row)
    for same in runs.values():
        try:
            like, replay = _replay(same[0])
            made = predicted_figures(replay, by)
        except (Refused, BadInput) as reason:
            refused += [(row, str(reason)) for row in same]
            continue
        for row in same:
            if row.unit and row.value > 0.0:
                seconds = row.value if row.unit == "seconds" else 1.0 / row.value
                predicted.append(_beside(row, like, seconds, made[row.metric]))
            else:
                refused.append((row, "value is not above zero" if row.unit else f"unit not known: {row.per or 'none'}"))
    return predicted, refused


def _replay(row: Measured) -> tuple[Like, Replay]:
    row = _with_chips(row)
    served, machine = served_model(row), served_machine(row)
    if not row.load.input or not row.load.output:
        raise Refused("prompt and output lengths not stated")
    like = like_of(row, served, machine, MODE)
    layout = _layout(row, served, machine)
    reserved = like.engine == "vllm" and reserves(like.version)
    caching = not re.search(r"prefix caching\s*[=:]?\s*(False|off)", row.notes, re.I)
    requests = requests_of(_trace(row))
    limits = Limits(_limit(row, "max_num_seqs", Limits().sequences),
                    _limit(row, "max_num_batched_tokens", Limits().tokens),
                    "reserved" if reserved else "chunked", prefix_caching=caching, ranks="apart")
    return like, Replay(own_blocks(requests) if caching else requests, Deployment(served, machine, layout, limits),
                        like.engine)


def _with_chips(row: Measured) -> Measured:
    """The row with as many chips as its parallel sizes take, where it states no number."""
    sizes = (row.sizes.tensor, row.sizes.data, row.sizes.pipeline)
    return replace(row, chips=row.chips or prod(max(1, size or 1) for size in sizes))


def _limit(row: Measured, name: str, otherwise: int) -> int:
    found = re.search(rf"\b{name}\s*[=:]\s*(\d+)", f"{row.load.text}; {row.notes}")
    return int(found[1]) if found else otherwise


def _layout(row: Measured, served: Model, machine: Machine) -> Layout:
    """The sizes as stated; a dense model's data ranks are replicas."""
    tensor, data, pipeline = (max(1, size or 1) for size in (row.sizes.tensor, row.sizes.data, row.sizes.pipeline))
    if tensor * data * pipeline > machine.chips:
        raise Refused(f"{tensor * data * pipeline} chips of parallel sizes on {machine.chips}")
    if not any(feed.experts for feed, _ in served.feed_forwards()):
        return Layout(tensor, pipeline=pipeline, replicas=data)
    together = re.search(r"\bEP\s*[=:]\s*True\b", row.notes, re.I)
    return Layout(tensor, data, pipeline=pipeline, expert=tensor * data if together else max(1, row.sizes.expert or 1))


def _trace(row: Measured) -> Trace:
    """The requests of a replay: lengths of conversations where its text says so, otherwise all equal.

    Lengths are those of the bundled log with the nearest means, scaled to the row's; they and the moments are drawn
    again where another number of requests came.
    """
    load, rate, count = row.load, row.load.rate or 1.0, row.load.requests or 1
    run = min((serving_run(name) for name in run_names()), key=lambda run: _off(run.trace, load))
    moments = serving_run(MOMENTS)
    found, drawn_at = replace(run.trace, arrival=moments.trace.arrival), moments.offered
    if count != len(found):
        gaps = stream(SEED, "replayed gaps").exponential(1.0, count)
        found, drawn_at = resampled(found, stream(SEED, "replayed lengths"), np.cumsum(gaps) - gaps[0]), 1.0
    prompts, replies = found.input_tokens, found.output_tokens
    if not re.search(r"sharegpt|conversation|chat", load.text, re.I):
        prompts, replies = np.ones_like(prompts), np.ones_like(replies)
    found = replace(found, name="replayed", input_tokens=_scaled(prompts, load.input or 1.0),
                    output_tokens=_scaled(replies, load.output or 1.0))
    return scaled(found, rate / drawn_at)


def _off(trace: Trace, load: Load) -> float:
    """How far a trace's mean lengths are from a row's, in logarithms."""
    means = (trace.input_tokens.mean() / (load.input or 1.0), trace.output_tokens.mean() / (load.output or 1.0))
    return float(np.abs(np.log(means)).sum())


def _scaled(tokens: np.ndarray, mean: float) -> np.ndarray:
    return np.maximum(1, np.rint(tokens * (mean / tokens.mean()))).astype(np.int64)
