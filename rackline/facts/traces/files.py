"""Files of rows, plain or gzip: CSV, JSON lines and Parquet as blocks of columns."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from rackline.errors import BadInput

LARGEST = 2 * 10**9  # bytes, on disk and unpacked
_LONGEST_LINE = 10**7  # characters
_BLOCK = 65536  # rows held as Python objects at a time: memory stays flat however long the file

Block = list[tuple[Any, ...]]  # one tuple per column


@contextmanager
def table(path: Path, what: str) -> Iterator[tuple[list[str], Iterator[Block]]]:
    """The column names of a file and its rows in blocks of columns; the form is told from the content."""
    _check_file(path, what)
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            packed = cast(IO[bytes], gzip.GzipFile(fileobj=raw) if zipped else raw)
            head = packed.read(512)
            packed.seek(0)
            with io.TextIOWrapper(packed, encoding="utf-8-sig", newline="") as text:
                yield _parquet(path, what) if head[:4] == b"PAR1" else _text(_lines(text, what), head, what)
    except UnicodeDecodeError as error:
        raise BadInput(what, "must be UTF-8 text or Parquet", f"byte {error.object[error.start]:#x}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(what, "must be a whole gzip file", str(error), "is it truncated?") from None
    except OSError as error:
        raise BadInput(what, "must be readable", error.strerror or str(error)) from None


def _check_file(path: Path, what: str) -> None:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(what, "must be a file", "a directory" if stat.S_ISDIR(status.st_mode) else "a device or pipe")
    if status.st_size > LARGEST:
        raise BadInput(what, f"must be at most {LARGEST:,} bytes", status.st_size, "cut out the hours that matter")
    if status.st_size == 0:
        raise BadInput(what, "must hold at least one request", "an empty file")


def _text(lines: Iterator[str], head: bytes, what: str) -> tuple[list[str], Iterator[Block]]:
    if head[257:262] == b"ustar":
        raise BadInput(what, "must be one CSV, JSON lines or Parquet file", "a tar archive",
                       "ServeGen archives hold rates and distributions of clients, not requests")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"[":
        raise BadInput(what, "must hold one JSON object a line", "a JSON array")
    return _json_lines(lines, what) if start == b"{" else _csv(lines, what)


def _lines(stream: io.TextIOWrapper, what: str) -> Iterator[str]:
    read = 0
    while line := stream.readline(_LONGEST_LINE):
        read += len(line)
        if len(line) == _LONGEST_LINE or read > LARGEST:
            raise BadInput(what, f"must have lines below {_LONGEST_LINE:,} characters and {LARGEST:,} in all",
                           f"{max(len(line), read):,} characters")
        yield line


def _csv(lines: Iterator[str], what: str) -> tuple[list[str], Iterator[Block]]:
    header = next((line for line in lines if line.strip()), None)
    if header is None:
        raise BadInput(what, "must hold at least one request", "blank lines only")
    mark = max(",\t;", key=header.count)
    names = [n.strip() for n in _rows([header], mark, what)[0]]
    return names, _csv_blocks(lines, mark, len(names), what)


def _csv_blocks(lines: Iterator[str], mark: str, width: int, what: str) -> Iterator[Block]:
    # csv + numpy on 19,366 rows: 0.03 CPU-s and 9 MB; duckdb's import and read: 0.16 CPU-s and 57 MB
    done = 0
    reader = csv.reader(lines, delimiter=mark)
    while rows := _rows(reader, mark, what):
        rows = [r for r in rows if r]
        if {len(r) for r in rows} - {width}:
            at = next(i for i, r in enumerate(rows) if len(r) != width)
            raise BadInput(f"{what}, data row {done + at + 1}", f"must have {width} fields as the header has",
                           f"{len(rows[at])} fields: {mark.join(rows[at])}")
        done += len(rows)
        if rows:
            yield list(zip(*rows, strict=True))


def _rows(source: Any, mark: str, what: str) -> list[list[str]]:
    try:
        return list(islice(csv.reader(source, delimiter=mark) if isinstance(source, list) else source, _BLOCK))
    except csv.Error as error:
        raise BadInput(what, "must be well-formed CSV", str(error)) from None


def _json_lines(lines: Iterator[str], what: str) -> tuple[list[str], Iterator[Block]]:
    objects = (_object(line, what, i) for i, line in enumerate((s for s in lines if s.strip()), 1))
    first = next(objects)
    return list(first), _json_blocks(first, objects, what)


def _json_blocks(first: dict, objects: Iterator[dict], what: str) -> Iterator[Block]:
    names, done = list(first), 0
    rows = [first, *islice(objects, _BLOCK - 1)]
    while rows:
        # a key that later rows lack reads as None, which a needed column then refuses by row
        yield [tuple(r.get(n) for r in rows) for n in names]
        done += len(rows)
        rows = list(islice(objects, _BLOCK))


def _object(line: str, what: str, row: int) -> dict:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{what}, data row {row}", "must be one JSON object", str(error)) from None
    if not isinstance(value, dict):
        raise BadInput(f"{what}, data row {row}", "must be one JSON object", line)
    return value


def _parquet(path: Path, what: str) -> tuple[list[str], Iterator[Block]]:
    import duckdb  # 0.1 CPU-s and 50 MB: only for those who bring Parquet

    try:
        cursor = duckdb.connect(config={"threads": 1}).execute("select * from read_parquet(?)", [str(path)])
    except duckdb.Error as error:
        raise BadInput(what, "must be a whole Parquet file", str(error)) from None
    return [name for name, *_ in cursor.description or ()], _parquet_blocks(cursor, what)


def _parquet_blocks(cursor: Any, what: str) -> Iterator[Block]:
    import duckdb

    try:
        while block := cursor.fetchmany(_BLOCK):
            yield list(zip(*block, strict=True))
    except duckdb.Error as error:
        raise BadInput(what, "must be a whole Parquet file", str(error)) from None
