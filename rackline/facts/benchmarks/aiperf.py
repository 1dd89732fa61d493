"""aiperf's profile_export_aiperf.json and its ancestor genai-perf's: every metric stores its unit, which is read.

Source: aiperf 0.3.0 to 0.13.0, genai-perf 0.0.16.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rackline import units
from rackline.errors import BadInput
from rackline.facts.benchmarks.found import (
    RATE,
    SECONDS,
    Node,
    Run,
    Said,
    Value,
    brief,
    fault,
    inside,
    number,
    text,
)
from rackline.facts.measurements import Load

_LATENCIES = {"time_to_first_token": "ttft", "inter_token_latency": "tpot", "request_latency": "e2e"}
_RATES = {"output_token_throughput": "output_tokens_per_s", "total_token_throughput": "total_tokens_per_s",
          "request_throughput": "requests_per_s"}
_STATISTICS = {"avg": "mean", "p50": "median"} | {f"p{n}": f"p{n}" for n in (1, 5, 10, 25, 75, 90, 95, 99)}
_PER_SECOND = re.compile(r"(tokens?|requests?|req)/(s|sec|second)")


def aiperf(node: Node) -> Iterator[Run]:
    """The one run of a report."""
    version = node.table.get("schema_version")
    if version is not None and not str(version)[:4].startswith("1."):
        fault(node, "schema_version", f"known are none and 1.x; got {brief(version)}; read as 1.4")
    completed = _single(node, "request_count")
    if completed == 0:
        fault(node, "request_count", "no request completed, so nothing was measured")
        return
    inputs = inside(node, "input_config")
    clients, rate = _asked(inputs)
    load = Load(_single(node, "input_sequence_length"), _single(node, "output_sequence_length"), None, clients,
                rate=rate, requests=None if completed is None else int(completed))
    values = [*_values(node, _LATENCIES, "seconds"), *_values(node, _RATES, "")]
    notes = "cancelled before its end" if node.table.get("was_cancelled") is True else ""
    yield Run(node.where, Said(_model(inputs), load=load), tuple(values), _duration(node), notes)


def _single(node: Node, name: str) -> float | None:
    return number(inside(node, name), "avg")


def _duration(node: Node) -> float | None:
    found = inside(node, "benchmark_duration")
    size = _size(found, "seconds") if found.table else None
    value = number(found, "avg")
    return value * size if value and size else None


def _values(node: Node, names: dict[str, str], dimension: str) -> Iterator[Value]:
    for name, metric in names.items():
        found = inside(node, name)
        size = _size(found, dimension) if found.table else None
        for key, statistic in _STATISTICS.items() if size is not None else ():
            yield from _value(found, key, Value(metric, statistic, size or 1.0, dimension, f"{name}.{key}"))


def _value(found: Node, key: str, template: Value) -> Iterator[Value]:
    """The number under a key times the template's, which is the size of its unit."""
    value = number(found, key)
    if value is None or (not template.unit and key != "avg"):
        return
    low, high = SECONDS if template.unit else RATE
    value *= template.value
    if low <= value <= high:
        tokens = "tokens/s" if "token" in template.metric else ""
        rate = template._replace(value=value, statistic="", unit=tokens)
        yield template._replace(value=value) if template.unit else rate
    else:
        fault(found, key, f"must lie between {low:g} and {high:g} in SI units; got {value:g}")


def _size(found: Node, dimension: str) -> float | None:
    """SI size of the unit that the metric stores; None, and a fault, for none or one of another dimension."""
    unit = found.table.get("unit")
    if not dimension:
        if isinstance(unit, str) and _PER_SECOND.fullmatch(unit):
            return 1.0
        fault(found, "unit", f"must be tokens/sec or requests/sec; got {brief(unit)}")
        return None
    try:
        if not isinstance(unit, str) or not unit.strip():
            raise BadInput("unit", "must be a text", unit)
        return units.parse(f"1 {unit.strip()}", dimension)
    except BadInput:
        fault(found, "unit", f"must be a unit of {dimension}; got {brief(unit)}")
        return None


# ---- input_config: UserConfig up to 0.6, BenchmarkConfig from 0.9, command-line arguments in genai-perf


def _asked(inputs: Node) -> tuple[float | None, float | None]:
    """Clients and rate of requests: of the last phase, of loadgen, or flat."""
    for one in (*reversed(_list(inputs, "phases")), inside(inputs, "loadgen"), inside(inputs, "load"), inputs,
                inside(inside(inputs, "perf_analyzer"), "stimulus")):
        clients = number(one, "concurrency", span=(1, 1e9)) if "concurrency" in one.table else None
        named = next((name for name in ("rate", "request_rate") if one.table.get(name) is not None), "rate")
        rate = number(one, named, span=RATE)
        if clients or rate:
            return (None if rate else clients), rate
    return None, None


def _model(inputs: Node) -> str:
    for one in _list(inputs, "models"):
        if text(one, "name"):
            return text(one, "name")
    names: Any = inside(inputs, "endpoint").table.get("model_names") or inputs.table.get("model_names") or (
        inputs.table.get("model"))
    first = names[0] if isinstance(names, list) and names else names
    return first if isinstance(first, str) and first.isprintable() and len(first) < 200 else ""


def _list(inputs: Node, key: str) -> list[Node]:
    """The tables of a list; of {"items": [...]} too, and of a table by name."""
    found = inputs.table.get(key)
    if isinstance(found, dict):
        found = found["items"] if isinstance(found.get("items"), list) else list(found.values())
    if not isinstance(found, list):
        return []
    return [Node(one, f"{inputs.where}.{key}[{i}]", inputs.faults) for i, one in enumerate(found)
            if isinstance(one, dict)]
