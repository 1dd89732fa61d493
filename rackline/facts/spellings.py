"""What tables print, by the one name that each has here: units, times of requests, engines, number formats."""

from __future__ import annotations

import re

# lower case; of a unit "a/b/c" each part
_UNITS = {"ms": "ms", "us": "us", "seconds": "s", "second": "s", "secs": "s", "sec": "s", "milliseconds": "ms",
          "millisecond": "ms", "msec": "ms", "microseconds": "us", "microsecond": "us", "usec": "us",
          "\u00b5s": "us", "\u03bcs": "us", "percent": "%", "tps": "tokens/s",
          "tflops": "TFLOP/s", "pflops": "PFLOP/s", "gpu": "GPU"}
_COUNTED = {"token": "tokens", "tok": "tokens", "t": "tokens"}  # before "per", not after it
_METRICS = {"ttft": "ttft", "timetofirsttoken": "ttft", "tpot": "tpot", "timeperoutputtoken": "tpot",
            "e2e": "e2e", "e2el": "e2e"}
_STATISTICS = {"mean": "mean", "avg": "mean", "average": "mean", "median": "median", "p50": "median", "p90": "p90",
               "p95": "p95", "p99": "p99"}


def metric_named(printed: str) -> str:
    """A request's time, whatever its spelling: of "TPOT (ms)" tpot, of "mean_ttft_ms" ttft_mean; others as printed."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"\(.*?\)", "", printed.lower()))
    statistics = [_STATISTICS[word] for word in words if word in _STATISTICS]
    rest = "".join(word for word in words if word not in _STATISTICS and word not in ("ms", "s", "us"))
    return "_".join([_METRICS[rest], *statistics[:1]]) if rest in _METRICS else printed


def unit_named(printed: str) -> str:
    """A unit part by part: "tok/sec/gpu" is tokens/s/GPU; what is not known stays as printed."""
    first, *per = (_UNITS.get(part.strip().lower(), part) for part in printed.split("/"))
    return "/".join([_COUNTED.get(first.lower(), first), *per])


# ---- engines and number formats


_ENGINES = (("tensorrt-llm", r"tensorrt[-_ ]?llm|trt[-_ ]?llm|trt"), ("vllm", "vllm"), ("sglang", "sglang|sgl"))
_RELEASE = re.compile(r"\W+(?:[\w-]+:)?v?(\d.*)|v(\d.*)")  # what comes after marks, an image's name, a v
# formats of weights and caches, the first that stands in the text
_NUMBERS = tuple((name, re.compile(rf"(?<![a-z0-9])({words})(?![0-9])")) for name, words in (
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
    return next((name for name, words in _NUMBERS if words.search(plain)), text.lower().strip())
