"""A layout as the launch command of a real serving engine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from rackline.decisions.engine_rules import experts_of, is_latent, why_not
from rackline.errors import BadInput
from rackline.facts.engines import Engine, engine
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.systems.layout import Layout

Role = Literal["together", "prefill", "decode"]
Option = tuple[str, Any]  # its name and value; True: a name alone; None: left out


@dataclass(frozen=True)
class Launch:
    """What to serve and how; sizes are of one replica, None leaves the engine its default."""

    model: str  # hub name or path
    layout: Layout
    max_sequences: int | None = None
    max_tokens: int | None = None  # new tokens of one pass
    max_length: int | None = None  # tokens of a sequence
    kv_format: str = "bf16"
    weights: str | None = None  # format to convert to at start; None: as the checkpoint has them
    memory_fraction: float | None = None  # of a chip's memory, for weights, activations and KV
    role: Role = "together"
    node: int | None = None  # chips per node; None: all in one
    speculative: int = 0  # tokens drafted by the model's own prediction module
    architecture: Model | None = None  # for the rules that need it
    machine: Machine | None = None


@dataclass(frozen=True)
class LaunchCommand:
    """(role, text) blocks to paste, and what to know; `reasons` where the engine cannot run the layout."""

    engine: str
    version: str
    commands: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def launch(name: str, request: Launch) -> LaunchCommand:
    """The command that starts one replica of a layout; one line per node, HEAD_ADDRESS for the first node's address.

    Errors: BadInput for an unknown engine or a size below 1.
    """
    facts = engine(name)
    _check(request)
    # layouts out of a grid carry array scalars
    request = replace(request, layout=Layout(**{k: int(v) for k, v in asdict(request.layout).items()}))
    reasons = (*why_not(name, request.architecture, request.layout, request.machine, request.node),
               *_format_reasons(facts, request), *_role_reasons(name, request))
    text = f"# {facts.title} {facts.version}, {request.layout.name()}"
    if reasons:
        lines = [f"{text}: this engine cannot run it", *(f"# {reason}" for reason in reasons)]
        return LaunchCommand(name, facts.version, ((request.role, "\n".join(lines)),), reasons=reasons)
    block = "\n".join([f"{text}, {request.role} (options as in {facts.source})", *_BLOCKS[name](facts, request)])
    return LaunchCommand(name, facts.version, ((request.role, block),), tuple(_notes(facts, request)))


def launch_apart(name: str, prefill: Launch, decode: Launch) -> LaunchCommand:
    """The commands of prefill and decode servers on chips of their own."""
    parts = [launch(name, prefill), launch(name, decode)]
    return LaunchCommand(name, parts[0].version, tuple(c for p in parts for c in p.commands),
                         tuple(dict.fromkeys(n for p in parts for n in p.notes)),
                         tuple(dict.fromkeys(r for p in parts for r in p.reasons)))


def _check(request: Launch) -> None:
    if not request.model.strip() or request.model.startswith("-") or not request.model.isprintable():
        raise BadInput("model", "must be a hub name or a path", request.model)
    if request.role not in ("together", "prefill", "decode"):
        raise BadInput("role", "must be together, prefill or decode", request.role)
    for what in ("max_sequences", "max_tokens", "max_length", "node"):
        value = getattr(request, what)
        if value is not None and value < 1:
            raise BadInput(what, "must be at least 1", value)
    if request.memory_fraction is not None and not 0 < request.memory_fraction <= 1:
        raise BadInput("memory_fraction", "must be above 0 and at most 1", request.memory_fraction)
    if request.speculative < 0:
        raise BadInput("speculative", "must be at least 0", request.speculative)


def _format_reasons(facts: Engine, request: Launch) -> Iterator[str]:
    if request.kv_format not in facts.kv:
        yield f"{facts.title} {facts.version}: no KV cache in {request.kv_format} (has {', '.join(facts.kv)})"
    if request.weights is not None and request.weights not in facts.quantize:
        known = ", ".join(facts.quantize) or "nothing"
        yield (f"{facts.title} {facts.version}: converts weights to {known} at start, not to {request.weights}: "
               "give a checkpoint already in it")


def _role_reasons(name: str, request: Launch) -> Iterator[str]:
    # vllm/config/vllm.py: a side that hands its cache over is either not sharded by token or wholly so
    layout, model = request.layout, request.architecture
    if name != "vllm" or request.role == "together" or layout.context == 1:
        return
    if layout.tensor > 1:
        yield f"vLLM: apart, context parallel is 1 or the whole {layout.tensor * layout.context}, not {layout.context}"
    if model is not None and not all(is_latent(a) for a, _ in model.attentions() if a.cached):
        yield "vLLM: apart, context parallel is for latent attention only"


def _notes(facts: Engine, request: Launch) -> Iterator[str]:
    layout = request.layout
    if layout.replicas > 1:
        yield f"Start {layout.replicas} such servers ({layout.replica} chips each) behind a router."
    if request.node is None and layout.replica > 1:
        yield f"Written for one node that holds all {layout.replica} chips; give the chips per node otherwise."
    if request.role != "together":
        yield _ROUTERS[facts.name]
    if facts.name == "sglang" and layout.context > 1:
        yield "SGLang's sources disagree on the chips that --dcp-size supports: try it first."
    if facts.name == "sglang" and request.memory_fraction is not None:
        yield "SGLang's fraction covers weights and KV alone: activations must fit in the rest."
    if facts.name == "tensorrt-llm":
        yield from _trtllm_notes(request)


def _trtllm_notes(request: Launch) -> Iterator[str]:
    if request.memory_fraction is not None:
        yield "TensorRT-LLM's fraction is of the memory free after loading (0.9 by default), so none is set."
    if request.node and request.layout.replica > request.node:
        yield "TensorRT-LLM starts one process per chip by MPI (srun or mpirun) on all nodes: that part was not read."
    if _spare_experts(request):
        yield "Which MoE back ends take num_slots was not read."


_ROUTERS = {
    "vllm": "Put a proxy in front that sends each prompt to a prefill server, then to a decode server (NixlConnector).",
    "sglang": "Put a router in front that pairs prefill with decode servers; --disaggregation-bootstrap-port is 8998.",
    "tensorrt-llm": "In front: trtllm-serve disaggregated, with a file of context_servers and generation_servers.",
}


# --- vLLM ----------------------------------------------------------------------------------------------------------

def _vllm(facts: Engine, request: Launch) -> list[str]:
    layout = request.layout
    common: list[Option] = [
        ("--tensor-parallel-size", layout.tensor * layout.context),
        ("--pipeline-parallel-size", layout.pipeline),
        ("--data-parallel-size", layout.data),
        ("--decode-context-parallel-size", layout.context),
        ("--enable-expert-parallel", True if layout.expert > 1 else None),
        ("--max-num-seqs", _share(request.max_sequences, layout.data)),
        ("--max-num-batched-tokens", _share(_pass_tokens(request), layout.data)),
        ("--max-model-len", request.max_length),
        ("--kv-cache-dtype", facts.kv[request.kv_format] or None),
        ("--quantization", facts.quantize.get(request.weights or "")),
        ("--gpu-memory-utilization", request.memory_fraction),
        ("--speculative-config", _json(method="mtp", num_speculative_tokens=request.speculative)
            if request.speculative else None),
        ("--kv-transfer-config", _json(kv_connector="NixlConnector", kv_role=_VLLM_ROLES[request.role])
            if request.role != "together" else None),
    ]
    place = _vllm_ranks if layout.data > 1 else _vllm_world
    return _lines(facts, request, common, place)


def _pass_tokens(request: Launch) -> int | None:
    # vllm/config/scheduler.py refuses a pass that cannot hold one token of every sequence
    return None if request.max_tokens is None else max(request.max_tokens, request.max_sequences or 0)


_VLLM_ROLES = {"prefill": "kv_producer", "decode": "kv_consumer"}


def _vllm_ranks(layout: Layout, nodes: int, k: int) -> list[Option]:
    local = layout.data // nodes
    return [("--data-parallel-size-local", local), ("--data-parallel-address", "HEAD_ADDRESS"),
            ("--headless", True if k else None), ("--data-parallel-start-rank", k * local if k else None)]


def _vllm_world(layout: Layout, nodes: int, k: int) -> list[Option]:
    return [("--nnodes", nodes), ("--node-rank", k), ("--master-addr", "HEAD_ADDRESS"),
            ("--headless", True if k else None)]


# --- SGLang --------------------------------------------------------------------------------------------------------

def _sglang(facts: Engine, request: Launch) -> list[str]:
    layout, spare, drafted = request.layout, _spare_experts(request), request.speculative
    common: list[Option] = [
        ("--tp-size", layout.stage), ("--pp-size", layout.pipeline), ("--attn-dp-size", layout.data),
        ("--dcp-size", layout.context), ("--ep-size", layout.expert),
        ("--enable-eplb", True if spare else None), ("--ep-num-redundant-experts", spare),
        ("--max-running-requests", request.max_sequences),
        ("--chunked-prefill-size", None if request.role == "decode" else request.max_tokens),
        ("--context-length", request.max_length),
        ("--kv-cache-dtype", facts.kv[request.kv_format] or None),
        ("--quantization", facts.quantize.get(request.weights or "")),
        ("--mem-fraction-static", request.memory_fraction),
        ("--disaggregation-mode", None if request.role == "together" else request.role),
    ]
    if drafted:
        common += [("--speculative-algorithm", "NEXTN"), ("--speculative-num-steps", drafted),
                   ("--speculative-eagle-topk", 1), ("--speculative-num-draft-tokens", drafted + 1)]
    return _lines(facts, request, common, _sglang_node)


def _sglang_node(_: Layout, nodes: int, k: int) -> list[Option]:
    return [("--nnodes", nodes), ("--node-rank", k), ("--dist-init-addr", "HEAD_ADDRESS:25000")]


# --- TensorRT-LLM --------------------------------------------------------------------------------------------------

def _trtllm(facts: Engine, request: Launch) -> list[str]:
    layout, apart, spare = request.layout, request.role != "together", _spare_experts(request)
    keys: list[Option] = [
        ("tensor_parallel_size", layout.stage), ("pipeline_parallel_size", layout.pipeline),
        ("moe_expert_parallel_size", layout.expert if layout.expert > 1 else None),
        ("enable_attention_dp", layout.data > 1),
        ("max_batch_size", _share(request.max_sequences, layout.data)),
        ("max_num_tokens", _share(request.max_tokens, layout.data)),
        ("max_seq_len", request.max_length),
        ("enable_chunked_prefill", request.role != "decode"),
        ("kv_cache_config.dtype", facts.kv[request.kv_format] or None),
        ("moe_config.load_balancer.num_slots", experts_of(request.architecture) + spare if spare else None),
        ("speculative_config.decoding_type", "MTP" if request.speculative else None),
        ("speculative_config.max_draft_len", request.speculative or None),
        ("cache_transceiver_config.backend", "DEFAULT" if apart else None),
        # a server that only prefills has no next step to overlap with
        ("disable_overlap_scheduler", request.role == "prefill"),
    ]
    file = f"{request.role}.yaml"
    node = request.node if _nodes(request) > 1 else None
    command = _line(facts, request.model, [("--config", file), ("--gpus_per_node", node)])
    return [f"cat > {file} <<'END'", *_yaml(_needed(facts, keys)), "END", command]


def _yaml(keys: list[Option]) -> Iterator[str]:
    above: list[str] = []
    for name, value in keys:
        *parents, leaf = name.split(".")
        for depth, parent in enumerate(parents):
            if above[: depth + 1] != parents[: depth + 1]:
                yield f"{'  ' * depth}{parent}:"
        above = parents
        yield f"{'  ' * len(parents)}{leaf}: {json.dumps(value) if isinstance(value, bool) else value}"


_BLOCKS = {"vllm": _vllm, "sglang": _sglang, "tensorrt-llm": _trtllm}


# --- shared --------------------------------------------------------------------------------------------------------

def _needed(facts: Engine, options: list[Option]) -> list[Option]:
    return [(name, value) for name, value in options if value is not None and value != facts.options[name].default]


def _lines(facts: Engine, request: Launch, common: list[Option],
           place: Callable[[Layout, int, int], list[Option]]) -> list[str]:
    nodes = _nodes(request)
    if nodes == 1:
        return [_line(facts, request.model, common)]
    lines = (_line(facts, request.model, common + place(request.layout, nodes, k)) for k in range(nodes))
    return [text for k, line in enumerate(lines) for text in (f"# node {k} of {nodes}", line)]


def _line(facts: Engine, model: str, options: list[Option]) -> str:
    words = [*facts.command, model]
    for name, value in _needed(facts, options):
        words += [name] if value is True else [name, f"{value:.6g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def _nodes(request: Launch) -> int:
    return -(-request.layout.replica // request.node) if request.node else 1


def _share(total: int | None, ranks: int) -> int | None:
    return None if total is None else -(-total // ranks)


def _spare_experts(request: Launch) -> int:
    """Copies of experts that make every expert group hold the same number."""
    return -experts_of(request.architecture) % request.layout.expert


def _json(**fields: Any) -> str:
    return json.dumps(fields, separators=(",", ":"))
