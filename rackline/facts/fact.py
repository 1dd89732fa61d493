"""A number that somebody published, measured or assumed, with where it comes from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from rackline import units

Kind = Literal["datasheet", "published", "measured", "derived", "assumed"]


class Record(BaseModel):
    """A frozen record read from a file: unknown fields are errors, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Fact(Record):
    """One number in SI units with its dimension, source, date checked, and an interval where one is known.

    Errors: a missing source or date; an assumed number without an interval; low <= value <= high broken.
    """

    value: float
    unit: str  # a dimension of rackline.units
    source: str
    date: str
    kind: Kind = "datasheet"
    low: float | None = None
    high: float | None = None
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _texts_to_si(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "unit" not in data:
            return data
        fields = {k: units.parse(data[k], data["unit"], k) for k in ("value", "low", "high") if data.get(k) is not None}
        return data | fields

    @field_validator("source", "date")
    @classmethod
    def _named(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("a fact without a source and a date is not a fact")
        return text

    @model_validator(mode="after")
    def _interval(self) -> Fact:
        if self.kind == "assumed" and (self.low is None or self.high is None):
            raise ValueError("an assumed number needs low and high")
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        if not low <= self.value <= high:
            raise ValueError(f"low <= value <= high is broken: {low}, {self.value}, {high}")
        return self

    def shown(self) -> str:
        """The number as text with its interval."""
        text = units.show(self.value, self.unit)
        if self.low is None and self.high is None:
            return text
        low, high = (self.value if end is None else end for end in (self.low, self.high))
        return f"{text} ({units.show(low, self.unit)} … {units.show(high, self.unit)})"
