"""A simulation as an Answer: headline, tables, plots, notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions import simulated
from rackline.decisions.answer import Answer, Axis, Column, File, Plot, Series, Table
from rackline.decisions.fitting import fits, what_would_fit
from rackline.decisions.simulate_case import NoRoom
from rackline.decisions.simulate_data import MOST_PASSES, Simulated, data, perfetto, request_log
from rackline.decisions.simulate_explain import explain, sources
from rackline.systems.memory import weight_bytes

TIMES = {"time_to_first_token": "to the first token", "time_per_output_token": "per output token",
         "end_to_end": "end to end", "queueing": "in the queue"}
_CAUSES = {"compute": "arithmetic", "memory": "memory", "network": "network", "other": "other"}


def answer(found: Simulated, q: Any) -> Answer:
    """The full answer, with the files asked for."""
    tables = (_times(found), _rates(found), _where(found), _cost(found), _queues(found), *_caches(found))
    return Answer("simulate", headline(found), "simulated", tables=tables, plots=tuple(_plots(found)),
                  notes=tuple(_notes(found, q)), explain=tuple(explain(found)), sources=sources(found),
                  data=data(found), files=tuple(_files(found, q)))


def headline(found: Simulated) -> str:
    """One sentence: what users feel, what it carries and costs, or that it cannot keep up."""
    case, d = found.case, found.case.deployment
    what = f"{d.model.name} as {_layout_name(found)} on {d.machine.title}"
    n = len(found.log.finish)
    count = f"{case.offered.trace.name} ({n:,} request{'s' * (n > 1)})"
    if found.interrupted:
        what = f"Interrupted after {simulated.finished(found.log):,} requests were served: {what}"
    if not found.keeps_up:
        most = found.most["waiting"]
        return (f"{what} cannot keep up with {count} at {case.offered.rate:.3g} requests/s: it sustains "
                f"{found.sustained:.3g}; up to {most:,} wait and the mean first token takes "
                f"{units.show(found.spreads[0]['time_to_first_token']['mean'], 'seconds')}.")
    paid = found.dollars["output_paying_for_all"] or 0.0
    first, token = (found.spreads[0][name]["p99"] for name in ("time_to_first_token", "time_per_output_token"))
    every = f" and a token every {units.show(token, 'seconds')}" if np.isfinite(token) else ""
    return (f"{what}, {count}: 99 % have their first token within {units.show(first, 'seconds')}{every}; "
            f"{found.throughput['requests_per_second']:.3g} requests/s at "
            f"{units.show(paid, 'dollars')} per million output tokens, chips busy "
            f"{units.show(found.use.busy, 'ratio')}.")


def _layout_name(found: Simulated) -> str:
    d = found.case.deployment
    return d.layout.name() if d.prefill is None else f"{d.prefill.name()} for prompts and {d.layout.name()} for tokens"


def _times(found: Simulated) -> Table:
    names = ("mean", *(f"p{p}" for p in simulated.PERCENTILES), "max")
    rows = tuple((text, *(found.spreads[0][name][column] for column in names)) for name, text in TIMES.items())
    return Table("Time of a request", (Column("what"), *(Column(n, "seconds") for n in names)), rows)


def _rates(found: Simulated) -> Table:
    rows = [(text, found.throughput[f"{name}_per_second"], found.throughput[f"{name}_per_second_per_chip"])
            for name, text in (("requests", "requests/s"), ("input_tokens", "input tokens/s"),
                               ("output_tokens", "output tokens/s"))]
    if found.goodput is not None:
        good = found.goodput["requests_per_second"]
        rows.append((f"goodput: requests/s within {_targets(found)} ({units.show(found.goodput['share'], 'ratio')})",
                     good, good / found.case.chips))
    return Table("Throughput", (Column("what"), Column("all", "count"), Column("per chip", "count")), tuple(rows))


def _targets(found: Simulated) -> str:
    t = found.case.targets
    named = (("first token", t.ttft), ("per token", t.tpot))
    return " and ".join(f"{name} ≤ {units.show(x, 'seconds')}" for name, x in named if np.isfinite(x))


def _where(found: Simulated) -> Table:
    used = found.use
    rows = [(f"limited by {text}", getattr(used, name)) for name, text in _CAUSES.items() if getattr(used, name) > 0]
    rows += [("idle", used.idle), ("arithmetic in use (MFU)", used.arithmetic), ("memory bandwidth in use",
                                                                              used.bandwidth)]
    return Table("Where the chips' time goes", (Column("cause"), Column("share", "ratio")), tuple(rows))


def _cost(found: Simulated) -> Table:
    paid = found.dollars
    rows = [(f"{kind} tokens", paid[kind]) for kind in ("input", "cached", "output") if paid[kind] is not None]
    rows.append(("output tokens, if they paid for everything", paid["output_paying_for_all"]))
    return Table(f"Dollars per million (chip-hour at {found.case.price.shown()})",
                 (Column("tokens"), Column("dollars per million", "dollars")), tuple(rows))


def _queues(found: Simulated) -> Table:
    line = found.timeline
    pages = line["kv_occupancy"] * found.kv_blocks * int(found.case.deployment.layout.replicas)
    rows = [("requests waiting", simulated.mean_waiting(found.log), found.most["waiting"]),
            ("requests running", simulated.mean_running(found.log), found.most["running"]),
            ("KV pages in use", pages.mean(), pages.max()),
            ("preemptions of a request", found.log.preemptions.mean(), found.log.preemptions.max())]
    return Table("Queues and memory", (Column("what"), Column("mean", "count"), Column("most", "count")),
                 tuple((text, float(mean), float(most)) for text, mean, most in rows))


def _caches(found: Simulated) -> Iterator[Table]:
    if found.case.deployment.limits.prefix_caching:
        hits = simulated.hits(found.log, found.case.offered.requests)
        rows = (("all caches", hits["prefix"]), ("HBM", hits["hbm"]), *hits["tiers"].items())
        yield Table("Prompt tokens found in a cache", (Column("cache"), Column("share of all", "ratio")), rows)


def _plots(found: Simulated) -> Iterator[Plot]:
    curves = found.spreads[1]
    line = {name: column.tolist() for name, column in found.timeline.items()}
    series = tuple(Series(text, *curves[name]) for name, text in list(TIMES.items())[:3] if curves[name][0])
    yield Plot("Requests served within a time", Axis("time", "seconds", log=True), Axis("share of requests", "ratio"),
               series)
    seconds = Axis("time since the first arrival", "seconds")
    at = [moment - line["seconds"][0] for moment in line["seconds"]]
    yield Plot("Requests in the system", seconds, Axis("requests"),
               (Series("waiting", at, line["waiting"]), Series("running", at, line["running"])))
    yield Plot("KV memory in use", seconds, Axis("share of pages", "ratio"), (Series("in use", at,
                                                                                    line["kv_occupancy"]),))


def _notes(found: Simulated, q: Any) -> Iterator[str]:
    yield from (note for note in found.case.notes if note)
    yield ("Pass times are the roofline's, without an engine's overhead: real ones are longer, so waits are too. Per "
           "output token: the mean gap between a request's tokens after the first.")
    chips = found.case.chips
    yield f"{chips:,} chip{'s' * (chips > 1)} in use are paid for from the first arrival to the last token: " + (
        found.case.price.source + ".")
    if found.sustained is not None:
        yield f"Sustained: the same requests, all there at once, leave at {found.sustained:.3g} a second."
    if found.log.passes.every > 1:
        yield f"The log of passes keeps one in {found.log.passes.every}."
    if q.perfetto and found.log.passes.start.size > MOST_PASSES:
        yield f"The Perfetto file holds the first {MOST_PASSES:,} passes: cut the trace with --duration for others."


def _files(found: Simulated, q: Any) -> Iterator[File]:
    if q.log:
        yield File(q.log, columns=request_log(found))
    if q.perfetto:
        yield File(q.perfetto, value=perfetto(found))


def no_room(found: NoRoom, question: str = "simulate") -> Answer:
    """The answer where the model fits on no layout asked for: why, and what would change that."""
    model, machine = found.model, found.machine
    first, reasons = min(found.reasons, key=lambda entry: float(weight_bytes(model, entry[0])))
    elsewhere = fits(model, machine, 1.0)
    remedies = ("another layout on the same chips",) if elsewhere else what_would_fit(model, machine, 1.0)
    return Answer(question, f"{model.name} does not fit on {machine.title} as {first.name()}: {reasons[0]}.",
                  "bound", feasible=False,
                  reasons=(*(f"would fit with {r}" for r in remedies),
                           *(f"{x.name()}: {'; '.join(why)}" for x, why in found.reasons[:20])),
                  data={"would_fit": list(remedies),
                        "infeasible": [{"layout": x.name(), "reasons": list(why)} for x, why in found.reasons]})
