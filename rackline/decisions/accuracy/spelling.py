"""Engines and number formats as tables print them, by the one name that each has here."""

from __future__ import annotations

import re

_ENGINES = (("tensorrt-llm", r"tensorrt[-_ ]?llm|trt[-_ ]?llm|trt"), ("vllm", "vllm"), ("sglang", "sglang|sgl"))
_RELEASE = re.compile(r"\W+(?:[\w-]+:)?v?(\d.*)|v(\d.*)")  # what comes after marks, an image's name, a v
# formats of weights and caches, the first that stands in the text
_FORMATS = tuple((name, re.compile(rf"(?<![a-z0-9])({words})(?![0-9])")) for name, words in (
    ("mxfp4", "mxfp4"), ("fp4", "nvfp4|fp4|w4a4|e2m1"), ("int4", "int4|w4a16|w4a8|awq|gptq"),
    ("fp8", "fp8|float8|f8|e4m3|e5m2"), ("int8", "int8|w8a8|w8a16"), ("bf16", "bf16|bfloat16"),
    ("fp16", "fp16|float16|f16|half")))


def engine_named(text: str) -> tuple[str, str]:
    """An engine's name and version: "vllm/vllm-openai:v0.19.0", "TRT-LLM 1.0"; others by their first word."""
    lowered = text.lower()
    for name, words in _ENGINES:
        if found := re.search(rf"(?<![a-z])({words})(?![a-z])", lowered):
            rest = lowered[found.end():].strip()
            marked = _RELEASE.match(rest)
            return name, (marked[1] or marked[2]).rstrip(")") if marked else rest
    first, _, version = lowered.partition(" ")
    return first or "not stated", version.strip()


def format_named(text: str) -> str:
    """A number format's name here: "W4A16" is int4, "fp8_e4m3" fp8; the text itself, lower case, where none is."""
    plain = text.lower().replace("_", " ").replace("modelopt ", "")
    return next((name for name, words in _FORMATS if words.search(plain)), text.lower().strip())
