"""Published measurements: one row of a table as a frozen record, its value in SI units, its source beside it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rackline import units
from rackline.errors import BadInput, did_you_mean
from rackline.facts.spellings import metric_named, unit_named
from rackline.facts.text_files import first_line, read_text, separator

_DATA = Path(__file__).parent / "data" / "measurements"
LARGEST_FILE = 200_000_000  # bytes
_LONGEST_CELL = 10_000  # characters
_MOST_COUNT = 1e9  # chips, sequences, tokens: more is a slip
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Formats:
    """Number formats as the source prints them; empty where it does not say."""

    weights: str = ""
    kv: str = ""
    compute: str = ""


@dataclass(frozen=True)
class Sizes:
    """Parallel sizes as the source states them, 0 and 1 alike for none; None where it does not say."""

    tensor: int | None = None
    expert: int | None = None
    pipeline: int | None = None
    data: int | None = None
    context: int | None = None
    notes: str = ""


@dataclass(frozen=True)
class Load:
    """Prompt and output tokens, sequences, cached tokens; `context_text` is what is printed where that is no number.

    rate: requests per second offered; None for clients that each wait for their answer. requests: how many completed.
    text: what is printed where the number of clients is none.
    """

    input: float | None = None
    output: float | None = None
    batch: int | None = None
    concurrency: float | None = None
    context: float | None = None
    context_text: str = ""
    rate: float | None = None
    requests: int | None = None
    text: str = ""


@dataclass(frozen=True)
class Measured:
    """One published number: `value` in SI of dimension `unit`, per `per` (chip, node, user, token) where it says so.

    `unit` is empty for a unit that rackline.units does not know; the value is then as printed.
    """

    id: str
    metric: str
    value: float
    unit: str
    per: str = ""
    source: str = ""
    location: str = ""
    model: str = ""
    hardware: str = ""
    chips: int | None = None
    engine: str = ""
    formats: Formats = Formats()
    sizes: Sizes = Sizes()
    load: Load = Load()
    kind: str = ""
    flag: str = ""
    notes: str = ""
    from_memory: bool = False
    facts: Mapping[str, Any] = field(default_factory=lambda: _NONE)  # what else the source says of the model
    statistic: str = ""  # mean, median, p90, p99, …; empty where the source does not say


def measurement_names() -> list[str]:
    """Names of the bundled tables of measurements."""
    return sorted(path.stem for path in _DATA.glob("*.csv"))


def measurements(name_or_path: str | Path) -> tuple[Measured, ...]:
    """The rows of a bundled table, or of a CSV file of the same columns; other columns are not read.

    Errors: BadInput for a file or a cell that is not what its column holds.
    """
    path, what = _path(name_or_path)
    return measurements_in(read_text(path, what, LARGEST_FILE), what)


def measurements_in(text: str, what: str) -> tuple[Measured, ...]:
    """The rows of a CSV text of these columns; `what` names it in errors.

    Errors: BadInput as `measurements`.
    """
    rows = tuple(_rows(text, what))
    if not rows:
        raise BadInput(what, "must hold at least one row", "no rows")
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise BadInput(what, "must name every row by an id of its own", row.id)
        seen.add(row.id)
    return rows


def readable_measurements(name_or_path: str | Path) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """The rows that can be read, and one line for each that cannot: its place, the rule, what was found.

    Errors: BadInput for a file without one readable row.
    """
    path, what = _path(name_or_path)
    rows: dict[str, Measured] = {}
    faults: list[str] = []
    for found in _tried(read_text(path, what, LARGEST_FILE), what):
        if isinstance(found, Measured) and found.id not in rows:
            rows[found.id] = found
        else:
            again = f"{what} {found.id}: an id that another row has" if isinstance(found, Measured) else found
            faults.append(again)
    if not rows:
        more = f"{len(faults)} faults in all" if len(faults) > 1 else ""
        raise BadInput(what, "must hold at least one readable row", faults[0] if faults else "no rows", more)
    return tuple(rows.values()), tuple(faults)


def _tried(text: str, what: str) -> Iterator[Measured | str]:
    """Each row, or the line of what is wrong with it; what is no CSV ends it."""
    reader = _reader(text)
    names: list[str] | None = None
    while True:
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if names is None:
                names = _header(cells, what)
            elif cells:
                yield _measured(_cells(names, cells, f"{what}, line {reader.line_num}"), what)
        except BadInput as error:
            if names is None:
                raise
            yield str(error)
        except csv.Error as error:
            yield f"{what}, line {reader.line_num}: must be well-formed CSV; {error}"
            return


def _path(given: str | Path) -> tuple[Path, str]:
    text = str(given)
    if text in measurement_names():
        return _DATA / f"{text}.csv", text
    if isinstance(given, str) and "/" not in text and not text.endswith(".csv"):
        raise BadInput("measurements", "must be a bundled table or a CSV file", text,
                       did_you_mean(text, measurement_names()))
    return Path(text), f"measurements {Path(text).name}"


def _reader(text: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator(first_line(text)))


def _rows(text: str, what: str) -> Iterator[Measured]:
    reader = _reader(text)
    names: list[str] | None = None
    try:
        for cells in reader:
            if names is None:
                names = _header(cells, what)
            elif cells:
                yield _measured(_cells(names, cells, f"{what}, line {reader.line_num}"), what)
    except csv.Error as error:
        raise BadInput(f"{what}, line {reader.line_num}", "must be well-formed CSV", str(error)) from None


def read_sound(path: Path) -> tuple[tuple[Measured, ...], tuple[BadInput, ...]]:
    """The rows of a file that can be read, and for every other one its error; the later of two of one id is one.

    Errors: BadInput for a file that is none of measurements.
    """
    what = f"measurements {path.name}"
    return sound_in(read_text(path, what, LARGEST_FILE), what)


def sound_in(text: str, what: str) -> tuple[tuple[Measured, ...], tuple[BadInput, ...]]:
    """The same of a text, `what` naming it in errors."""
    reader = _reader(text)
    found: dict[str, Measured] = {}
    faults: list[BadInput] = []
    names: list[str] | None = None
    try:
        for cells in reader:
            if names is None:
                names = _header(cells, what)
            elif cells:
                _sound((names, cells, f"{what}, line {reader.line_num}"), what, found, faults)
    except csv.Error as error:
        faults.append(BadInput(f"{what}, line {reader.line_num}", "must be well-formed CSV", str(error)))
    if names is None:
        raise BadInput(what, "must hold columns id, metric, value and unit", "an empty file")
    return tuple(found.values()), tuple(faults)


def _sound(line: tuple[list[str], list[str], str], what: str, found: dict[str, Measured],
           faults: list[BadInput]) -> None:
    try:
        row = _measured(_cells(*line), what)
        if row.id in found:
            raise BadInput(line[2], "must name every row by an id of its own", row.id)
        found[row.id] = row
    except BadInput as error:
        faults.append(error)


def _header(cells: list[str], what: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    for name in ("id", "metric", "value", "unit"):
        if names.count(name) != 1:
            raise BadInput(what, f"must have one column {name}", ", ".join(names))
    return names


def _cells(names: list[str], cells: list[str], where: str) -> dict[str, str]:
    if len(cells) != len(names):
        raise BadInput(where, f"must have {len(names)} cells", f"{len(cells)} cells")
    if any(len(cell) > _LONGEST_CELL for cell in cells):
        raise BadInput(where, f"must have cells of at most {_LONGEST_CELL} characters", max(cells, key=len))
    return {name: cell.strip() for name, cell in zip(names, cells, strict=True) if cell.strip()}


def _measured(row: dict[str, str], what: str) -> Measured:
    if "id" not in row or "metric" not in row:
        raise BadInput(what, "must name every row's id and metric", ", ".join(row.values()))
    where = f"{what} {row['id']}"
    value, unit, per = _value(row, where)
    text = lambda name: row.get(name, "")  # noqa: E731
    return Measured(
        row["id"], metric_named(row["metric"]), value, unit, per, text("source"), text("source_location"),
        text("model"), text("hardware"), _whole(row, "n_chips", where, 1),
        f"{text('engine')} {text('engine_version')}".strip(),
        Formats(text("precision_weights"), text("precision_kv"), text("precision_compute")), _sizes(row, where),
        _load(row, where), text("kind"), text("flag"), text("notes"), text("from_memory").lower() not in _NO,
        _facts(row, where))


_NO = ("", "0", "false", "no")


def _sizes(row: dict[str, str], where: str) -> Sizes:
    tensor, expert, pipeline, data, context = (_whole(row, name, where) for name in ("tp", "ep", "pp", "dp", "cp"))
    return Sizes(tensor, expert, pipeline, data, context, row.get("parallel_notes", ""))


def _load(row: dict[str, str], where: str) -> Load:
    clients, text = _clients(row, where), row.get("concurrency", "")
    rate, requests = (None, None) if clients is not None else _open_loop(text)
    return Load(_tokens(row, "isl", where), _tokens(row, "osl", where), _whole(row, "batch", where, 1),
                clients, _maybe(row.get("context")), row.get("context", ""), rate, requests,
                text if clients is None else "")


def _open_loop(text: str) -> tuple[float | None, int | None]:
    """Requests a second and how many, from words such as "300 reqs, 10 req/s arrivals"."""
    rate = re.search(r"(\d+(?:\.\d+)?)\s*(?:(?:reqs?|requests?)\s*(?:/|per|a)\s*s|[rq]ps\b)", text, re.I)
    count = re.search(r"(\d[\d,]*)\s*(?:reqs|requests)\b(?!\s*(?:/|per|a)\s*s)", text, re.I)
    number = _maybe(rate[1]) if rate else None
    return number or None, (int(count[1].replace(",", "")) or None) if count else None


def _whole(row: dict[str, str], name: str, where: str, low: int = 0) -> int | None:
    if name not in row:
        return None
    value = _maybe(row[name])
    if value is None or value != int(value) or not low <= value <= _MOST_COUNT:
        raise BadInput(f"{where}.{name}", f"must be a whole number of at least {low}, at most {_MOST_COUNT:g}",
                       row[name])
    return int(value)


def _tokens(row: dict[str, str], name: str, where: str) -> float | None:
    value = _maybe(row.get(name))
    if name in row and (value is None or not 0 <= value <= _MOST_COUNT):
        raise BadInput(f"{where}.{name}", f"must be a number of tokens, at most {_MOST_COUNT:g}", row[name])
    return value


def _clients(row: dict[str, str], where: str) -> float | None:
    """Requests at once, if a number is stated."""
    value = _maybe(row.get("concurrency"))
    if value is not None and not 0 <= value <= _MOST_COUNT:
        raise BadInput(f"{where}.concurrency", f"must be a number of requests, at most {_MOST_COUNT:g}",
                       row["concurrency"])
    return value


def _maybe(text: str | None) -> float | None:
    """The number that a text is, if it is one."""
    try:
        value = float(text) if text is not None and re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", text, re.I) else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None


# printed unit -> what rackline.units calls it; "/x" after it says per what
_UNITS = {"s": ("s", "seconds"), "ms": ("ms", "seconds"), "us": ("us", "seconds"), "%": ("%", "ratio"),
          "x": ("x", "ratio"), "tokens": ("tokens", "tokens"), "params": ("params", "parameters"),
          "tokens/s": ("tok/s", "tokens/s"), "bytes": ("B", "bytes"), "GB": ("GB", "bytes"), "GiB": ("GiB", "bytes"),
          "GB/s": ("GB/s", "bytes/s"), "MiB/s": ("MiB/s", "bytes/s"), "GiB/s": ("GiB/s", "bytes/s"),
          "TiB/s": ("TiB/s", "bytes/s"), "Gbit/s": ("Gbit/s", "bytes/s"), "TFLOP/s": ("TFLOP/s", "flop/s"),
          "PFLOP/s": ("PFLOP/s", "flop/s"), "GFLOP": ("GFLOP", "flop"), "USD": ("USD", "dollars"),
          "USD/M tokens": ("$/Mtok", "dollars/Mtok"), "nodes": ("", "count"), "requests": ("", "count"),
          "IOPS": ("", "count")}
_SPELLINGS = {"Throughput (out tok/s/GPU)": "tokens/s/GPU", "Throughput (out tok/s)": "tokens/s",
              "USD/GPU/h": "USD/h/GPU"}
_UNITS["USD/h"] = ("USD/h", "dollars/hour")


def _value(row: dict[str, str], where: str) -> tuple[float, str, str]:
    """The value in SI, its dimension and what it is per."""
    value = _maybe(row.get("value"))
    if value is None:
        raise BadInput(f"{where}.value", "must be a finite number", row.get("value", "nothing"))
    printed = row.get("unit", "")
    plain = re.sub(r"\s*\(.*$", "", _SPELLINGS.get(printed, printed))
    plain = plain if plain in _UNITS else unit_named(plain)
    base, _, per = (plain, "", "") if plain in _UNITS else plain.rpartition("/")
    if base not in _UNITS:
        return value, "", printed
    text, dimension = _UNITS[base]
    return value * units.parse(f"1 {text}", dimension, where), dimension, per


def _facts(row: dict[str, str], where: str) -> Mapping[str, Any]:
    if "model_facts" not in row:
        return _NONE
    try:
        found = json.loads(row["model_facts"])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadInput(f"{where}.model_facts", "must be a JSON object", row["model_facts"])
    return MappingProxyType(found)


@dataclass(frozen=True)
class Reason:
    """Why some measured points are faster than the predicted lower bound."""

    title: str
    text: str
    ids: tuple[str, ...]


def reasons() -> tuple[Reason, ...]:
    """Every explanation of points below the predicted lower bound, with the ids of its rows."""
    listed = tomllib.loads((_DATA / "explained.toml").read_text(encoding="utf-8"))["reason"]
    return tuple(Reason(one["title"], one["text"], tuple(one["ids"])) for one in listed)
