"""What readers of benchmark results have in common: a table with its place, checked numbers, one run as rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from rackline import units
from rackline.facts.measurements import Formats, Load, Measured, Sizes

LONGEST_TEXT = 300  # characters of a name in a file
LARGEST = 1e15
SECONDS = (1e-9, 1e7)  # a latency outside is a mistake
RATE = (1e-9, 1e12)


class Skipped(NamedTuple):
    """What of a file was not read, or read with a doubt, and why."""

    where: str
    reason: str


_NO_SIZES, _NO_FORMATS, _NO_LOAD = Sizes(), Formats(), Load()


@dataclass(frozen=True)
class Said:
    """What a benchmark was run with; of the caller, what a file may not hold and what then replaces what it holds."""

    model: str = ""
    hardware: str = ""
    chips: int | None = None
    engine: str = ""
    sizes: Sizes = _NO_SIZES
    formats: Formats = _NO_FORMATS
    load: Load = _NO_LOAD


@dataclass(frozen=True)
class Node:
    """A table inside a file, its place as text, and the list that faults are added to."""

    table: Mapping[str, Any]
    where: str
    faults: list[Skipped]


class Value(NamedTuple):
    """One number of a run in SI: metric, statistic ("" for a rate over the whole run), the key that held it."""

    metric: str
    statistic: str
    value: float
    unit: str
    key: str
    per: str = ""


@dataclass(frozen=True)
class Run:
    """One run at one load: what the file says of it and the numbers that came out."""

    where: str
    said: Said
    values: tuple[Value, ...]
    duration: float | None = None  # seconds
    notes: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


# ---- reading one key


def fault(node: Node, key: str, reason: str) -> None:
    """Notes that a key of a table was not read."""
    node.faults.append(Skipped(at(node.where, key), " ".join(reason.split())))


def at(where: str, key: str) -> str:
    """The place of a key under a place."""
    return f"{where}.{key}" if where else key


def inside(node: Node, key: str, needed: bool = False) -> Node:
    """The table under a key; an empty one, and a fault where it is needed, if there is none."""
    found = node.table.get(key)
    where = at(node.where, key)
    if isinstance(found, dict):
        return Node(found, where, node.faults)
    if found is not None or needed:
        fault(node, key, f"must be a table; got {brief(found)}")
    return Node({}, where, node.faults)


def number(node: Node, key: str, unit: str = "", span: tuple[float, float] = (0.0, LARGEST)) -> float | None:
    """The number under a key in SI; None, and a fault unless the key is absent or null, if it is none in the span."""
    given = node.table.get(key)
    if given is None:
        return None
    value = plain(given)
    if value is None:
        fault(node, key, f"must be a finite number; got {brief(given)}")
        return None
    value *= scale(unit)
    if not span[0] <= value <= span[1]:
        shown = f"{brief(given)} {unit}".rstrip()
        fault(node, key, f"must lie between {span[0]:g} and {span[1]:g} in SI units; got {shown}")
        return None
    return value


def whole(node: Node, key: str, low: int = 0) -> int | None:
    """The whole number under a key; digits in quotes count, as metadata are written so."""
    value = number(node, key, span=(low, LARGEST))
    if value is not None and value != int(value):
        fault(node, key, f"must be a whole number; got {brief(node.table[key])}")
        return None
    return None if value is None else int(value)


def text(node: Node, key: str) -> str:
    """The text under a key; empty if there is none."""
    given = node.table.get(key)
    if given is None or given == "":
        return ""
    if not isinstance(given, str) or len(given) > LONGEST_TEXT or not given.isprintable():
        fault(node, key, f"must be up to {LONGEST_TEXT} printable characters; got {brief(given)}")
        return ""
    return given.strip()


def plain(given: Any) -> float | None:
    """The finite float that a number or a text of digits is, else None."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    if isinstance(given, str) and not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", given[:60], re.I):
        return None
    try:
        value = float(given)
    except (OverflowError, ValueError):
        return None
    return value if math.isfinite(value) else None


@cache
def scale(unit: str) -> float:
    """SI size of a unit of seconds; 1 for none."""
    return units.parse(f"1 {unit}", "seconds") if unit else 1.0


def brief(given: Any) -> str:
    """A value of a file in a few characters."""
    if isinstance(given, dict | list):
        return f"a {'table' if isinstance(given, dict) else 'list'} of {len(given)}"
    try:
        shown = str(given) if given is not None else "nothing"
    except ValueError:  # a whole number of thousands of digits
        return "a very long number"
    shown = "".join(c if c.isprintable() else "?" for c in shown)
    return shown if len(shown) <= 40 else shown[:39] + "…"


def rate_of(node: Node, key: str) -> float | None:
    """Requests per second offered; None for none, or for all at once ("inf")."""
    given = node.table.get(key)
    if (isinstance(given, str) and given.lower() in ("inf", "infinity")) or given == math.inf:
        return None
    return number(node, key, span=RATE)


def mean_of(total: float | None, count: float | None) -> float | None:
    """A total per request, where both are known."""
    return total / count if total is not None and count else None


def latency(node: Node, key: str, metric: str, statistic: str, unit: str) -> Iterator[Value]:
    """The latency under a key as one value, or none."""
    value = number(node, key, unit, SECONDS)
    if value is not None:
        yield Value(metric, statistic, value, "seconds", key)


def throughput(node: Node, key: str, metric: str, per: str = "", statistic: str = "") -> Iterator[Value]:
    """The rate under a key as one value, or none."""
    value = number(node, key, span=RATE)
    if value is not None:
        yield Value(metric, statistic, value, "tokens/s" if "token" in metric else "", key, per)


# ---- runs to rows


def rows_of(run: Run, said: Said, source: str, faults: list[Skipped]) -> Iterator[Measured]:
    """A run as rows, what the caller said before what the file says; numbers that cannot be are faults."""
    both = over(said, run.said)
    seen: set[tuple[str, str]] = set()
    for value in _possible(run, faults):
        name = (value.metric, value.statistic)
        if name in seen:
            faults.append(Skipped(at(run.where, value.key), "the same number again"))
            continue
        seen.add(name)
        yield _row(value, run, both, source)


def _row(value: Value, run: Run, said: Said, source: str) -> Measured:
    name = "_".join(part for part in (value.metric, value.statistic) if part)
    return Measured(
        id=":".join(part for part in (source, run.where, name) if part), metric=value.metric, value=value.value,
        unit=value.unit, per=value.per, source=source, location=at(run.where, value.key), model=said.model,
        hardware=said.hardware, chips=said.chips, engine=said.engine, formats=said.formats, sizes=said.sizes,
        load=said.load, kind="measured", notes=run.notes, facts=run.facts, statistic=value.statistic)


def _possible(run: Run, faults: list[Skipped]) -> Iterator[Value]:
    """The values but those that contradict others of the run: a unit mixed up."""
    means = {value.metric: value.value for value in run.values if value.statistic == "mean"}
    for value in run.values:
        if value.unit == "seconds" and run.duration and value.value > 1.05 * run.duration:
            faults.append(Skipped(at(run.where, value.key),
                                  f"{value.value:g} s is longer than the run of {run.duration:g} s: another unit?"))
        elif value.unit == "seconds" and value.metric in ("ttft", "tpot") and value.value > _most(value, means):
            faults.append(Skipped(at(run.where, value.key),
                                  f"mean of {value.value:g} s exceeds end to end, {means['e2e']:g} s: another unit?"))
        else:
            yield value


def _most(value: Value, means: Mapping[str, float]) -> float:
    return means.get("e2e", math.inf) * 1.05 if value.statistic == "mean" else math.inf


def over(first: Any, second: Any) -> Any:
    """A record with the fields of the first where it says something, else of the second."""
    if not hasattr(first, "__dataclass_fields__"):
        return second if first is None or first == "" else first
    return type(first)(**{name: over(getattr(first, name), getattr(second, name))
                          for name in first.__dataclass_fields__})


def joined(*parts: Iterable[Value]) -> tuple[Value, ...]:
    """The values of several readings."""
    return tuple(value for part in parts for value in part)
