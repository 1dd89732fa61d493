"""How a question's parameters are declared, and the words that mean the same in every question."""

from __future__ import annotations

from dataclasses import MISSING, field
from typing import Any

from rackline.decisions.kinds import Param

MODEL = "a bundled name, a config.json or a folder with one"
ON = "a bundled chip or machine, or a hardware file"
CHIPS = "chips in all (by default the machine's own number)"
WEIGHTS = "number format of the weights: bf16, fp8, nvfp4 … (by default the model's own)"
KV = "number format of the KV cache (by default the model's own)"
TRACE = "a request trace: azure-conv, mooncake-conv, or a file (CSV, JSON lines or Parquet)"
CLOCK = "what turns work into time: the datasheet's bound, or with efficiencies fitted to measurements"
CLOCKS = ("roofline", "calibrated")
CALIBRATION = "a file that rackline calibrate --to wrote, for --clock calibrated (by default the bundled one)"
ENGINE = "whose own fixed times the calibrated clock adds (by default only what engines have in common)"
ENGINES = ("vllm", "sglang", "tensorrt-llm")
PRICE = 'dollars per chip-hour: 2.5 or "2.5 $/h" (by default the machine\'s own)'


def param(kind: str, help: str, *, default: Any = MISSING, flag: str = "", **bounds: Any) -> Any:
    """A field of a question; without a default it must be given. A flag without dashes is given by its place.

    `bounds`: choices, least, most, as in kinds.Param.
    """
    return field(default=default, metadata={"param": Param(kind, help, flag, **bounds)})
