"""What a plan's simulated options look like: a table, notes, plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackline import units
from rackline.decisions import plan_intervals
from rackline.decisions.answer import Column, Table
from rackline.decisions.intervals import Around, of_simulated_prompts
from rackline.decisions.planned import CONFIRMED, Confirmed, Planned


def table(planned: Planned) -> Iterator[Table]:
    """What was planned beside what was simulated, in the new order."""
    if not planned.confirmed:
        return
    moved = plan_intervals.around(planned, [c.option for c in planned.confirmed])
    wide = bool(moved[0])
    columns = (Column("layout"), Column("mode"), *_titles("per token", "", wide), *_titles("first token", " ", wide),
               Column("sustained requests/s", "count"), Column("$/Mtok out, sustained", "dollars"),
               Column("targets at the mean"))
    server, first = planned.question.server, "time_to_first_token"
    moved = [one | {first: of_simulated_prompts(one[first], server)} if first in one else one for one in moved]
    rows = tuple(_row(c, one) for c, one in zip(planned.confirmed, moved, strict=True))
    yield Table("Simulated on the trace", columns, rows, "simulated")


def _titles(what: str, apart: str, wide: bool) -> tuple[Column, ...]:
    """Columns of one time; `apart` makes their titles differ from those of the other."""
    ends = (f"low{apart}", f"high{apart}") if wide else ()
    return tuple(Column(title, "seconds") for title in
                 (f"planned {what}", f"simulated, mean{apart}", *ends, f"p99{apart}"))


def _row(c: Confirmed, moved: Mapping[str, Around]) -> tuple[Any, ...]:
    name = c.option.layout.name() + (f" ← {c.option.prefill.name()}" if c.option.prefill else "")
    return (name, c.option.mode, *_times(c.option.tpot, c.tpot, moved.get("time_per_output_token")),
            *_times(c.option.ttft, c.ttft, moved.get("time_to_first_token")), c.sustained, c.cost,
            c.reason or ("met" if c.meets else "missed"))


def _times(planned: float, simulated: Mapping[str, float], moved: Around | None) -> tuple[float, ...]:
    mean = simulated.get("mean", float("nan"))
    ends = () if moved is None else (float(moved.low(mean)), float(moved.high(mean)))
    return (planned, mean, *ends, simulated.get("p99", float("nan")))


def note(planned: Planned) -> Iterator[str]:
    """Which options were simulated, on what, and what changed."""
    if not planned.confirmed:
        return
    met = sum(c.meets for c in planned.confirmed)
    trace = planned.request.trace
    some = "" if len(trace) <= CONFIRMED else f", its first {CONFIRMED:,} requests"
    yield (f"Simulated: the {len(planned.confirmed)} best of the plan on {trace.name}{some}; {met} meet the targets at "
           f"the mean and stand first, by {planned.request.goal}. Their price and throughput are those of the rate "
           "that they sustain; the next table's figures are the plan's.")
    first = planned.confirmed[0]
    if first.ttft:
        yield (f"The first, simulated: {units.show(first.tpot['mean'], 'seconds')} per token (p99 "
               f"{units.show(first.tpot['p99'], 'seconds')}), first token after "
               f"{units.show(first.ttft['mean'], 'seconds')} (p99 {units.show(first.ttft['p99'], 'seconds')}).")


def data(c: Confirmed) -> dict[str, Any]:
    """One simulated option for --json."""
    return {"badge": "simulated", "time_to_first_token": c.ttft or None, "time_per_output_token": c.tpot or None,
            "sustained_requests_per_second": c.sustained, "dollars_per_million_output_tokens": c.cost,
            "meets_targets": c.meets, "preemptions": c.preemptions, "reason": c.reason or None}
