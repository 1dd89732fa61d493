"""The files that a question was asked to write beside its answer: rows as Parquet or CSV, values as JSON; .gz packs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rackline.decisions.answer import Answer, File
from rackline.decisions.questions import Question, parameters
from rackline.errors import BadInput
from rackline.interface.export import plain, writable

ENDINGS = {"log": (".parquet", ".csv", ".csv.gz"), "perfetto": (".json", ".json.gz"), "to": (".json",)}


def check(question: Question, given: Mapping[str, Any], *, force: bool) -> None:
    """BadInput for a path that cannot be written, before anything is computed."""
    for name, p in parameters(question).items():
        path = given.get(name)
        if p.kind != "new_file" or not isinstance(path, str | Path):
            continue
        if not str(path).endswith(ENDINGS[name]):
            raise BadInput(p.flag, f"must end in one of {', '.join(ENDINGS[name])}", str(path))
        writable(path, p.flag, force=force)


def save(answer: Answer, *, force: bool) -> list[str]:
    """Writes the answer's files; returns their paths."""
    for file in answer.files:
        path = writable(file.path, "file", force=force)
        try:
            _write(file, path)
        except OSError as error:
            raise BadInput("file", "must be a path that can be written", str(path), str(error)) from None
    return [file.path for file in answer.files]


def _write(file: File, path: Path) -> None:
    if file.columns is None:
        _json(file.value, path)
    else:
        _rows(file.columns, path)


def _rows(columns: Mapping[str, Any], path: Path) -> None:
    """Columns through duckdb, which writes ten million rows in seconds."""
    import duckdb

    form = "parquet" if path.suffix == ".parquet" else "csv, header true"
    options = f"(format {form}{', compression gzip' if path.suffix == '.gz' else ''})"
    with duckdb.connect() as session:
        session.register("rows", dict(columns))
        session.execute(f"copy (select * from rows) to '{str(path).replace(chr(39), chr(39) * 2)}' {options}")


def _json(value: Any, path: Path) -> None:
    with (gzip.open(path, "wt", encoding="utf-8") if path.suffix == ".gz" else
          path.open("w", encoding="utf-8")) as out:
        for key, sign in zip(value, "{" + "," * len(value), strict=False):
            out.write(f"{sign}{json.dumps(key)}: ")
            _member(value[key], out)
        out.write("}\n")


def _member(value: Any, out: IO[str]) -> None:
    """A value; what can only be gone through once is written item by item."""
    if not isinstance(value, Iterator):
        out.write(json.dumps(plain(value)))
        return
    for number, line in enumerate(_lines(value)):
        out.write(("[\n" if number == 0 else ",\n") + line)
    out.write("\n]")


def _lines(items: Iterable[Any]) -> Iterator[str]:
    for item in items:
        yield json.dumps(item)
