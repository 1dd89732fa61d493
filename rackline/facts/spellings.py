"""Units and times of requests as people print them, by the one name that each has here."""

from __future__ import annotations

import re

# lower case; of a unit "a/b/c" each part
_UNITS = {"ms": "ms", "us": "us", "seconds": "s", "second": "s", "secs": "s", "sec": "s", "milliseconds": "ms",
          "millisecond": "ms", "msec": "ms", "microseconds": "us", "microsecond": "us", "usec": "us",
          "\u00b5s": "us", "\u03bcs": "us", "percent": "%", "tps": "tokens/s",
          "tflops": "TFLOP/s", "pflops": "PFLOP/s", "gpu": "GPU"}
_COUNTED = {"token": "tokens", "tok": "tokens"}  # before "per", not after it
_METRICS = {"ttft": "ttft", "timetofirsttoken": "ttft", "tpot": "tpot", "timeperoutputtoken": "tpot"}
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
