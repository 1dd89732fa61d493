"""Why a serving engine cannot run a layout."""

from __future__ import annotations

from collections.abc import Iterator

from rackline.facts.engines import Engine, engine
from rackline.facts.machine import Machine
from rackline.facts.model import Attention, Model
from rackline.systems.layout import Layout


def why_not(name: str, model: Model | None, layout: Layout, machine: Machine | None = None,
            node: int | None = None) -> tuple[str, ...]:
    """Every reason why an engine cannot run a layout, on nodes of `node` chips where given; empty: it can.

    Without a model or a machine only the rules that need none are checked. Source: facts/data/engines.toml.
    """
    facts = engine(name)
    rules = [*_machine_reasons(facts, layout, machine), *_SHAPES[name](layout, node)]
    if model is not None:
        rules += [*_pipeline_reasons(model, layout), *_head_reasons(model, layout), *_EXPERTS[name](model, layout),
                  *_width_reasons(model, layout)]
    return tuple(dict.fromkeys(f"{facts.title} {facts.version}: {reason}" for reason in rules))


def is_latent(attention: Attention) -> bool:
    """Whether a layer caches one latent vector for all heads."""
    return attention.kind == "latent" or attention.expanded_width > 0


def experts_of(model: Model | None) -> int:
    """Routed experts of one layer; 0 in a dense model."""
    return max((f.experts for f, _ in model.feed_forwards()), default=0) if model else 0


def _machine_reasons(facts: Engine, layout: Layout, machine: Machine | None) -> Iterator[str]:
    if machine is None:
        return
    if layout.chips > machine.chips:
        yield f"{layout.chips} chips are needed, {machine.title} has {machine.chips}"
    vendor = machine.chip.vendor.lower()
    if vendor and vendor not in facts.vendors:
        yield f"its builds for {' and '.join(facts.vendors)} were read, not one for {machine.chip.vendor} chips"


def _pipeline_reasons(model: Model, layout: Layout) -> Iterator[str]:
    if layout.pipeline > model.depth:
        yield f"{layout.pipeline} pipeline stages for {model.depth} layers"


def _head_reasons(model: Model, layout: Layout) -> Iterator[str]:
    ways = layout.tensor * layout.context
    for attention, _ in model.attentions():
        if not attention.heads:
            continue
        if attention.heads % ways:
            yield f"{attention.heads} heads are not divisible by {ways}"
        if attention.kind != "linear" and not is_latent(attention):
            yield from _grouped_reasons(attention, ways, layout.context)


def _grouped_reasons(attention: Attention, ways: int, context: int) -> Iterator[str]:
    # only latent attention may cut a cache's tokens freely: the others cut among the copies of a KV head
    kv = max(1, attention.kv_heads)
    if kv % ways and ways % kv:
        yield f"{kv} KV heads cannot be cut or copied {ways} ways"
    if context > 1 and context > ways // kv:
        yield f"context parallel {context} needs as many copies of each KV head, and {ways}/{kv} there are"
    if context > 1 and (attention.heads // kv) % context:
        yield f"context parallel {context} does not divide {attention.heads // kv} heads per KV head"


def _width_reasons(model: Model, layout: Layout) -> Iterator[str]:
    # the engines assert it for every matrix that tensor parallelism cuts
    for feed, _ in model.feed_forwards():
        for what, matrices, ways in (("feed-forward", feed.matrices, layout.tensor * layout.context),
                                     ("expert", feed.expert_matrices, max(1, layout.stage // layout.expert))):
            width = min((m.outputs if m.inputs == model.hidden else m.inputs for m in matrices
                         if m.cut == "width" and m.role != "small"), default=0)
            if width % ways:
                yield f"{what} width {width} is not divisible by {ways}"


def _vllm_shape(layout: Layout, node: int | None) -> Iterator[str]:
    yield from _whole_nodes(layout, node)
    rank = layout.tensor * layout.context * layout.pipeline
    if node and layout.data > 1 and layout.replica > node and node % rank:
        yield f"data-parallel ranks of {rank} chips do not fill nodes of {node}"


def _sglang_shape(layout: Layout, node: int | None) -> Iterator[str]:
    yield from _whole_nodes(layout, node)
    nodes = max(1, layout.replica // node) if node else 1
    if nodes % layout.pipeline and layout.pipeline % nodes:
        yield f"{layout.pipeline} pipeline stages cannot be dealt to {nodes} nodes"


def _trtllm_shape(layout: Layout, node: int | None) -> Iterator[str]:
    yield from _whole_nodes(layout, node)
    if layout.context > 1:
        yield "context parallelism in decode is cp_config HELIX, whose rules were not read"
    if layout.data > 1 and layout.tensor > 1:
        yield f"enable_attention_dp has no size: whole heads on each chip, or {layout.tensor}-way heads on all"


def _whole_nodes(layout: Layout, node: int | None) -> Iterator[str]:
    if node and layout.replica > node and layout.replica % node:
        yield f"{layout.replica} chips do not fill nodes of {node}"


def _vllm_experts(model: Model, layout: Layout) -> Iterator[str]:
    if experts_of(model) and layout.expert not in (1, layout.stage):
        yield f"expert parallel is on or off: 1 or the stage's {layout.stage}, not {layout.expert}"
    yield from _expert_sizes(model, layout)


def _cut_experts(model: Model, layout: Layout) -> Iterator[str]:
    if layout.expert > 1 and layout.stage % layout.expert:
        yield f"{layout.expert} expert groups do not divide a stage of {layout.stage} chips"
    if layout.data > 1 and not experts_of(model):
        yield ("data-parallel attention still cuts dense layers over the whole stage: "
               f"run {layout.data} replicas of {layout.tensor * layout.context * layout.pipeline} chips instead")
    yield from _expert_sizes(model, layout)


def _expert_sizes(model: Model, layout: Layout) -> Iterator[str]:
    experts = experts_of(model)
    if layout.expert > max(1, experts):
        yield f"{layout.expert} expert groups for {experts} routed experts"


_SHAPES = {"vllm": _vllm_shape, "sglang": _sglang_shape, "tensorrt-llm": _trtllm_shape}
_EXPERTS = {"vllm": _vllm_experts, "sglang": _cut_experts, "tensorrt-llm": _cut_experts}
