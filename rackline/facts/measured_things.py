"""What a published measurement was made with, as records: its model in its number formats, its machine."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rackline import units
from rackline.facts.fact import with_fact
from rackline.facts.hardware import machine
from rackline.facts.machine import Machine
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.facts.models import model

# printed weights -> formats of the layers, the head, the embedding; None: as the configuration says
_FORMATS: dict[str, tuple[str, str, str] | None] = {
    "": None, "fp8": None,
    "bf16": ("bf16", "bf16", "bf16"), "fp16": ("fp16", "fp16", "fp16"), "F16": ("fp16", "fp16", "fp16"),
    "int8": ("int8", "int8", "bf16"), "int8 weight-only": ("int8", "int8", "bf16"),
    "int4 weight-only g32": ("int4", "int4", "bf16"),
    # llama.cpp's mixtures; MXFP4 files keep all but the experts in q8_0
    "Q4_K_M": ("q4_k_m", "q6_k", "q4_k"), "Q4_0": ("q4_0", "q6_k", "q4_0"), "Q8_0": ("q8_0", "q8_0", "q8_0"),
    "MXFP4": ("q8_0", "q8_0", "q8_0"),
}


@cache
def _names() -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "data" / "measurements" / "names.toml").read_text(encoding="utf-8"))


def model_name(row: Measured) -> str | None:
    """The bundled model of a row; None if there is none."""
    return _names()["models"].get(row.model)


def measured_model(row: Measured) -> Model | None:
    """The bundled model of a row with its weights in the row's formats; None if one of both is not known."""
    name = model_name(row)
    if name is None or row.formats.weights not in _FORMATS:
        return None
    return _in_formats(name, row.formats.weights)


@cache
def _in_formats(name: str, weights: str) -> Model:
    plain, chosen = model(name), _FORMATS[weights]
    if chosen is None:
        return plain
    layers, head, embedding = chosen
    roles = {"attention": layers, "dense": layers, "shared": layers, "experts": layers}
    if weights == "MXFP4":
        roles["experts"] = "mxfp4"
    return replace(plain, formats=MappingProxyType({**plain.formats, **roles, "head": head, "embedding": embedding}))


def measured_machine(row: Measured) -> Machine | None:
    """The machine of a row's hardware with as many chips as it used (one where it has no network); None if unknown."""
    known = _names()["chips"].get(row.hardware)
    if known is None:
        return None
    found = _variant(machine(known["chip"]), known)
    chips = row.chips or 1
    return found.with_chips(chips) if found.scale_up or found.scale_out else found


@cache
def measured_chip(hardware: str) -> str | None:
    """The bundled chip that a table's hardware is or is a variant of; None if unknown."""
    known = _names()["chips"].get(hardware)
    return None if known is None else machine(known["chip"]).chip.name


def _variant(found: Machine, known: dict[str, Any]) -> Machine:
    chip = found.chip
    for name, rate in chip.flops.items():
        chip = with_fact(chip, ("flops", name), rate.value * known.get("cores", 1) / known.get("of", 1))
    if "bandwidth" in known:
        chip = with_fact(chip, ("memory_bandwidth",), units.parse(known["bandwidth"], "bytes/s"))
    return found.model_copy(update={"chip": chip})
