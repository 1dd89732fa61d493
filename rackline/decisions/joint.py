"""Batch, interval, KV in memory and compute solved together; prefill against decode; one system against a fleet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rackline.decisions.balance import balance_batch, crossing, drain_batch
from rackline.decisions.step_case import operating_batch
from rackline.decisions.stepping import Case
from rackline.facts.fact import Fact
from rackline.physics import blackboard, operating, passes_and_prices
from rackline.systems.clock import compute_time
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.memory import memory
from rackline.systems.work import total

FLEET = Fact(value=1.28e8, unit="tokens/s", kind="assumed", low=1e8, high=1e9, date="2026-11-21",
             note="announced totals may count input tokens",
             source="Reiner Pope's lecture: \"hundreds of millions\" of tokens a second for a large provider; "
                    "128 million makes its 128 thousand the thousandth that it says")
LENGTHS = 32  # of the prompts on the curve


def utilisation(case: Case, batch: float, context: float) -> dict[str, float]:
    """Shares of a pass's time: the busiest chip's arithmetic and memory, and all chips' useful FLOPs (MFU); at most 1.

    MFU counts what the pass asks for on one chip without copies, padding or idle ranks, at each format's own peak.
    """
    step = case.step(batch, context)
    chip, whole = case.server.machine.chip, replace(case, layout=Layout())
    useful = total(ledger(case.server.model, Layout(), whole.micro(batch, context)))
    rates = {name: fact.value for name, fact in chip.flops.items()}
    ideal = compute_time(useful, rates, chip) / case.layout.replica
    busy = {"mfu": ideal, "compute": step.compute, "memory": step.memory, "network": step.network}
    return {name: round(float(seconds / step.time), 12) for name, seconds in busy.items()}  # sums in two orders differ


def operating_point(case: Case, context: float) -> dict[str, Any]:
    """The smallest batch of the highest throughput that memory allows, its interval, KV and utilisations."""
    batch = operating_batch(case, context)
    most, balance = float(case.largest_batch(context)), balance_batch(case, context)
    drain = drain_time(case)
    return point(case, batch, context) | {
        "limited_by": "memory capacity" if most < balance else "compute", "largest_batch": most,
        "balance_batch": balance, "drain_time": drain, "drain_batch": drain_batch(case, context, drain),
        "at_balance": point(case, balance, context) if np.isfinite(balance) else None,
        "at_capacity": point(case, most, context), "lecture": _lecture_point(case, context)}


def point(case: Case, batch: float, context: float) -> dict[str, Any]:
    """One batch with everything that goes with it; it may ask for more memory than there is (memory_share above 1)."""
    step = case.step(batch, context)
    held = memory(case.server.model, case.server.machine, case.layout, batch, context, case.server.usable)
    used = utilisation(case, batch, context)
    return {"batch": batch, "interval": float(step.time), "lower": float(step.lower), "upper": float(step.upper),
            "kv_bytes": float(held.cache + held.state), "weight_bytes": float(held.weights),
            "memory_share": float(held.total / held.usable), "compute_utilisation": used["compute"],
            "memory_utilisation": used["memory"], "mfu": used["mfu"],
            "tokens_per_second": float(case.layout.replicas * case.tokens(batch, context) / step.time),
            "cost": float(case.cost(step.time, batch, context))}


def _lecture_point(case: Case, context: float) -> dict[str, float]:
    """The same point by the lecture's equations."""
    s = case.symbols
    held, known = max(context, 1.0), s.of("N_active", "kv", "F", "W") | {"weights": s.weights}
    batch = operating.operating_batch(s.C, held, **known) if s.kv else blackboard.balance_batch_with_kv(held, **known)
    time = blackboard.step_time(batch, held, **known)
    mfu = blackboard.mfu(batch, held, **known) if batch else 0.0
    return {"batch": float(batch), "interval": float(time), "mfu": float(mfu)}


def drain_time(case: Case) -> float:
    """Seconds to read a chip's whole memory once."""
    return float(operating.drain_time(case.symbols.C, case.symbols.W))


def scale(case: Case, context: float) -> dict[str, float]:
    """The least tokens/s that use a replica well, B*/interval, by the lecture and the ledger; where compute ends."""
    s, drain = case.symbols, drain_time(case)
    lecture = operating.train_rate(blackboard.balance_batch(**s.of("F", "W", "w", "N_total", "N_active")), drain)
    balance = balance_batch(case, context)
    ours = balance / float(case.step(balance, context).time) if np.isfinite(balance) else float("inf")
    saturated = blackboard.saturated_rate(s.F, s.N_active)
    return {"lecture": float(lecture), "ledger": ours, "compute_saturation": float(saturated),
            "share_of_saturation": float(lecture / saturated),
            "share_of_fleet": float(operating.fleet_share(lecture, FLEET.value))}


def prefill_against_decode(case: Case, batch: float, context: float) -> dict[str, Any]:
    """Seconds a token in a decode and in prompts of `context` tokens, one a rank; where compute takes over."""
    s, prompts = case.symbols, case.prompting()
    length, ranks = max(context, 1.0), float(case.unit)

    def gap(lengths: np.ndarray) -> np.ndarray:
        step = prompts.step(ranks, lengths)
        return np.asarray(step.compute - step.memory)

    first = prompts.step(ranks, length)
    prompt = float(first.time) / (ranks * length)
    output = float(case.step(batch, context).time) / float(case.tokens(batch, context))
    known = s.of("N_active", "kv", "F", "W")
    return {"prompts": ranks, "length": length, "time": float(first.time), "time_per_token": prompt,
            "decode_time_per_token": output, "decode_over_prefill": output / prompt, "limiter": first.limiter,
            "decode_over_prefill_lecture": float(passes_and_prices.decode_over_prefill(
                batch, context, weights=s.weights, **known)),
            "crossing_length": crossing(gap),
            "crossing_length_lecture": float(passes_and_prices.crossing_length(ranks, 0.0, weights=s.weights, **known)),
            "cost": float(prompts.cost(first.time, ranks, length)), "curve": _by_length(prompts, length)}


def _by_length(prompts: Case, most: float) -> list[dict[str, float]]:
    """Seconds a token of prompts up to the most, one prompt a rank: memory falls, compute stays, then grows."""
    ranks, lengths = float(prompts.unit), np.unique(np.geomspace(1.0, max(most, 2.0), LENGTHS).round())
    step = prompts.step(ranks, lengths)
    columns = {name: np.broadcast_to(getattr(step, name), lengths.shape) / (ranks * lengths)
               for name in ("time", "compute", "memory", "network")}
    around = prompts.around(ranks, lengths)
    if around is not None:
        columns |= {"low": around.low(columns["time"]), "high": around.high(columns["time"])}
    return [{"length": float(x)} | {name: float(column[i]) for name, column in columns.items()}
            for i, x in enumerate(lengths)]
