"""How accurate is it: predictions of measured rows, errors by metric and group, the worst rows, the rows without."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rackline import units
from rackline.decisions.accuracy import judging
from rackline.decisions.accuracy.judged_cache import SIZES
from rackline.decisions.accuracy.judging import Judged
from rackline.decisions.accuracy.predicted import Predicted
from rackline.decisions.accuracy.replays import MODE
from rackline.decisions.accuracy.settings import NO_HARDWARE, STATE_IT
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table
from rackline.facts.calibration import calibration, read_calibration
from rackline.facts.observations import everything, observations

WORST = 12
_ERRORS = (Column("rows", "count"), Column("median", "ratio"), Column("mean", "ratio"), Column("bias", "ratio"),
           Column("p90", "ratio"), Column("in the 90 % interval", "ratio"))
_KEYS = ("n", "median_ape", "mape", "bias", "p90_ape", "coverage90")


def answer(q: Any) -> Answer:
    """The error table of a file of measurements, or of all bundled ones; infeasible where no row can be predicted."""
    by = read_calibration(q.calibration) if q.calibration else calibration()
    found = observations(q.against) if q.against else everything()
    judged = judging.judge(found, by)
    if not judged.predicted:
        return nothing(judged, q.top)
    return Answer("validate", headline(judged), "calibrated", tables(judged, q.top), (plot(judged),), notes(judged),
                  explained(judged), sources(judged), data=data(judged, q.top))


def nothing(judged: Judged, top: int) -> Answer:
    """The answer for rows that were read and of which none can be predicted: the reasons, counted."""
    row, why = judged.refused[0]
    reasons = tuple(f"{metric}: {reason} ({count:,} {'row' if count == 1 else 'rows'})"
                    for metric, m in judging.metrics(judged).items() for reason, count in m["refused"].items())
    said = f"None of the {len(judged.refused):,} rows of {judged.name} can be predicted; the first, {row.id}: {why}."
    hint = (f"Hardware: {STATE_IT}.",) if any(why == NO_HARDWARE for _, why in judged.refused) else ()
    return Answer("validate", said, "calibrated", _reasons(judged), notes=hint, feasible=False, reasons=reasons,
                  data=data(judged, top))


def headline(judged: Judged) -> str:
    """One sentence: how many rows, how far off."""
    parts = [f"{name} {_percent(m['median_ape'])} median, {_percent(m['mape'])} mean of {m['n']:,}"
             for name, m in sorted(judging.metrics(judged).items(), key=lambda found: -found[1]["n"]) if m["n"]]
    return (f"{len(judged.predicted):,} rows of {judged.name} predicted: {'; '.join(parts[:3])}"
            f"{'; …' if len(parts) > 3 else ''}. {len(judged.refused) + len(judged.faults):,} without a prediction.")


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{100 * ratio:.1f} %"


def tables(judged: Judged, top: int) -> tuple[Table, ...]:
    """By metric, by basis, by group, the worst rows, the reasons of rows without a prediction."""
    line = lambda m: tuple(m[key] for key in _KEYS)  # noqa: E731
    found = dict(sorted(judging.metrics(judged).items(), key=lambda m: -m[1]["n"]))
    metric = Table("Absolute error by metric", (Column("metric"), *_ERRORS),
                   tuple((name, *line(m)) for name, m in found.items() if m["n"]))
    rests = judging.by_basis(judged)
    basis = Table("What the predictions rest on", (Column("metric"), Column("series"), *_ERRORS),
                  tuple((name, _BASES[b], *line(m)) for name in found
                        for b, m in rests.get(name, {}).items()))
    group = Table("By group", (*(Column(name) for name in judging.GROUP), Column("metric"), *_ERRORS),
                  tuple((*(g[key] for key in judging.GROUP), g["metric"], *line(g)) for g in judging.groups(judged)))
    return (metric, basis, group, _worst(judged, top), *_reasons(judged))


_BASES = {"seen": "seen, in these sizes", "near": "seen, in other sizes or on a chip of the family",
          "unseen": "never seen: pooled, of kin, or of sizes alone"}


def _worst(judged: Judged, top: int) -> Table:
    columns = (Column("row"), Column("what"), Column("measured"), Column("predicted"), Column("error", "ratio"),
               Column("why"))
    return Table("Furthest off", columns, tuple(
        (p.row.id, f"{p.row.metric} {p.like.model} {p.like.chip} {p.like.engine}", units.show(p.row.value, p.row.unit),
         units.show(p.row.value * (1.0 + error), p.row.unit), error, judging.reason(p))
        for p in judging.worst(judged, top) for error in [judging.figure_error(p)]))


def _reasons(judged: Judged) -> tuple[Table, ...]:
    rows = [(metric, why, float(count)) for metric, m in judging.metrics(judged).items()
            for why, count in m["refused"].items()]
    rows += [(where, why, 1.0) for where, why in judged.faults[:WORST]]
    if not rows:
        return ()
    return (Table("Without a prediction", (Column("metric or line"), Column("why"), Column("rows", "count")),
                  tuple(rows)),)


def plot(judged: Judged) -> Plot:
    """Predicted against measured seconds by kind of row, and the line where they are equal."""
    kinds: dict[str, list[Predicted]] = {}
    for p in judged.predicted:
        if p.like.mode not in (SIZES, judging.DERIVED):
            kinds.setdefault(_shown_as(p), []).append(p)
    series = [Series(name, [p.measured for p in of], [p.seconds for p in of], marks=True)
              for name, of in sorted(kinds.items(), key=lambda kind: -len(kind[1]))]
    measured = [p.measured for of in kinds.values() for p in of]
    ends = [min(measured), max(measured)] if measured else []
    return Plot("Predicted against measured", Axis("measured", "seconds", log=True),
                Axis("predicted", "seconds", log=True), (Series("equal", ends, ends), *series))


def _shown_as(p: Predicted) -> str:
    kind = judging.kind_of(p.like.mode)
    return {"served": p.row.metric if p.row.metric in ("tpot", "ttft") else "throughput",
            "training": "training step", "passes": "single pass", MODE: "replayed run"}.get(kind, kind)


def explained(judged: Judged) -> tuple[Line, ...]:
    """The error of the row furthest off and of the middle one, with their numbers."""
    rows = sorted(judged.predicted, key=lambda p: abs(judging.figure_error(p)))
    lines = []
    for what, p in (("median row", rows[len(rows) // 2]), ("furthest row", judging.worst(judged, 1)[0])):
        error = judging.figure_error(p)
        made = units.show(p.row.value * (1.0 + error), p.row.unit)
        lines.append(Line(f"error of the {what}, {p.row.id} ({p.row.metric})", "predicted / measured - 1",
                          f"{made} / {units.show(p.row.value, p.row.unit)} - 1", error, "ratio"))
    inside = sum(p.inside for p in rows)
    lines.append(Line("rows in the 90 % interval", "rows between low and high / rows", f"{inside:,} / {len(rows):,}",
                      inside / len(rows), "ratio"))
    return tuple(lines)


def sources(judged: Judged) -> tuple[Source, ...]:
    """Where the measured rows were published, and how many of each."""
    found = Counter(p.row.source or judged.name for p in judged.predicted)
    return tuple(Source(name[:40], f"{count:,} rows", name, "") for name, count in found.most_common())


def notes(judged: Judged) -> tuple[str, ...]:
    """What the table can and cannot say."""
    bundled = judged.name == everything().name
    few = [name for name, f in calibration().families.items() if f.few]
    seen = ("Bundled rows are predicted from the others of their series, kernels and collectives from other shapes: "
            "their own configuration is left out.")
    said = [seen] if bundled else []
    said.append("Intervals hold nine of ten rows of the kind; what was never seen gets a wider one.")
    said += [f"{len(judged.faults)} lines could not be read."] if judged.faults else []
    return (*said, *(f"{name}: too few rows, held at the pooled values." for name in few))


def data(judged: Judged, top: int) -> dict[str, Any]:
    """What --json prints."""
    return {"rows": len(judged.predicted), "metrics": judging.metrics(judged), "by_basis": judging.by_basis(judged),
            "groups": [*judging.groups(judged), *judging.refused_groups(judged)],
            "faults": [{"where": where, "why": why} for where, why in judged.faults],
            "worst": [{"id": p.row.id, "metric": p.row.metric, "measured": p.measured,
                       "predicted": p.seconds, "low": p.low, "high": p.high, "error": p.error,
                       "basis": p.basis, "why": judging.reason(p)} for p in judging.worst(judged, top)]}

