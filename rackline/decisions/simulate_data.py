"""A simulation as plain data: what --json prints, the per-request log and the passes for Perfetto."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rackline.decisions import simulated
from rackline.decisions.plan_data import sizes
from rackline.decisions.simulate_case import Case
from rackline.decisions.simulate_use import Use, dollars, use
from rackline.systems.layout import Layout
from rackline.systems.simulation import Log
from rackline.systems.simulation.prepare import all_ranks, kv_memory

MOST_PASSES = 200_000  # slices that a Perfetto file gets: some 100 MB
MICRO = 1e6  # Perfetto counts microseconds


@dataclass(frozen=True, eq=False)
class Simulated:
    """A case with its log, and the rate that it could sustain where it seemed to fall behind."""

    case: Case
    log: Log
    sustained: float | None

    @property
    def interrupted(self) -> bool:
        """Whether some requests were not served before the end."""
        return simulated.finished(self.log) < self.log.finish.size

    @property
    def keeps_up(self) -> bool:
        """Whether requests came no faster than the deployment can serve them."""
        return self.sustained is None or self.case.offered.rate is None or self.case.offered.rate <= self.sustained

    @cached_property
    def use(self) -> Use:
        """How the time of the chips was spent."""
        return use(self.log, self.case.offered.requests, self.case.deployment)

    @cached_property
    def spreads(self) -> tuple[dict[str, dict[str, float]], dict[str, tuple[list, list]]]:
        """Spread and curve of each time."""
        return simulated.spreads(self.log, self.case.offered.requests)

    @cached_property
    def throughput(self) -> dict[str, float]:
        """Requests and tokens a second."""
        return simulated.throughput(self.log, self.case.offered.requests, self.case.chips)

    @cached_property
    def goodput(self) -> dict[str, float] | None:
        """Requests a second within the targets."""
        return simulated.goodput(self.log, self.case.offered.requests, self.case.targets)

    @cached_property
    def dollars(self) -> dict[str, float | None]:
        """Dollars per million tokens of each kind."""
        return dollars(self.log, self.case.offered.requests, self.case.deployment, self.case.price.value, self.use)

    @cached_property
    def kv_blocks(self) -> int:
        """Pages of KV memory of a replica; of one rank where they fill passes apart."""
        d, requests = self.case.deployment, self.case.offered.requests
        longest = int(np.max(requests.input + requests.output)) - 1 + d.drafted
        return kv_memory(d, d.layout, all_ranks(d.limits, d.ranks), longest, requests.block_tokens)[0] // d.ranks

    @cached_property
    def most(self) -> dict[str, int]:
        """Most requests waiting, and running."""
        return simulated.most(self.log)

    @cached_property
    def timeline(self) -> dict[str, np.ndarray]:
        """Seconds, requests waiting and running, share of KV pages in use, arrays of one length."""
        at = simulated.moments(self.log)
        layout = self.case.deployment.layout
        first = 0 if self.case.deployment.prefill is None else int(self.case.deployment.prefill.replicas)
        return {"seconds": at, **simulated.over_time(self.log, at),
                "kv_occupancy": simulated.occupancy(self.log.passes, at, range(first, first + int(layout.replicas)),
                                                    self.kv_blocks)}


def data(found: Simulated) -> dict[str, Any]:
    """The whole simulation for --json: no clock time, so that equal runs give equal bytes."""
    case, log = found.case, found.log
    d, requests = case.deployment, case.offered.requests
    count = int(log.passes.start.size)
    return {
        "model": d.model.name, "machine": d.machine.name, "layout_name": d.layout.name(), "layout": sizes(d.layout),
        "prefill_layout": None if d.prefill is None else sizes(d.prefill), "chips": case.chips,
        "limits": _limits(found), "trace": case.offered.trace.name, "arrivals": case.offered.how,
        "requests": len(requests.input), "finished": simulated.finished(log), "makespan": simulated.makespan(log),
        "offered_requests_per_second": case.offered.rate, "keeps_up": found.keeps_up,
        "interrupted": found.interrupted,
        "sustained_requests_per_second": found.sustained, **found.spreads[0],
        "throughput": found.throughput, "goodput": found.goodput, "targets": _targets(case),
        "utilisation": _use(found.use), "dollars_per_million": found.dollars, "price_per_chip_hour": case.price.value,
        "preemptions": int(log.preemptions.sum()), "preempted_requests": int(np.sum(log.preemptions > 0)),
        "hit_rates": simulated.hits(log, requests),
        "waiting": {"mean": simulated.mean_waiting(log), "max": found.most["waiting"]},
        "running": {"mean": simulated.mean_running(log), "max": found.most["running"]},
        "passes": count * log.passes.every if log.passes.every == 1 else None, "passes_logged": count,
        "passes_logged_every": log.passes.every,
        "timeline": {name: column.tolist() for name, column in found.timeline.items()},
    }


def summed(found: Simulated) -> dict[str, float]:
    """Numbers of the whole run that an interval is told of: rates, goodput, dollars."""
    rates = {f"throughput.{name}": rate for name, rate in found.throughput.items() if not name.endswith("_per_chip")}
    paid = {f"dollars_per_million.{name}": value for name, value in found.dollars.items()
            if value is not None and name != "total"}
    return rates | paid | ({"goodput.share": found.goodput["share"]} if found.goodput is not None else {})


def _targets(case: Case) -> dict[str, float | None]:
    asked = {"time_to_first_token": case.targets.ttft, "time_per_output_token": case.targets.tpot}
    return {name: value if np.isfinite(value) else None for name, value in asked.items()}


def _limits(found: Simulated) -> dict[str, Any]:
    limits = found.case.deployment.limits
    return {"sequences": limits.sequences, "tokens": limits.tokens, "admission": limits.admission,
            "batching": limits.batching, "interval": limits.interval, "prefix_caching": limits.prefix_caching,
            "ranks": limits.ranks, "kv_blocks": found.kv_blocks,
            "block_tokens": found.case.offered.requests.block_tokens}


def _use(used: Use) -> dict[str, float]:
    return {"busy": used.busy, "compute": used.compute, "memory": used.memory, "network": used.network,
            "other": used.other, "idle": used.idle, "arithmetic": used.arithmetic, "bandwidth": used.bandwidth,
            "prompts_of_busy": used.prompts}


def request_log(found: Simulated) -> dict[str, np.ndarray]:
    """One row a request: tokens, moments and times in seconds, preemptions, cached tokens, replica."""
    log, requests = found.log, found.case.offered.requests
    return {"request": np.arange(1, len(requests.input) + 1), "arrival": log.arrival, "input": requests.input,
            "output": requests.output, "admitted": log.admitted, "first_token": log.first_token, "finish": log.finish,
            **dict(simulated.times(log, requests)), "preemptions": log.preemptions, "cached": log.cached,
            "replica": log.replica}


def perfetto(found: Simulated) -> dict[str, Any]:
    """The passes as Chrome's trace events, which ui.perfetto.dev opens: a process a replica, a slice a pass."""
    return {"displayTimeUnit": "ms", "traceEvents": _events(found)}


def _events(found: Simulated) -> Iterator[dict[str, Any]]:
    passes = found.log.passes
    names = dict(_replica_names(found))
    for replica, name in names.items():
        yield {"ph": "M", "name": "process_name", "pid": replica, "args": {"name": name}}
    columns = (passes.replica, passes.start * MICRO, passes.seconds * MICRO, passes.decoding, passes.prompt_tokens,
               passes.waiting, passes.blocks)
    for row in zip(*(column[:MOST_PASSES].tolist() for column in columns), strict=True):
        replica, start, lasts, decoding, prompt, waiting, blocks = row
        yield {"ph": "X", "name": _pass_name(decoding, prompt), "cat": "pass", "pid": replica, "tid": 1, "ts": start,
               "dur": lasts, "args": {"decoding": decoding, "prompt_tokens": prompt}}
        yield {"ph": "C", "name": "waiting requests", "pid": replica, "ts": start, "args": {"requests": waiting}}
        yield {"ph": "C", "name": "KV pages in use", "pid": replica, "ts": start, "args": {"pages": blocks}}


def _pass_name(decoding: int, prompt: int) -> str:
    return "mixed" if decoding and prompt else "prompts" if prompt else "decode"


def _replica_names(found: Simulated) -> Iterator[tuple[int, str]]:
    d = found.case.deployment
    pools: list[tuple[str, Layout]] = [("", d.layout)] if d.prefill is None else [
        (" (prompts)", d.prefill), (" (tokens)", d.layout)]
    number = 0
    for what, layout in pools:
        for _ in range(int(layout.replicas)):
            yield number, f"replica {number}{what}: {layout.name().split('×')[0]}"
            number += 1
