"""A sweep as an Answer: what became of the cells, the best of them, a number against the rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rackline import units
from rackline.decisions.answer import Answer, Axis, Column, Plot, Series, Table
from rackline.decisions.sweep_grid import Grid, settings

DEFAULT = "time_to_first_token.p99"
CURVES = 7  # that one plot shows
# metrics shown beside the one that ranks, under short names
_BESIDE = {"time_to_first_token.p99": "first token p99", "time_per_output_token.p99": "per token p99",
           "throughput.output_tokens_per_second_per_chip": "tok/s/chip out",
           "dollars_per_million.output_paying_for_all": "$/Mtok out", "goodput.share": "goodput",
           "keeps_up": "keeps up"}
_WIDE = 30.0  # largest over smallest value from which an axis is logarithmic
_UNITS = {"time_to_first_token": "seconds", "time_per_output_token": "seconds", "end_to_end": "seconds",
          "queueing": "seconds", "makespan": "seconds", "dollars_per_million": "dollars", "utilisation": "ratio",
          "hit_rates": "ratio", "goodput.share": "ratio", "keeps_up": "text"}
_MORE_IS_BETTER = ("throughput", "goodput", "hit_rates", "utilisation", "keeps_up", "sustained_requests_per_second",
                   "finished")


@dataclass(frozen=True)
class Summary:
    """What the results hold for the cells of one sweep.

    errors: (status, reason, cells); best: (options, numbers), the best first; points: (options, value of `by`);
    ends: low and high of each point, where some clock gave an interval.
    """

    path: str
    counts: Mapping[str, int]
    errors: tuple[tuple[str, str, int], ...]
    by: str | None
    most: bool
    best: tuple[tuple[Mapping[str, Any], Mapping[str, float]], ...]
    points: tuple[tuple[Mapping[str, Any], float], ...]
    ends: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Run:
    """What one run did: cells of the sweep file in all, those that it computed, whether it was interrupted."""

    cells: int
    computed: int = 0
    interrupted: bool = False


def more_is_better(metric: str) -> bool:
    """Whether one would want much of a metric."""
    return metric.split(".")[0] in _MORE_IS_BETTER


_INTERVALS = "intervals."


def interval(metric: str, end: str) -> str:
    """The number that holds the low or high end of a metric."""
    return f"{_INTERVALS}{metric}.{end}"


def unit(metric: str) -> str:
    """The dimension of a metric's numbers, or of an end of its interval."""
    if metric.startswith(_INTERVALS):
        return unit(metric.removeprefix(_INTERVALS).rpartition(".")[0])
    return _UNITS.get(metric) or _UNITS.get(metric.split(".")[0], "count")


def view(found: Summary, grid: Grid, run: Run) -> Answer:
    """The answer; infeasible where every cell is there and none finished."""
    varied = grid.varied()
    feasible = run.interrupted or found.counts.get("finished", 0) > 0
    tables = (*_best(found, varied), *_errors(found))
    reasons = () if feasible else tuple(f"{n:,} {status}: {error}" for status, error, n in found.errors)
    return Answer("sweep", headline(found, varied, run), "simulated", tables=tables, plots=tuple(_plots(found, varied)),
                  notes=tuple(_notes(found, varied, run)), feasible=feasible, reasons=reasons,
                  data=_data(found, run))


def headline(found: Summary, varied: tuple[str, ...], run: Run) -> str:
    """One sentence: cells, what became of them, where they are, and the best."""
    total = sum(found.counts.values())
    parts = [f"{n:,} {status}" for status, n in _ordered(found.counts)]
    cells = f"Stopped: {total:,} of {run.cells:,} cells" if run.interrupted else f"{total:,} cells"
    text = f"{cells} in {found.path}: {', '.join(parts)}; {run.computed:,} of them computed now"
    if not found.points or found.by is None:
        return f"{text}."
    options, value = found.points[0]
    which = settings(options, varied) or "the only one"
    shown = units.show(value, _axis_unit(found.by))
    return f"{text}; {'most' if found.most else 'least'} {found.by}: {shown} with {which}."


def _ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(status, counts.get(status, 0)) for status in ("finished", "refused", "failed", "infeasible")
            if status != "infeasible" or status in counts]


def _best(found: Summary, varied: tuple[str, ...]) -> Iterator[Table]:
    if found.by is None or not found.best:
        return
    ends = {interval(found.by, end): end for end in ("low", "high")}
    titles = ends | _BESIDE
    names = dict.fromkeys((found.by, *(name for name in titles if any(name in n for _, n in found.best))))
    columns = (*(Column(name) for name in varied), *(Column(titles.get(name, name), unit(name)) for name in names))
    rows = tuple((*(_word(options.get(name)) for name in varied), *(_shown(name, numbers.get(name)) for name in names))
                 for options, numbers in found.best)
    yield Table(f"Cells with the {'most' if found.most else 'least'} {found.by}", columns, rows)


def _shown(metric: str, value: float | None) -> Any:
    return value if unit(metric) != "text" else "" if value is None else "yes" if value else "no"


def _word(value: Any) -> str:
    return "" if value is None else str(value)


def _errors(found: Summary) -> Iterator[Table]:
    if found.errors:
        yield Table("Cells without numbers to compare", (Column("what"), Column("cells", "count"), Column("why")),
                    tuple((status, n, error) for status, error, n in found.errors))


def _plots(found: Summary, varied: tuple[str, ...]) -> Iterator[Plot]:
    x = _axis(found, varied)
    if x is None or found.by is None:
        return
    curves = _curves(found, x, tuple(name for name in varied if name != x))
    series = tuple(_series(name, sorted(points)) for name, points in list(curves.items())[:CURVES])
    yield Plot(f"{found.by} against {x}", Axis(x), Axis(found.by, _axis_unit(found.by), _wide(series)), series)


def _wide(series: tuple[Series, ...]) -> bool:
    values = [value for one in series for value in one.y]
    return bool(values) and min(values) > 0 and max(values) / min(values) > _WIDE


def _axis_unit(metric: str) -> str:
    return "count" if unit(metric) == "text" else unit(metric)


def _curves(found: Summary, x: str, others: tuple[str, ...]) -> dict[str, list[tuple[float, float, float, float]]]:
    """The points (x, value, low, high) of each deployment, those with the best cell first."""
    curves: dict[str, list[tuple[float, float, float, float]]] = {}
    ends = found.ends or tuple((value, value) for _, value in found.points)
    for (options, value), (low, high) in zip(found.points, ends, strict=True):
        at = _number(options.get(x))
        if at is not None and math.isfinite(value):
            curves.setdefault(settings(options, others) or found.by or "", []).append((at, value, low, high))
    return curves


def _series(name: str, points: list[tuple[float, float, float, float]]) -> Series:
    """A curve with the ends of its intervals, where some of its cells have any."""
    x, y, low, high = (list(column) for column in zip(*points, strict=True))
    wide = (low, high) != (y, y)
    return Series(name, x, y, low if wide else None, high if wide else None, marks=len(points) == 1)


def _axis(found: Summary, varied: tuple[str, ...]) -> str | None:
    """What a plot runs over: the rate if it varies, else the first option of numbers that does."""
    wanted = sorted(varied, key=lambda name: name != "rate")
    return next((name for name in wanted if len({_number(o.get(name)) for o, _ in found.points} - {None}) > 1), None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return units.parse(value, "count") if isinstance(value, int | float | str) else None
    except ValueError:
        return None


def _notes(found: Summary, varied: tuple[str, ...], run: Run) -> Iterator[str]:
    if run.interrupted:
        yield "The same command goes on from here."
    x = _axis(found, varied)
    if x is not None:
        curves = len(_curves(found, x, tuple(name for name in varied if name != x)))
        if curves > CURVES:
            yield f"The plot shows the best {CURVES} of {curves:,} deployments; the file has them all."
    if found.counts.get("failed") or found.counts.get("refused"):
        yield "--retry computes failed and refused cells again."


def _data(found: Summary, run: Run) -> dict[str, Any]:
    counts = dict(_ordered({"infeasible": 0, **found.counts}))
    return {"cells": run.cells, **counts, "computed": run.computed, "interrupted": run.interrupted,
            "results": found.path, "by": found.by, "best_is": "most" if found.most else "least",
            "best": [{"options": dict(options), "numbers": dict(numbers)} for options, numbers in found.best],
            "errors": [{"status": status, "error": error, "cells": n} for status, error, n in found.errors]}
