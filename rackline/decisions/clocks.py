"""The clock that a question asks for, and what its predictions rest on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from rackline.decisions.answer import Answer, Line, Source
from rackline.decisions.cite import cite
from rackline.errors import BadInput
from rackline.facts.calibration import Calibration, calibration, read_calibration
from rackline.facts.fact import Fact
from rackline.facts.measured_things import measured_chip
from rackline.facts.model import Model
from rackline.systems.calibrated import CARDS, FAMILY, Calibrated, calibrated, on_a_bus
from rackline.systems.clock import Clock, Roofline
from rackline.systems.layout import Layout
from rackline.systems.parts import PARTS
from rackline.systems.passes import Pass
from rackline.systems.serving import Server

CLOCKS = ("roofline", "calibrated")
WITHIN = ("Between low and high nine of ten real systems should lie: what the fit left over, its coefficients' own "
          "intervals and those of the facts (rates, networks, price) in quadrature. Other traffic comes on top.")
_SERIES = " · "  # between the words of a series in a calibration
_PRECISIONS = {"nvfp4": "fp4", "mxfp4": "fp4"}  # our formats as the measurements name them, where they differ


def is_calibrated(q: Any) -> bool:
    """Whether a question asks for the clock of measurements."""
    return getattr(q, "clock", CLOCKS[0]) != CLOCKS[0]


def clock_of(q: Any) -> Clock:
    """The clock of a question; of a plan for one engine, that engine's. BadInput for a calibration that is not used."""
    if is_calibrated(q):
        return calibrated(engine_of(q), calibration_of(q))
    if getattr(q, "calibration", None):
        raise BadInput("--calibration", "belongs to --clock calibrated", str(q.calibration))
    return Roofline()


def check_engine(q: Any) -> None:
    """BadInput for an engine named to a clock that knows none."""
    if engine_of(q) and not is_calibrated(q):
        raise BadInput("--engine", "belongs to --clock calibrated", q.engine)


def engine_of(q: Any) -> str:
    """The one engine that a question names, or none."""
    engine = getattr(q, "engine", None) or ""
    return "" if engine == "all" else engine


def calibration_of(q: Any) -> Calibration:
    """The bundled calibration, or a file's families over it; BadInput for a file that is none."""
    if not getattr(q, "calibration", None):
        return calibration()
    own = read_calibration(q.calibration)
    _check_passes(own)
    # a user's passes are of whatever machines they were measured on: the bundled cards' own would hide them
    bundled = {name: family for name, family in calibration().families.items() if name != CARDS}
    return own.model_copy(update={"families": {**bundled, **own.families}})


def _check_passes(own: Calibration) -> None:
    """BadInput for a calibration of something else than passes, or of some of their coefficients."""
    if FAMILY not in own.families:
        raise BadInput("--calibration", f"must hold coefficients of passes ({FAMILY})",
                       ", ".join(own.families) or "none", "fit it to times per output token")
    lacking = [part for part in PARTS if part not in own.families[FAMILY].coefficients]
    if lacking:
        raise BadInput("--calibration", f"must have every coefficient of {FAMILY}", f"no {', '.join(lacking)}",
                       "fit it again: rackline calibrate --from FILE --to FILE")


# ---- what it rests on


def rests_on(q: Any, model: Model) -> dict[str, Any]:
    """Whether model, chip, engine and all together with the precision were among the rows that the clock rests on."""
    by, engine, chip = calibration_of(q), engine_of(q), q.on.chip.name
    series = {(name, measured_chip(hardware), runs, precision) for name, hardware, runs, precision, *_ in (
        words.split(_SERIES) for words in {**calibration().families[FAMILY].spread, **by.families[FAMILY].spread})}
    models, chips, engines = ({one[i] for one in series} for i in range(3))
    own = {(model.name, chip, engine, precision) for precision in precisions(q, model)}
    return {"calibration": by.name, "rows": by.families[FAMILY].rows, "few": by.families[FAMILY].few,
            "model": model.name in models, "chip": chip in chips, "engine": engine in engines if engine else None,
            "series": bool(own & series), "interval": "unseen",
            "cards": by.families[CARDS].rows if CARDS in by.families and on_a_bus(q.on) else 0}


def precisions(q: Any, model: Model) -> set[str]:
    """The words that measurements have for the model's weights."""
    routed = any(feed.experts for feed, _ in model.feed_forwards())
    stored = model.formats["experts" if routed else "dense"]
    return {_PRECISIONS.get(stored, stored), *(() if getattr(q, "weights", None) else ("as configured",))}


def notes(q: Any, model: Model) -> Iterator[str]:
    """What the calibrated clock rests on and what its intervals hold, in sentences."""
    on = rests_on(q, model)
    things = {f"the model {model.name}": on["model"], f"the chip {q.on.chip.name}": on["chip"],
              **({f"the engine {engine_of(q)}": on["engine"]} if engine_of(q) else {}),
              "this series (model, chip, engine, precision)": on["series"]}
    known, new = ([thing for thing, seen in things.items() if seen is wanted] for wanted in (True, False))
    yield (f"Calibrated clock: fitted to {on['rows']:,} rows of {on['calibration']}. Among them: "
           f"{', '.join(known) or 'none of this'}. Not among them: {', '.join(new) or 'none of this'}.")
    if on["cards"]:
        yield (f"Cards and PCIe boxes have coefficients of their own: those of kernels and single passes, moved by "
               f"{on['cards']:,} logged requests; their interval is the pooled clock's.")
    yield ("The interval is that of models, chips and series that the fit had not seen" +
           ("; the correction that this series' own rows would give is not applied here." if on["series"] else "."))
    if not engine_of(q):
        yield "No engine is named: the fixed times are those that engines have in common (--engine adds one's own)."
    if on["few"]:
        yield "The calibration has few rows: it is held at the bundled values, and its interval is doubled."
    yield WITHIN


def told(answer: Answer, q: Any, model: Model) -> Answer:
    """The answer with what a calibrated clock rests on; as it is under a roofline."""
    if not is_calibrated(q) or not answer.feasible:
        return answer
    return replace(answer, notes=(*notes(q, model), *answer.notes),
                   data={**answer.data, "rests_on": rests_on(q, model)})


def passed_down(answer: Answer, q: Any, model: Model) -> Answer:
    """The answer of a question whose every time is the clock's: its badge, what it rests on, how far off it may be."""
    clock = clock_of(q)
    if not isinstance(clock, Calibrated) or not answer.feasible:
        return answer
    band = clock.band(FAMILY)
    low, high = (float(np.exp(end)) for end in (band.low, band.high))
    off = (f"Times here, and dollars with them, are of that clock: nine of ten real ones lie between {low:.2f} and "
           f"{high:.2f} times what is shown, before the facts' own intervals.")
    shown = told(replace(answer, badge="calibrated" if answer.badge == "bound" else answer.badge), q, model)
    return replace(shown, notes=(*(note for note in shown.notes if note != WITHIN), off),
                   data={**shown.data, "clock": "calibrated", "seconds_factor": {"low": low, "high": high}})


# ---- its arithmetic and sources

def lines(server: Server, layout: Layout, pass_: Pass) -> Iterator[Line]:
    """How a calibrated pass comes about: each resource at its coefficient, then fixed times. Empty for a roofline."""
    if not isinstance(server.clock, Calibrated):
        return
    timed, clock = server.passed(layout, pass_), server.clock.on(server.machine)
    shown, reached = clock.coefficients, "the datasheet's" if clock.rated else "as benchmarks reach"
    memory = ", ".join(f"{name} × {shown[name].value:.3g}" for name in PARTS[:3])
    stages = float(layout.pipeline)
    for what, equation, numbers, seconds in (
            ("arithmetic, calibrated", "k_compute*t", f"{reached} × {shown['compute'].value:.3g}", timed.compute),
            ("memory, calibrated", "k_memory*t", memory, timed.memory),
            ("messages, calibrated", "k_network*t", f"{reached} × {shown['network'].value:.3g}", timed.network),
            ("starting kernels and messages, moving tokens", "sum over layers, messages, experts and tokens",
             _fixed(clock), timed.overhead),
            ("pass, calibrated", "sum over terms of max(compute, memory) + network, + fixed times",
             f"{len(timed.terms)} terms", timed.time)):
        yield Line(what, equation, numbers, float(np.asarray(seconds)) * stages, "seconds")


def _fixed(clock: Calibrated) -> str:
    known = clock.coefficients
    names = ("layer", "message", "hop", "pick", "sequence")
    each = ", ".join(f"{known[name].value:.3g} µs a {name}" for name in names if name in known)
    own = f"layer {clock.engine}"
    return f"{each}; {own} × {known[own].value:.3g}" if own in known else each


def sources(server: Server, layout: Layout, pass_: Pass) -> tuple[Source, ...]:
    """The coefficients that move the seconds of a pass, each with the rows that it came from."""
    if not isinstance(server.clock, Calibrated):
        return ()
    clock = server.clock.on(server.machine)

    def time(coefficients: dict[str, Any]) -> float:
        changed = Server(server.model, server.machine, replace(clock, coefficients=coefficients, families={}))
        return float(changed.stage_time(layout, pass_))

    return tuple(replace(one, name=f"clock: {one.name}", shown=_coefficient(clock.coefficients[one.name]))
                 for one in cite(time, dict(clock.coefficients)) if one.elasticity)


def _coefficient(fact: Fact) -> str:
    """A coefficient with its interval: microseconds each, or times what the datasheet says."""
    each = " µs each" if fact.note == "us" else " × the datasheet's seconds"
    return f"{fact.value:.3g}{each} ({fact.low:.3g} … {fact.high:.3g})"
