"""The results of sweeps: one DuckDB file, one writer, one transaction a cell.

Tables: cells (key, status, options, error, …), numbers (key, metric, value); the view `results` has a row for each
cell with a column for each option and metric.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from rackline import __version__
from rackline.errors import BadInput
from rackline.sweeps.cell import STATUSES, Outcome, Status

AGAIN: tuple[Status, ...] = ("failed", "refused")  # what may come out otherwise another time
_SHAPE = 1
_SCHEMA = """
create table rackline_sweep (shape integer not null);
create table cells (key varchar primary key, status varchar not null, options varchar not null, error varchar not null,
                    attempts integer not null, seconds double not null, stored timestamp not null,
                    version varchar not null);
create table numbers (key varchar not null, metric varchar not null, value double not null);
"""
# one thread: the cores belong to the workers; nothing is fetched from anywhere
_CONFIG: dict[str, Any] = {"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}


@dataclass(frozen=True)
class Results:
    """An open file of results; `shown` are the columns that the view has so far."""

    path: Path
    connection: duckdb.DuckDBPyConnection
    shown: set[tuple[str, str]] = field(default_factory=set)


@contextmanager
def opened(path: Path) -> Iterator[Results]:
    """The results in a file, made if there is none; BadInput if it is in use or anything else than results."""
    _checked_place(path)
    if not path.exists():
        _make(path)
    _checked_shape(path)
    with _connected(path) as connection:
        _clear_unborn(path)
        yield Results(path, connection, _columns(connection))


def _checked_place(path: Path) -> None:
    try:
        if "\0" in str(path):
            raise ValueError("a null byte in it")
        if not path.parent.is_dir():
            raise BadInput("--to", "must lie in a folder that exists", str(path), f"make {path.parent} first")
        if path.exists() and not path.is_file():
            raise BadInput("--to", "must be a file", str(path))
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput("--to", "must be a path that can be written", str(path), str(error)) from None


def _make(path: Path) -> None:
    """Makes an empty file of results in one step: whoever is killed halfway leaves no half file under its name."""
    unborn = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "empty.duckdb"
            with duckdb.connect(str(model), config=_CONFIG) as connection:
                connection.execute(_SCHEMA)
                connection.execute("insert into rackline_sweep values (?)", [_SHAPE])
            shutil.copyfile(model, unborn)
        os.link(unborn, path)
    except FileExistsError:
        pass  # another one was faster
    except OSError as error:
        raise BadInput("--to", "must be a path that can be written", str(path), error.strerror or "") from None
    finally:
        unborn.unlink(missing_ok=True)


def _clear_unborn(path: Path) -> None:
    for left in path.parent.glob(f".{path.name}.????????.new"):
        left.unlink(missing_ok=True)


def _checked_shape(path: Path) -> None:
    """Looks before anything is opened for writing: a file that someone needs for something else stays as it is."""
    with _connected(path, read_only=True) as connection:
        names = {row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()}
        found = connection.execute("select shape from rackline_sweep").fetchone() if "rackline_sweep" in names else None
        if found != (_SHAPE,) or not {"cells", "numbers"} <= names:
            raise BadInput("--to", "must be a new file or the results of a sweep", str(path), "choose another name")


@contextmanager
def _connected(path: Path, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        connection = duckdb.connect(str(path), read_only=read_only, config=_CONFIG)
    except duckdb.Error as error:
        raise _closed(path, error) from None
    with connection:
        yield connection


def _closed(path: Path, error: duckdb.Error) -> BadInput:
    if "lock" in str(error):
        return BadInput("--to", "is in use by another process", str(path),
                        "one sweep at a time writes a file; wait for it, or choose another")
    return BadInput("--to", "must be a new file or the results of a sweep", str(path), _line(error))


def _line(error: duckdb.Error) -> str:
    return " ".join(str(error).split())[:200]


def keys(results: Results, statuses: tuple[Status, ...] = STATUSES) -> set[str]:
    """The keys of the cells that are stored with one of these statuses."""
    rows = results.connection.execute("select key from cells where list_contains(?::varchar[], status)",
                                      [list(statuses)])
    return {row[0] for row in rows.fetchall()}


def store(results: Results, outcome: Outcome) -> None:
    """Keeps a cell for good: all of it, or after a kill nothing of it. One that is tried again is replaced."""
    try:
        results.connection.begin()
        _insert(results, outcome)
        results.connection.commit()
    except duckdb.Error as error:
        raise BadInput("--to", "cannot be written", str(results.path), _line(error)) from None


def _insert(results: Results, outcome: Outcome) -> None:
    run, options = results.connection.execute, json.dumps(outcome.options, sort_keys=True)
    run("delete from cells where key = ? and list_contains(?::varchar[], status)", [outcome.key, list(AGAIN)])
    run("insert into cells values (?, ?, ?, ?, ?, ?, ?, ?)",
        [outcome.key, outcome.status, options, outcome.error, outcome.attempts, outcome.seconds,
         datetime.now(UTC).replace(tzinfo=None), __version__])
    if outcome.numbers:
        run("insert into numbers select ?, unnest(?::varchar[]), unnest(?::double[])",
            [outcome.key, list(outcome.numbers), list(outcome.numbers.values())])
    _show(results, {("option", name) for name in outcome.options} | {("metric", name) for name in outcome.numbers})


def _show(results: Results, columns: set[tuple[str, str]]) -> None:
    if not columns <= results.shown:
        results.shown.update(columns)
        results.connection.execute(_view(results.shown))


def _columns(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Which options and metrics the stored cells have."""
    options = connection.execute("select distinct unnest(json_keys(options)) from cells").fetchall()
    metrics = connection.execute("select distinct metric from numbers").fetchall()
    return {("option", name) for name, in options} | {("metric", name) for name, in metrics}


def _view(shown: set[tuple[str, str]]) -> str:
    """The view with a row a cell; a metric that is called like an option gets "metric " before its name."""
    lines = [f"{_column(kind, name)} as {_quoted(title)}" for title, (kind, name) in _titled(shown).items()]
    return ("create or replace view results as select c.key, c.status, c.error, c.seconds, " + ", ".join(lines)
            + " from cells c left join numbers n on n.key = c.key group by all")


def _titled(shown: set[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    titles: dict[str, tuple[str, str]] = {}
    taken = {"key", "status", "error", "seconds"}
    for kind, name in sorted(shown, key=lambda column: (column[0] != "option", column[1])):
        title = name if name.lower() not in taken else f"{kind} {name}"
        taken.add(title.lower())
        titles[title] = (kind, name)
    return titles


def _column(kind: str, name: str) -> str:
    if kind == "option":
        return f"json_extract_string(c.options, {_text('$.' + _quoted(name))})"
    return f"max(n.value) filter (where n.metric = {_text(name)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
