"""What a plan's simulated options look like: a table, notes, plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackline import units
from rackline.decisions.answer import Column, Table
from rackline.decisions.planned import CONFIRMED, Confirmed, Planned


def table(planned: Planned) -> Iterator[Table]:
    """What was planned beside what was simulated, in the new order."""
    if not planned.confirmed:
        return
    columns = (Column("layout"), Column("mode"), Column("planned per token", "seconds"),
               Column("simulated, mean", "seconds"), Column("p99", "seconds"),
               Column("planned first token", "seconds"), Column("simulated, mean ", "seconds"),
               Column("p99 ", "seconds"), Column("sustained requests/s", "count"),
               Column("$/Mtok out, sustained", "dollars"), Column("targets at the mean"))
    yield Table("Simulated on the trace", columns, tuple(_row(c) for c in planned.confirmed))


def _row(c: Confirmed) -> tuple[Any, ...]:
    name = c.option.layout.name() + (f" ← {c.option.prefill.name()}" if c.option.prefill else "")
    nothing = float("nan")
    return (name, c.option.mode, c.option.tpot, c.tpot.get("mean", nothing), c.tpot.get("p99", nothing), c.option.ttft,
            c.ttft.get("mean", nothing), c.ttft.get("p99", nothing), c.sustained, c.cost,
            c.reason or ("met" if c.meets else "missed"))


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
