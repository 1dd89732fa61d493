"""trtllm-bench's report (ms), inference-perf's lifecycle metrics (s), llama-bench (tokens per second).

Source: NVIDIA/TensorRT-LLM@02499765 tensorrt_llm/bench/dataclasses/reporting.py, inference-perf 0.7.0, llama.cpp as in
llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rackline.facts.benchmarks.found import (
    RATE,
    Node,
    Run,
    Said,
    Value,
    at,
    fault,
    inside,
    latency,
    number,
    text,
    throughput,
    whole,
)
from rackline.facts.measurements import Formats, Load, Sizes

_RANKS = {"average": "mean", "p50": "median", "p90": "p90", "p95": "p95", "p99": "p99"}


def trtllm(node: Node) -> Iterator[Run]:
    """A report of trtllm-bench; time to first token and per token only where it streamed."""
    engine, world, asked = (inside(node, name, True) for name in ("engine", "world_info", "request_info"))
    speed, stream = inside(node, "performance", True), inside(node, "streaming_metrics")
    completed = whole(asked, "num_requests")
    if completed == 0:
        fault(asked, "num_requests", "no request completed, so nothing was measured")
        return
    load = Load(number(asked, "avg_input_length"), number(asked, "avg_output_length"), None,
                number(asked, "avg_num_concurrent_requests", span=(1e-9, 1e9)), requests=completed)
    kv, weights = text(engine, "kv_cache_dtype"), text(engine, "quantization") or text(engine, "dtype")
    said = Said(text(engine, "model"), text(inside(node, "machine"), "name"), whole(world, "world_size", 1),
                f"TensorRT-LLM {text(engine, 'version')}".strip(),
                Sizes(whole(world, "tp_size"), whole(world, "ep_size"), whole(world, "pp_size")),
                Formats(weights, kv), load)
    values = [*_performance(speed), *_streaming(stream)]
    yield Run(node.where, said, tuple(values), number(speed, "total_latency_ms", "ms", (1e-9, 1e9)),
              "concurrency as measured" if load.concurrency else "")


def _performance(node: Node) -> Iterator[Value]:
    yield from _in(node, throughput(node, "system_output_throughput_tok_s", "output_tokens_per_s"))
    yield from _in(node, throughput(node, "system_total_throughput_tok_s", "total_tokens_per_s"))
    yield from _in(node, throughput(node, "request_throughput_req_s", "requests_per_s"))
    yield from _in(node, latency(node, "avg_request_latency_ms", "e2e", "mean", "ms"))
    ranks = inside(node, "request_latency_percentiles_ms")
    yield from _ranked(ranks, "e2e", "ms", {k: v for k, v in _RANKS.items() if k != "average"})


def _streaming(node: Node) -> Iterator[Value]:
    """Its percentiles are in ms though their keys do not say so."""
    for metric in ("ttft", "tpot"):
        yield from _in(node, latency(node, f"avg_{metric}_ms", metric, "mean", "ms"))
        ranks = inside(node, f"{metric}_percentiles")
        yield from _ranked(ranks, metric, "ms", {k: v for k, v in _RANKS.items() if k != "average"})


def _ranked(node: Node, metric: str, unit: str, names: dict[str, str]) -> Iterator[Value]:
    for key, statistic in names.items():
        yield from _in(node, latency(node, key, metric, statistic, unit))


def _in(node: Node, values: Iterator[Value]) -> Iterator[Value]:
    return (value._replace(key=at(node.where, value.key)) for value in values)


# ---- inference-perf

_LIFECYCLE = {"time_to_first_token": "ttft", "time_per_output_token": "tpot", "inter_token_latency": "itl",
              "request_latency": "e2e", "normalized_time_per_output_token": "e2e_per_output_token"}
_FLOWS = {"output_tokens_per_sec": "output_tokens_per_s", "total_tokens_per_sec": "total_tokens_per_s",
          "requests_per_sec": "requests_per_s"}
_MOMENTS = {"mean": "mean", "median": "median"} | {f"p{n}": f"p{n}"
                                                   for n in (0.1, 1, 5, 10, 25, 75, 90, 95, 99, 99.9)}


def inference_perf(node: Node) -> Iterator[Run]:
    """A summary or one stage of inference-perf: everything in seconds."""
    asked, good = inside(node, "load_summary"), inside(node, "successes", True)
    completed = whole(good, "count")
    if completed == 0:
        fault(good, "count", "no request completed, so nothing was measured")
        return
    times, flows = inside(good, "latency", True), inside(good, "throughput")
    clients = whole(asked, "concurrency", 1)
    load = Load(_mean(good, "prompt_tokens", "prompt_len"), _mean(good, "output_tokens", "output_len"), None, clients,
                rate=None if clients else number(asked, "requested_rate", span=RATE), requests=completed)
    values = [v for name, metric in _LIFECYCLE.items() for v in _ranked(inside(times, name), metric, "s", _MOMENTS)]
    values += [v for name, metric in _FLOWS.items() for v in _in(flows, throughput(flows, name, metric))]
    yield Run(node.where, Said(load=load), tuple(values), number(node, "benchmark_time_seconds", "s", (1e-9, 1e9)))


def _mean(node: Node, *names: str) -> float | None:
    found = (number(inside(node, name), "mean") for name in names)
    return next((value for value in found if value is not None), None)


# ---- llama-bench


def llama_bench(node: Node) -> Iterator[Run]:
    """One test of llama-bench: prompts without output (pp), output without prompt (tg), at a depth."""
    prompt, output = whole(node, "n_prompt"), whole(node, "n_gen")
    if not prompt and not output:
        fault(node, "n_prompt", "a test of neither prompt nor output")
        return
    if prompt and output:
        fault(node, "n_gen", "a test of prompt and output together (-pg): no time of either")
        return
    metric = "prefill_tokens_per_s" if prompt else "decode_tokens_per_s"
    depth = whole(node, "n_depth")
    load = Load(prompt or None, output or None, 1, None, depth)
    weights, build = _weights(text(node, "model_type")), text(node, "build_commit")
    kv = {text(node, "type_k"), text(node, "type_v")} - {""}
    said = Said(text(node, "model_type") or text(node, "model_filename"), text(node, "gpu_info"), None,
                f"llama.cpp {build}".strip(), formats=Formats(weights, kv.pop() if len(kv) == 1 else ""), load=load)
    values = _agreeing(node, throughput(node, "avg_ts", metric, "", "mean"), prompt or output or 0)
    yield Run(node.where, said, tuple(values), notes="depth=context" if depth else "")


def _agreeing(node: Node, values: Iterator[Value], tokens: int) -> Iterator[Value]:
    """Without a speed that is not tokens over the time printed beside it."""
    seconds = number(node, "avg_ns", "ns")
    for value in values:
        if seconds and not 0.8 < value.value * seconds / tokens < 1.25:
            fault(node, "avg_ts", f"{value.value:g} tokens/s are not {tokens} tokens in {seconds:g} s")
        else:
            yield value


def _weights(model_type: str) -> str:
    """The quantization at the end of "llama 8B Q4_K - Medium", as files are named: Q4_K_M."""
    match = re.search(r"\b(I?Q\d\w*(?: - (?:Small|Medium|Large))?|F16|BF16|F32|MXFP4)\b", model_type)
    if not match:
        return ""
    name, _, size = match[1].partition(" - ")
    return f"{name}_{size[0]}" if size else name
