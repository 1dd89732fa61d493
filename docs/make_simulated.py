"""Makes docs/simulated.md and its picture: two real serving runs beside their simulation.

    python docs/make_simulated.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions.simulate_use import use
from rackline.decisions.simulated import over_time
from rackline.decisions.sustained import sustained_rate
from rackline.decisions.vllm_runs import TIMES, Served, measured, predicted, served
from rackline.facts.vllm_logs import run_names, serving_run
from rackline.systems.simulation import Log
from rackline.systems.simulation.traffic import requests_of

PAGE = Path(__file__).with_name("simulated.md")
PICTURE = Path(__file__).parent / "img" / "simulated.png"
OPENING = """# Simulated and measured

Made by `docs/make_simulated.py`: do not edit this page. A test makes it again and compares.

Two real runs of vLLM, request by request, beside their simulation: the same arrivals and lengths, the engine's limits
as its log has them, pass times of the roofline. Nothing of the first prediction is fitted: the datasheet's rates, no
overhead of an engine. So it is a bound on the passes, and what waits for them is shorter than it was. The second lets
every pass take so many times as long that the mean time per output token agrees with the measured one: one number a
run, used nowhere else in the program, to see what of the difference it explains.

![Measured and simulated: requests in the system, time to first token, time per output token](img/simulated.png)
"""
HEAD = ("| time | measured: mean | p99 | roofline: mean | p99 | ratio of means | of p99 | stretched: mean | p99 | "
        "ratio of means | of p99 |")
RULE = "| --- |" + " ---: |" * 10
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
- One stretch for all passes is too simple: prompts are bound by arithmetic and tokens by bandwidth, and each falls
  short by a factor of its own. The time per token of the slowest requests shows it. Calibrated clocks take them apart.
- Not simulated: the prefix cache of both runs (the logs have no hashes of prompts, so nothing is shared), the engine's
  rule that a prompt is admitted only if all of it fits, and two data ranks that wait for each other but schedule
  apart: the second run is one engine with twice the limits here.
"""


@cache
def runs() -> tuple[Served, ...]:
    """Every bundled run, simulated."""
    return tuple(served(serving_run(name)) for name in run_names())


def page() -> str:
    """The whole page."""
    return "\n".join([OPENING, *(line for one in runs() for line in _section(one)), LESSONS]).rstrip() + "\n"


def _section(one: Served) -> Iterator[str]:
    run = one.run
    yield f"## {run.title}\n"
    yield f"{run.engine}, {run.date}, {len(run.trace):,} requests. Source: {run.source}.\n"
    yield _limits(one)
    yield _load(one)
    yield HEAD
    yield RULE
    columns = [measured(run), predicted(one.log, run), predicted(one.stretched, run)]
    yield from (_row(name, [column[name] for column in columns]) for name in TIMES)
    yield ""


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
            f"measured {one.run.finish.max():.4g} s, roofline {one.log.finish.max():.4g} s, stretched "
            f"{one.stretched.finish.max():.4g} s. The stretch: **{one.stretch:.3g}**.\n")


def _row(name: str, columns: list[np.ndarray]) -> str:
    figures = [(float(np.nanmean(x)), float(np.nanpercentile(x, 99))) for x in columns]
    shown = [[units.show(value, "seconds") for value in pair] for pair in figures]
    ratios = [[f"{value / true:.2f}" for value, true in zip(pair, figures[0], strict=True)] for pair in figures[1:]]
    return "| " + " | ".join([name, *shown[0], *shown[1], *ratios[0], *shown[2], *ratios[1]]) + " |"


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
    return [("roofline", "#d55e00", one.log), (f"stretched × {one.stretch:.2f}", "#0072b2", one.stretched)]


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
    """Requests at each moment as the engine's log counts them: preempted ones wait again."""
    inside = sum(over_time(log, at).values())
    last = np.maximum(np.searchsorted(log.passes.start, at, side="right") - 1, 0)
    waiting = np.minimum(log.passes.waiting[last], inside)
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
