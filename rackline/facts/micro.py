"""Micro-benchmarks: bundled tables of kernels and collectives, and what their hardware and formats are called here."""

from __future__ import annotations

import gzip
import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rackline.errors import unknown
from rackline.facts.fact import Fact, Record
from rackline.facts.hardware import aliases, chip_names, machine
from rackline.facts.machine import Machine
from rackline.facts.measurements import Measured, measurements_in
from rackline.facts.spellings import format_named

_DATA = Path(__file__).parent / "data" / "micro"
COEFFICIENTS = Path(__file__).parent / "data" / "calibration" / "micro.toml"
WAYS = (" over boxes", " in the switch", " through the host", " with a neighbour")
_UNITS = {"fixed": "seconds", "depth": "seconds", "joint": "count", "fixed_growth": "count", "wire_growth": "count"}


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
    """The bundled machine around the chip all of whose name's words, or an alias's, stand in a table's; else None.

    Of several that do, that of the longest name: "NVIDIA H100 PCIe" is no H100 SXM.
    """
    words = set(re.findall(r"[a-z0-9]+", hardware.lower().partition("(")[0])) - {"nvidia", "amd"}
    known = {name: name for name in chip_names()} | {name: chip for name, chip in aliases()["chips"].items()
                                                     if re.search(r"[a-z]\d", name)}
    fitting = [name for name in known if set(name.split("-")) <= words]
    if not fitting:
        return None
    return machine(known[max(fitting, key=lambda name: (len(name.split("-")), len(name), name))])


def family(chip: str) -> str:
    """The family of a bundled chip; the chip itself where it has none."""
    return next((name for name, chips in _names()["families"].items() if chip in chips), chip)


def micro_levels(what: str, chip: str, kind: str) -> tuple[str, ...]:
    """Names of the groups of a bundled chip and a kind, special to general, such as of "gemm", "h100-sxm", "bf16".

    A collective that takes a way of its own (over boxes, in the switch, through the host) leans on others of that way.
    """
    way = [f"{what}:{kind[kind.index(way):]}" for way in WAYS if kind.endswith(way)]
    return tuple(dict.fromkeys((f"{what}: {kind} on {chip}", f"{what}: {kind} on {family(chip)}", f"{what}: {kind}",
                                *way, what)))


def micro_format(printed: str) -> tuple[str, str, str, str] | None:
    """Stored weights, stored activations, arithmetic and kind of a format as a table prints it; None if unknown."""
    known = _names()["formats"]
    found = known.get(printed) or known.get(printed.lower()) or known.get(format_named(printed))
    return tuple(found) if found else None


# ---- coefficients fitted to them


class MicroGroup(Record):
    """Coefficients of a group of micro-benchmarks, each with its 90 % interval, and how far its points lie from them.

    spread: 5th and 95th percentile of log(measured/predicted) of points that the fit had not seen.
    left_out: median and mean absolute error of the same points, relative to the measured.
    shared: the same where other chips of the family were measured at the same sizes, and what they show is counted.
    sizes: chips of the collectives measured, if it is of those; elsewhere: the spread at other sizes.
    """

    name: str
    form: str
    rows: str
    count: int
    spread: tuple[float, float]
    left_out: tuple[float, float]
    shared: tuple[float, float]
    sizes: tuple[float, ...] = ()
    elsewhere: tuple[float, float] = (0.0, 0.0)
    coefficients: dict[str, Fact]

    def interval(self, size: float, shared: bool = False) -> tuple[float, float]:
        """Log of the 90 % interval's ends over the seconds, for so many chips.

        shared: with what other chips of the family show at the same sizes.
        """
        if shared or not self.sizes or size in self.sizes:
            return self.shared if shared else self.spread
        return min(self.spread[0], self.elsewhere[0]), max(self.spread[1], self.elsewhere[1])

    @property
    def values(self) -> dict[str, float]:
        """The coefficients' numbers."""
        return {name: fact.value for name, fact in self.coefficients.items()}


@cache
def micro_groups() -> dict[str, MicroGroup]:
    """Every bundled group by name, such as "gemm: bf16 on h100-sxm", "gemm: bf16 on hopper", "gemm: bf16", "gemm"."""
    table = tomllib.loads(COEFFICIENTS.read_text(encoding="utf-8"))
    return {name: _group(name, found, table["date"]) for name, found in table["groups"].items()}


def micro_group(levels: Sequence[str]) -> MicroGroup | None:
    """The first group of these names that there is."""
    groups = micro_groups()
    return next((groups[name] for name in levels if name in groups), None)


def _group(name: str, found: dict[str, Any], date: str) -> MicroGroup:
    rest = {key: value for key, value in found.items() if key != "coefficients"}
    source = f"fitted to {found['count']} micro-benchmarks: {found['rows']}"
    facts = {key: Fact(value=value, low=low, high=high, unit=_UNITS.get(key, "ratio"), source=source, date=date,
                       kind="derived") for key, (value, low, high) in found["coefficients"].items()}
    return MicroGroup(name=name, coefficients=facts, **rest)
