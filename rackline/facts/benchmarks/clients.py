"""Result files of clients that follow vLLM's: `vllm bench serve`, SGLang's bench_serving, InferenceX.

Source: vllm 0.33.0 vllm/benchmarks/serve.py, sglang 0.5.23, SemiAnalysisAI/InferenceX@843c6254 utils/process_result.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rackline.facts.benchmarks.found import (
    Node,
    Run,
    Said,
    Value,
    fault,
    inside,
    latency,
    mean_of,
    number,
    rate_of,
    text,
    throughput,
    whole,
)
from rackline.facts.measurements import Formats, Load, Sizes

_KEY = re.compile(r"(mean|median|p\d{1,2}(?:\.\d+)?)_(ttft|tpot|itl|e2el|e2e_latency)(_ms)?")
_METRICS = {"e2el": "e2e", "e2e_latency": "e2e"}
# in the file's words -> ours
_RATES = (("output_throughput", "output_tokens_per_s"), ("total_token_throughput", "total_tokens_per_s"),
          ("total_throughput", "total_tokens_per_s"), ("request_throughput", "requests_per_s"))
_NEEDED = ("duration", "completed", "total_input_tokens", "total_output_tokens")


def vllm(node: Node) -> Iterator[Run]:
    """A result of `vllm bench serve`: latencies in ms; lengths are totals over completed requests."""
    for key in _NEEDED:
        if node.table.get(key) is None:
            fault(node, key, "expected of vllm bench serve 0.8 to 0.33, not there: another version?")
    said = Said(text(node, "model_id"), "", whole(node, "num_gpus", 1), "vllm" if _is_vllm(node) else "", _sizes(node),
                Formats(), _load(node))
    yield from _run(node, said)


def _is_vllm(node: Node) -> bool:
    """Its OpenAI client measures other servers too, so only the backend named vllm says the engine."""
    return "vllm" in (node.table.get("backend"), node.table.get("endpoint_type"))


def sglang(node: Node) -> Iterator[Run]:
    """A line of SGLang's bench_serving; random_input_len is no mean, so lengths are totals over completed."""
    server = inside(node, "server_info")
    said = Said(text(server, "model_path"), "", None, _engine(node, server), _server_sizes(server),
                Formats(text(server, "quantization"), _kv(server)), _load(node))
    yield from _run(node, said)


def _engine(node: Node, server: Node) -> str:
    backend = text(node, "backend")
    name = "sglang" if backend.startswith("sglang") else backend
    return f"{name} {text(server, 'version')}".strip()


def _kv(server: Node) -> str:
    found = text(server, "kv_cache_dtype")
    return "" if found == "auto" else found


def _server_sizes(server: Node) -> Sizes:
    names = ("tp_size", "ep_size", "pp_size", "dp_size")
    tensor, expert, pipeline, data = (whole(server, name) for name in names)
    return Sizes(tensor, expert, pipeline, data)


def _sizes(node: Node) -> Sizes:
    """What --metadata tp=8 left, which only this user writes."""
    tensor, expert, pipeline, data = (whole(node, name) for name in ("tp", "ep", "pp", "dp"))
    return Sizes(tensor, expert, pipeline, data)


def _load(node: Node) -> Load:
    """A rate of requests where it is finite; else clients that wait; else everything at once."""
    completed = whole(node, "completed")
    rate, clients = rate_of(node, "request_rate"), whole(node, "max_concurrency", 1)
    if rate is None and clients is None:
        clients = whole(node, "num_prompts", 1) or completed or None
    return Load(mean_of(number(node, "total_input_tokens"), completed),
                mean_of(number(node, "total_output_tokens"), completed), None, clients, rate=rate, requests=completed)


def _run(node: Node, said: Said) -> Iterator[Run]:
    if said.load.requests == 0:
        fault(node, "completed", "no request completed, so nothing was measured")
        return
    duration = number(node, "duration", "s", (1e-9, 1e9))
    values = [*_latencies(node, "ms"), *(v for key, name in _RATES for v in throughput(node, key, name))]
    yield Run(node.where, said, tuple(_agreeing(node, values, duration)), duration, _failed(node))


def _latencies(node: Node, unit: str) -> Iterator[Value]:
    """Every mean, median and percentile; keys end in _ms exactly where the unit is ms."""
    for key in node.table:
        match = _KEY.fullmatch(key)
        if match and bool(match[3]) == (unit == "ms"):
            yield from latency(node, key, _METRICS.get(match[2], match[2]), _statistic(match[1]), unit)


def _statistic(name: str) -> str:
    return "median" if name == "p50" else name


def _agreeing(node: Node, values: list[Value], duration: float | None) -> Iterator[Value]:
    """Without a throughput that is not tokens over duration: then one of the three is in another unit."""
    output = number(node, "total_output_tokens")
    for value in values:
        if value.metric == "output_tokens_per_s" and output and duration and not (
                0.9 < value.value * duration / output < 1.1):
            fault(node, value.key, f"{value.value:g} tokens/s over {duration:g} s are not {output:g} tokens")
        else:
            yield value


def _failed(node: Node) -> str:
    failed = whole(node, "failed")
    return f"{failed} requests failed" if failed else ""


def inferencex(node: Node) -> Iterator[Run]:
    """An aggregated result of InferenceX: latencies in s, rates per chip of their own pool, lengths as asked for."""
    apart = node.table.get("disagg") in (True, "true")
    load = Load(number(node, "isl"), number(node, "osl"), None, whole(node, "conc", 1))
    engine = text(node, "framework")
    chips = _chips(node, apart)
    said = Said(text(node, "model"), text(node, "hw"), chips, engine, _apart(node) if apart else _together(node),
                Formats(text(node, "precision")), load)
    out, prompt = ("decode GPU", "prefill GPU") if apart else ("GPU", "GPU")
    rates = [*throughput(node, "output_tput_per_gpu", "output_tokens_per_s", out),
             *throughput(node, "input_tput_per_gpu", "input_tokens_per_s", prompt),
             *throughput(node, "tput_per_gpu", "total_tokens_per_s", "GPU")]
    lengths = "lengths drawn from 0.8 to 1 times these" if load.input else ""
    speculative = text(node, "spec_decoding")
    drafts = f"speculative decoding: {speculative}" if speculative not in ("", "none", "false") else ""
    yield Run(node.where, said, (*_latencies(node, "s"), *rates), None, "; ".join(n for n in (lengths, drafts) if n))


def _chips(node: Node, apart: bool) -> int | None:
    if apart:
        pools = [whole(node, f"num_{pool}_gpu") for pool in ("prefill", "decode")]
        return sum(n for n in pools if n) or None
    sizes = [whole(node, name, 1) for name in ("tp", "pp", "pcp_size")]
    return None if sizes[0] is None else sizes[0] * (sizes[1] or 1) * (sizes[2] or 1)


def _together(node: Node) -> Sizes:
    tensor, expert, pipeline = (whole(node, name) for name in ("tp", "ep", "pp"))
    data = tensor if node.table.get("dp_attention") in (True, "true") else 1
    return Sizes(tensor, expert, pipeline, data, notes="agg")


def _apart(node: Node) -> Sizes:
    """Both pools as text, in the words that the sample of InferenceX has."""
    return Sizes(notes=f"disagg; prefill={_pool(node, 'prefill')}; decode={_pool(node, 'decode')}")


def _pool(node: Node, name: str) -> str:
    tensor, expert, pipeline, workers = (whole(node, f"{name}_{key}") for key in ("tp", "ep", "pp", "num_workers"))
    spread = node.table.get(f"{name}_dp_attention") in (True, "true")
    sizes = {"num_workers": workers or 1, "tp_size": 1 if spread else tensor or 1, "pp_size": pipeline or 1,
             "attention_dp_size": (tensor or 1) if spread else 1,
             "moe_tp_size": max(1, (tensor or 1) // (expert or 1)), "moe_ep_size": expert or 1}
    return "{" + ", ".join(f'"{key}": {value}' for key, value in sizes.items()) + "}"
