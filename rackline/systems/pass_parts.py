"""A single pass as kinds of seconds for engines whose kernels differ: what the parts of serving leave together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rackline.facts.formats import number_format
from rackline.facts.machine import Machine
from rackline.systems.clock import compute_time
from rackline.systems.parts import parts
from rackline.systems.work import Work

Number = Any
DECODE = ("weights", "experts", "cache", "compute", "cores", "unpacking", "network", "hop", "layer", "pick", "stage")
PREFILL = ("weights", "experts", "cache", "compute", "rounded", "power", "scores", "network", "hop", "layer", "pick",
           "idle")
WHOLE = ("weights", "experts", "cache", "compute", "rounded", "power", "scores", "network", "hop", "layer", "pick")
PASS_PARTS = tuple(dict.fromkeys((*DECODE, *PREFILL)))
PHASES = {"decode": DECODE, "prefill": PREFILL, "whole": WHOLE}
_SCORE_BYTES = 4.0  # a score is written in 32 bits
_PER_WATT = 5e11  # 16-bit FLOP/s that a watt sustains, in whose seconds `power` is given: its coefficient says how many
_PER_SCORE = 512.0  # FLOPs of a score: two products of a head of 128 numbers, two FLOPs each


def pass_parts(ledger: Mapping[str, Work], machine: Machine) -> dict[str, Number]:
    """Seconds of a pass on one stage by PASS_PARTS at the datasheet's rates, and counts in microseconds.

    As `parts`, and: rounded: arithmetic of quantised weights that arithmetic limits, at the 16-bit rate (parts has it
    under compute). cores, unpacking: arithmetic that memory limits, of plain and of quantised weights, at the rate of
    the 32-bit cores (few tokens use no matrix unit). scores: every attention score written once. stage, idle: zero
    here, what a layer split adds.
    """
    found = {name: value for name, value in parts(ledger, machine).items() if name in PASS_PARTS}
    found |= dict.fromkeys((name for name in PASS_PARTS if name not in found), 0.0)
    chip = machine.chip
    rates = {name: fact.value for name, fact in chip.flops.items()}
    half = rates.get("fp16", rates["bf16"])
    sustained = chip.power.value * _PER_WATT if chip.power else half
    plain, bandwidth = rates.get("fp32", rates["bf16"]), chip.memory_bandwidth.value
    for term, work in ledger.items():
        compute, memory = compute_time(work, rates, chip), work.bytes / bandwidth
        if term.endswith("scores"):
            found["scores"] = found["scores"] + work.total_flops / _PER_SCORE * _SCORE_BYTES / bandwidth
            continue
        limited = memory >= compute
        small = all(quantised(stored) for stored in work.flops)
        name = "unpacking" if small else "cores"
        found[name] = found[name] + np.where(limited, work.total_flops / plain, 0.0)
        busy = np.where(limited, 0.0, work.total_flops / half if small else compute)
        if small:
            found["rounded"] = found["rounded"] + busy
            found["compute"] = found["compute"] - np.where(limited, 0.0, compute)
        found["power"] = found["power"] + busy * (half / sustained)
    return found


def quantised(stored: str) -> bool:
    """Whether a format's numbers are unpacked or rounded by the kernels that multiply them."""
    return stored == "mxfp4" or (number_format(stored).math[0] in ("int8", "bf16") and number_format(stored).bits < 16)
