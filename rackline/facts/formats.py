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
_GGML = "block layouts of ggml, as in gguf 0.19.0's table GGML_QUANT_SIZES"
_GGML_BLOCKS = (("q4_1", 32, 20), ("q5_0", 32, 22), ("q5_1", 32, 24), ("q2_k", 256, 84), ("q3_k", 256, 110),
                ("iq1_s", 256, 50), ("iq1_m", 256, 56), ("iq2_xxs", 256, 66), ("iq2_xs", 256, 74), ("iq2_s", 256, 82),
                ("iq3_xxs", 256, 98), ("iq3_s", 256, 110), ("iq4_nl", 32, 18), ("iq4_xs", 256, 136),
                ("tq1_0", 256, 54), ("tq2_0", 256, 66))
_MIXTURE = "a layer's weights, llama.cpp's mixture of blocks; bits a weight to a tenth, from memory"
_GGML_MIXTURES = (("q2_k_m", 2.9), ("q3_k_s", 3.5), ("q3_k_m", 3.9), ("q3_k_l", 4.3), ("q4_k_s", 4.6), ("q5_k_s", 5.5),
                  ("q5_k_m", 5.7), ("iq2_m", 2.7), ("iq3_m", 3.7), ("iq3_xs", 3.3))
_GGML_MATH = ("int8", "fp8", "bf16")
_FORMATS = [
    Format("fp32", 32, ("fp32",), "IEEE 754"),
    Format("bf16", 16, ("bf16",), "IEEE 754 / bfloat16"),
    Format("fp16", 16, ("fp16", "bf16"), "IEEE 754"),
    Format("fp8", 8, ("fp8", "bf16"), "OCP 8-bit floating point v1.0; scales of 128×128 blocks add below 0.03 %"),
    Format("int8", 8, ("int8", "bf16"), "one scale a row is below 0.1 %"),
    Format("mxfp8", 8.25, ("fp8", "bf16"), _SPEC + ": one 8-bit scale per 32"),
    Format("mxfp6", 6.25, ("fp6", "fp8", "bf16"), _SPEC + ": one 8-bit scale per 32"),
    Format("mxfp4", 4.25, ("fp4", "fp8", "bf16"), _SPEC + ": one 8-bit scale per 32"),
    Format("nvfp4", 4.5, ("fp4", "fp8", "bf16"), "NVIDIA NVFP4: one 8-bit scale per 16"),
    Format("int4", 4.5, ("bf16",), "weight-only: one 16-bit scale per 32"),
    Format("fp6", 6, ("fp6", "fp8", "bf16"), "without scales"),
    Format("fp4", 4, ("fp4", "fp8", "bf16"), "without scales"),
    # llama.cpp multiplies its quantised weights by activations rounded to 8-bit integers where a chip has them
    Format("q4_0", 4.5, _GGML_MATH, _GGML + ": 18 bytes per 32"),
    Format("q8_0", 8.5, _GGML_MATH, _GGML + ": 34 bytes per 32"),
    Format("q4_k", 4.5, _GGML_MATH, _GGML + ": 144 bytes per 256"),
    Format("q5_k", 5.5, _GGML_MATH, _GGML + ": 176 bytes per 256"),
    Format("q6_k", 6.5625, _GGML_MATH, _GGML + ": 210 bytes per 256"),
    Format("q4_k_m", 4.8, _GGML_MATH, "a layer's weights: half of the value and down matrices in q6_k, the rest in "
           "q4_k; with the head in q6_k this is the 4.58 and 39.59 GiB printed for Llama 3 8B and 70B"),
    *(Format(name, 8 * size / block, _GGML_MATH, f"{_GGML}: {size} bytes per {block}")
      for name, block, size in _GGML_BLOCKS),
    *(Format(name, bits, _GGML_MATH, _MIXTURE) for name, bits in _GGML_MIXTURES),
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
