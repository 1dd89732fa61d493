"""Makes docs/simulated.md and its picture: two real serving runs beside their simulation.

    python docs/make_simulated.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions.accuracy import calibrating, closed_loops, judging
from rackline.decisions.accuracy.run_fit import without
from rackline.decisions.accuracy.samples import samples
from rackline.decisions.accuracy.settings import setting
from rackline.decisions.simulate_use import use
from rackline.decisions.simulated import first_token, over_time
from rackline.decisions.sustained import sustained_rate
from rackline.decisions.vllm_runs import TIMES, Served, asked, deployment_of, measured, predicted, served
from rackline.errors import BadInput
from rackline.facts.calibration import calibration
from rackline.facts.observations import bundled
from rackline.facts.vllm_logs import ServingRun, run_names, serving_run
from rackline.systems.calibrated import calibrated
from rackline.systems.clock import Clock
from rackline.systems.simulation import Log, simulate
from rackline.systems.simulation.traffic import requests_of

PAGE = Path(__file__).with_name("simulated.md")
PICTURE = Path(__file__).parent / "img" / "simulated.png"
OPENING = """# Simulated and measured

Made by `docs/make_simulated.py`: do not edit this page. A test makes it again and compares.

Two real runs of vLLM, request by request, beside their simulation: the same arrivals and lengths, the engine's limits
as its log has them, and passes of three clocks:

- roofline: nothing is fitted, the datasheet's rates, no overhead of an engine. So it is a bound on the passes, and
  what waits for them is shorter than it was.
- calibrated: the coefficients of cards and PCIe boxes. They start from other measurements (single decodes of
  llama.cpp and gpt-fast, micro-benchmarks, serving engines elsewhere) and are moved by logs of runs, through the
  simulation; here by the other run alone: a prediction as a user has it. `rackline validate --against` says the same
  of a run of your own: the folder of its requests.jsonl and meta.json.
- stretched: every pass takes so many times as long as the roofline says that the mean time per output token agrees
  with the measured one: one number a run, used nowhere else, to see what of the difference it explains.

![Measured and simulated: requests in the system, time to first token, time per output token](img/simulated.png)
"""
HEAD = "| time | measured: mean | p99 " + "".join(f"| {clock}: mean | p99 | ÷ measured | p99 " for clock in (
    "roofline", "calibrated", "stretched")) + "|"
RULE = "| --- |" + " ---: |" * 14
LESSONS = """## What explains the difference

- The passes. The roofline has the chips read weights and cache at the datasheet's bandwidth and compute at the
  datasheet's rate, and starts a pass when the one before ends. A real pass has launches of kernels, products too small
  to fill the chip, bandwidth that is not reached, sampling, and the engine's own work in between. The stretch above is
  the sum of all that. It is small for a dense model on one chip and large where routed experts make many small
  products and messages cross PCIe.
- Nothing else of that size. With passes of the right length, the times in the queue, to the first token and end to end
  of the first run follow within a few percent, at the mean and in the tail, though its requests wait for minutes:
  admission, pages of KV memory and preemptions are the engine's. In the second run waiting starts when the limit of
  sequences is reached, near its end; how long it lasts depends on the last few percent of the passes, so its tail is
  less certain.
- The bus. Two cards of the second run exchange every token of every layer over PCIe, at about 9 GB/s of the
  datasheet's 63 by what the fit makes of it, the bytes of the ledger taken: with vLLM's all-gather and without direct
  access from card to card, it seems. No other row shows such a box, so without its own log the clock is too fast.
- One stretch for all passes is too simple: prompts are bound by arithmetic and tokens by bandwidth, and each falls
  short by a factor of its own. The time per token of the slowest requests shows it. Calibrated clocks take them apart.
- The engine's rules matter where memory is short: vLLM admits a prompt only if all of it finds pages. Without that
  rule the first run is preempted a third more often. And a preempted request finds what is left of its own prompt in
  the prefix cache: without that the first run takes 4 % longer. The second run's two data ranks fill passes of their
  own, with limits of their own, and wait for each other: a prompt on one delays the tokens of the other.
- Not simulated: what requests share in the prefix cache (the logs have no hashes of prompts), and that a rank's
  experts serve the other rank's fewer tokens: both count as full as the fuller one.
"""
FIRST = """## First tokens in closed loops: simulated or in closed form

InferenceX's rows are closed loops: all clients start at once, each sends {rounds} requests one after the other. Such
a row can be simulated, or its mean time to the first token written down: a prompt, its share of the opening burst,
fixed times. Of every sixth bundled time to a first token, those of that kind, aggregated and without a flag:
{rows} rows. The simulated time stands in a fit beside the same fixed times, since the clock of the tokens knows
little of a prompt alone; each row's model, chip or series is left out of the fit that predicts it. Median error:

| left out | clients | rows | closed form | simulated |
| --- | --- | ---: | ---: | ---: |
"""
AFTER = """
A simulation takes {pace} a row and is no better on the whole: what is off is how long a prompt takes, not who waits
for whom. Where clients ask for more KV memory than there is, everything hangs on how much that is: those without room
wait for (clients − room)/room × the time of a whole answer.
"""


@cache
def runs() -> tuple[Served, ...]:
    """Every bundled run, simulated."""
    return tuple(served(run, clock_of(run)) for run in map(serving_run, run_names()))


def clock_of(run: ServingRun) -> Clock:
    """The calibrated clock of the run's engine, made without the run."""
    place = deployment_of(run)
    return calibrated(run.engine.split()[0].lower(), without(calibration(), run.model, place.machine))


def own_log(one: Served) -> str:
    """What the run is by the clock in which its own log has a part."""
    log = simulate(asked(one.run), replace(one.deployment, clock=calibrated(one.run.engine.split()[0].lower())))
    own, true = predicted(log, one.run), measured(one.run)
    ratios = (f"{name} {np.nanmean(own[name]) / np.nanmean(true[name]):.2f}" for name in (TIMES[0], *TIMES[2:]))
    return f"With its own log among those the clock was made of, means ÷ measured: {', '.join(ratios)}.\n"


def page() -> str:
    """The whole page."""
    return "\n".join([OPENING, *(line for one in runs() for line in _section(one)), LESSONS, *first_tokens()]
                     ).rstrip() + "\n"


def _section(one: Served) -> Iterator[str]:
    run = one.run
    yield f"## {run.title}\n"
    yield f"{run.engine}, {run.date}, {len(run.trace):,} requests. Source: {run.source}.\n"
    yield _limits(one)
    yield _load(one)
    yield HEAD
    yield RULE
    columns = [measured(run), *(predicted(log, run) for log in (one.log, one.calibrated, one.stretched))]
    yield from (_row(name, [column[name] for column in columns]) for name in TIMES)
    yield ""
    yield own_log(one)


def _limits(one: Served) -> str:
    run = one.run
    pages = f", {run.kv_blocks:,} pages of {run.block_tokens} tokens of KV memory" if run.kv_blocks else ""
    return f"At most {run.sequences:,} sequences at once and {run.tokens:,} new tokens a pass{pages}.\n"


def _load(one: Served) -> str:
    requests = requests_of(one.run.trace)
    rate = (len(one.run.trace) - 1) / float(requests.arrival[-1])
    sustained = sustained_rate(requests, one.deployment)
    used = use(one.log, requests, one.deployment)
    causes = ", ".join(f"{units.show(getattr(used, name), 'ratio')} {name}" for name in ("compute", "memory", "network")
                       if getattr(used, name) > 0)
    keeps = "more than" if rate > sustained else "less than"
    return (f"Requests come at {rate:.3g} a second, {keeps} the {sustained:.3g} that the roofline sustains. Its passes "
            f"are limited by: {causes}, of all time. Preempted: {int(one.log.preemptions.sum()):,} times. Last token: "
            f"measured {one.run.finish.max():.4g} s, roofline {one.log.finish.max():.4g} s, calibrated "
            f"{one.calibrated.finish.max():.4g} s, stretched {one.stretched.finish.max():.4g} s. The stretch: "
            f"**{one.stretch:.3g}**.\n")


def _row(name: str, columns: list[np.ndarray]) -> str:
    figures = [(float(np.nanmean(x)), float(np.nanpercentile(x, 99))) for x in columns]
    shown = [[units.show(value, "seconds") for value in pair] for pair in figures]
    ratios = [[f"{value / true:.2f}" for value, true in zip(pair, figures[0], strict=True)] for pair in figures[1:]]
    cells = [cell for pair, ratio in zip(shown[1:], ratios, strict=True) for cell in (*pair, *ratio)]
    return "| " + " | ".join([name, *shown[0], *cells]) + " |"


# ---- first tokens


EVERY = 6  # of the bundled rows: a sample that takes seconds
CLIENTS = (("up to 8", 0, 8), ("9 to 63", 9, 63), ("64 and more", 64, 10**9))
FULL = 0.9  # of the KV memory that the clients ask for


def first_tokens() -> Iterator[str]:
    """The comparison of the closed form with the simulation."""
    given = list(_simulated())
    by_row = {sample.row.id: sample for sample in samples([row for row, *_ in given])[0]}
    found = [by_row[row.id] for row, *_ in given]
    x = closed_loops.columns(found, *(np.array([one[i] for one in given]) for i in (2, 3)))
    tokens = [s for s in judging.known() if s.family == "tpot together"]
    clients = np.array([s.clients for s in found])
    near = np.array([closed_loops.need(one) > FULL for _, one, *_ in given])
    yield FIRST.format(rounds=closed_loops.ROUNDS, rows=len(given)).rstrip()
    for key in ("model", "chip", "series"):
        errors = [np.abs(np.exp(-error) - 1.0) for error in (
            calibrating.held_out("ttft together", found, tokens, key)[0], closed_loops.left_out(found, x, key))]
        groups = [(text, (clients >= low) & (clients <= high)) for text, low, high in CLIENTS]
        for text, which in (("all", clients > 0), *groups, (f"that ask for over {FULL:.0%} of KV memory", near)):
            figures = " | ".join(f"{100 * float(np.median(e[which])):.0f} %" for e in errors)
            yield f"| {key if text == 'all' else ''} | {text} | {which.sum():,} | {figures} |"
    yield AFTER.format(pace="about 20 ms")


def _simulated() -> Iterator[tuple[Any, Any, float, float]]:
    """Rows with their settings, simulated mean seconds as if memory had no end, and what memory adds."""
    rows = [row for row in bundled().rows if row.metric == "ttft" and not row.flag
            and not row.sizes.notes.startswith("disagg")]
    for row in rows[::EVERY]:
        one = setting(row)
        if not one.bursts:
            continue
        try:
            free, whole = (float(first_token(closed_loops.simulated(one, calibrated(one.like.engine), bounded)).mean())
                           for bounded in (False, True))
        except BadInput:  # its weights leave no room by the memory's model
            continue
        yield row, one, free, max(whole - free, 0.0)


def picture(path: Path = PICTURE) -> None:
    """Requests in the system over time and the distributions of two times, measured and simulated."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(runs()), 3, figsize=(13.5, 4.9 * len(runs())), dpi=100, squeeze=False)
    for row, one in zip(axes, runs(), strict=True):
        _over_time(row[0], one)
        for panel, name in ((row[1], TIMES[0]), (row[2], TIMES[2])):
            _shares(panel, one, name)
    path.parent.mkdir(exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def _kinds(one: Served) -> list[tuple[str, str, Any]]:
    return [("roofline", "#d55e00", one.log), ("calibrated", "#009e73", one.calibrated),
            (f"stretched × {one.stretch:.2f}", "#0072b2", one.stretched)]


def _over_time(axes: Any, one: Served) -> None:
    seconds = one.run.seconds
    for column, (what, style) in enumerate((("running", "-"), ("waiting", ":")), start=1):
        axes.plot(seconds[:, 0], seconds[:, column], color="black", linestyle=style, linewidth=1.2,
                  label=f"measured, {what}")
        for name, colour, log in _kinds(one):
            at = np.linspace(0.0, float(np.nanmax(log.finish)), 400)
            axes.plot(at, _queued(log, at)[what], color=colour, linestyle=style, linewidth=1.2,
                      label=f"{name}, {what}")
    _frame(axes, f"{one.run.title}: requests", "seconds", "requests")


def _queued(log: Log, at: np.ndarray) -> dict[str, np.ndarray]:
    """Requests at each moment as the engine's log counts them, on all ranks: preempted ones wait again."""
    inside = sum(over_time(log, at).values())
    starts, which = np.unique(log.passes.start, return_inverse=True)
    queued = np.bincount(which, weights=log.passes.waiting)
    last = np.maximum(np.searchsorted(starts, at, side="right") - 1, 0)
    waiting = np.minimum(queued[last], inside)
    return {"waiting": waiting, "running": inside - waiting}


def _shares(axes: Any, one: Served, name: str) -> None:
    share, scale = np.linspace(0.0, 1.0, 200), 1e3 if name == TIMES[2] else 1.0
    axes.plot(scale * np.quantile(measured(one.run)[name], share), share, color="black", linewidth=1.6,
              label="measured")
    for label, colour, log in _kinds(one):
        axes.plot(scale * np.nanquantile(predicted(log, one.run)[name], share), share, color=colour, linewidth=1.4,
                  label=label)
    _frame(axes, name, "milliseconds" if scale > 1 else "seconds", "share of requests")


def _frame(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.0, -0.14), ncols=2)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    picture()
