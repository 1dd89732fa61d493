"""A number that somebody published, measured or assumed, with where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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


FactPath = tuple[str | int, ...]


def facts_of(record: Any) -> list[tuple[FactPath, Fact]]:
    """Every Fact reachable in a record, with the names of fields, keys and places that lead to it."""
    if isinstance(record, Fact):
        return [((), record)]
    return [((key, *path), fact) for key, part in _parts(record).items() for path, fact in facts_of(part)]


def named_facts(record: Any) -> list[tuple[str, Fact]]:
    """Every Fact reachable in a record under a dotted name, such as "chip.memory_bandwidth"."""
    return [(_dotted(record, path), fact) for path, fact in facts_of(record)]


def _dotted(record: Any, path: FactPath) -> str:
    names = []
    for key in path:
        record = _parts(record)[key]
        names.append(str(getattr(record, "name", key) if isinstance(key, int) else key))
    return ".".join(names)


def facts_read(f: Callable[[Any], Any], record: Any) -> set[FactPath]:
    """The paths of the Facts whose value f(record) asks for, found by running it once."""
    seen: set[FactPath] = set()
    watched = record
    for path, _ in facts_of(record):
        watched = _placed(watched, path, partial(_Watched, seen=seen, path=path))
    f(watched)
    return seen


class _Watched:
    """Stands for a Fact and notes its path when its value is asked for."""

    def __init__(self, fact: Fact, seen: set[FactPath], path: FactPath) -> None:
        self._fact, self._seen, self._path = fact, seen, path

    def __getattr__(self, name: str) -> Any:
        if name == "value":
            self._seen.add(self._path)
        return getattr(self._fact, name)


def with_fact(record: Any, path: FactPath, value: float) -> Any:
    """The same record with the Fact at a path holding another value; its interval scales with it."""
    return _placed(record, path, lambda fact: _revalued(fact, value))


def _placed(record: Any, path: FactPath, change: Callable[[Fact], Any]) -> Any:
    if not path:
        return change(record)
    key, *rest = path
    part = _placed(_parts(record)[key], tuple(rest), change)
    if isinstance(record, BaseModel):
        return record.model_copy(update={str(key): part})
    if isinstance(record, dict):
        return record | {key: part}
    return tuple(part if i == key else kept for i, kept in enumerate(record))


def _parts(record: Any) -> dict[Any, Any]:
    if isinstance(record, BaseModel):
        return {name: getattr(record, name) for name in type(record).model_fields}
    if isinstance(record, dict):
        return record
    return dict(enumerate(record)) if isinstance(record, tuple | list) else {}


def _revalued(fact: Fact, value: float) -> Fact:
    ratio = value / fact.value if fact.value else 1.0
    ends = {name: end * ratio for name, end in (("low", fact.low), ("high", fact.high)) if end is not None}
    return fact.model_copy(update={"value": value} | ends)
