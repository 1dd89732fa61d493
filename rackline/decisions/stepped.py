"""What a step question found, as numbers: the pass asked for, the curves, and where the lines cross."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.decisions import balance, joint
from rackline.decisions.intervals import Around, figure
from rackline.decisions.step_case import Asked, grid, operating_batch
from rackline.decisions.stepping import Case, Step
from rackline.physics import blackboard
from rackline.systems.ledger import ledger
from rackline.systems.memory import weight_bytes

SIZES = ("tensor", "data", "context", "pipeline", "expert", "replicas")
TOKENS = {"decode": "output", "prefill": "prompt", "verify": "checked"}
_PARTS = ("compute", "weights", "cache", "network")


@dataclass(frozen=True)
class Stepped:
    """A case at one batch and context with its step, its curve and every number asked about it."""

    case: Case
    points: Asked
    rule: str
    batch: float
    step: Step
    curve: tuple[dict[str, Any], ...]
    numbers: dict[str, Any]
    around: Around | None = None  # what may move the pass's seconds, where they are no bound

    @property
    def context(self) -> float:
        """Tokens cached per sequence, or of a prompt."""
        return self.points.context


def gather(case: Case, points: Asked, rule: str, batch: float) -> Stepped:
    """Everything about one case at one batch."""
    step = case.step(batch, points.context)
    return Stepped(case, points, rule, batch, step, tuple(curve(case, points, batch)),
                   numbers(case, batch, points.context), case.around(batch, points.context))


def data(stepped: Stepped) -> dict[str, Any]:
    """What --json prints."""
    case, step = stepped.case, stepped.step
    return {
        "model": case.server.model.name, "machine": case.server.machine.name, "chips": case.server.machine.chips,
        "layout_name": case.layout.name(), "layout": {name: int(getattr(case.layout, name)) for name in SIZES},
        "pass": case.kind, "drafted": case.drafted, "batch": stepped.batch, "context": stepped.context,
        "layout_rule": stepped.rule, "cost_unit": f"dollars per million {TOKENS[case.kind]} tokens",
        "price": case.price.value, "time": float(step.time), "lower": float(step.lower), "upper": float(step.upper),
        "limiter": step.limiter, "compute_time": float(step.compute), "memory_time": float(step.memory),
        "network_time": float(step.network), "terms": terms(stepped), "against": stepped.points.against,
        **stepped.numbers, "curve": list(stepped.curve), **_clocked(stepped)}


def intervals(stepped: Stepped) -> dict[str, dict[str, Any]]:
    """The main figures with their intervals; none of a bound."""
    around, n = stepped.around, stepped.numbers
    if around is None:
        return {}
    rates = around.of_rates()
    return {"time": figure(float(stepped.step.time), around),
            "tokens_per_second": figure(n["tokens_per_second"], rates),
            "tokens_per_second_per_user": figure(n["tokens_per_second_per_user"], rates),
            "cost": figure(n["cost"], around.paid(stepped.case.price))}


def _clocked(stepped: Stepped) -> dict[str, Any]:
    return {"clock": "calibrated", "intervals": intervals(stepped)} if stepped.around is not None else {}


def terms(stepped: Stepped) -> list[dict[str, Any]]:
    """The ledger's terms on the busiest chip over a whole pass, the longest first."""
    case, step = stepped.case, stepped.step
    stages = case.layout.pipeline
    work = ledger(case.server.model, case.layout, case.micro(stepped.batch, stepped.context))
    rows = [{"term": name, "flops": float(work[name].total_flops * stages), "bytes": float(work[name].bytes * stages),
             "compute": float(t.compute), "memory": float(t.memory), "network": float(t.network), "time": float(t.time),
             "share": float(t.time / step.time), "limiter": t.limiter} for name, t in step.terms.items()]
    return sorted(rows, key=lambda row: -row["time"])


def curve(case: Case, points: Asked, batch: float) -> list[dict[str, Any]]:
    """Points of the curves: seconds by resource with bounds, dollars per million tokens by part, whether it fits."""
    batches, contexts = grid(case, points, batch)
    step = case.step(batches, contexts)
    fits = batches <= case.largest_batch(contexts)
    tokens = case.tokens(batches, contexts)
    columns: dict[str, Any] = {
        "batch": batches, "context": contexts, "time": step.time, "lower": step.lower, "upper": step.upper,
        **{name: getattr(step, name) for name in (*_PARTS, "memory")},
        "tokens_per_second": case.layout.replicas * tokens / step.time,
        "cost": case.cost(step.time, batches, contexts), "cost_lower": case.cost(step.lower, batches, contexts),
        "cost_upper": case.cost(step.upper, batches, contexts),
        **{f"cost_{name}": case.cost(getattr(step, name), batches, contexts) for name in _PARTS}, "fits": fits}
    columns |= _ends(case, batches, contexts, columns)
    rows = zip(*(np.broadcast_to(c, batches.shape).tolist() for c in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _ends(case: Case, batches: np.ndarray, contexts: np.ndarray, columns: dict[str, Any]) -> dict[str, Any]:
    """The low and high ends of a curve's seconds, tokens/s and dollars; nothing for a bound."""
    around = case.around(batches, contexts)
    if around is None:
        return {}
    each = (("", columns["time"], around), ("cost_", columns["cost"], around.paid(case.price)),
            ("tokens_per_second_", columns["tokens_per_second"], around.of_rates()))
    return {f"{name}{end}": getattr(one, end)(value) for name, value, one in each for end in ("low", "high")}


def numbers(case: Case, batch: float, context: float) -> dict[str, Any]:
    """Every number beside the curves; those about output tokens are of a decode where the pass is a prefill."""
    decoding = case.decoding()
    output_batch = operating_batch(decoding, context) if case.kind == "prefill" else batch
    return {**_here(case, batch, context), **_floors(decoding, context), **_balance(decoding, context),
            **_contexts(decoding), "batch_one_penalty": _penalties(decoding, context), **_scale(decoding, context),
            "prefill": joint.prefill_against_decode(decoding, output_batch, context),
            "operating_point": joint.operating_point(decoding, context)}


def _here(case: Case, batch: float, context: float) -> dict[str, Any]:
    here = joint.point(case, batch, context)
    used = joint.utilisation(case, batch, context)
    return {"mfu": used["mfu"], "compute_utilisation": used["compute"], "memory_utilisation": used["memory"],
            "network_utilisation": used["network"], "tokens_per_second": here["tokens_per_second"],
            "tokens_per_second_per_chip": here["tokens_per_second"] / case.server.machine.chips,
            "tokens_per_second_per_user": here["tokens_per_second"] / case.layout.replicas / batch,
            "cost": here["cost"], "largest_batch": float(case.largest_batch(context)),
            "largest_context": float(case.largest_context(batch)),
            "memory": {name: here[name] for name in ("kv_bytes", "weight_bytes", "memory_share")}}


def _floors(case: Case, context: float) -> dict[str, Any]:
    s, endless = case.symbols, balance.ENDLESS * case.unit
    bandwidth = case.server.machine.chip.memory_bandwidth.value
    floor = case.step(endless, context)
    held = weight_bytes(case.server.model, case.layout) * case.layout.pipeline
    return {"floor": float(blackboard.latency_floor(**s.of("w", "N_total", "W"))),
            "floor_layout": float(held / bandwidth),
            "floor_batch_one": float(case.step(1.0, context).time),
            "cost_floor": float(case.cost(floor.lower, endless, context)),
            "cost_floor_parts": {p: float(case.cost(getattr(floor, p), endless, context))
                                 for p in _PARTS if p != "weights"},
            "knee": balance.knee(case, context)}


def _balance(case: Case, context: float) -> dict[str, Any]:
    s, ours = case.symbols, balance.balance_batch(case, context)
    with_kv = blackboard.balance_batch_with_kv(context, weights=s.weights, **s.of("N_active", "kv", "F", "W"))
    reason = "" if math.isfinite(ours) else "reading the cache takes longer than computing, however large the batch"
    return {"balance_batch": ours, "balance_batch_reason": reason,
            "balance_batch_without_kv": balance.balance_batch(case, 0.0),
            "balance_batch_lecture": float(blackboard.balance_batch(**s.of("F", "W", "w", "N_total", "N_active"))),
            "balance_batch_lecture_with_kv": float(with_kv)}


def _contexts(case: Case) -> dict[str, Any]:
    """The balance context, and the share of compute in use there and at twice that, in an endless batch."""
    s, ours = case.symbols, balance.balance_context(case)
    lecture = _lecture_context(case)
    shares = {f"mfu_at_{name}": balance.compute_share(case, times * ours) if math.isfinite(ours) else None
              for name, times in (("balance_context", 1.0), ("twice_balance_context", 2.0))}
    halves = [float(blackboard.mfu_large_batch(times * lecture, lecture)) if s.kv else None for times in (1.0, 2.0)]
    reason = {math.inf: "reading the cache never takes as long as computing",
              1.0: "memory takes longer than computing at every context"}.get(ours, "")
    return {"balance_context": ours, "balance_context_reason": reason, "balance_context_lecture": lecture, **shares,
            "mfu_at_balance_context_lecture": halves[0], "mfu_at_twice_balance_context_lecture": halves[1]}


def _lecture_context(case: Case) -> float:
    s = case.symbols
    return float(blackboard.balance_context(**s.of("N_active", "kv", "F", "W"))) if s.kv else math.inf


def _penalties(case: Case, context: float) -> dict[str, Any]:
    """Without KV, as the lecture has it, and at this context."""
    bare, here = (balance.batch_one_penalty(case, c) for c in (0.0, context))
    return {**vars(bare), "at_context": vars(here)}


def _scale(case: Case, context: float) -> dict[str, Any]:
    found = joint.scale(case, context)
    return {"drain_time": joint.drain_time(case), "minimum_efficient_scale": found["lecture"],
            "minimum_efficient_scale_ledger": found["ledger"], "compute_saturation": found["compute_saturation"],
            "share_of_saturation": found["share_of_saturation"], "share_of_fleet": found["share_of_fleet"]}
