"""A plan as an Answer: headline, tables, plots, reasons, launch commands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions import confirm_view, intervals_view, plan_data
from rackline.decisions.answer import Answer, Axis, Badge, Column, Plot, Series, Table
from rackline.decisions.levers import average_pass
from rackline.decisions.plan_explain import explain, sources
from rackline.decisions.plan_intervals import TITLES, figures
from rackline.decisions.planned import Planned, limits
from rackline.decisions.search import Missed, Option, Search
from rackline.systems.calibrated import Calibrated
from rackline.systems.layout import Layout
from rackline.systems.memory import weight_bytes

_NUMBERS = re.compile(r"[0-9][0-9.,]*( ([kMGT]?B|[nµm]?s|min|h|d))?\b")
_LABELS = {"together": "prefill and decode together", "apart": "prefill and decode apart", "decode": "decode only"}


def answer(planned: Planned) -> Answer:
    """The full answer of a plan that found something."""
    rows = plan_data.rows(planned, max(1, planned.request.top))
    commands = tuple(plan_data.launches(planned))
    intervals = figures(planned, rows[0])
    summed = (intervals_view.table((*TITLES[name], one) for name, one in intervals.items()),) if intervals else ()
    return Answer(
        question="plan", headline=headline(planned, intervals), badge=_badge(planned.question),
        tables=(*summed, *confirm_view.table(planned), _ranked_table(rows, planned), _goals_table(planned),
                _limits_table(planned), _reasons_table(planned)),
        plots=(_frontier_plot(planned), _price_plot(planned)),
        notes=(*confirm_view.note(planned), *_notes(planned)), explain=explain(planned), sources=sources(planned),
        text=commands, data=plan_data.data(planned, rows, commands))


def _badge(question: Search) -> Badge:
    return "calibrated" if isinstance(question.server.clock, Calibrated) else "bound"


def headline(planned: Planned, intervals: Mapping[str, Any]) -> str:
    """One sentence: the best way, what users feel, what it costs, what limits it; of a forecast the intervals."""
    shown = lambda name, value, unit: intervals_view.shown(intervals.get(name), value, unit)  # noqa: E731
    best, q = planned.best, planned.question
    where = f"{q.server.machine.title}, {best.chips:,} of {q.chips:,} chips" if best.chips != q.chips else (
        f"all {q.chips:,} chips of {q.server.machine.title}" if q.chips > 1 else q.server.machine.title)
    limiter = average_pass(q.server, q.work, best).limiter
    return (f"Serve {q.server.model.name} as {_shown(best)} ({_LABELS[best.mode]}) on {where}: "
            f"{shown('time_per_output_token', best.tpot, 'seconds')} per output token at {best.batch:,.0f} sequences a "
            "replica, " + (f"first token after {shown('time_to_first_token', best.ttft, 'seconds')}, "
                           if best.mode != "decode" else "")
            + f"{shown('dollars_per_million_output_tokens', planned.cost(best), 'dollars')} per million output tokens; "
            f"{limiter}-bound.")


def _shown(option: Option) -> str:
    if option.prefill is None:
        return option.layout.name()
    return f"{option.prefill.name()} for prefill and {option.layout.name()} for decode"


_SEEN = (("per token", "time_per_output_token", "seconds"), ("first token", "time_to_first_token", "seconds"),
         ("$/Mtok out", "dollars_per_million_output_tokens", "dollars"))


def _with_ends(row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Titles, keys and dimensions of what a user feels and pays, each beside the ends of its interval if it has one."""
    return [(title + end.replace("_", " "), key + end, unit) for title, key, unit in _SEEN
            for end in ("", "_low", "_high") if key + end in row]


def _ranked_table(rows: list[dict[str, Any]], planned: Planned) -> Table:
    felt = _with_ends(rows[0])
    overlap = [] if len(felt) > len(_SEEN) else [("no overlap", "time_per_output_token_upper", "seconds")]
    paid = [one for one in felt if one[0].startswith("$")]
    felt = [one for one in felt if one not in paid]
    shown = [("batch a replica", "batch", "count"), felt[0], *overlap, *felt[1:],
             ("tok/s/user", "tokens_per_second_per_user", "count"),
             ("tok/s/chip", "tokens_per_second_per_chip", "count"), *paid, ("limit", "limiter", "text"),
             ("helps most", "lever", "text")]
    columns = (Column("layout"), Column("mode"), *(Column(title, unit) for title, _, unit in shown))
    cells = [(r["name"], r["mode"] + (f" {r['chunk']:.0f}" if r["chunk"] else ""), *(r[key] for _, key, _ in shown))
             for r in rows]
    return Table(f"Best layouts by {planned.request.goal}", columns, tuple(cells))


def _goals_table(planned: Planned) -> Table:
    goals = plan_data.by_goal(planned)
    felt = _with_ends(next(iter(goals.values())))
    split = next(i for i, one in enumerate(felt) if one[0].startswith("$"))
    shown = [("batch a replica", "batch", "count"), *felt[:split],
             ("tok/s/chip in use", "tokens_per_second_per_chip_in_use", "count"), *felt[split:]]
    rows = tuple((goal, _shown(planned.found.by_goal[goal]), row["mode"], *(row[key] for _, key, _ in shown))
                 for goal, row in goals.items())
    columns = (Column("goal"), Column("layout"), Column("mode"), *(Column(title, unit) for title, _, unit in shown))
    return Table("Best under each goal", columns, rows)


def _limits_table(planned: Planned) -> Table:
    most = limits(planned)
    rows = [("sequences at once", most["largest_batch"], most["largest_batch_layout"]),
            ("context of one sequence", most["largest_context"], most["largest_context_layout"])]
    if most["model_max_context"]:
        rows.append(("context that the model was made for", most["model_max_context"], "any"))
    return Table("Most that fits in memory", (Column("what"), Column("most", "tokens"), Column("layout")), tuple(rows),
                 "derived")


def _reasons_table(planned: Planned) -> Table:
    reasons = [r for _, why in planned.infeasible for r in why] + [m.why for m in planned.found.missed]
    counts = Counter(_NUMBERS.sub("…", reason) for reason in reasons)
    example = {_NUMBERS.sub("…", reason): reason for reason in reversed(reasons)}
    rows = tuple((example[kind], n) for kind, n in counts.most_common(8))
    targets = planned.question.targets
    missed = "miss the targets" if np.isfinite(min(targets.ttft, targets.tpot)) else "cannot serve"
    unfit = len(planned.infeasible)
    return Table(f"Why not: {units.counted(unfit, 'layout')} {'does' if unfit == 1 else 'do'} not fit, "
                 f"{len(planned.found.missed):,} {missed}",
                 (Column("reason, for example"), Column("layouts", "count")), rows)


def _frontier_plot(planned: Planned) -> Plot:
    points = plan_data.frontier(planned)
    best = planned.best
    tokens = best.rate * planned.question.work.output / planned.question.chips
    return Plot("Frontier: speed for one user against throughput",
                Axis("tokens/s a user sees", "tokens/s", log=True),
                Axis("output tokens/s per chip", "tokens/s", log=True),
                (*_by_mode(points, "tokens_per_second_per_user", "tokens_per_second_per_chip"),
                 Series("chosen", [best.speed], [tokens], marks=True)))


def _price_plot(planned: Planned) -> Plot:
    points = plan_data.frontier(planned)
    best = planned.best
    return Plot("Fast and slow mode: price against speed",
                Axis("tokens/s a user sees", "tokens/s", log=True),
                Axis("$ per million output tokens", "dollars", log=True),
                (*_by_mode(points, "tokens_per_second_per_user", "dollars_per_million_output_tokens"),
                 Series("chosen", [best.speed], [planned.cost(best)], marks=True)))


def _by_mode(points: list[dict[str, Any]], x: str, y: str) -> Iterator[Series]:
    for mode in dict.fromkeys(p["mode"] for p in points):
        own = [p for p in points if p["mode"] == mode]
        low, high = ([p[y + end] for p in own] if y + end in own[0] else None for end in ("_low", "_high"))
        yield Series(_LABELS[mode], [p[x] for p in own], [p[y] for p in own], low, high, marks=True)


def _notes(planned: Planned) -> Iterator[str]:
    q = planned.question
    yield (f"{planned.found.points:,} (layout × chunk × batch) points timed over "
           f"{units.counted(len(planned.fitting), 'layout')} that fit; "
           f"mean prompt {q.work.input:,.0f}, mean output {q.work.output:,.0f} tokens.")
    if not isinstance(q.server.clock, Calibrated):
        yield ("A bound, not a forecast: datasheet rates, no overhead but network latency; engines run 1.5–5× above "
               "it. Per token: kernels one after the other, each overlapping its own arithmetic and memory.")
    elif q.server.prompt_factor > 1.0:
        yield (f"First tokens: {q.server.prompt_factor:.3g}× the prompt's passes, and what those that were measured "
               "waited for beside them (decoding passes, the server); clients that start all at once wait longer.")
    if not np.isfinite(q.targets.tpot) and planned.request.goal in ("price", "throughput"):
        yield "No target for the time per token was given: the cheapest way, however slow for one user (see --tpot)."
    yield f"Chip-hour at {planned.price.shown()}: {planned.price.source}. Idle chips are paid for."
    if planned.request.trace is not None:
        yield plan_data.trace_note(planned)
    modes = plan_data.modes(planned)
    if modes["fast_speed_multiple"] > 1.01:
        yield (f"Fast mode ends at {modes['fast_speed_multiple']:.3g}× the speed of the cheapest point for "
               f"{modes['fast_price_multiple']:.3g}× its price; {modes['lecture']}.")
    if planned.ranked[0].layout.pipeline > 1:
        yield "Pipelined: every stage holds a micro-batch, so a token still passes all stages one after the other."


def fits_nowhere(question: Search, infeasible: Sequence[tuple[Layout, tuple[str, ...]]],
                 remedies: tuple[str, ...]) -> Answer:
    """The answer when no layout holds the model: why, and what would change that."""
    server = question.server
    reasons = [f"{layout.name()}: {'; '.join(why)}" for layout, why in infeasible]
    lightest = min(infeasible, key=lambda entry: float(weight_bytes(server.model, entry[0])))
    chips = units.counted(question.chips, "chip")
    return Answer("plan", f"{server.model.name} does not fit on {server.machine.title} ({chips}) with "
                  f"{question.work.longest:,.0f} tokens of context: at best, as {lightest[0].name()}, "
                  f"{lightest[1][0]}.", "derived", feasible=False,
                  reasons=(*(f"would fit with {r}" for r in remedies), *reasons[:20]),
                  data={"would_fit": list(remedies), "infeasible": [{"layout": x.name(), "reasons": list(w)}
                                                                    for x, w in infeasible]})


def misses_targets(planned: Planned) -> Answer:
    """The answer when layouts fit but none meets the targets: the nearest that each target can come."""
    q = planned.question
    missed: dict[Layout, Missed] = {}
    for one in sorted(planned.found.missed, key=lambda m: m.over):  # of each layout the mode that comes nearest
        missed.setdefault(one.layout, one)
    relaxed = plan_data.nearest(planned)
    asked = " and ".join(f"{name} ≤ {units.show(value, 'seconds')}" for name, value in
                         (("first token", q.targets.ttft), ("per token", q.targets.tpot)) if np.isfinite(value))
    where = f"{q.server.machine.title} ({units.counted(q.chips, 'chip')})"
    return Answer("plan", f"No layout of {q.server.model.name} on {where} meets "
                  f"{asked or 'the request'}; {relaxed['sentence']}.", _badge(q), feasible=False,
                  reasons=tuple(f"{m.layout.name()}: {m.why}" for m in list(missed.values())[:20]),
                  data={"nearest": relaxed, "points": planned.found.points,
                        "missed": [{"layout": m.layout.name(), "reason": m.why} for m in missed.values()]})
