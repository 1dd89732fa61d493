"""A user's or a bundled TOML or JSON file as checked records: every fault is one BadInput line."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from rackline import units
from rackline.errors import BadInput, did_you_mean
from rackline.facts.fact import Fact, Record
from rackline.facts.machine import MOST_CHIPS, Chip, Machine, Network, Tier

LARGEST_FILE = 1_000_000  # bytes
LONGEST_TEXT = 1000  # characters
RATES = ("bf16", "fp16", "fp8", "fp6", "fp4", "int8", "fp32")


class Rule(NamedTuple):
    """What a number is measured in, and the span outside which it is a mistake rather than hardware."""

    dimension: str
    low: float
    high: float


_RATE = Rule("flop/s", 1e9, 1e19)
_BANDWIDTH = Rule("bytes/s", 1e3, 1e17)
_POWER = Rule("watts", 0.1, 1e10)
_COUNT = Rule("count", 0, 1e9)
_RULES: dict[type[Record], dict[str, Rule]] = {
    Chip: {"memory_capacity": Rule("bytes", 1e6, 1e15), "memory_bandwidth": _BANDWIDTH, "power": _POWER},
    Network: {"bandwidth": _BANDWIDTH, "link": _BANDWIDTH, "latency": Rule("seconds", 0, 10),
              "switches": _COUNT, "cables": _COUNT},
    Tier: {"capacity": Rule("bytes", 1e6, 1e21), "bandwidth": _BANDWIDTH,
           "price": Rule("dollars/byte/hour", 0, 1e-3)},
    Machine: {"price": Rule("dollars/hour", 0, 1e5), "power": _POWER, "weight": Rule("kilograms", 1e-3, 1e8)},
}
_FACT_FIELDS = tuple(Fact.model_fields)
R = TypeVar("R", bound=Record)


def table(path: Path) -> dict[str, Any]:
    """The table in a TOML (or .json) file; BadInput for whatever keeps it from being one."""
    text = _text(path)
    is_json = path.suffix.lower() == ".json"
    try:
        found = json.loads(text, parse_constant=_no_constant) if is_json else tomllib.loads(text)
    except BadInput:
        raise
    except RecursionError:
        raise BadInput(str(path), "must not be nested that deep", f"{len(text)} characters") from None
    except ValueError as error:
        raise BadInput(str(path), "must be well-formed TOML, or JSON in a .json file", str(error)) from None
    if not isinstance(found, dict):
        raise BadInput(str(path), "must hold one table", type(found).__name__)
    return found


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise BadInput(str(path), "must be a file", "a directory")
        if not path.is_file():
            raise BadInput(str(path), "must be an existing file", "nothing there")
        if path.stat().st_size > LARGEST_FILE:
            raise BadInput(str(path), f"must be at most {units.show(LARGEST_FILE, 'bytes')}",
                           units.show(path.stat().st_size, "bytes"))
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(str(path), "must be UTF-8 text", f"byte {error.object[error.start]:#04x}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(str(path), "must be a readable file", str(error)) from None


def _no_constant(text: str) -> float:
    raise BadInput("number", "must be finite", text)


def build(cls: type[R], data: Any, where: str) -> R:
    """The record of that class from a table, every number of it a Fact within the bounds of its field."""
    fields = cls.model_fields
    check_table(data, tuple(fields), where)
    missing = [name for name, field in fields.items() if field.is_required() and name not in data]
    if missing:
        raise BadInput(where, f"must have {missing[0]}", "nothing", f"needed: {', '.join(missing)}")
    values = {name: _value(cls, name, value, f"{where}.{name}") for name, value in data.items()}
    try:
        return cls(**values)
    except ValidationError as error:
        raise _one_line(error, where) from None


def check_table(data: Any, known: tuple[str, ...], where: str) -> None:
    """BadInput unless data is a table with none but known fields."""
    if not isinstance(data, dict):
        raise BadInput(where, "must be a table", data)
    for name in data:
        if name not in known:
            raise BadInput(where, "has an unknown field", str(name), did_you_mean(str(name), known))


def _value(cls: type[Record], name: str, value: Any, where: str) -> Any:
    if isinstance(value, Record) or name == "tiers":
        return value
    if cls is Chip and name == "flops":
        check_table(value, RATES, where)
        return {rate: _fact(_RATE, given, f"{where}.{rate}") for rate, given in value.items()}
    if name in _RULES[cls]:
        return _fact(_RULES[cls][name], value, where)
    if name in ("scale_up", "scale_out"):
        return build(Network, value, where)
    if name in ("chips", "domain"):
        return _whole(value, where)
    return _plain(cls, name, value, where)


def _plain(cls: type[Record], name: str, value: Any, where: str) -> Any:
    is_switch = cls.model_fields[name].annotation is bool
    if isinstance(value, bool) != is_switch:
        raise BadInput(where, "must be true or false" if is_switch else "must not be true or false", value)
    return _printable(value, where) if isinstance(value, str) else value


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_CHIPS:
        raise BadInput(where, f"must be a whole number between 1 and {MOST_CHIPS:,}", value)
    return value


def _printable(text: str, where: str) -> str:
    if not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
        raise BadInput(where, f"must be 1 to {LONGEST_TEXT} printable characters", text)
    return text


def _fact(rule: Rule, data: Any, where: str) -> Fact:
    if not isinstance(data, dict):
        raise BadInput(where, "must be a table with value, source and date", data,
                       'value = "80 GB", source = "…", date = "2026-11-21"')
    check_table(data, _FACT_FIELDS, where)
    if data.get("unit", rule.dimension) != rule.dimension:
        raise BadInput(f"{where}.unit", f"must be {rule.dimension}", data["unit"], "it may be left out")
    for name in ("value", "source", "date"):
        if name not in data:
            raise BadInput(where, f"must have {name}", "nothing", "every number has value, source and date")
    texts = {k: _printable(v, f"{where}.{k}") for k, v in data.items() if isinstance(v, str) and v}
    numbers = {k: _number(rule, data[k], f"{where}.{k}") for k in ("value", "low", "high") if k in data}
    fixed = {"unit": rule.dimension, "date": _date(data["date"], f"{where}.date")}
    try:
        return Fact(**(data | texts | numbers | fixed))
    except ValidationError as error:
        raise _one_line(error, where) from None


def _date(given: Any, where: str) -> str:
    text = given.isoformat() if isinstance(given, date) else given
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", text):
        raise BadInput(where, "must be the day it was checked, such as 2026-11-21", given)
    return text


def _number(rule: Rule, given: Any, where: str) -> float:
    value = units.parse(given, rule.dimension, where)
    if not rule.low <= value <= rule.high:
        span = f"{units.show(rule.low, rule.dimension)} and {units.show(rule.high, rule.dimension)}"
        raise BadInput(where, f"must lie between {span}", given)
    return value


def _one_line(error: ValidationError, where: str) -> BadInput:
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, BadInput):
        return cause
    path = ".".join([where, *map(str, first["loc"])])
    rule = str(cause) if cause else first["msg"][0].lower() + first["msg"][1:]
    return BadInput(path, rule, "this table" if isinstance(first["input"], dict) else first["input"])
