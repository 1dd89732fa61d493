"""What a published measurement was made with, as records: its model in its number formats, its machine."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rackline import units
from rackline.facts.fact import with_fact
from rackline.facts.hardware import machine
from rackline.facts.labels import counted, plain, read_label
from rackline.facts.machine import Machine
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.facts.models import model, model_aliases, model_names

# printed weights -> formats of the layers, the head, the embedding; None: as the configuration says
_FORMATS: dict[str, tuple[str, str, str] | None] = {
    "": None, "fp8": None,
    "bf16": ("bf16", "bf16", "bf16"), "fp16": ("fp16", "fp16", "fp16"), "f16": ("fp16", "fp16", "fp16"),
    "fp32": ("fp32", "fp32", "fp32"), "f32": ("fp32", "fp32", "fp32"),
    "int8": ("int8", "int8", "bf16"), "int4": ("int4", "int4", "bf16"),
    # llama.cpp's mixtures; MXFP4 files keep all but the experts in q8_0
    "q4_0": ("q4_0", "q6_k", "q4_0"), "q8_0": ("q8_0", "q8_0", "q8_0"), "mxfp4": ("q8_0", "q8_0", "q8_0"),
    "q2_k": ("q2_k_m", "q6_k", "q2_k"), "q6_k": ("q6_k", "q6_k", "q6_k"),
}
# its other mixtures have the head in q6_k and the embedding in the blocks that they are named after
_MIXTURES = {"q4_k_m": "q4_k", "q4_k_s": "q4_k", "q3_k_s": "q3_k", "q3_k_m": "q3_k", "q3_k_l": "q3_k",
             "q5_k_s": "q5_k", "q5_k_m": "q5_k", "iq2_m": "iq2_s", "iq3_m": "iq3_s", "iq3_xs": "iq3_xxs"}
_SAME_BLOCKS = ("q4_1", "q5_0", "q5_1", "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_nl",
                "iq4_xs", "tq1_0", "tq2_0")
_FORMATS |= {name: (name, "q6_k", blocks) for name, blocks in _MIXTURES.items()}
_FORMATS |= {name: (name, "q6_k", name) for name in _SAME_BLOCKS}


def printed_format(text: str) -> str | None:
    """The name here of a printed format of weights ("int4 weight-only g32" is int4); None where there is none."""
    plain = re.split(r"\s+(?:weight-only|moe$)", text.strip().lower())[0]
    plain = re.sub(r"_k[ -]+(s|m|l)\w*$", r"_k_\1", plain.replace("bfloat16", "bf16").replace("float16", "fp16"))
    return next((name for name in (plain, f"{plain}_m") if name in _FORMATS), None)


@cache
def _names() -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "data" / "measurements" / "names.toml").read_text(encoding="utf-8"))


def model_name(row: Measured) -> str | None:
    """The bundled model of a row, by the table of names or by its own; None if there is none."""
    return _names()["models"].get(row.model) or _plainly(row.model)


@cache
def _plainly(text: str) -> str | None:
    """A bundled model whose name is the text's: without an owner, lower case, one kind of hyphen.

    Else without what names a tuning or a number format, one after the other from the end: a row's own format counts.
    """
    base = re.sub(r"[\s_-]+", "-", plain(text).lower().rpartition("/")[2])
    known = {name: name for name in model_names()} | dict(model_aliases())
    while base not in known:
        base, found = re.subn(_TOLD_APART, "", base)
        if not found:
            return None
    return known[base]


_TOLD_APART = (r"-(instruct|chat|it|base|hf|thinking|fp8|nvfp4|fp4|mxfp4|bf16|fp16|awq|gptq|int4|int8|w4a16|w8a8|"
               r"dynamic|block|kv|v\d|\d{4})$")


def measured_model(row: Measured) -> Model | None:
    """The bundled model of a row with its weights in the row's formats; None if one of both is not known."""
    name, weights = model_name(row), printed_format(row.formats.weights)
    return None if name is None or weights is None else _in_formats(name, weights)


@cache
def _in_formats(name: str, weights: str) -> Model:
    configured, chosen = model(name), _FORMATS[weights]
    if chosen is None:
        return configured
    layers, head, embedding = chosen
    roles = {"attention": layers, "dense": layers, "shared": layers, "experts": layers}
    if weights == "mxfp4":
        roles["experts"] = "mxfp4"
    chosen_roles = {**roles, "head": head, "embedding": embedding}
    return replace(configured, formats=MappingProxyType({**configured.formats, **chosen_roles}))


def measured_machine(row: Measured) -> Machine | None:
    """The machine of a row's hardware with as many chips as it used (one where it has no network); None if unknown."""
    label, times = counted(row.hardware)
    known = _names()["chips"].get(label) or _labelled(label)
    if known is None:
        return None
    found = _limited(_variant(machine(known["chip"]), known), label)
    chips = row.chips or times
    return found.with_chips(chips) if found.scale_up or found.scale_out else found


@cache
def measured_chip(hardware: str) -> str | None:
    """The bundled chip that a table's hardware is or is a variant of; None if unknown."""
    label = counted(hardware)[0]
    known = _names()["chips"].get(label) or _labelled(label)
    return None if known is None else machine(known["chip"]).chip.name


@cache
def chip_variant(hardware: str) -> tuple[Any, ...] | None:
    """What tells a table's chip from others, whatever it is called: bundled name, rates and power; None if unknown."""
    found = measured_machine(Measured("", "", 0.0, "", hardware=counted(hardware)[0]))
    if found is None:
        return None
    chip = found.chip
    return (chip.name, chip.memory_bandwidth.value, *sorted((name, rate.value) for name, rate in chip.flops.items()),
            chip.power.value if chip.power else None)


@cache
def _labelled(label: str) -> dict[str, Any] | None:
    """A label's chip with the share of its GPU cores that is enabled, and its memory's rate where that differs too."""
    read, names = read_label(label), _names()
    if read is None:
        return None
    whole = names["cores"].get(read.chip)
    if read.cores is None or whole is None or read.cores == whole:
        return {"chip": read.chip}
    narrow = names["narrow"].get(f"{read.chip} {read.cores}")
    return {"chip": read.chip, "cores": read.cores, "of": whole} | ({"bandwidth": narrow} if narrow else {})


def _variant(found: Machine, known: dict[str, Any]) -> Machine:
    chip = found.chip
    for name, rate in chip.flops.items() if "cores" in known else ():
        chip = with_fact(chip, ("flops", name), rate.value * known["cores"] / known["of"])
    if "bandwidth" in known:
        chip = with_fact(chip, ("memory_bandwidth",), units.parse(known["bandwidth"], "bytes/s"))
    return found.model_copy(update={"chip": chip})


_CAPPED = 0.5  # of a chip's power where a label says only that it is capped: as Splitwise does, from memory


def _limited(found: Machine, label: str) -> Machine:
    """The machine with the power limit that a label states ("A100 (330 W power limit)"), or says to be there."""
    if found.chip.power is None:
        return found
    stated = re.search(r"(?<![\w.])(\d{2,4})\s*W\b", label)
    capped = re.search(r"\bpcap\b|power[ -]?capped", label, re.I)
    limit = float(stated[1]) if stated else found.chip.power.value * (_CAPPED if capped else 1.0)
    if limit == found.chip.power.value:
        return found
    return found.model_copy(update={"chip": with_fact(found.chip, ("power",), limit)})
