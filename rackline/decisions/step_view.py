"""A step as an Answer: headline, tables, plots, or why it does not fit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions import intervals_view
from rackline.decisions import stepped as found
from rackline.decisions.answer import Answer, Axis, Column, Plot, Series, Table
from rackline.decisions.step_case import Asked
from rackline.decisions.step_explain import explain, notes, sources
from rackline.decisions.stepped import TOKENS, Stepped
from rackline.decisions.stepping import Case

_ROWS = 14  # of a curve, where the question names no points
_MOST_ROWS = 40
_PARTS = (("weights", "weights"), ("cache", "KV cache"), ("compute", "compute"), ("network", "network"))


def answer(stepped: Stepped) -> Answer:
    """The full answer of a pass that fits."""
    return Answer(
        question="step", headline=headline(stepped), badge="bound" if stepped.around is None else "calibrated",
        tables=(*_intervals(stepped), _summary_table(stepped), _terms_table(stepped), _curve_table(stepped),
                _crossings_table(stepped)),
        plots=(_time_plot(stepped), _cost_plot(stepped), _prefill_plot(stepped)), notes=tuple(notes(stepped)),
        explain=tuple(explain(stepped)), sources=sources(stepped), data=found.data(stepped))


def headline(stepped: Stepped) -> str:
    """One sentence: the pass, its time and bounds, what limits it, what a million tokens cost."""
    case, step = stepped.case, stepped.step
    what = {"decode": "A decode step", "prefill": "A prefill pass", "verify": "A verify pass"}[case.kind]
    length = "prompt tokens" if case.kind == "prefill" else "cached tokens"
    intervals = found.intervals(stepped)
    time = units.show(float(step.time), "seconds")
    ends = [intervals["time"][end] for end in ("low", "high")] if intervals else [step.lower, step.upper]
    lower, upper = (units.show(float(x), "seconds") for x in ends)
    between = f"nine of ten real ones between {lower} and {upper}" if intervals else f"between {lower} and {upper}"
    cost = intervals_view.shown(intervals.get("cost"), stepped.numbers["cost"], "dollars")
    count = "1 sequence" if stepped.batch == 1 else f"{stepped.batch:,.0f} sequences"
    return (f"{what} of {case.server.model.name} on {_where(case)} ({case.layout.name()}) takes {time} for {count} of "
            f"{stepped.context:,.0f} {length} ({between}); {step.limiter}-bound, {cost} "
            f"per million {TOKENS[case.kind]} tokens.")


_TITLES = {"time": ("time of the pass", "seconds"), "tokens_per_second": ("tokens/s", "tokens/s"),
           "tokens_per_second_per_user": ("tokens/s of one sequence", "tokens/s"),
           "cost": ("$ per million tokens", "dollars")}


def _intervals(stepped: Stepped) -> Iterator[Table]:
    intervals = found.intervals(stepped)
    if intervals:
        yield intervals_view.table((*_TITLES[name], one) for name, one in intervals.items())


def _where(case: Case) -> str:
    machine = case.server.machine
    some = units.counted(machine.chips, "chip")
    return machine.title if machine.chips == machine.domain else f"{some} of {machine.title}"


def _summary_table(stepped: Stepped) -> Table:
    n, step = stepped.numbers, stepped.step
    rows = (("terms in sequence", step.time), ("all overlapped", step.lower), ("nothing overlapped", step.upper),
            ("compute", step.compute), ("memory: weights", step.weights), ("memory: KV cache", step.cache),
            ("network", step.network),
            *((("fixed times: kernels, messages, tokens", step.overhead),) if stepped.around is not None else ()))
    cells = [(name, float(value), float(value / step.time)) for name, value in rows]
    chips = units.counted(stepped.case.server.machine.chips, "chip")
    title = (f"The pass: {units.show(n['tokens_per_second'], 'tokens/s')} on {chips}, MFU "
             f"{units.show(n['mfu'], 'ratio')}, memory bandwidth {units.show(n['memory_utilisation'], 'ratio')}, "
             f"memory {units.show(n['memory']['memory_share'], 'ratio')} of usable")
    return Table(title, (Column("what"), Column("time", "seconds"), Column("of the pass", "ratio")), tuple(cells))


def _terms_table(stepped: Stepped) -> Table:
    columns = (Column("term"), Column("share", "ratio"), Column("limit"), Column("compute", "seconds"),
               Column("memory", "seconds"), Column("network", "seconds"), Column("FLOPs", "flop"),
               Column("bytes", "bytes"))
    keys = ("term", "share", "limiter", "compute", "memory", "network", "flops", "bytes")
    return Table("Terms on the busiest chip, the longest first", columns,
                 tuple(tuple(row[k] for k in keys) for row in found.terms(stepped) if row["time"] > 0))


def _curve_table(stepped: Stepped) -> Table:
    against, curve = stepped.points.against, stepped.curve
    given = stepped.points.batches if against == "batch" else stepped.points.contexts
    count = len(curve) if 1 < given.size <= _MOST_ROWS else min(len(curve), _ROWS)
    around = stepped.around is not None
    ends = ("low", "high") if around else ("lower", "upper")
    seconds = ("time", *ends, "weights", "cache", "compute", "network")
    dollars = ("cost", *(f"cost_{end}" for end in ends if around))
    keys = (against, *seconds, "tokens_per_second", *dollars, *(() if all(p["fits"] for p in curve) else ("fits",)))
    columns = (Column(against, "count"), *(Column("KV" if s == "cache" else s, "seconds") for s in seconds),
               Column("tok/s", "count"), *(Column(f"$/Mtok{d[4:].replace('_', ' ')}", "dollars") for d in dollars),
               Column("fits"))
    picked = np.unique(np.linspace(0, len(curve) - 1, count).round().astype(int))
    return Table(f"Against {against}", columns[: len(keys)],
                 tuple(tuple(_flat(curve[i][k]) for k in keys) for i in picked))


def _flat(value: Any) -> Any:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _crossings_table(stepped: Stepped) -> Table:
    lecture = "lecture's equation" if stepped.around is None else "lecture's equation (bound)"
    columns = (Column("what"), Column("ledger"), Column(lecture))
    return Table("Where the lines cross", columns, tuple(
        (what, *(_cell(value, unit) for value in values)) for what, unit, *values in _crossings(stepped)))


def _cell(value: float | None, unit: str) -> str:
    return "—" if value is None else units.show(value, unit)


def _crossings(stepped: Stepped) -> Iterator[tuple[Any, ...]]:
    n = stepped.numbers
    p, first, point = n["batch_one_penalty"], n["prefill"], n["operating_point"]
    shares = [f"mfu_at_{x}balance_context" for x in ("", "twice_")]
    yield "latency floor: all weights read once", "seconds", n["floor_layout"], n["floor"]
    yield "latency at batch 1, experts counted", "seconds", n["floor_batch_one"], None
    yield "knee: KV or compute as long as the weights", "count", n["knee"], None
    yield "balance batch B*, KV counted", "count", n["balance_batch"], n["balance_batch_lecture_with_kv"]
    yield "balance batch B*, no KV", "count", n["balance_batch_without_kv"], n["balance_batch_lecture"]
    yield "balance context L*, endless batch", "tokens", n["balance_context"], n["balance_context_lecture"]
    yield "compute in use at L*", "ratio", n[shares[0]], n[f"{shares[0]}_lecture"]
    yield "compute in use at 2 L*", "ratio", n[shares[1]], n[f"{shares[1]}_lecture"]
    yield "cost of batch 1 over endless, no KV: all weights", "count", None, p["two_term"]
    yield "the same, only the experts hit", "count", None, p["experts_counted"]
    yield "the same, this layout, what each chip reads", "count", p["ledger"], None
    yield "drain time of the memory", "seconds", None, n["drain_time"]
    yield "minimum efficient scale: B*/interval, tok/s", "tokens/s", n["minimum_efficient_scale_ledger"], n[
        "minimum_efficient_scale"]
    yield "compute saturates at, tok/s", "tokens/s", None, n["compute_saturation"]
    yield "decode over prefill per token", "count", first["decode_over_prefill"], first["decode_over_prefill_lecture"]
    yield "prompt from which compute limits", "tokens", first["crossing_length"], first["crossing_length_lecture"]
    yield "operating batch (joint)", "count", point["batch"], point["lecture"]["batch"]
    yield "its interval", "seconds", point["interval"], point["lecture"]["interval"]
    yield "its compute utilisation", "ratio", point["compute_utilisation"], point["lecture"]["mfu"]


# ---- pictures


def _time_plot(stepped: Stepped) -> Plot:
    against = stepped.points.against
    here = Series("this pass", [_x(stepped)], [float(stepped.step.time)], marks=True)
    parts = [_series(stepped, key, name) for key, name in _PARTS]
    whole = _series(stepped, "time", "time", ("lower", "upper") if stepped.around is None else ("low", "high"))
    floor = _level(stepped, "floor: all weights read once", stepped.numbers["floor_layout"])
    return Plot(f"Time of a pass against {against}", _axis(stepped), Axis("time", "seconds", log=True),
                (whole, *parts, floor, here), _marks(stepped))


def _cost_plot(stepped: Stepped) -> Plot:
    floor = _level(stepped, "floor of an endless batch", stepped.numbers["cost_floor"])
    floors = (floor,) if stepped.points.against == "batch" and stepped.case.kind == "decode" else ()
    here = Series("this pass", [_x(stepped)], [stepped.numbers["cost"]], marks=True)
    band = ("cost_lower", "cost_upper") if stepped.around is None else ("cost_low", "cost_high")
    parts = [_series(stepped, f"cost_{key}", name) for key, name in _PARTS]
    return Plot(f"Cost of {TOKENS[stepped.case.kind]} tokens against {stepped.points.against}", _axis(stepped),
                Axis("$ per million tokens", "dollars", log=True),
                (_series(stepped, "cost", "cost", band), *parts, *floors, here),
                _marks(stepped))


def _prefill_plot(stepped: Stepped) -> Plot:
    first = stepped.numbers["prefill"]
    lengths = [p["length"] for p in first["curve"]]
    values = {name: [p[name] for p in first["curve"]] for name in ("time", "compute", "memory", "network")}
    ends = [[p[end] for p in first["curve"]] if stepped.around is not None else None for end in ("low", "high")]
    series = (Series(name, lengths, y, *(ends if name == "time" else ())) for name, y in values.items() if min(y) > 0)
    decode = Series("decode, per output token", [lengths[0], lengths[-1]], [first["decode_time_per_token"]] * 2)
    crossing = ((first["crossing_length"], "compute takes over"),) if first["crossing_length"] <= lengths[-1] else ()
    return Plot("Prefill against decode: time per token", Axis("length of the prompt (tokens)", "tokens", log=True),
                Axis("time per token", "seconds", log=True), (*series, decode), crossing)


def _level(stepped: Stepped, name: str, value: float) -> Series:
    """A horizontal line over the whole curve."""
    shown = [p[stepped.points.against] for p in stepped.curve if p[stepped.points.against] > 0]
    return Series(name, [shown[0], shown[-1]], [value] * 2)


def _axis(stepped: Stepped) -> Axis:
    if stepped.points.against == "context":
        return Axis("context (tokens)", "tokens", log=True)
    return Axis("batch (sequences a replica)", "count", log=True)


def _x(stepped: Stepped) -> float:
    return stepped.batch if stepped.points.against == "batch" else stepped.context


def _series(stepped: Stepped, key: str, name: str, band: tuple[str, str] | None = None) -> Series:
    """A curve over the points that a logarithmic axis can show."""
    shown = [p for p in stepped.curve if p[key] > 0 and p[stepped.points.against] > 0]
    low, high = ([p[end] for p in shown] for end in band) if band else (None, None)
    return Series(name, [p[stepped.points.against] for p in shown], [p[key] for p in shown], low, high)


def _marks(stepped: Stepped) -> tuple[tuple[float, str], ...]:
    n = stepped.numbers
    limit = float(stepped.case.server.model.max_context or math.inf)
    named = [(n["knee"], "knee"), (n["balance_batch"], "B*"), (n["operating_point"]["batch"], "operating point"),
             (n["largest_batch"], "largest that fits")]
    if stepped.points.against == "context":
        named = [(n["balance_context"], "L*"), (n["largest_context"], "largest that fits"),
                 (limit, "model's own limit")]
    return tuple((float(x), label) for x, label in named if math.isfinite(x) and x > 0)


# ---- what does not fit


def fits_nowhere(q: Any, points: Asked, reasons: tuple[str, ...], remedies: tuple[str, ...]) -> Answer:
    """The answer when no layout, or not the one asked for, holds the model and one sequence."""
    where = f"{q.on.title} ({units.counted(q.on.chips, 'chip')})"
    where += f" as {q.layout.name()}" if q.layout is not None else ""
    return Answer("step", f"{q.model.name} with a context of {points.context:,.0f} tokens does not fit on {where}.",
                  "derived", feasible=False,
                  reasons=(*reasons, *(f"would fit with {r}" for r in remedies if q.layout is None)),
                  data={"would_fit": list(remedies), "infeasible": list(reasons)})


def batch_too_large(case: Case, points: Asked, batch: float) -> Answer:
    """The answer when the batch asked for does not fit: the most that does, in either direction."""
    most, longest = float(case.largest_batch(points.context)), float(case.largest_context(batch))
    name = case.server.model.name
    reasons = (f"{case.layout.name()}: at most {most:,.0f} sequences of {points.context:,.0f} tokens fit a replica",
               f"{batch:,.0f} sequences fit with at most {longest:,.0f} tokens each" if longest >= 1 else
               f"{batch:,.0f} sequences fit with no context at all")
    return Answer("step", f"A batch of {batch:,.0f} sequences of {points.context:,.0f} tokens of {name} does not fit "
                  f"on {case.server.machine.title}.", "derived", feasible=False, reasons=reasons,
                  data={"largest_batch": most, "largest_context": longest, "layout_name": case.layout.name()})
