"""Text to SI numbers and back; the only file that knows prefixes."""

from __future__ import annotations

import math
import re

from rackline.errors import BadInput

_DECIMAL = {"": 1.0, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9,
            "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
_PREFIXES = _DECIMAL | _BINARY

# dimension -> base unit spellings that carry it, each with its size in SI
_BASES: dict[str, dict[str, float]] = {
    "bytes": {"B": 1.0, "byte": 1.0, "bytes": 1.0, "bit": 0.125, "bits": 0.125},
    "bytes/s": {"B/s": 1.0, "Bps": 1.0, "byte/s": 1.0, "bytes/s": 1.0, "bit/s": 0.125, "bps": 0.125,
                "b/s": 0.125},
    "seconds": {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "min": 60.0, "minute": 60.0,
                "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0,
                "days": 86400.0},
    "flop/s": {"FLOP/s": 1.0, "FLOPS": 1.0, "flop/s": 1.0, "OP/s": 1.0, "OPS": 1.0},
    "flop": {"FLOP": 1.0, "flop": 1.0},
    "watts": {"W": 1.0, "watt": 1.0, "watts": 1.0},
    "kilograms": {"kg": 1.0, "g": 1e-3, "lb": 0.45359237, "t": 1000.0},
    "metres": {"m": 1.0, "metre": 1.0, "metres": 1.0},
    "dollars": {"$": 1.0, "USD": 1.0, "dollar": 1.0, "dollars": 1.0},
    "dollars/hour": {"$/h": 1.0, "$/hour": 1.0, "$/hr": 1.0, "USD/h": 1.0, "USD/hour": 1.0},
    "dollars/Mtok": {"$/Mtok": 1.0},
    "dollars/byte": {"$/B": 1.0, "$/GB": 1e-9, "$/TB": 1e-12},
    "dollars/byte/hour": {"$/B/h": 1.0, "$/GB/h": 1e-9, "$/GB/month": 1e-9 / 730.0},
    "tokens": {"tokens": 1.0, "token": 1.0, "tok": 1.0},
    "tokens/s": {"tokens/s": 1.0, "tok/s": 1.0},
    "parameters": {"parameters": 1.0, "params": 1.0},
    "count": {},
    "ratio": {"x": 1.0, "%": 0.01},
}
# spellings that take no prefix: "mmin" and "kd" are mistakes
_SPELLED_WHOLE = {"m", *_BASES["seconds"]} - {"s"}
_LONGEST = 100  # characters that a number with its unit may take
_NUMBER = re.compile(
    r"^\s*(\$?)\s*([+-]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?|nan)\s*(.*?)\s*$", re.I)


def dimensions() -> tuple[str, ...]:
    """Every dimension that parse and show know."""
    return tuple(_BASES)


def parse(text: str | float | int, dimension: str, what: str = "value") -> float:
    """The SI number in a text such as "3.35 TB/s"; a bare number is taken as SI already.

    Raises BadInput for a text without a finite number, or with a unit of another dimension.
    """
    if isinstance(text, bool):
        raise BadInput(what, f"must be a number{_of(dimension)}", text)
    if isinstance(text, int | float):
        return _finite(_float(text), what, dimension, text)
    match = _NUMBER.match(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if not match:
        raise BadInput(what, f"must be a number{_of(dimension)}", text, f"for example {_example(dimension)}")
    number = float(match[2].replace(",", "").replace("_", ""))
    unit = match[1] + match[3].removeprefix("$") if match[1] else match[3]
    return _finite(number * _unit_size(unit, dimension, what, text), what, dimension, text)


def _float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _of(dimension: str) -> str:
    return "" if dimension == "count" else f" of {dimension}"


def _finite(value: float, what: str, dimension: str, given: object) -> float:
    if not math.isfinite(value):
        raise BadInput(what, f"must be a finite number{_of(dimension)}", given)
    return value


def _unit_size(unit: str, dimension: str, what: str, given: str) -> float:
    if dimension not in _BASES:
        raise BadInput("dimension", "must be a known dimension", dimension)
    unit = unit.replace(" per ", "/").replace(" ", "")
    if not unit or (unit == "$" and dimension.startswith("dollars")):
        return 1.0
    size = _size_in(unit, _BASES[dimension])
    if size is None and dimension in ("count", "tokens", "parameters"):
        size = {"B": 1e9, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(unit)  # "671B", "32k"
    if size is not None:
        return size
    other = [d for d, bases in _BASES.items() if _size_in(unit, bases) is not None]
    hint = f"{unit} is a unit of {other[0]}" if other else f"for example {_example(dimension)}"
    rule = "must be a bare number" if dimension == "count" else f"must carry a unit of {dimension}"
    raise BadInput(what, rule, given, hint)


def _size_in(unit: str, bases: dict[str, float]) -> float | None:
    for base, size in bases.items():
        if unit == base:
            return size
        if base in _SPELLED_WHOLE or not unit.endswith(base):
            continue
        prefix = unit[: -len(base)]
        if prefix in _PREFIXES:
            return _PREFIXES[prefix] * size
    return None


_EXAMPLES = {"bytes": '"80 GB" or "80 GiB"', "bytes/s": '"3.35 TB/s"', "seconds": '"50 ms"',
             "flop/s": '"989 TFLOP/s"', "dollars/hour": '"2.5 $/h"', "tokens": "4000", "count": "8", "watts": '"700 W"'}


def _example(dimension: str) -> str:
    return _EXAMPLES.get(dimension, "1.5")


_SCALES = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"),
           (1e-6, "µ"), (1e-9, "n")]
_SPOKEN = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"), (1.0, "")]  # as people count parameters
_SHOWN = {"bytes": "B", "bytes/s": "B/s", "seconds": "s", "flop/s": "FLOP/s", "flop": "FLOP", "watts": "W",
          "tokens/s": "tok/s"}
_WHOLE = {"kilograms": "kg", "metres": "m"}
_LONG = [(86400.0, "d"), (3600.0, "h"), (60.0, "min")]


def counted(count: int, noun: str) -> str:
    """A number of things in words: "1 chip", "7,200 chips"."""
    return f"{count:,} {noun}" + "s" * (count != 1)


def show(value: float, dimension: str = "count", digits: int = 3) -> str:
    """A short text for an SI number: 3.35e12 bytes/s -> "3.35 TB/s", 671e9 parameters -> "671 B"."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "—"
    if dimension == "year":  # of axes alone: no thousands, nothing to parse
        return f"{value:.0f}"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if dimension.startswith("dollars"):
        return _money(value, dimension, digits)
    if dimension == "ratio":
        return f"{_plain(100 * value, digits)} %"
    if dimension == "parameters" or (dimension == "tokens" and abs(value) >= 1e6):
        return _scaled(value, _SPOKEN, "", digits)
    if dimension == "seconds" and abs(value) >= 60:
        return _scaled(value, _LONG, "", digits)
    if dimension not in _SHOWN:
        return f"{_plain(value, digits)} {_WHOLE.get(dimension, '')}".rstrip()
    small = value == 0 or (abs(value) < 1 and dimension != "seconds")
    return _scaled(value, [(1.0, "")] if small else _SCALES, _SHOWN[dimension], digits)


def _money(value: float, dimension: str, digits: int) -> str:
    if dimension == "dollars/byte/hour":  # as storage is sold
        return f"${_plain(value / _BASES[dimension]['$/GB/month'], digits)}/GB/month"
    if dimension == "dollars/byte":
        return f"${_plain(value / _BASES[dimension]['$/GB'], digits)}/GB"
    return f"${_plain(value, digits)}{dimension.removeprefix('dollars').replace('/hour', '/h')}"


def _scaled(value: float, scales: list[tuple[float, str]], unit: str, digits: int) -> str:
    size, prefix = next(((s, p) for s, p in scales if abs(value) >= s * 0.9995), scales[-1])
    return f"{_plain(value / size, digits)} {prefix}{unit}".rstrip()


def _plain(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    if abs(value) < 1e15 and (abs(value) >= 10**digits or float(value).is_integer()):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"
