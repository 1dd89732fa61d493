"""The text of a configuration file to a mapping; every way it can be broken is one BadInput line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rackline.errors import BadInput

_LARGEST = 5_000_000  # bytes; the largest published configuration read so far has 37 kB
_DEEPEST = 32  # levels; published ones have at most 7


def read_file(path: Path, what: str = "configuration") -> dict[str, Any]:
    """The mapping in a JSON file; BadInput for one that is missing, too large, not UTF-8, broken or not an object."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise BadInput(what, "must be a file that can be read", str(path), error.strerror or "") from None
    return parse(raw, what)


def parse(raw: bytes, what: str = "configuration") -> dict[str, Any]:
    """The mapping in the bytes of a JSON file; a bare Infinity or NaN is kept for the field's own check."""
    if len(raw) > _LARGEST:
        raise BadInput(what, f"must be at most {_LARGEST:,} bytes", f"{len(raw):,} bytes or more")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(what, "must be UTF-8 text", f"byte 0x{raw[error.start]:02x} at {error.start}") from None
    if not text.strip():
        raise BadInput(what, "must not be empty", f"{len(raw)} bytes")
    return mapping(_loads(text, what), what)


def mapping(data: Any, what: str = "configuration") -> dict[str, Any]:
    """The data when it is a mapping of a sane depth; BadInput otherwise."""
    if not isinstance(data, dict):
        raise BadInput(what, "must be a JSON object", type(data).__name__)
    if _deeper(data, _DEEPEST):
        raise BadInput(what, f"must be nested at most {_DEEPEST} levels", "deeper nesting")
    return data


def _loads(text: str, what: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, what))
    except json.JSONDecodeError as error:
        place = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise BadInput(what, "must be whole JSON", place, "truncated or not JSON") from None
    except RecursionError:
        raise BadInput(what, f"must be nested at most {_DEEPEST} levels", "deeper nesting") from None
    except BadInput:
        raise
    except ValueError:  # a whole number of thousands of digits
        raise BadInput(what, "must hold numbers of a sane length", "a number of thousands of digits") from None


def _unique(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(what, "must give every field once", f"{twice} twice")
    return seen


def _deeper(data: Any, levels: int) -> bool:
    if not isinstance(data, dict | list):
        return False
    inside = data.values() if isinstance(data, dict) else data
    return levels == 0 or any(_deeper(item, levels - 1) for item in inside)
