"""A calibration fitted again: from the bundled measurements, or from a user's own, held at the bundled where few."""

from __future__ import annotations

from math import exp
from typing import Any

from rackline.decisions.accuracy import judging
from rackline.decisions.accuracy.calibrated_from import FEW, calibrate
from rackline.decisions.accuracy.run_fit import with_cards
from rackline.decisions.accuracy.samples import samples
from rackline.decisions.accuracy.settings import NO_HARDWARE, STATE_IT
from rackline.decisions.answer import Answer, Column, File, Source, Table
from rackline.decisions.vllm_runs import deployment_of
from rackline.errors import BadInput
from rackline.facts.calibration import Calibration, Family, as_data, calibration
from rackline.facts.observations import Observations, bundled, observations
from rackline.facts.vllm_logs import run_names, serving_run
from rackline.systems.calibrated import on_a_bus

_UNITS = {"us": "µs each", "ms": "ms"}


def answer(q: Any) -> Answer:
    """The fitted coefficients with intervals; BadInput where no row can be used."""
    found = observations(q.from_) if q.from_ else bundled()
    given, refused = samples(found.rows) if q.from_ else (list(judging.known()), [])
    if found.runs:
        made = _by_runs(found)
    elif not given:
        row, why = refused[0]
        raise BadInput("--from", "must hold at least one row that a clock can be fitted to", f"{row.id}: {why}",
                       STATE_IT if why == NO_HARDWARE else "")
    else:
        made = calibrate(given, found.name, calibration() if q.from_ else None)
        made = made if q.from_ else with_cards(made, [serving_run(name) for name in run_names()])
    files = (File(q.to, value=as_data(made)),) if q.to else ()
    return Answer("calibrate", headline(made, q.to), "calibrated", tables(made, found, refused), notes=notes(made, q),
                  sources=tuple(_sources(made)), data={"calibration": as_data(made)}, files=files)


def _by_runs(found: Observations) -> Calibration:
    """The bundled calibration with the coefficients of cards moved by logs of runs on such."""
    for run in found.runs:
        if not on_a_bus(deployment_of(run).machine):
            raise BadInput("--from", "must be runs on single cards or PCIe boxes: other clocks are fitted to tables",
                           f"{run.name} on {run.machine}")
    made = with_cards(calibration(), [*(serving_run(name) for name in run_names()), *found.runs])
    return made.model_copy(update={"name": found.name})


def headline(made: Calibration, to: str | None) -> str:
    """One sentence: what was fitted to what."""
    rows = sum(family.rows for family in made.families.values())
    kept = f", written to {to}" if to else ""
    return f"{len(made.families)} families of coefficients fitted to {rows:,} rows of {made.name}{kept}."


def tables(made: Calibration, found: Observations, refused: list) -> tuple[Table, ...]:
    """The coefficients of every family, its intervals, and what was not used."""
    columns = (Column("family"), Column("coefficient"), Column("value", "count"), Column("low", "count"),
               Column("high", "count"), Column("unit"))
    rows = tuple((name, part, fact.value, fact.low, fact.high, _UNITS.get(fact.note, "× the datasheet's seconds"))
                 for name, family in made.families.items() for part, fact in family.coefficients.items())
    bands = tuple((name, float(f.rows), *_ends(f)) for name, f in made.families.items())
    widths = Table("Nine of ten new series lie between (measured over predicted)",
                   (Column("family"), Column("rows", "count"), Column("low", "count"), Column("high", "count")), bands)
    left = [(row.id, why) for row, why in refused] + list(found.faults)
    unused = Table("Not used", (Column("row or line"), Column("why")), tuple(left[:20]))
    return (Table("Coefficients", columns, rows), widths, *((unused,) if left else ()))


def _ends(family: Family) -> tuple[float, float]:
    return exp(family.unseen.low), exp(family.unseen.high)


def notes(made: Calibration, q: Any) -> tuple[str, ...]:
    """Which families had too few rows, and that nothing bundled is overwritten."""
    few = [f"{name}: {family.rows} rows are fewer than {FEW}: held at the bundled values, intervals widened."
           for name, family in made.families.items() if family.few]
    keep = () if q.to else ("Nothing is written; --to FILE.json keeps it, and validate --calibration reads it.",)
    return (*few, *keep)


def _sources(made: Calibration) -> list[Source]:
    return [Source(f"{name}.{part}", f"{fact.value:g}", fact.source, fact.date)
            for name, family in made.families.items() for part, fact in family.coefficients.items()]
