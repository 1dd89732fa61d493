"""Number formats: how many bytes a number takes, and which arithmetic can consume it."""

from __future__ import annotations

from dataclasses import dataclass

from rackline.errors import unknown


@dataclass(frozen=True)
class Format:
    """A storage format: bits with its scales, and the arithmetic that may consume it, fastest first."""

    name: str
    bits: float  # scales included
    math: tuple[str, ...]
    source: str


_SPEC = "OCP Microscaling Formats v1.0"
_FORMATS = [
    Format("fp32", 32, ("fp32",), "IEEE 754"),
    Format("bf16", 16, ("bf16",), "IEEE 754 / bfloat16"),
    Format("fp16", 16, ("fp16", "bf16"), "IEEE 754"),
    Format("fp8", 8, ("fp8", "bf16"), "OCP 8-bit floating point v1.0; scales of 128×128 blocks (4 bytes) are below 0.03 %"),
    Format("int8", 8, ("int8", "bf16"), "one scale a row is below 0.1 %"),
    Format("mxfp8", 8.25, ("fp8", "bf16"), _SPEC + ": one 8-bit scale per 32"),
    Format("mxfp6", 6.25, ("fp6", "fp8", "bf16"), _SPEC + ": one 8-bit scale per 32"),
    Format("mxfp4", 4.25, ("fp4", "fp8", "bf16"), _SPEC + ": one 8-bit scale per 32"),
    Format("nvfp4", 4.5, ("fp4", "fp8", "bf16"), "NVIDIA NVFP4: one 8-bit scale per 16"),
    Format("int4", 4.5, ("bf16",), "weight-only: one 16-bit scale per 32"),
    Format("fp6", 6, ("fp6", "fp8", "bf16"), "without scales"),
    Format("fp4", 4, ("fp4", "fp8", "bf16"), "without scales"),
]
FORMATS = {f.name: f for f in _FORMATS}


def number_format(name: str) -> Format:
    """The format of that name; BadInput for an unknown one."""
    try:
        return FORMATS[name]
    except KeyError:
        raise unknown("number format", name, FORMATS) from None


def bytes_per_number(name: str) -> float:
    """Bytes that one stored number takes, scales included."""
    return number_format(name).bits / 8


def math_format(stored: str, rates: dict | None) -> str:
    """The fastest arithmetic among `rates` (FLOP/s by format) that can consume a stored format."""
    for name in number_format(stored).math:
        if rates is None or name in rates:
            return name
    return "bf16"
