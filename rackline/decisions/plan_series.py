"""A plan's layouts as a measured series says: corrected from its own residuals, with its own narrower interval."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from rackline.decisions import clocks
from rackline.decisions.accuracy.calibrated_from import predictions
from rackline.decisions.accuracy.predicted import Predicted
from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.samples import samples
from rackline.decisions.accuracy.settings import setting
from rackline.decisions.answer import Answer, Column, Table
from rackline.decisions.planned import Planned
from rackline.decisions.search import Option
from rackline.facts.measured_things import measured_chip, model_name
from rackline.facts.measurements import Load, Measured, Sizes
from rackline.facts.observations import bundled
from rackline.systems.calibrated import FAMILY

_METRICS = {"tpot": "time_per_output_token", "ttft": "time_to_first_token"}
_BASES = {"seen": "in these sizes", "near": "in other sizes", "unseen": "not at all"}
_Found = dict[str, Predicted]  # by metric


def added(answer: Answer, planned: Planned) -> Answer:
    """The answer with what the measured series says of its layouts; as it is where no series is the one asked about."""
    q = planned.request
    like = None if q.kv or q.confirm else _series(q, planned)
    if like is None:
        return answer
    options = planned.ranked[:max(1, q.top)]
    found = _predicted(q, planned, like, options)
    rows = [(options[i], one) for i, one in sorted(found.items()) if len(one) == len(_METRICS)]
    if not rows:
        return answer
    return replace(answer, tables=(answer.tables[0], _table(rows, like), *answer.tables[1:]),
                   notes=(*answer.notes, _note(like)),
                   data={**answer.data, "as_measured": [_data(option, one) for option, one in rows]})


def _series(q: Any, planned: Planned) -> Sample | None:
    """The newest sample of the series of this model, chip, engine and precision; None where there is none."""
    model, engine, chip = planned.question.server.model, clocks.engine_of(q), q.on.chip.name
    if not clocks.is_calibrated(q) or not clocks.rests_on(q, model)["series"]:
        return None
    precisions = clocks.precisions(q, model)
    own = [s for s in _known(model.name) if s.family == FAMILY and not s.like.flag and s.like.precision in precisions
           and (s.like.model, measured_chip(s.like.chip), s.like.engine) == (model.name, chip, engine)]
    return max(own, key=lambda s: [int(n) for n in re.findall(r"\d+", s.like.version)], default=None)


@cache
def _known(name: str) -> tuple[Sample, ...]:
    """The bundled times of a model's tokens and first tokens; a series is corrected by its own rows alone."""
    return tuple(samples(row for row in bundled().rows if row.metric in _METRICS and model_name(row) == name)[0])


def _predicted(q: Any, planned: Planned, like: Sample, options: Sequence[Option]) -> dict[int, _Found]:
    """Predictions by the option's place; of prompts and tokens on the same chips, as series were measured.

    Ignores: layouts with stages or split contexts, which no measured series of serving has.
    """
    work = planned.question.work
    asked = {f"{i}:{metric}": (i, metric) for i, o in enumerate(options) for metric in _METRICS
             if o.mode == "together" and o.layout.context == o.layout.pipeline == 1}
    rows = [_row(like.row, name, metric, options[i], (work.input, work.output)) for name, (i, metric) in asked.items()]
    given, _ = samples(rows)
    found: dict[int, _Found] = {}
    for one in predictions(clocks.calibration_of(q), _known(like.like.model), given):
        i, metric = asked[one.row.id]
        found.setdefault(i, {})[metric] = one
    return found


def _row(base: Measured, name: str, metric: str, option: Option, lengths: tuple[float, float]) -> Measured:
    """The row that measuring an option with so many clients would have given, as the series publishes its own."""
    layout = option.layout
    sizes = Sizes(int(layout.tensor), int(layout.expert), int(layout.pipeline), int(layout.data))
    start, output = lengths
    row = replace(base, id=name, metric=metric, value=1.0, unit="seconds", chips=int(layout.replica), sizes=sizes,
                  load=Load(start, output, concurrency=option.batch))
    means = setting(row)  # of a source that states its longest lengths, shorter than those asked for
    return replace(row, load=Load(start * start / means.input, output * output / means.output,
                                  concurrency=option.batch))


def _table(rows: Sequence[tuple[Option, _Found]], like: Sample) -> Table:
    columns = [Column("layout"), Column("clients", "count")]
    for what in ("per token", "first token"):
        columns += [Column(f"{what}{end}", "seconds") for end in ("", " low", " high")]
    cells = tuple((o.layout.name(), o.batch, *(value for metric in _METRICS for value in _ends(one[metric])),
                   _BASES[one["tpot"].basis]) for o, one in rows)
    words = ", ".join(like.like.series[:4])
    return Table(f"The same layouts as the measured series says: {words}", (*columns, Column("measured")), cells)


def _ends(one: Predicted) -> tuple[float, float, float]:
    return one.seconds, one.low, one.high


def _note(like: Sample) -> str:
    starting = "that all start at once" if like.bursts else "in a steady state"
    return (f"The measured series corrects the clock by its own residuals ({like.like.engine} "
            f"{like.like.version or 'of no stated version'}): a replica's clients in a closed loop {starting}, outputs "
            "as long as asked. Its intervals are those of configurations left out of their own series.")


def _data(option: Option, one: _Found) -> dict[str, Any]:
    return {"layout": option.layout.name(), "clients": option.batch, "basis": one["tpot"].basis,
            **{name: dict(zip(("value", "low", "high"), _ends(one[metric]), strict=True))
               for metric, name in _METRICS.items()}}
