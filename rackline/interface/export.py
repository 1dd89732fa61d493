"""An Answer as JSON, CSV, a page or a picture, and into files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from rackline.decisions.answer import Answer, Column, Table
from rackline.errors import BadInput, did_you_mean


def to_json(answer: Answer) -> str:
    """The answer as one JSON object: its data beside headline, badge, notes, sources and tables; NaN is null."""
    whole = {
        "question": answer.question, "headline": answer.headline, "badge": answer.badge, "feasible": answer.feasible,
        "reasons": answer.reasons, "notes": answer.notes, **answer.data, "tables": answer.tables,
        "text": dict(answer.text), "explain": answer.explain, "sources": answer.sources,
    }
    return json.dumps(plain(whole), allow_nan=False, ensure_ascii=False, indent=1) + "\n"


def plain(value: Any) -> Any:
    """A value made of what JSON knows; numbers that are not finite become None."""
    if value is None or isinstance(value, bool | int | str):
        return value if not isinstance(value, str) else value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(part) for part in value), key=str)
    return _unwrapped(value)


def _unwrapped(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    for method in ("tolist", "model_dump", "isoformat"):  # arrays, records of pydantic, dates
        if hasattr(value, method):
            return plain(getattr(value, method)())
    return str(value)


def to_csv(answer: Answer) -> str:
    """The table as CSV in SI units; of several, the union of their columns after one that names the table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    tables = answer.tables or (_summary(answer),)
    if len(tables) == 1:
        writer.writerow(_title(column) for column in tables[0].columns)
        writer.writerows([_csv(value) for value in row] for row in tables[0].rows)
        return out.getvalue()
    titles = list(dict.fromkeys(_title(column) for table in tables for column in table.columns))
    writer.writerow(["table", *titles])
    for table in tables:
        for row in table.rows:
            cells = dict(zip(map(_title, table.columns), map(_csv, row), strict=True))
            writer.writerow([table.title, *(cells.get(title, "") for title in titles)])
    return out.getvalue()


def _summary(answer: Answer) -> Table:
    known = {"question": answer.question, "headline": answer.headline, "feasible": answer.feasible,
             "reasons": "; ".join(answer.reasons)}
    known |= {key: value for key, value in plain(answer.data).items() if not isinstance(value, list | dict)}
    return Table("answer", tuple(Column(key) for key in known), (tuple(known.values()),))


def _title(column: Column) -> str:
    return column.title if column.unit in ("text", "count") else f"{column.title} [{column.unit}]"


def _csv(value: Any) -> Any:
    value = plain(value)
    return "" if value is None else json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _text(answer: Answer) -> bytes:
    from rackline.interface.text import Look, to_text

    return to_text(answer, Look(explain=True, cite=True)).encode()


def _html(answer: Answer) -> bytes:
    from rackline.interface.html import to_html

    return to_html(answer).encode()


def _picture(answer: Answer, form: str) -> bytes:
    from rackline.interface.figures import to_bytes

    return to_bytes(answer, form)


WRITERS: dict[str, Callable[[Answer], bytes]] = {
    ".svg": lambda answer: _picture(answer, "svg"),
    ".png": lambda answer: _picture(answer, "png"),
    ".html": _html,
    ".json": lambda answer: to_json(answer).encode(),
    ".csv": lambda answer: to_csv(answer).encode(),
    ".txt": _text,
}


def check_path(path: str | Path, *, force: bool = False) -> Path:
    """The path, if a file may be written there; BadInput that says why not otherwise."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITERS and "\0" not in str(path):
        known = ", ".join(WRITERS)
        near = did_you_mean(suffix, WRITERS) if suffix else ""
        raise BadInput("--out", f"must end in one of {known}", str(path), near if near.startswith("did") else "")
    return writable(path, "--out", force=force)


def writable(path: str | Path, what: str, *, force: bool) -> Path:
    """The path, if a file may be written there; BadInput that names `what` and says why not otherwise."""
    path = Path(path)
    try:
        _check(path, what, force)
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(what, "must be a path that can be written", str(path), _why(error)) from None
    return path


def _check(path: Path, what: str, force: bool) -> None:
    if "\0" in str(path):
        raise ValueError("a null byte")
    if not path.parent.is_dir():
        raise BadInput(what, "must lie in a folder that exists", str(path), f"make {path.parent} first")
    if path.is_dir():
        raise BadInput(what, "must be a file, not a folder", str(path))
    if path.exists() and not force:
        raise BadInput(what, "would overwrite a file", str(path), "--force overwrites it")


def save(answer: Answer, path: str | Path, *, force: bool = False) -> None:
    """Writes the answer in the form of the path's ending; BadInput if it cannot."""
    path = check_path(path, force=force)
    content = WRITERS[path.suffix.lower()](answer)
    try:
        with path.open("wb" if force else "xb") as file:
            file.write(content)
    except OSError as error:
        raise BadInput("--out", "must be a path that can be written", str(path), _why(error)) from None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
