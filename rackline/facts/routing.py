"""How often a router asks for each expert: a rule by name, or counts from a user's file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rackline import units
from rackline.errors import BadInput, did_you_mean

_LARGEST_FILE = 20_000_000  # bytes
_MOST = 100_000  # experts of one layer
_STEEPEST = 10.0


@dataclass(frozen=True)
class Routing:
    """A router's habits: popularity falls as rank^-exponent, or as counted; counts have shape (layers, experts)."""

    name: str
    exponent: float = 0.0
    counts: np.ndarray | None = None

    def popularity(self, experts: int) -> np.ndarray:
        """How popular each expert is, any scale, shape (layers, experts).

        Errors: BadInput for counts of another number of experts.
        """
        if self.counts is None:
            return np.arange(1.0, experts + 1.0)[None, :] ** -self.exponent
        if self.counts.shape[1] != experts:
            raise BadInput(self.name, f"must count the model's {experts} experts", self.counts.shape[1],
                           "one row a layer, one number an expert")
        return self.counts


def routing(text: str) -> Routing:
    """A Routing from "uniform", "zipf:1.2", or a file of counts: JSON, or rows of numbers, one row a layer.

    Errors: BadInput for anything else.
    """
    word, colon, number = text.strip().partition(":")
    if word.lower() == "uniform" and not colon:
        return Routing("uniform")
    if word.lower() == "zipf":
        return Routing(text.strip().lower(), _exponent(number, text))
    path = Path(text)
    try:
        found = path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null byte in it
        found = False
    if not found:
        raise BadInput("routing", "must be uniform, zipf:S or a file of counts", text,
                       did_you_mean(word, ("uniform", "zipf:1")))
    return Routing(path.name, counts=_counts(_rows(path), path.name))


def _exponent(number: str, text: str) -> float:
    value = units.parse(number, "count", "routing") if number.strip() else math.nan
    if not 0 <= value <= _STEEPEST:
        raise BadInput("routing", f"zipf takes an exponent from 0 to {_STEEPEST:g}", text, "for example zipf:1")
    return value


def _rows(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise BadInput(path.name, f"must be at most {units.show(_LARGEST_FILE, 'bytes')}", "more")
        text = path.read_bytes().decode("utf-8-sig")
        if path.suffix.lower() == ".json":
            found = json.loads(text)
            return found if isinstance(found, list) else [found]
        return [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(path.name, "must be a readable file of counts", str(error)) from None


def _counts(rows: list[Any], name: str) -> np.ndarray:
    try:
        found = np.array(rows, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise BadInput(name, "must hold numbers alone, as many in every row", f"{len(rows)} rows") from None
    if found.ndim == 1 or (found.ndim == 2 and found.shape[1] == 1):
        found = found.reshape(1, -1)  # one number a line
    if found.ndim != 2 or not 1 <= found.shape[1] <= _MOST:
        raise BadInput(name, "must have one row a layer and one number an expert", f"shape {found.shape}")
    if not np.isfinite(found).all() or (found < 0).any() or (found.sum(axis=1) <= 0).any():
        raise BadInput(name, "must hold finite counts that are not negative, some above zero in every row",
                       f"least {found.min():g}")
    return found
