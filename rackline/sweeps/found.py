"""What a file of results holds for the cells of one sweep."""

from __future__ import annotations

import json
from typing import Any

from rackline.decisions.questions import Sweep
from rackline.decisions.sweep_view import DEFAULT, Summary, interval, more_is_better
from rackline.errors import BadInput, unknown
from rackline.sweeps.results import Results

_MOST_ERRORS = 10
_BEST = "select c.key, c.options, n.value from {cells} join numbers n on n.key = c.key and n.metric = ?"
_ORDER = " where not isnan(n.value) order by n.value {way}, c.key"


def summary(book: Results, wanted: set[str], request: Sweep) -> Summary:
    """Counts, reasons, the best cells by the request's metric, and that metric of every finished cell."""
    rows = _rows(book)
    rows("create or replace temp table wanted as select unnest(?::varchar[]) as key", [sorted(wanted)])
    rows("create or replace temp view mine as select c.* from cells c semi join wanted w on c.key = w.key")
    counts = dict(rows("select status, count(*) from mine group by status"))
    errors = rows("select status, error, count(*) as n from mine where status <> 'finished' group by status, error "
                  f"order by n desc, error limit {_MOST_ERRORS}")
    metrics = [name for name, in rows("select distinct metric from numbers n semi join mine c on n.key = c.key and "
                                      "c.status = 'finished' order by metric")]
    by = _by(request, metrics)
    most = request.best == "most" if request.best else more_is_better(by or "")
    points = rows(_BEST.format(cells="(from mine where status = 'finished') c")
                  + _ORDER.format(way="desc" if most else "asc"), [by]) if by else []
    best = [(json.loads(options), _numbers(book, key)) for key, options, _ in points[:request.top]]
    low, high = (dict(rows("select key, value from numbers where metric = ?", [interval(by or "", end)]))
                 for end in ("low", "high"))
    return Summary(str(book.path), counts, tuple(errors), by, most, tuple(best),
                   tuple((json.loads(options), value) for _, options, value in points),
                   tuple((low.get(key, value), high.get(key, value)) for key, _, value in points) if low else ())


def _rows(book: Results) -> Any:
    return lambda sql, given=None: book.connection.execute(sql, given or []).fetchall()


def _by(request: Sweep, metrics: list[str]) -> str | None:
    """The metric to rank by; None where no cell has any number."""
    if not metrics:
        return None
    if request.by is None:
        return DEFAULT if DEFAULT in metrics else metrics[0]
    if request.by not in metrics:
        wrong = unknown("--by", request.by, metrics)
        raise BadInput("--by", "must be a number that the cells have; all of them are stored", request.by, wrong.hint)
    return request.by


def _numbers(book: Results, key: str) -> dict[str, float]:
    return dict(book.connection.execute("select metric, value from numbers where key = ?", [key]).fetchall())
