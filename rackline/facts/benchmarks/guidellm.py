"""guidellm's benchmarks.json: first token and gaps in ms, latency of requests in s, p001 is 0.1 %.

Source: guidellm 0.2.1 to 0.8.1. Its time_per_output_token includes the first token; inter_token_latency is the others'
time per output token.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackline.facts.benchmarks.found import (
    RATE,
    Node,
    Run,
    Said,
    Skipped,
    Value,
    brief,
    fault,
    inside,
    latency,
    number,
    text,
    throughput,
    whole,
)
from rackline.facts.measurements import Load

_VERSIONS = (None, 1, 2)
_LATENCIES = (("time_to_first_token_ms", "ttft", "ms"), ("inter_token_latency_ms", "tpot", "ms"),
              ("time_per_output_token_ms", "tpot_with_first", "ms"), ("request_latency", "e2e", "s"))
_RATES = (("output_tokens_per_second", "output_tokens_per_s"), ("tokens_per_second", "total_tokens_per_s"),
          ("requests_per_second", "requests_per_s"))
_STATISTICS = ("mean", "median")
# named by per mille where three digits are printed
_PERCENTILES = {"p001": "p0.1", "p01": "p1", "p05": "p5", "p10": "p10", "p25": "p25", "p75": "p75", "p90": "p90",
                "p95": "p95", "p99": "p99", "p999": "p99.9"}


def guidellm(node: Node) -> Iterator[Run]:
    """Every benchmark of a report."""
    version = inside(node, "metadata").table.get("version")
    if version not in _VERSIONS:
        fault(node, "metadata.version", f"known are none, 1 and 2; got {brief(version)}; read as 2")
    listed = node.table.get("benchmarks")
    if not isinstance(listed, list):
        fault(node, "benchmarks", f"must be a list; got {brief(listed)}")
        return
    above = inside(node, "args" if "args" in node.table else "config")
    for i, one in enumerate(listed):
        where = f"benchmarks[{i}]"
        if isinstance(one, dict):
            yield from _benchmark(Node(one, where, node.faults), above)
        else:
            node.faults.append(Skipped(where, f"must be a table; got {brief(one)}"))


def _benchmark(node: Node, above: Node) -> Iterator[Run]:
    """One benchmark; what it was run with is its config, before that its args or its scheduler."""
    metrics = inside(node, "metrics", needed=True)
    own = [inside(node, name) for name in ("config", "args", "scheduler")]
    strategy = next((found for one in own if (found := inside(one, "strategy")).table), Node({}, "", node.faults))
    completed = _completed(metrics)
    if completed == 0:
        fault(metrics, "request_totals.successful", "no request completed, so nothing was measured")
        return
    load = Load(_mean(metrics, "prompt_token_count"), _mean(metrics, "output_token_count"), None,
                _clients(strategy, completed), rate=number(strategy, "rate", span=RATE), requests=completed)
    said = Said(next((name for one in (*own, above) if (name := _model(one))), ""), load=load)
    values = [*_latencies(metrics), *_rates(metrics)]
    yield Run(node.where, said, tuple(values), number(node, "duration", "s", (1e-9, 1e9)))


def _clients(strategy: Node, completed: int | None) -> float | None:
    """How many clients wait for their answers: one, a number of streams, or everything at once."""
    kind = text(strategy, "type_")
    if kind == "synchronous":
        return 1
    streams = whole(strategy, "streams", 1) or whole(strategy, "max_concurrency", 1)
    if kind == "throughput":
        return streams or completed
    if kind not in ("concurrent", "constant", "poisson", "async"):
        fault(strategy, "type_", f"a strategy not known here; got {brief(strategy.table.get('type_'))}")
    return None if strategy.table.get("rate") is not None else streams


def _model(node: Node) -> str:
    backend = node.table.get("backend")
    return text(inside(node, "backend"), "model") if isinstance(backend, dict) else text(node, "model")


def _completed(metrics: Node) -> int | None:
    """Completed requests: a total from 0.4 on, before that the count of any distribution."""
    if "request_totals" in metrics.table:
        return whole(inside(metrics, "request_totals"), "successful")
    return whole(_successful(metrics, "request_latency"), "count")


def _successful(metrics: Node, name: str) -> Node:
    return inside(inside(metrics, name), "successful")


def _mean(metrics: Node, name: str) -> float | None:
    return number(_successful(metrics, name), "mean")


def _latencies(metrics: Node) -> Iterator[Value]:
    for name, metric, unit in _LATENCIES:
        if metrics.table.get(name) is None:
            fault(metrics, name, "expected of guidellm 0.2 to 0.8, not there: another version, or no streaming")
            continue
        found = _successful(metrics, name)
        ranks = inside(found, "percentiles")
        for statistic in _STATISTICS:
            yield from _named(latency(found, statistic, metric, statistic, unit), found)
        for key, statistic in _PERCENTILES.items():
            yield from _named(latency(ranks, key, metric, statistic, unit), ranks)


def _rates(metrics: Node) -> Iterator[Value]:
    for name, metric in _RATES:
        found = _successful(metrics, name)
        yield from _named(throughput(found, "mean", metric), found)


def _named(values: Iterator[Value], node: Node) -> Iterator[Value]:
    """The values under the whole path of their key, without the benchmark's."""
    path = node.where.split(".", 1)[-1]
    return (value._replace(key=f"{path}.{value.key}") for value in values)
