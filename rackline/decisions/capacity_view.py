"""A capacity question's answer: headline, probes, the curve of one replica."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from rackline import units
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table, finite
from rackline.decisions.intervals import figure
from rackline.decisions.plan_data import sizes
from rackline.decisions.probes import MOST_REPLICAS, Probe
from rackline.systems.calibrated import Calibrated

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
                  tables=(*_edges(sized), _probes(sized), *_curve(sized)), plots=tuple(_plots(sized)),
                  notes=tuple(_notes(sized)), explain=tuple(_explain(sized)), data=data(sized),
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
    return (f"{name} needs {sized.replicas:,} replica{'s' * (sized.replicas > 1)}{_likely(sized)} ({chips:,} "
            f"chip{'s' * (chips > 1)} of {case.deployment.machine.title}) for {asked}{one}; "
            f"{units.show(_hourly(sized), 'dollars/hour')} for all.")


def _likely(sized: Sized) -> str:
    """Between which numbers nine of ten real systems would need."""
    if not sized.edges:
        return ""
    fewest, most = (edge.replicas for edge in sized.edges)
    return f" (nine of ten real systems {fewest or 0:,} to {f'{most:,}' if most else 'endless'})"


def _edges(sized: Sized) -> Iterator[Table]:
    """What passes at both ends of their interval ask for."""
    if not sized.edges or sized.around is None:
        return
    ends = (0.0, *sized.around.ends)
    columns = (Column("every pass takes"), Column("times the mean pass", "count"), Column("replicas", "count"),
               Column("chips", "count"), Column("for all", "dollars/hour"), Column("sustained requests/s", "count"))
    rows = tuple((what, float(np.exp(end)), *_needed(one), finite(one.sustained)) for what, end, one in zip(
        ("as calibrated", "as little as it may", "as long as it may"), ends, (sized, *sized.edges), strict=True))
    yield Table("Nine of ten real systems lie between both ends; — : no number of replicas meets the targets", columns,
                rows)


def _needed(sized: Sized) -> tuple[float | None, float | None, float | None]:
    """Replicas, chips and dollars an hour; None where none are enough."""
    if sized.replicas is None:
        return None, None, None
    return sized.replicas, sized.replicas * int(sized.prober.case.deployment.layout.chips), _hourly(sized)


def _interval(sized: Sized) -> dict[str, Any]:
    """For --json: the numbers of replicas at both ends, and the factors of a pass there."""
    if not sized.edges or sized.around is None:
        return {}
    fewest, most = (_needed(edge) for edge in sized.edges)
    names = ("replicas", "chips", "dollars_per_hour")
    ends = {name: {"value": value, "low": low, "high": high}
            for name, value, low, high in zip(names, _needed(sized), fewest, most, strict=True)}
    return {"clock": "calibrated", "intervals": ends | {"pass": figure(1.0, sized.around)}}


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
    if not sized.curve:
        return
    p = f"p{sized.prober.percentile:g}"
    ends = [Column(f"{what}, {p} {end}", "seconds") for what in ("first token", "per token") for end in ("low", "high")
            if sized.edges]
    bands = [_band(sized, name) for name in ("ttft", "tpot") if sized.edges]
    rows = tuple((*_row(probe), *(edge[i] for band in bands for edge in band)) for i, probe in enumerate(sized.curve))
    yield Table("One replica at other rates", (*_columns(sized), *ends), rows)


def _band(sized: Sized, key: str) -> tuple[list[float], list[float]]:
    """The ends of one time of each point of the curve: of the runs with fast and with slow passes."""
    runs = [[getattr(probe, key) for probe in one.curve] for one in (sized, *sized.edges)]
    return [min(at) for at in zip(*runs, strict=True)], [max(at) for at in zip(*runs, strict=True)]


def _plots(sized: Sized) -> Iterator[Plot]:
    if not sized.curve:
        return
    p, targets = f"p{sized.prober.percentile:g}", sized.prober.case.targets
    rates = [probe.rate for probe in sized.curve]
    marks = tuple((x, text) for x, text in ((sized.rate, "within targets"), (sized.sustained, "sustained")) if x)
    for name, what, target in (("ttft", "Time to the first token", targets.ttft),
                               ("tpot", "Time per output token", targets.tpot)):
        curves = [Series(label, rates, [getattr(probe, key) for probe in sized.curve],
                         *(_band(sized, key) if sized.edges else ()))
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
    if not isinstance(case.deployment.clock, Calibrated):
        yield "Pass times are the roofline's, without an engine's overhead: a real engine needs more replicas."
    yield f"Chip-hour at {case.price.shown()}: {case.price.source}."


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
        "interrupted": sized.interrupted, **_interval(sized),
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
