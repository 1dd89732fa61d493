"""A simulation as an Answer: headline, tables, plots, notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions import intervals_view, simulated
from rackline.decisions.answer import Answer, Axis, Column, File, Plot, Series, Table
from rackline.decisions.clocks import is_calibrated
from rackline.decisions.fitting import fits, what_would_fit
from rackline.decisions.simulate_case import NoRoom
from rackline.decisions.simulate_data import MOST_PASSES, Simulated, data, perfetto, request_log
from rackline.decisions.simulate_explain import explain, sources
from rackline.decisions.simulate_intervals import Between
from rackline.systems.memory import weight_bytes

TIMES = {"time_to_first_token": "to the first token", "time_per_output_token": "per output token",
         "end_to_end": "end to end", "queueing": "in the queue"}
_CAUSES = {"compute": "arithmetic", "memory": "memory", "network": "network", "other": "other"}


def answer(found: Simulated, q: Any, between: Between | None = None) -> Answer:
    """The full answer, with the files asked for; with intervals where the clock is no bound."""
    tables = (*_intervals(between), _times(found, between), _rates(found, between), _where(found),
              _cost(found, between), _queues(found), *_caches(found))
    clocked = {} if between is None else {"clock": "calibrated", "intervals": between.figures}
    return Answer("simulate", headline(found, between), "simulated", tables=tables, plots=tuple(_plots(found, between)),
                  notes=tuple(_notes(found, q, between)), explain=tuple(explain(found)), sources=sources(found),
                  data=data(found) | clocked, files=tuple(_files(found, q)))


_MAIN = {"time_per_output_token.mean": ("time per output token, mean", "seconds"),
         "time_per_output_token.p99": ("time per output token, p99", "seconds"),
         "time_to_first_token.mean": ("time to first token, mean", "seconds"),
         "time_to_first_token.p99": ("time to first token, p99", "seconds"),
         "throughput.output_tokens_per_second": ("output tokens/s", "tokens/s"),
         "goodput.share": ("goodput", "ratio"),
         "dollars_per_million.output_paying_for_all": ("$ per million output tokens", "dollars")}


def _intervals(between: Between | None) -> Iterator[Table]:
    if between is not None:
        yield intervals_view.table(((*titled, between.figures[name]) for name, titled in _MAIN.items()
                                    if name in between.figures), "simulated")


def _ends(between: Between | None, name: str) -> tuple[float, ...]:
    """The ends of a figure's interval, as cells beside it; none where there are no intervals."""
    if between is None:
        return ()
    return between.ends(name) if name in between.figures else (float("nan"),) * 2


def headline(found: Simulated, between: Between | None = None) -> str:
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
    figures = {} if between is None else between.figures
    first, token = (intervals_view.shown(figures.get(f"{name}.p99"), found.spreads[0][name]["p99"], "seconds")
                    for name in ("time_to_first_token", "time_per_output_token"))
    every = f" and a token every {token}" if np.isfinite(found.spreads[0]["time_per_output_token"]["p99"]) else ""
    dollars = intervals_view.shown(figures.get("dollars_per_million.output_paying_for_all"), paid, "dollars")
    return (f"{what}, {count}: 99 % have their first token within {first}{every}; "
            f"{found.throughput['requests_per_second']:.3g} requests/s at {dollars} per million output tokens, chips "
            f"busy {units.show(found.use.busy, 'ratio')}.")


def _layout_name(found: Simulated) -> str:
    d = found.case.deployment
    return d.layout.name() if d.prefill is None else f"{d.prefill.name()} for prompts and {d.layout.name()} for tokens"


def _times(found: Simulated, between: Between | None) -> Table:
    names = ("mean", *(f"p{p}" for p in simulated.PERCENTILES), "max")
    wide = () if between is None else ("mean", "p99")  # beside which the ends of their intervals stand
    titles = [title for n in names for title in (n, *((f"{n} low", f"{n} high") if n in wide else ()))]
    rows = tuple((text, *(cell for n in names for cell in (
        found.spreads[0][name][n], *(_ends(between, f"{name}.{n}") if n in wide else ()))))
        for name, text in TIMES.items())
    return Table("Time of a request", (Column("what"), *(Column(title, "seconds") for title in titles)), rows)


def _rates(found: Simulated, between: Between | None) -> Table:
    rows = [(text, found.throughput[f"{name}_per_second"], *_ends(between, f"throughput.{name}_per_second"),
             found.throughput[f"{name}_per_second_per_chip"])
            for name, text in (("requests", "requests/s"), ("input_tokens", "input tokens/s"),
                               ("output_tokens", "output tokens/s"))]
    if found.goodput is not None:
        good = found.goodput["requests_per_second"]
        rows.append((f"goodput: requests/s within {_targets(found)} ({units.show(found.goodput['share'], 'ratio')})",
                     good, *_goodput_ends(found, between), good / found.case.chips))
    low_high = () if between is None else (Column("low", "count"), Column("high", "count"))
    return Table("Throughput", (Column("what"), Column("all", "count"), *low_high, Column("per chip", "count")),
                 tuple(rows))


def _goodput_ends(found: Simulated, between: Between | None) -> tuple[float, ...]:
    """Requests/s that meet the targets at both ends of the share, at the rate that was served."""
    return tuple(share * found.throughput["requests_per_second"] for share in _ends(between, "goodput.share"))


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


def _cost(found: Simulated, between: Between | None) -> Table:
    paid = found.dollars
    named = [(kind, f"{kind} tokens") for kind in ("input", "cached", "output") if paid[kind] is not None]
    named.append(("output_paying_for_all", "output tokens, if they paid for everything"))
    rows = tuple((text, paid[kind], *_ends(between, f"dollars_per_million.{kind}")) for kind, text in named)
    low_high = () if between is None else (Column("low", "dollars"), Column("high", "dollars"))
    return Table(f"Dollars per million (chip-hour at {found.case.price.shown()})",
                 (Column("tokens"), Column("dollars per million", "dollars"), *low_high), rows)


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


def _plots(found: Simulated, between: Between | None) -> Iterator[Plot]:
    curves = found.spreads[1]
    line = {name: column.tolist() for name, column in found.timeline.items()}
    shares = lambda name: () if between is None else tuple(x.tolist() for x in between.shares(name))  # noqa: E731
    queue = lambda name: () if between is None else tuple(x.tolist() for x in between.queue(name))  # noqa: E731
    series = tuple(Series(text, *curves[name], *shares(name)) for name, text in list(TIMES.items())[:3]
                   if curves[name][0])
    yield Plot("Requests served within a time", Axis("time", "seconds", log=True), Axis("share of requests", "ratio"),
               series)
    seconds = Axis("time since the first arrival", "seconds")
    at = [moment - line["seconds"][0] for moment in line["seconds"]]
    yield Plot("Requests in the system", seconds, Axis("requests"),
               tuple(Series(name, at, line[name], *queue(name)) for name in ("waiting", "running")))
    yield Plot("KV memory in use", seconds, Axis("share of pages", "ratio"), (Series("in use", at,
                                                                                    line["kv_occupancy"]),))


def _notes(found: Simulated, q: Any, between: Between | None) -> Iterator[str]:
    yield from (note for note in found.case.notes if note)
    yield ("Per output token: the mean gap between a request's tokens after the first." + ("" if is_calibrated(q) else
           " Pass times are the roofline's, without an engine's overhead: real ones are longer, so waits are too."))
    if between is not None:
        yield ("Low and high: the same requests simulated again with every pass as fast and as slow as it may be; "
               "first tokens are also as far off as first tokens were found to be, which prompts delay by more than "
               "their passes.")
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
    elsewhere = fits(model, machine, 1.0, found.usable)
    remedies = ("another layout on the same chips",) if elsewhere else what_would_fit(model, machine, 1.0, found.usable)
    return Answer(question, f"{model.name} does not fit on {machine.title} as {first.name()}: {reasons[0]}.",
                  "derived", feasible=False,
                  reasons=(*(f"would fit with {r}" for r in remedies),
                           *(f"{x.name()}: {'; '.join(why)}" for x, why in found.reasons[:20])),
                  data={"would_fit": list(remedies),
                        "infeasible": [{"layout": x.name(), "reasons": list(why)} for x, why in found.reasons]})
