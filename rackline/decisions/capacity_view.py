"""A capacity question's answer: headline, probes, the curve of one replica."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from rackline import units
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table, finite
from rackline.decisions.plan_data import sizes
from rackline.decisions.probes import MOST_REPLICAS, Probe

if TYPE_CHECKING:
    from rackline.decisions.capacity import Sized


def answer(sized: Sized) -> Answer:
    """The answer as far as it is known."""
    if sized.alone is not None and not sized.alone.met:
        return _never(sized)
    case = sized.prober.case
    done = sized.replicas is not None
    price, trace = case.price, case.offered.trace
    return Answer("capacity", headline(sized), "simulated", feasible=done or sized.interrupted,
                  tables=(_probes(sized), *_curve(sized)), plots=tuple(_plots(sized)), notes=tuple(_notes(sized)),
                  explain=tuple(_explain(sized)), data=data(sized),
                  sources=(Source("price per chip-hour", price.shown(), price.source, price.date),
                           Source("request trace", trace.name, trace.source, "")))


def headline(sized: Sized) -> str:
    """One sentence: how many replicas, what one carries, what they cost; or how far the search came."""
    case, layout = sized.prober.case, sized.prober.case.deployment.layout
    name, trace = f"{case.deployment.model.name} as {layout.name()}", case.offered.trace.name
    asked = f"{trace} at {case.offered.rate:.3g} requests/s with {_asked(sized)}"
    if sized.replicas is None:
        between = f"more than {sized.low:,}" + (f" and at most {sized.high:,}" if sized.high else "")
        why = "interrupted: " if sized.interrupted else "not found: "
        return f"{why}{name} on {case.deployment.machine.title} needs {between} replicas for {asked}."
    chips = sized.replicas * int(layout.chips)
    one = f"; one alone carries {sized.rate:.3g} requests/s" if sized.rate else ""
    return (f"{name} needs {sized.replicas:,} replica{'s' * (sized.replicas > 1)} ({chips:,} "
            f"chip{'s' * (chips > 1)} of {case.deployment.machine.title}) for {asked}{one}; "
            f"{units.show(_hourly(sized), 'dollars/hour')} for all.")


def _hourly(sized: Sized) -> float:
    case = sized.prober.case
    return (sized.replicas or 0) * int(case.deployment.layout.chips) * case.price.value


def _asked(sized: Sized) -> str:
    targets, p = sized.prober.case.targets, f"p{sized.prober.percentile:g}"
    return " and ".join(f"{p} {name} ≤ {units.show(value, 'seconds')}" for name, value in
                        (("first token", targets.ttft), ("per token", targets.tpot)) if np.isfinite(value))


def _columns(sized: Sized) -> tuple[Column, ...]:
    p = f"p{sized.prober.percentile:g}"
    return (Column("replicas", "count"), Column("requests/s offered", "count"), Column("served", "count"),
            Column("first token, p50", "seconds"), Column(p, "seconds"), Column("per token, p50", "seconds"),
            Column(f"{p} ", "seconds"), Column("meets the targets"))


def _row(probe: Probe) -> tuple[Any, ...]:
    return (probe.replicas, probe.rate, probe.served, probe.ttft_median, probe.ttft, probe.tpot_median, probe.tpot,
            "yes" if probe.met else "no")


def _probes(sized: Sized) -> Table:
    rows = tuple(_row(p) for p in sorted(sized.probes, key=lambda p: p.replicas))
    return Table("Probes of the whole trace", _columns(sized), rows)


def _curve(sized: Sized) -> Iterator[Table]:
    if sized.curve:
        yield Table("One replica at other rates", _columns(sized), tuple(_row(p) for p in sized.curve))


def _plots(sized: Sized) -> Iterator[Plot]:
    if not sized.curve:
        return
    p, targets = f"p{sized.prober.percentile:g}", sized.prober.case.targets
    rates = [probe.rate for probe in sized.curve]
    marks = tuple((x, text) for x, text in ((sized.rate, "within targets"), (sized.sustained, "sustained")) if x)
    for name, what, target in (("ttft", "Time to the first token", targets.ttft),
                               ("tpot", "Time per output token", targets.tpot)):
        curves = [Series(label, rates, [getattr(probe, key) for probe in sized.curve])
                  for label, key in ((p, name), ("p50", f"{name}_median"))]
        if np.isfinite(target):
            curves.append(Series("target", rates, [target] * len(rates)))
        yield Plot(f"{what} of one replica", Axis("requests/s offered"), Axis("time", "seconds", log=True),
                   tuple(curves), marks)


def _notes(sized: Sized) -> Iterator[str]:
    case = sized.prober.case
    yield from (note for note in case.notes if note)
    yield (f"Bisection on whole simulations, {case.deployment.routing} routing: the fewest replicas that meet the "
           "targets while one fewer does not.")
    if np.isfinite(sized.sustained):
        yield (f"Without targets one replica sustains {sized.sustained:.3g} requests/s: the same requests, all there "
               "at once.")
    yield ("Pass times are the roofline's, without an engine's overhead: a real engine needs more replicas. "
           f"Chip-hour at {case.price.shown()}: {case.price.source}.")


def _explain(sized: Sized) -> Iterator[Line]:
    case = sized.prober.case
    if sized.replicas is None or case.offered.rate is None:
        return
    yield Line("replicas that the rate alone asks for", "ceil(rate/sustained)",
               f"{case.offered.rate:.4g} / {sized.sustained:.4g}", float(np.ceil(case.offered.rate / sized.sustained)),
               "count")
    yield Line("dollars an hour", "replicas*chips*price",
               f"{sized.replicas} × {int(case.deployment.layout.chips)} × {case.price.value:g} $/h", _hourly(sized),
               "dollars/hour")


def data(sized: Sized) -> dict[str, Any]:
    """What --json prints."""
    case, done = sized.prober.case, sized.replicas is not None
    layout, rate = case.deployment.layout, case.offered.rate
    return {
        "model": case.deployment.model.name, "machine": case.deployment.machine.name, "layout_name": layout.name(),
        "layout": sizes(layout), "trace": case.offered.trace.name, "requests": len(case.offered.trace),
        "offered_requests_per_second": rate, "percentile": sized.prober.percentile,
        "targets": {"time_to_first_token": finite(case.targets.ttft),
                    "time_per_output_token": finite(case.targets.tpot)},
        "replicas": sized.replicas, "chips": sized.replicas * int(layout.chips) if sized.replicas else None,
        "between": [sized.low, sized.high], "sustained_requests_per_second": finite(sized.sustained),
        "replica_requests_per_second": sized.rate, "dollars_per_hour": _hourly(sized) if done else None,
        "price_per_chip_hour": case.price.value, "probes": [asdict(p) for p in sized.probes],
        "curve": [asdict(p) for p in sized.curve], "alone": asdict(sized.alone) if sized.alone else None,
        "interrupted": sized.interrupted,
    }


def _never(sized: Sized) -> Answer:
    """The answer where no number of replicas helps: a request that shares its chips with nobody is too slow."""
    probe, case = sized.alone, sized.prober.case
    assert probe is not None
    p = f"p{sized.prober.percentile:g}"
    missed = [f"{p} {name} of {units.show(value, 'seconds')} for a target of {units.show(target, 'seconds')}"
              for name, value, target in (("first token", probe.ttft, case.targets.ttft),
                                          ("per token", probe.tpot, case.targets.tpot)) if value > target]
    return Answer("capacity", f"No number of replicas of {case.deployment.model.name} as "
                  f"{case.deployment.layout.name()} on {case.deployment.machine.title} meets {_asked(sized)}: requests "
                  "that hardly ever meet miss it already.", "simulated", feasible=False, reasons=tuple(missed),
                  notes=(f"At most {MOST_REPLICAS:,} replicas are tried; more chips a replica (--layout) make a "
                         "request faster, more replicas do not.",), data=data(sized))
