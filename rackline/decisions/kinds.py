"""The kinds of values that a question takes: how each is read from a text or a Python value, and its bounds."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rackline import units
from rackline.errors import BadInput, unknown


@dataclass(frozen=True)
class Param:
    """One parameter: how it is read (kind), what it means, and its bounds where they are not the kind's own."""

    kind: str
    help: str
    flag: str  # "--on"; a parameter given by its place has no dashes: "MODEL"
    choices: tuple[str, ...] = ()
    least: float | None = None  # the smallest value allowed; by default anything above zero
    most: float | None = None


def read(param: Param, given: Any, others: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """The value of a parameter as its kind reads it; `others` are the question's other values as given.

    Raises BadInput that names the parameter's flag.
    """
    try:
        return READERS[param.kind](param, given, others)
    except BadInput as error:
        raise _named(error, param) from None


def _named(error: BadInput, param: Param) -> BadInput:
    if error.what == param.flag or error.what.startswith("--"):
        return error
    if error.what == "chips":
        return BadInput("--chips", error.rule, error.given, error.hint)
    what = param.flag if error.what in _GENERIC else f"{param.flag}: {error.what}"
    return BadInput(what, error.rule, error.given, error.hint)


_GENERIC = {"machine", "chip", "model", "number format", "name", "file", "value", "trace", "routing"}


# kind -> dimension of rackline.units, largest value that anyone could mean
_NUMBERS: dict[str, tuple[str, float]] = {
    "seconds": ("seconds", 1e9), "bytes": ("bytes", 1e21), "tokens": ("tokens", 1e12), "count": ("count", 1e9),
    "int": ("count", 1e18), "number": ("count", 1e9), "dollars_per_hour": ("dollars/hour", 1e6),
    "ratio": ("ratio", 1.0),
    "dollars": ("dollars", 1e12),
    "dollars_per_byte": ("dollars/byte", 1e-3),
}


def _number(param: Param, given: Any, dimension: str, most: float) -> float:
    given = float(given) if isinstance(given, numbers.Real) and not isinstance(given, bool) else given
    if not isinstance(given, str | float):
        raise BadInput(param.flag, f"must be a number of {dimension}", given)
    value = units.parse(given, dimension, param.flag)
    least, most = param.least, most if param.most is None else param.most
    if value < least if least is not None else value <= 0:
        raise BadInput(param.flag, "must be above zero" if least is None else f"must be at least {least:g}", given)
    if value > most:
        raise BadInput(param.flag, f"must be at most {most:g}{'' if dimension == 'count' else f' {dimension}'}", given)
    return value


def _real(param: Param, given: Any, others: Mapping[str, Any]) -> float:
    return _number(param, given, *_NUMBERS[param.kind])


def _whole(param: Param, given: Any, others: Mapping[str, Any]) -> int:
    value = _number(param, given, *_NUMBERS[param.kind])
    if value != int(value):
        raise BadInput(param.flag, "must be a whole number", given)
    return int(value)


def _series(param: Param, given: Any, others: Mapping[str, Any]) -> tuple[float, ...]:
    dimension, most = _NUMBERS["tokens" if param.kind == "token_range" else "count"]
    if isinstance(given, str):
        if ":" in given:
            return _spread(param, given, dimension, most)
        return _listed(param, given.split(","), dimension, most)
    if hasattr(given, "tolist"):
        given = given.tolist()
    values = list(given) if isinstance(given, Iterable) else [given]
    return _listed(param, values, dimension, most)


def _listed(param: Param, values: list, dimension: str, most: float) -> tuple[float, ...]:
    if not 1 <= len(values) <= _MOST_POINTS:
        raise BadInput(param.flag, f"must be 1 to {_MOST_POINTS} numbers", values)
    found = {_number(param, value, dimension, most) for value in values}
    if dimension == "count" and any(value != int(value) for value in found):
        raise BadInput(param.flag, "must be whole numbers", values)
    return tuple(sorted(found))


_MOST_POINTS = 10_000
_PER_DOUBLING = 8


def _spread(param: Param, text: str, dimension: str, most: float) -> tuple[float, ...]:
    """Whole numbers evenly spread by ratio from low to high, both ends among them: "1:4096" or "1:4096:25"."""
    ends = text.split(":")
    if len(ends) not in (2, 3):
        raise BadInput(param.flag, "must be a number, LOW:HIGH, LOW:HIGH:POINTS or a list a,b,c", text)
    low, high = (_number(param, end, dimension, most) for end in ends[:2])
    if not 0 < low <= high:
        raise BadInput(param.flag, "a range goes from a number above zero up to a larger one", text)
    points = _points(param, ends[2], text) if len(ends) == 3 else 1 + round(_PER_DOUBLING * math.log2(high / low))
    ratio = (high / low) ** (1 / max(points - 1, 1))
    inner = {float(round(low * ratio**i)) for i in range(1, points - 1)}
    return tuple(sorted({low, high} | {value for value in inner if low < value < high}))


def _points(param: Param, given: str, text: str) -> int:
    try:
        points = int(given)
    except ValueError:
        points = 0
    if not 2 <= points <= _MOST_POINTS:
        raise BadInput(param.flag, f"the points of a range must be a whole number from 2 to {_MOST_POINTS}", text)
    return points


def _choice(param: Param, given: Any, others: Mapping[str, Any]) -> str:
    name = _text(param, given, others).lower()
    if name not in param.choices:
        raise unknown(param.flag, name, param.choices)
    return name


def _text(param: Param, given: Any, others: Mapping[str, Any]) -> str:
    if not isinstance(given, str) or not given.strip():
        raise BadInput(param.flag, "must be a text that is not empty", given)
    return given.strip()


def _format(param: Param, given: Any, others: Mapping[str, Any]) -> str:
    from rackline.facts.formats import number_format

    return number_format(_text(param, given, others).lower()).name


def _flag(param: Param, given: Any, others: Mapping[str, Any]) -> bool:
    if not isinstance(given, bool):
        raise BadInput(param.flag, "must be True or False", given)
    return given


def _path(param: Param, given: Any, others: Mapping[str, Any]) -> Path:
    path = _place(param, given, others)
    try:
        found = path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null byte in it
        found = False
    if not found:
        raise BadInput(param.flag, "must be a file that exists", str(path))
    return path


def _place(param: Param, given: Any, others: Mapping[str, Any]) -> Path:
    """A file or a folder; what reads it sees whether it is there."""
    return given if isinstance(given, Path) else Path(_text(param, given, others))


def _new_file(param: Param, given: Any, others: Mapping[str, Any]) -> str:
    """A path to write to; the interface, which writes, sees whether it can."""
    return str(given) if isinstance(given, Path) else _text(param, given, others)


def _tiers(param: Param, given: Any, others: Mapping[str, Any]) -> Any:
    if isinstance(given, str):
        return import_module("rackline.decisions.tier_texts").tiers(given, param.flag)
    return tuple(_record(param, one, "rackline.systems.simulation.records", "KvTier") for one in given)


def _priced_tiers(param: Param, given: Any, others: Mapping[str, Any]) -> Any:
    if isinstance(given, str | Path):
        text = _text(param, str(given), others)
        return import_module("rackline.decisions.tier_places").priced_tiers(text, param.flag)
    if not isinstance(given, list | tuple):
        raise BadInput(param.flag, "must be a text, a file or Tier records", given)
    return tuple(_record(param, one, "rackline.facts.machine", "Tier") for one in given)


def _model(param: Param, given: Any, others: Mapping[str, Any]) -> Any:
    if isinstance(given, str | Path):
        return import_module("rackline.facts.models").model(_text(param, str(given), others))
    return _record(param, given, "rackline.facts.model", "Model")


def _trace(param: Param, given: Any, others: Mapping[str, Any]) -> Any:
    if isinstance(given, str | Path):
        size = others.get("block_tokens")
        size = {} if size is None else {"block_tokens": _whole(Param("count", "", "--block-tokens"), size, {})}
        return import_module("rackline.facts.traces").read_trace(_text(param, str(given), others), **size)
    return _record(param, given, "rackline.facts.traces", "Trace")


def _traffic(param: Param, given: Any, others: Mapping[str, Any]) -> Any:
    """A Trace, or the Population of clients in ServeGen's files, from which requests are drawn."""
    clients = import_module("rackline.facts.traces.servegen")
    if isinstance(given, clients.Population):
        return given
    found = clients.population_at(_text(param, str(given), others)) if isinstance(given, str | Path) else None
    return _trace(param, given, others) if found is None else found


def _machine(param: Param, given: Any, others: Mapping[str, Any]) -> Any:
    chips = others.get("chips")
    chips = None if chips is None else _whole(Param("count", "", "--chips", most=1_000_000), chips, {})
    if isinstance(given, str | Path):
        return import_module("rackline.facts.hardware").machine(_text(param, str(given), others), chips)
    machine = _record(param, given, "rackline.facts.machine", "Machine")
    return machine if chips is None else machine.with_chips(chips)


def _several(param: Param, given: Any, others: Mapping[str, Any]) -> tuple:
    """Machines or models from "a,b" or a list of names and records; --chips is not theirs."""
    one = {"machines": _machine, "models": _model}[param.kind]
    given = [piece for piece in given.split(",") if piece.strip()] if isinstance(given, str) else given
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= _MOST_BESIDE:
        raise BadInput(param.flag, f"must be 1 to {_MOST_BESIDE} names", given)
    return tuple(one(param, each, {}) for each in given)


_MOST_BESIDE = 8


def _routing(param: Param, given: Any, others: Mapping[str, Any]) -> Any:
    if isinstance(given, str | Path):
        return import_module("rackline.facts.routing").routing(_text(param, str(given), others))
    return _record(param, given, "rackline.facts.routing", "Routing")


def _record(param: Param, given: Any, module: str, name: str) -> Any:
    if not isinstance(given, getattr(import_module(module), name)):
        raise BadInput(param.flag, f"must be a name, a file or a {name} record", given)
    return given


def _thing(param: Param, given: Any, others: Mapping[str, Any]) -> Any:
    if isinstance(given, str | Path):
        return import_module("rackline.facts.things").thing(_text(param, str(given), others))
    return given


_SIZES = {"tp": "tensor", "dp": "data", "cp": "context", "pp": "pipeline", "ep": "expert"}


def _layout(param: Param, given: Any, others: Mapping[str, Any]) -> Any:
    """A Layout from "tp8,dp9,ep72", or from the name that a Layout shows: "tp8·dp9·ep72×2"."""
    from rackline.systems.layout import Layout

    if isinstance(given, Layout):
        return given
    text = _text(param, given, others).replace("·", ",").replace("×", ",x")
    sizes: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, size = _size(param, part, given)
        if name in sizes:
            raise BadInput(param.flag, "each size may be given once", given)
        sizes[name] = size
    return Layout(**sizes)


def _size(param: Param, part: str, given: str) -> tuple[str, int]:
    key = part.rstrip("0123456789")
    digits = part[len(key):]
    name = (_SIZES | {"x": "replicas"}).get(key.lower())
    if name is None or not digits or not 1 <= int(digits[:9]) == int(digits) <= 1_000_000:
        raise BadInput(param.flag, "must be sizes of tp, dp, cp, pp, ep and x (replicas), each 1 to 1,000,000", given,
                       'for example "tp8,dp9,ep72"')
    return name, int(digits)


READERS: dict[str, Callable[[Param, Any, Mapping[str, Any]], Any]] = {
    "seconds": _real, "bytes": _real, "tokens": _real, "dollars_per_hour": _real, "ratio": _real,
    "count": _whole, "int": _whole, "count_range": _series, "token_range": _series, "choice": _choice, "text": _text,
    "format": _format, "flag": _flag, "path": _path, "place": _place,
    "model": _model, "machine": _machine, "thing": _thing,
    "layout": _layout, "trace": _trace, "traffic": _traffic, "tiers": _tiers, "priced_tiers": _priced_tiers,
    "machines": _several, "models": _several, "new_file": _new_file, "kept_file": _new_file, "number": _real,
    "routing": _routing,
    "dollars": _real, "dollars_per_byte": _real,
}
