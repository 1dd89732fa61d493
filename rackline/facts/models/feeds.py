"""Feed-forward of one layer from its configuration: dense, routed with shared experts, latent experts."""

from __future__ import annotations

from rackline.errors import BadInput
from rackline.facts.model import FeedForward, Matrix, Role
from rackline.facts.models.families import Family
from rackline.facts.models.fields import Fields, divides
from rackline.facts.models.mixers import biased
from rackline.facts.models.plan import Slot


def feed_forward(fields: Fields, family: Family, slot: Slot) -> FeedForward:
    """The slot's feed-forward."""
    if slot.feed == "replaced":
        hidden = fields.size("hidden_size")
        return FeedForward((Matrix("linear", hidden, hidden, "dense"),))
    if family.attention.startswith("rwkv"):
        return _channel_mix(fields)
    return _routed(fields, family) if slot.feed == "moe" else _dense(fields, family, slot)


def _mlp(hidden: int, width: int, role: Role, gated: bool, bias: bool = False) -> tuple[Matrix, ...]:
    names = ("gate", "up") if gated else ("up",)
    inward = tuple(Matrix(name, hidden, width, role, "width", width * bias) for name in names)
    return (*inward, Matrix("down", width, hidden, role, "width", hidden * bias))


def _dense(fields: Fields, family: Family, slot: Slot) -> FeedForward:
    width = slot.intermediate or dense_width(fields, family, slot)
    extra, vectors = _per_layer_input(fields)
    bias = "mlp" in biased(fields, family)
    return FeedForward((*_mlp(fields.size("hidden_size"), width, "dense", family.gated, bias), *extra), vectors)


def dense_width(fields: Fields, family: Family, slot: Slot) -> int:
    """Width of a dense layer: Llama 4 names its own; plain classes default to four times the layer's."""
    if fields.family == "llama4_text":
        return fields.size("intermediate_size_mlp")
    four = None if family.gated else 4 * fields.size("hidden_size")
    if fields.raw("expansion_ratio") is not None:
        return fields.size("expansion_ratio") * fields.size("hidden_size")
    doubled = 2 if slot.borrows and fields.flag("use_double_wide_mlp") else 1
    return doubled * fields.size("intermediate_size", four)


def _per_layer_input(fields: Fields) -> tuple[tuple[Matrix, ...], int]:
    """Gemma 4's per-layer embedding: a gate down to its width, a projection back, a norm."""
    width = fields.optional("hidden_size_per_layer_input", low=0)
    if not width:
        return (), 0
    hidden = fields.size("hidden_size")
    return (Matrix("layer_gate", hidden, width, "dense"), Matrix("layer_projection", width, hidden, "dense")), hidden


def _routed(fields: Fields, family: Family) -> FeedForward:
    hidden, experts = fields.size("hidden_size"), fields.size("num_experts")
    top_k = fields.size("num_experts_per_tok")
    if top_k > experts:
        raise BadInput("num_experts_per_tok", f"must be at most num_experts = {experts}", top_k)
    inside = fields.optional("moe_latent_size")  # Nemotron 3: routed experts work in a narrower space
    width = expert_width(fields)
    names = biased(fields, family)
    shared, shared_vectors = _shared(fields, family)
    groups, top_groups = _groups(fields, experts)
    return FeedForward(
        matrices=(_router(fields, family, "router" in names), *shared, *_latent_projections(hidden, inside)),
        vectors=shared_vectors, experts=experts, top_k=top_k,
        expert_matrices=_mlp(inside or hidden, width, "experts", family.gated, "expert" in names),
        groups=groups, top_groups=top_groups)


def expert_width(fields: Fields) -> int:
    """Width of one routed expert: its own field, else intermediate_size (Mixtral, gpt-oss, MiniMax, Llama 4)."""
    own = fields.optional("moe_intermediate_size")
    if own is not None:
        fields.touch("intermediate_size")
        return own
    if fields.family in _OWN_WIDTH:
        raise BadInput("moe_intermediate_size", "must be given: it changes the arithmetic and has no default",
                       "no such field", f"family {fields.family}")
    return fields.size("intermediate_size")


# classes whose experts are never as wide as their dense layers
_OWN_WIDTH = {"qwen2_moe", "qwen3_moe", "qwen3_vl_moe_text", "qwen3_next", "qwen3_5_moe_text", "deepseek",
              "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_native", "kimi_k2", "glm4_moe", "glm4_moe_lite",
              "glm_moe_dsa", "gemma4_text", "nemotron_h", "dbrx", "grok-1"}


def _router(fields: Fields, family: Family, biased_router: bool) -> Matrix:
    experts = fields.size("num_experts")
    fields.raw("score_func")
    corrected = family.router_bias or fields.raw("topk_method") == "noaux_tc"
    return Matrix("router", fields.size("hidden_size"), experts, "small", "none",
                  experts * (bool(corrected) + biased_router))


def _shared(fields: Fields, family: Family) -> tuple[tuple[Matrix, ...], int]:
    """Experts that see every token, as one, with Qwen's gate; Gemma 4 has its dense feed-forward beside the experts."""
    hidden = fields.size("hidden_size")
    if fields.family == "gemma4_text":  # three more norms, the router's scale, one scale per expert
        return (_mlp(hidden, fields.size("intermediate_size"), "shared", True),
                4 * hidden + fields.size("num_experts"))
    if fields.family == "llama4_text":
        return _mlp(hidden, fields.size("intermediate_size"), "shared", True), 0
    width = _shared_width(fields)
    gate = (Matrix("shared_gate", hidden, 1, "small", "none"),) if fields.family.startswith("qwen") and width else ()
    return (_mlp(hidden, width, "shared", family.gated) if width else ()) + gate, 0


def _shared_width(fields: Fields) -> int:
    count = fields.optional("n_shared_experts", low=0)
    own = fields.optional("shared_expert_intermediate_size", low=0)
    if own is None and count is None and fields.family in _OWN_WIDTH and _needs_shared(fields.family):
        raise BadInput("n_shared_experts", "must be given: it changes the arithmetic and has no default",
                       "no such field", f"family {fields.family}")
    if own is not None:
        return own * (1 if count is None else count)
    return (count or 0) * expert_width(fields)


def _needs_shared(family: str) -> bool:
    return family.startswith(("deepseek", "glm", "kimi", "nemotron", "qwen3_next", "qwen3_5", "qwen2_moe"))


def _groups(fields: Fields, experts: int) -> tuple[int, int]:
    groups, top = fields.optional("n_group") or 1, fields.optional("topk_group") or 1
    divides("num_experts", experts, "n_group", groups)
    if top > groups:
        raise BadInput("topk_group", f"must be at most n_group = {groups}", top)
    return groups, top


def _latent_projections(hidden: int, inside: int | None) -> tuple[Matrix, ...]:
    if inside is None:
        return ()
    return (Matrix("latent_in", hidden, inside, "dense", "none"), Matrix("latent_out", inside, hidden, "dense", "none"))


def _channel_mix(fields: Fields) -> FeedForward:
    """RWKV's channel mixing; the width defaults to 4 (RWKV-4) or 3.5 (RWKV-5, down to 32) times the layer's."""
    hidden = fields.size("hidden_size")
    usual = 4 * hidden if fields.family == "rwkv" else int(hidden * 3.5) // 32 * 32
    width = fields.size("intermediate_size", usual)
    return FeedForward((Matrix("k", hidden, width, "dense"), Matrix("r", hidden, hidden, "dense"),
                        Matrix("v", width, hidden, "dense")), 2 * hidden)
