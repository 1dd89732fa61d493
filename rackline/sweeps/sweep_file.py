"""A sweep file (TOML) to its cells; options that are files count by what is in them."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rackline.decisions.questions import Question, parameters
from rackline.decisions.sweep_grid import Grid, Value, grid, key, named
from rackline.errors import BadInput

_MOST_BYTES = 64 * 2**20
_FILES = ("model", "machine", "trace", "path")


@dataclass(frozen=True)
class Cell:
    """One question to ask: its key, its options as given, and the same with the full paths of files."""

    key: str
    options: dict[str, Value]
    asked: dict[str, Value]


def read_grid(path: Path, question: Question) -> Grid:
    """The grid in a sweep file; BadInput for what is not TOML or not a sweep."""
    return grid(_document(path), question)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise BadInput("sweep file", f"must be at most {_MOST_BYTES // 2**20} MiB", str(path))
        return tomllib.loads(content.decode())
    except OSError as error:
        raise BadInput("sweep file", "must be a file that can be read", str(path), error.strerror or "") from None
    except RecursionError:
        raise BadInput("sweep file", "must not nest so deep", str(path)) from None
    except ValueError as error:  # not TOML, not UTF-8, a number of thousands of digits
        if isinstance(error, BadInput):
            raise
        raise BadInput("sweep file", f"must be TOML ({error})", str(path)) from None


Files = Mapping[tuple[str, Value], tuple[str, str]]


def files(made: Grid, question: Question) -> Files:
    """The full path and the SHA-256 of every option that names a file; of a model's folder, of its config.json."""
    kinds = {name: p.kind for name, p in parameters(question).items()}
    found = {}
    for name, value in named(made):
        path = _path(value) if kinds[name] in _FILES else None
        if path is not None:
            found[name, value] = (str(path), _digest(path))
    return found


def cells(made: Grid, found: Files) -> Iterator[Cell]:
    """Every cell of a grid in its order; cases that say the same thing give the same key again."""
    for options in made:
        of = {name: found[name, value] for name, value in options.items() if (name, value) in found}
        yield Cell(key(options, {name: digest for name, (_, digest) in of.items()}), options,
                   {**options, **{name: path for name, (path, _) in of.items()}})


def _path(text: Value) -> Path | None:
    try:
        path = Path(text).resolve() if isinstance(text, str) else None
        return path if path and _content(path).is_file() else None
    except (OSError, ValueError):  # a name too long, or with a null byte in it
        return None


def _content(path: Path) -> Path:
    return path / "config.json" if path.is_dir() else path


def _digest(path: Path) -> str:
    try:
        with _content(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput("sweep file", "names a file that cannot be read", str(path), error.strerror or "") from None
