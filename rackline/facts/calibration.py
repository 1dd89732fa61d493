"""Calibrations: coefficients fitted to measurements, each a Fact with the rows that it came from; read from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from rackline.errors import BadInput
from rackline.facts.fact import Fact, Record

LARGEST = 1e15  # microseconds, or times the datasheet's: beyond it nothing was ever measured
WIDEST = 50.0  # logarithms: from nanoseconds to hundreds of days
_BUNDLED = Path(__file__).parent / "data" / "calibration" / "clock.json"


class Band(Record):
    """Where nine of ten measured values lie: logarithms of measured over predicted, and of how many rows.

    Where a series was seen, in units of its correction's own spread.
    """

    low: float
    high: float
    rows: int

    @model_validator(mode="after")
    def _around_zero(self) -> Band:
        if not (self.low <= 0.0 <= self.high and isfinite(self.high - self.low)):
            raise ValueError(f"an interval goes from below its value to above it: {self.low} … {self.high}")
        return self


class Family(Record):
    """One metric's coefficients by name, how its errors spread, and the number of rows they came from.

    seen: of series and parallel sizes seen; near: of a series seen in other sizes; unseen: of another series.
    `spread` by series (joined by " · "), of training by engine: how much wider its own errors are than the family's.
    """

    coefficients: dict[str, Fact]
    rows: int
    seen: Band
    near: Band
    unseen: Band
    few: bool = False  # too few rows: held at another calibration's values, bands widened
    spread: dict[str, float] = Field(default_factory=dict)

    @field_validator("unseen")
    @classmethod
    def _conceivable(cls, found: Band) -> Band:
        if max(-found.low, found.high) > WIDEST:
            raise ValueError(f"an interval spans at most {WIDEST:g} either way: {found.low} … {found.high}")
        return found

    @field_validator("coefficients")
    @classmethod
    def _usable(cls, found: dict[str, Fact]) -> dict[str, Fact]:
        for name, fact in found.items():
            ends = (fact.value if end is None else end for end in (fact.low, fact.high))
            if not (fact.value > 0.0 and all(0.0 <= end <= LARGEST for end in ends)):
                raise ValueError(f"a coefficient lies above 0 and at most at {LARGEST:g}: {name}")
        return found


class Calibration(Record):
    """A calibration: its families by name, and where it came from."""

    name: str
    source: str
    families: dict[str, Family]


@cache
def calibration() -> Calibration:
    """The bundled calibration."""
    return read_calibration(_BUNDLED)


def read_calibration(path: str | Path) -> Calibration:
    """A calibration from a file that `rackline calibrate --to` wrote; BadInput where it is none."""
    file = Path(path)
    try:
        return Calibration.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        first = _first(error) if isinstance(error, ValidationError) else str(error)
        raise BadInput(file.name or "calibration", "must be a file that rackline calibrate wrote", first) from None


def _first(error: ValidationError) -> str:
    """The first thing that is wrong in a file, and where it stands."""
    one = error.errors()[0]
    where = ".".join(str(part) for part in one["loc"])
    return f"{where}: {one['msg']}".removeprefix(": ").replace("Value error, ", "")


def as_data(found: Calibration) -> Mapping[str, Any]:
    """The calibration as JSON values, without what is not set."""
    return found.model_dump(exclude_none=True, exclude_defaults=True)
