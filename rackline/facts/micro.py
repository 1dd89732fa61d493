"""Micro-benchmarks: bundled tables of kernels and collectives, and what their hardware and formats are called here."""

from __future__ import annotations

import gzip
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from rackline.errors import unknown
from rackline.facts.hardware import machine
from rackline.facts.machine import Machine
from rackline.facts.measurements import Measured, measurements_in

_DATA = Path(__file__).parent / "data" / "micro"


def micro_names() -> list[str]:
    """Names of the bundled tables of micro-benchmarks."""
    return sorted(path.name.removesuffix(".csv.gz") for path in _DATA.glob("*.csv.gz"))


@cache
def micro(name: str) -> tuple[Measured, ...]:
    """The rows of a bundled table of micro-benchmarks; BadInput for an unknown name."""
    if name not in micro_names():
        raise unknown("table of micro-benchmarks", name, micro_names())
    text = gzip.decompress((_DATA / f"{name}.csv.gz").read_bytes()).decode("utf-8")
    return measurements_in(text, name)


@cache
def _names() -> dict[str, dict[str, Any]]:
    return tomllib.loads((_DATA / "names.toml").read_text(encoding="utf-8"))


@cache
def micro_machine(hardware: str) -> Machine | None:
    """The bundled machine around the chip that a table names; None if there is none."""
    name = _names()["chips"].get(hardware)
    return machine(name) if name else None


def family(chip: str) -> str:
    """The family of a bundled chip; the chip itself where it has none."""
    return next((name for name, chips in _names()["families"].items() if chip in chips), chip)


def micro_format(printed: str) -> tuple[str, str, str] | None:
    """Stored weights, stored activations and arithmetic of a format as a table prints it; None if unknown."""
    found = _names()["formats"].get(printed)
    return tuple(found) if found else None
