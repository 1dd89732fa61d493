"""A plan as plain data: options, frontier, modes, limits, launches; what --json prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions import confirm_view, plan_intervals
from rackline.decisions.answer import finite
from rackline.decisions.launches import launch_texts
from rackline.decisions.levers import average_pass, evaluate, levers
from rackline.decisions.money import dollars_per_million
from rackline.decisions.planned import Planned, limits
from rackline.decisions.search import Option, Targets, search
from rackline.systems.layout import Layout
from rackline.systems.memory import memory

LECTURE_MODE = (2.5, 6.0)  # the lecture: fast mode streams 2.5 times as fast for 6 times the price
SIZES = ("tensor", "data", "context", "pipeline", "expert", "replicas")


def sizes(layout: Layout) -> dict[str, int]:
    """A layout's parallel sizes by name."""
    return {name: int(getattr(layout, name)) for name in SIZES}


def option(planned: Planned, o: Option) -> dict[str, Any]:
    """One option with everything that a reader may ask of it."""
    q, work = planned.question, planned.question.work
    lower, upper = (evaluate(replace(q.server, edge=edge), work, o) for edge in ("lower", "upper"))
    timed = average_pass(q.server, work, o)
    best_lever = levers(q.server, work, o)[0]
    cost = planned.cost(o)
    held = memory(q.server.model, q.server.machine, o.layout, o.batch, work.held, q.server.usable)
    return {
        "name": o.layout.name() + (f" ← {o.prefill.name()}" if o.prefill else ""), "mode": o.mode,
        "layout": sizes(o.layout), "prefill_layout": sizes(o.prefill) if o.prefill else None,
        "prefill_prompts": o.prompts, "chunk": o.chunk, "batch": o.batch,
        "concurrency": o.batch * o.layout.replicas, "chips": o.chips,
        "time_per_output_token": o.tpot, "time_per_output_token_lower": float(lower.tpot),
        "time_per_output_token_upper": float(upper.tpot),
        "time_to_first_token": o.ttft, "tokens_per_second_per_user": o.speed,
        "requests_per_second": o.rate, "output_tokens_per_second": o.rate * work.output,
        "tokens_per_second_per_chip": o.rate * work.output / q.chips,
        "tokens_per_second_per_chip_in_use": o.rate * work.output / o.chips,
        "dollars_per_million_output_tokens": cost,
        "dollars_per_million": {"output_alone": cost * o.decode_share,
                                "input_alone": cost * (1.0 - o.decode_share) * work.output / max(work.input, 1.0)},
        "limiter": timed.limiter,
        "busy": {r: float(getattr(timed, r) / timed.time) for r in ("compute", "memory", "network")},
        "lever": f"{best_lever.change}: {100 * (best_lever.factor - 1):+.0f} %", "lever_factor": best_lever.factor,
        "memory": {"weights": float(held.weights), "cache": float(held.cache), "state": float(held.state),
                   "usable": float(held.usable)},
    }


def rows(planned: Planned, count: int) -> list[dict[str, Any]]:
    """The first options in order, those that were simulated with what the simulation says."""
    simulated = {id(c.option): confirm_view.data(c) for c in planned.confirmed}
    shown = planned.ranked[:count]
    return [row | ({"simulated": simulated[id(o)]} if id(o) in simulated else {})
            for o, row in zip(shown, options(planned, shown), strict=True)]


def options(planned: Planned, shown: Sequence[Option]) -> list[dict[str, Any]]:
    """Options with the ends of their intervals."""
    return plan_intervals.with_ends(planned, shown, [option(planned, o) for o in shown])


def by_goal(planned: Planned) -> dict[str, dict[str, Any]]:
    """The best option of all layouts and batches under each goal."""
    found = planned.found.by_goal
    return dict(zip(found, options(planned, list(found.values())), strict=True))


def frontier(planned: Planned) -> list[dict[str, Any]]:
    """Points that no other beats in both speed for one user and throughput a chip, fastest first."""
    points, samples, most = [], [], 0.0
    for bin_ in sorted(planned.found.at):
        s = planned.found.at[bin_]
        if s.rate <= most:
            continue
        most = s.rate
        samples.append(s)
        tokens = s.rate * planned.question.work.output
        points.append({"mode": s.mode, "layout": s.layout.name(), "batch": s.batch, "chunk": s.chunk,
                       "time_per_output_token": s.tpot, "time_to_first_token": s.ttft,
                       "tokens_per_second_per_user": 1.0 / s.tpot, "tokens_per_second_per_chip": tokens,
                       "dollars_per_million_output_tokens": dollars_per_million(planned.price.value, 1.0, tokens)})
    return plan_intervals.with_ends(planned, samples, points)


def modes(planned: Planned) -> dict[str, Any]:
    """Price multiples against speed multiples over the cheapest point of the frontier: fast mode, and where it ends."""
    points = frontier(planned)
    cheap = min(points, key=lambda p: p["dollars_per_million_output_tokens"])
    base = (cheap["tokens_per_second_per_user"], cheap["dollars_per_million_output_tokens"])
    multiples = [(p["tokens_per_second_per_user"] / base[0], p["dollars_per_million_output_tokens"] / base[1])
                 for p in points]
    fastest = max(multiples)
    speed, price = LECTURE_MODE
    reached = [m for m in multiples if m[0] >= speed]
    ours = min((m[1] for m in reached), default=float("nan"))
    said = (f"{speed}× the speed costs {ours:.3g}× here (the lecture's products ask {price:g}×)" if reached else
            f"{speed}× the speed (the lecture's {price:g}× price) is out of reach here")
    return {"cheapest": cheap, "multiples": [{"speed": s, "price": p} for s, p in multiples],
            "fast_speed_multiple": fastest[0], "fast_price_multiple": fastest[1],
            "price_at_lecture_speed": None if np.isnan(ours) else ours, "lecture": said}


def trace_note(planned: Planned) -> str:
    """What the trace asks against what the best option gives."""
    trace = planned.request.trace
    text = f"Trace {trace.name}: {trace.input_tokens.size:,} requests"
    asked = trace_rate(planned)
    if asked is None:
        return text + ", lengths only."
    machines = asked / planned.best.rate
    return (f"{text} at {asked:.3g} a second on average; this plan carries {planned.best.rate:.3g} a second, so the "
            f"trace fills {units.show(machines, 'ratio')} of it (bursts not counted).")


def trace_rate(planned: Planned) -> float | None:
    """Requests a second of the trace; None where it has no arrivals."""
    trace = planned.request.trace
    if trace is None or trace.arrival is None or trace.arrival.size < 2 or trace.arrival[-1] <= 0:
        return None
    return float((trace.arrival.size - 1) / trace.arrival[-1])


def nearest(planned: Planned) -> dict[str, Any]:
    """The least time per token and to the first token that any layout reaches when nothing is asked of the other."""
    best = {}
    for goal in ("tpot", "ttft"):
        question = replace(planned.question, targets=Targets(batch=planned.question.targets.batch), goal=goal,
                           resolution=32)
        found = search(question, planned.fitting, ("together",))
        best[goal] = min((getattr(o, goal) for o in found.options), default=float("inf"))
    sentence = (f"alone, the least time per token is {units.show(best['tpot'], 'seconds')} and the least to the first "
                f"token {units.show(best['ttft'], 'seconds')}")
    return {"time_per_output_token": best["tpot"], "time_to_first_token": best["ttft"], "sentence": sentence}


def launches(planned: Planned) -> Iterator[tuple[str, str]]:
    """Launch commands of the asked engines for the best option."""
    yield from launch_texts(planned.request.engine, planned.question.server, planned.question.work, planned.ranked,
                            planned.request.weights)


def data(planned: Planned, rows: list[dict[str, Any]], commands: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The whole plan for --json."""
    q, work = planned.question, planned.question.work
    return {
        "model": q.server.model.name, "machine": q.server.machine.name, "chips": q.chips, "goal": planned.request.goal,
        "workload": {"name": work.name, "input": work.input, "output": work.output,
                     "kinds": [{"input": k.input, "output": k.output, "share": k.share} for k in work.kinds]},
        "targets": {"time_to_first_token": finite(q.targets.ttft), "time_per_output_token": finite(q.targets.tpot)},
        "price_per_chip_hour": planned.price.value, "points": planned.found.points,
        "layouts": {"fit": len(planned.fitting), "infeasible": len(planned.infeasible),
                    "missed": len(planned.found.missed)},
        "best": rows[0], "ranked": rows, "confirmed": len(planned.confirmed),
        "by_goal": by_goal(planned),
        "frontier": frontier(planned), "modes": modes(planned), "limits": limits(planned),
        "trace_requests_per_second": trace_rate(planned),
        "infeasible": [{"layout": x.name(), "reasons": list(why)} for x, why in planned.infeasible],
        "missed": [{"layout": m.layout.name(), "reason": m.why} for m in planned.found.missed],
        "launch": [{"what": name, "command": text} for name, text in commands], **_clocked(planned, rows[0]),
    }


def _clocked(planned: Planned, best: dict[str, Any]) -> dict[str, Any]:
    found = plan_intervals.figures(planned, best)
    return {"clock": "calibrated", "intervals": found} if found else {}
