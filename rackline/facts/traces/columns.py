"""Columns of a trace by their usual names, from text or numbers to checked arrays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from rackline.errors import BadInput

# spellings are compared without case, spaces, dashes and underscores
_NAMES = {
    "arrival": ("arrival", "arrival_time", "arrived_at", "timestamp", "arrival_timestamp", "request_time", "start_time",
                "time"),
    "input": ("input_tokens", "prompt_tokens", "context_tokens", "request_tokens", "num_prefill_tokens", "input_length",
              "input_toks", "prefill_tokens", "num_prompt_tokens", "prompt_length", "prompt_len", "input_len", "input"),
    "output": ("output_tokens", "completion_tokens", "generated_tokens", "response_tokens", "num_decode_tokens",
               "output_length", "output_toks", "decode_tokens", "num_output_tokens", "output_len", "output"),
    "blocks": ("hash_ids", "block_hashes"),
    "session": ("session_id", "session", "conversation_id"),
}
_ROLES = {name.replace("_", ""): role for role, names in _NAMES.items() for name in names}
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_TOKENS_MOST = 10**9  # a sum of 2^31 such lengths still fits an int64
_PLAIN_SECONDS_MOST = 1e11  # the year 5138; larger stamps are milliseconds or less
_CLOCK_ZERO = datetime(2000, 1, 1)  # any fixed day near the stamps: float64 keeps 0.1 µs over decades


@dataclass(frozen=True)
class Wanted:
    """Which column of a file holds what: index by role, and seconds per unit of the arrival column."""

    index: dict[str, int]
    arrival_name: str
    seconds: float


def wanted(names: Sequence[str], what: str) -> Wanted:
    """The roles of a file's columns; BadInput where one is missing (says which were found) or two are of a kind."""
    roles: dict[str, int] = {}
    seconds, arrival_name = 1.0, ""
    for i, name in enumerate(names):
        role, unit = _role(name)
        if role is None:
            continue
        if role in roles:
            raise BadInput(what, f"must have one column of {role}", f"{names[roles[role]]}, {name}", "keep one of them")
        roles[role] = i
        if role == "arrival":
            arrival_name, seconds = name, _SECONDS.get(unit, 1.0)
            if not unit and _is_mooncake(names):
                seconds = 1e-3
    for role in ("input", "output"):
        if role not in roles:
            raise BadInput(what, f"needs a column of {role} tokens, such as {', '.join(_NAMES[role][:4])}",
                           f"columns {', '.join(names)}")
    return Wanted(roles, arrival_name, seconds)


def _role(name: str) -> tuple[str | None, str]:
    words = re.sub(r"[\s_\-]+", "_", name.strip().lower())
    if role := _ROLES.get(words.replace("_", "")):
        return role, ""
    stem, _, unit = words.rpartition("_")
    if unit in _SECONDS and _ROLES.get(stem.replace("_", "")) == "arrival":
        return "arrival", unit
    return None, ""


def _is_mooncake(names: Iterable[str]) -> bool:
    # the published form (FAST'25) counts its bare "timestamp" in milliseconds
    return {"timestamp", "input_length", "output_length"} <= set(names)


def tokens(values: Sequence[Any], what: str, row: int) -> np.ndarray:
    """Lengths as int64; BadInput names the first row (counted from `row`) that is not a whole number of at least 1."""
    numbers = _numbers(values, what, row)
    bad = ~((numbers >= 1) & (numbers <= _TOKENS_MOST) & (np.floor(numbers) == numbers))
    if bad.any():
        at = int(np.argmax(bad))
        hint = "requests without output have failed: remove them" if "output" in what and numbers[at] == 0 else ""
        raise BadInput(f"{what}, data row {row + at}", f"must be a whole number of tokens from 1 to {_TOKENS_MOST:,}",
                       values[at], hint)
    return numbers.astype(np.int64)


def _numbers(values: Sequence[Any], what: str, row: int) -> np.ndarray:
    if bool not in set(map(type, values)):
        try:
            return np.array(values, dtype=np.float64)
        except (ValueError, TypeError, OverflowError):
            pass
    at = next((i for i, v in enumerate(values) if not _is_number(v)), 0)
    raise BadInput(f"{what}, data row {row + at}", "must be a number", values[at])


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return not isinstance(value, bool)


def seconds(values: Sequence[Any], unit: float, what: str, row: int) -> tuple[str, np.ndarray]:
    """Stamps as seconds after some fixed moment, with the kind of stamp: "number", "date" or "date with zone"."""
    if isinstance(values[0], datetime) or (isinstance(values[0], str) and not _is_number(values[0])):
        return _dates(values, what, row)
    numbers = _numbers(values, what, row)
    bad = ~np.isfinite(numbers)
    if unit == 1.0:
        bad |= np.abs(numbers) > _PLAIN_SECONDS_MOST
    if bad.any():
        at = int(np.argmax(bad))
        raise BadInput(f"{what}, data row {row + at}", "must be a date or a finite number of seconds", values[at],
                       f"name the column {what.rsplit(' ', 1)[-1]}_ms, _us or _ns if it is in those")
    return "number", numbers * unit


def _dates(values: Sequence[Any], what: str, row: int) -> tuple[str, np.ndarray]:
    zero, kind = _CLOCK_ZERO, "date"
    out = np.empty(len(values))
    for i, value in enumerate(values):
        try:
            date = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
            if i == 0 and date.tzinfo:
                zero, kind = _CLOCK_ZERO.replace(tzinfo=date.tzinfo), "date with zone"
            out[i] = (date - zero).total_seconds()
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise BadInput(f"{what}, data row {row + i}", "must be a date and time as in row 1", value) from None
    return kind, out


def sessions(values: Sequence[Any]) -> list[str]:
    """Session names as text; "" where a request belongs to none."""
    return ["" if v is None else str(v).strip() for v in values]


def blocks(values: Sequence[Any], what: str, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of hashes per request and the hashes end to end, as int64."""
    lists = [_hash_list(v, what, row + i) for i, v in enumerate(values)]
    counts = np.array([len(one) for one in lists], dtype=np.int64)
    flat = [h for one in lists for h in one]
    try:
        if set(map(type, flat)) - {int}:
            raise ValueError
        hashes = np.array(flat, dtype=np.int64)
    except (ValueError, OverflowError):
        raise BadInput(f"{what}, data rows {row} to {row + len(lists) - 1}", "must be lists of 64-bit whole numbers",
                       str(lists[0])) from None
    return counts, hashes


def _hash_list(value: Any, what: str, row: int) -> list:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, list):
        raise BadInput(f"{what}, data row {row}", "must be a list of whole numbers", value)
    return value
