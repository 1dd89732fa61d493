"""A sweep file (TOML) to its cells; options that are files count by what is in them."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rackline.decisions.questions import Question, parameters
from rackline.decisions.sweep_grid import FILES, Grid, Value, grid, key, named
from rackline.errors import BadInput

_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Cell:
    """One question to ask: its key and its options."""

    key: str
    options: dict[str, Value]


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


Files = Mapping[tuple[str, Value], str]
_FOLDERS = ("model", "trace", "traffic")  # kinds that also read folders


def files(made: Grid, question: Question) -> Files:
    """The SHA-256 of every option that names a file, or a folder of them."""
    kinds = {name: p.kind for name, p in parameters(question).items()}
    found = ((pair, _digest(pair[1], kinds[pair[0]])) for pair in named(made) if kinds[pair[0]] in FILES)
    return {pair: digest for pair, digest in found if digest}


def cells(made: Grid, found: Files) -> Iterator[Cell]:
    """Every cell of a grid in its order; cases that say the same thing give the same key again."""
    for options in made:
        digests = {name: found[name, value] for name, value in options.items() if (name, value) in found}
        yield Cell(key(options, digests), options)


def _digest(text: Value, kind: str) -> str:
    """Of a folder, what its files hold and how they are called; of a model's, only what it is read from."""
    path = _path(str(text))
    try:
        if path.is_file():
            return _of_file(path)
        inside = sorted(path.iterdir()) if kind in _FOLDERS and path.is_dir() else []
        read = [one for one in inside if one.is_file() and (kind != "model" or one.name == "config.json")]
        listed = "\n".join(f"{_of_file(one)} {one.name}" for one in read)
        return hashlib.sha256(listed.encode()).hexdigest() if listed else ""
    except OSError as error:
        raise BadInput("sweep file", "names a file that cannot be read", str(path), error.strerror or "") from None


def _path(text: str) -> Path:
    """The path in a text: all of it, or what stands before the last colon (FOLDER:SERVICE); else of nothing."""
    for part in (text, text.rpartition(":")[0]):
        try:
            if part and Path(part).exists():
                return Path(part)
        except (OSError, ValueError):  # a name too long, or with a null byte in it
            continue
    return Path(os.devnull)


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
