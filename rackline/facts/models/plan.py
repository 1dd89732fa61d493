"""Which kind of mixer and of feed-forward each layer has, in every encoding that published files use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rackline.errors import BadInput
from rackline.facts.models.families import Family
from rackline.facts.models.fields import Fields, whole


@dataclass(frozen=True)
class Slot:
    """One layer's kinds: what mixes tokens, what feeds forward, and sizes of its own."""

    mixer: str = "full"  # full window chunk linear replaced none
    feed: str = "dense"  # dense moe replaced none
    kv_heads: int | None = None
    intermediate: int | None = None
    borrows: bool = False
    shared_index: bool = False


_MIXER_WORDS = {"full_attention": "full", "attention": "full", "sliding_attention": "window", "global": "full",
                "sliding": "window", "chunked_attention": "chunk", "linear_attention": "linear", "mamba": "linear",
                "mamba2": "linear", "deepseek_sparse_attention": "full"}  # the indexer says how many
_BLOCK_WORDS = {"M": ("linear", "none"), "*": ("full", "none"), "-": ("none", "dense"), "E": ("none", "moe"),
                "mamba": ("linear", "none"), "attention": ("full", "none"), "mlp": ("none", "dense"),
                "moe": ("none", "moe")}


def slots(fields: Fields, family: Family) -> list[Slot]:
    """The layers of the model, in order."""
    if family.linear and family.one_block:
        return _all_blocks(fields)
    layers = fields.size("num_hidden_layers")
    if fields.raw("block_configs") is not None:
        return _searched(fields, layers)
    mixers, feeds = _mixers(fields, family, layers), _feeds(fields, family, layers)
    plain = [Slot(mixer, feed) for mixer, feed in zip(mixers, feeds, strict=True)]
    return _with_shared(fields, plain)


def _all_blocks(fields: Fields) -> list[Slot]:
    blocks = _blocks(fields, "hybrid_override_pattern", "layers_block_type")
    if blocks is None:
        raise BadInput("hybrid_override_pattern", "must be given: it says what each layer is", "no such field")
    return blocks


def mtp_slots(fields: Fields, family: Family, layers: list[Slot]) -> list[Slot]:
    """The layers of one prediction module: its own list, else attention over all and the last feed-forward."""
    own = _blocks(fields, "mtp_hybrid_override_pattern", "mtp_layers_block_type") if family.one_block else None
    return own or [replace(layers[-1], mixer="full", borrows=False, shared_index=False)]


def _blocks(fields: Fields, pattern: str, words: str) -> list[Slot] | None:
    """Nemotron-H: one letter or word for each block."""
    letters = fields.text(pattern)
    kinds: list[Any] | None = list(letters) if letters is not None else fields.sequence(words)
    if not kinds:
        return None
    name = pattern if letters is not None else words
    count = fields.optional("num_hidden_layers") if not pattern.startswith("mtp") else None
    if count is not None and count != len(kinds):
        raise BadInput(name, f"must have one entry for each of {count} layers", f"{len(kinds)} entries")
    if len(kinds) > 10_000:
        raise BadInput(name, "must have at most 10,000 entries", f"{len(kinds)} entries")
    return [Slot(*_word(name, kind, _BLOCK_WORDS)) for kind in kinds]


def _word(name: str, word: Any, known: dict[str, Any]) -> Any:
    if not isinstance(word, str) or word not in known:
        raise BadInput(name, f"must be one of {', '.join(known)}", word, "an unknown attention or layer kind")
    return known[word]


def _mixers(fields: Fields, family: Family, layers: int) -> list[str]:
    """One mixer kind a layer, from the first encoding that the file has; encodings that disagree are refused."""
    found = [(name, read(fields, layers)) for name, read in _ENCODINGS.items()]
    given = [(name, kinds) for name, kinds in found if kinds is not None]
    for name, kinds in given[1:]:
        if kinds != given[0][1]:
            raise BadInput(name, f"must describe the same layers as {given[0][0]}", "other layers")
    kinds = given[0][1] if given else _by_class(fields, family, layers)
    fields.touch("sliding_window", "sliding_window_pattern", "use_sliding_window", "max_window_layers",
                 "attention_chunk_size", "no_rope_layers", "no_rope_layer_interval")
    if "linear" in kinds and not family.linear:
        raise BadInput("layer_types", f"must be kinds that {fields.family} has", "linear attention")
    return kinds


def _layer_types(fields: Fields, layers: int) -> list[str] | None:
    words = fields.sequence("layer_types", layers)
    return [_word("layer_types", word, _MIXER_WORDS) for word in words] if words else None


def _flags(name: str, one: str, zero: str) -> Any:
    def read(fields: Fields, layers: int) -> list[str] | None:
        marks = fields.sequence(name, layers)
        if marks is None:
            return None
        if any(isinstance(mark, bool) or mark not in (0, 1) for mark in marks):
            raise BadInput(name, "must be a list of 0 and 1", marks)
        return [one if mark else zero for mark in marks]
    return read


def _interval(fields: Fields, layers: int) -> list[str] | None:
    every = fields.optional("full_attention_interval")
    return ["linear" if (i + 1) % every else "full" for i in range(layers)] if every else None


def _period(fields: Fields, layers: int) -> list[str] | None:
    every = fields.optional("attn_layer_period")
    if every is None:
        return None
    offset = fields.size("attn_layer_offset", 0, low=0)
    if offset >= every:
        raise BadInput("attn_layer_offset", f"must be below attn_layer_period = {every}", offset)
    return ["full" if i % every == offset else "linear" for i in range(layers)]


def _indices(fields: Fields, layers: int) -> list[str] | None:
    if "attn_layer_indices" not in fields.given:
        return None
    places = fields.sequence("attn_layer_indices") or []
    full = {_place(place, layers) for place in places}
    return ["full" if i in full else "linear" for i in range(layers)]


def _place(place: Any, layers: int) -> int:
    place = whole("attn_layer_indices", place, low=0)
    if place >= layers:
        raise BadInput("attn_layer_indices", f"must be below {layers} layers", place)
    return place


_ENCODINGS = {"layer_types": _layer_types, "attn_type_list": _flags("attn_type_list", "full", "linear"),
              "sliding_window_indices": _flags("sliding_window_indices", "window", "full"),
              "full_attention_interval": _interval, "attn_layer_period": _period, "attn_layer_indices": _indices}


def _by_class(fields: Fields, family: Family, layers: int) -> list[str]:
    """The class's own rule, where the file lists no kinds."""
    if family.linear or family.attention not in ("grouped",):
        return ["linear" if family.linear else "full"] * layers
    if family.windows == "chunk":
        return _chunks(fields, layers)
    if family.windows == "never" or fields.optional("sliding_window", low=0) in (None, 0):
        return ["full"] * layers
    if family.windows == "alternate":
        every = fields.size("sliding_window_pattern")
        return ["window" if (i + 1) % every else "full" for i in range(layers)]
    first = 0
    if family.windows == "qwen":
        first = fields.size("max_window_layers", 0, low=0) if fields.flag("use_sliding_window") else layers
    return ["window" if i >= first else "full" for i in range(layers)]


def _chunks(fields: Fields, layers: int) -> list[str]:
    """Llama 4: layers with rotary positions see a chunk, the others (no_rope_layers 0) everything."""
    if fields.optional("attention_chunk_size") is None:
        return ["full"] * layers
    if fields.raw("no_rope_layers"):
        return _flags("no_rope_layers", "chunk", "full")(fields, layers)
    every = fields.size("no_rope_layer_interval")
    return ["chunk" if (i + 1) % every else "full" for i in range(layers)]


def _feeds(fields: Fields, family: Family, layers: int) -> list[str]:
    """One feed-forward kind a layer: dense first layers, every n-th layer routed, or a list."""
    fields.touch("intermediate_size_mlp")
    if not fields.optional("num_experts", low=0):
        _no_experts(fields)
        return ["dense"] * layers
    kinds = fields.sequence("mlp_layer_types", layers)
    first = fields.optional("first_k_dense_replace", low=0)
    _above("first_k_dense_replace", first, layers)
    if first is None and kinds is None and fields.family.startswith(("deepseek", "glm", "kimi")):
        raise BadInput("first_k_dense_replace", "must be given: it changes the arithmetic and has no default",
                       "no such field", f"family {fields.family}")
    if kinds is not None:
        fields.touch("moe_layer_freq")
        return [_word("mlp_layer_types", kind, {"dense": "dense", "sparse": "moe"}) for kind in kinds]
    routed = _routed(fields, layers)
    return ["moe" if i >= (first or 0) and routed[i] else "dense" for i in range(layers)]


def _above(name: str, value: int | None, layers: int) -> None:
    if value is not None and value > layers:
        raise BadInput(name, f"must be at most the {layers} layers", value)


def _no_experts(fields: Fields) -> None:
    orphans = [n for n in ("num_experts_per_tok", "moe_intermediate_size", "n_shared_experts", "first_k_dense_replace")
               if fields.has(n) and fields.given[n] not in (0, False)]
    if orphans:
        raise BadInput("num_experts", f"must be given when {orphans[0]} is", "no such field or zero")
    fields.touch("num_experts_per_tok", "moe_intermediate_size", "n_shared_experts", "mlp_only_layers",
                 "decoder_sparse_step", "shared_expert_intermediate_size")


def _routed(fields: Fields, layers: int) -> list[bool]:
    frequency = fields.raw("moe_layer_freq")
    if isinstance(frequency, list):
        return [kind == "moe" for kind in _flags("moe_layer_freq", "moe", "dense")(fields, layers)]
    period, offset = fields.optional("expert_layer_period"), fields.optional("expert_layer_offset", low=0)
    if period is not None:
        return [i % period == (offset or 0) % period for i in range(layers)]
    if fields.raw("moe_layers"):
        places = {whole("moe_layers", place, low=0) for place in fields.sequence("moe_layers") or []}
        return [i in places for i in range(layers)]
    freq = fields.optional("moe_layer_freq") or 1
    step = (fields.optional("decoder_sparse_step") or 1) * (fields.optional("interleave_moe_layer_step") or 1)
    dense = {whole("mlp_only_layers", place, low=0) for place in fields.sequence("mlp_only_layers") or []}
    return [i % freq == 0 and (i + 1) % step == 0 and i not in dense for i in range(layers)]


def _with_shared(fields: Fields, layers: list[Slot]) -> list[Slot]:
    """Marks layers that borrow keys and values (the last ones) or another layer's choice of tokens."""
    borrowing = fields.size("num_kv_shared_layers", 0, low=0) if fields.has("num_kv_shared_layers") else 0
    fields.touch("num_kv_shared_layers")
    if borrowing >= len(layers):
        raise BadInput("num_kv_shared_layers", f"must be below the {len(layers)} layers", borrowing)
    own = len(layers) - borrowing
    kinds = fields.sequence("indexer_types", len(layers)) or ["full"] * len(layers)
    shared = [_word("indexer_types", kind, {"full": False, "shared": True}) for kind in kinds]
    if shared[0]:
        raise BadInput("indexer_types", "must begin with a layer that has an indexer of its own", "shared")
    return [replace(slot, borrows=i >= own, shared_index=shared[i]) for i, slot in enumerate(layers)]


def _searched(fields: Fields, layers: int) -> list[Slot]:
    """nemotron-nas: every block has its own attention group and feed-forward multiple, or none."""
    blocks = fields.sequence("block_configs", layers) or []
    fields.touch("num_key_value_heads", "intermediate_size", "num_experts")
    return [_searched_block(fields, block) for block in blocks]


def _searched_block(fields: Fields, block: Any) -> Slot:
    attention, feed = (block.get(name) if isinstance(block, dict) else None for name in ("attention", "ffn"))
    if not isinstance(attention, dict) or not isinstance(feed, dict):
        raise BadInput("block_configs", "must hold objects with attention and ffn", block)
    for part in (attention, feed):
        odd = [key for key in ("window_length", "sparsify", "num_sink_tokens") if part.get(key) is not None]
        if odd or any(not isinstance(part.get(key), bool) for key in ("no_op", "replace_with_linear")):
            raise BadInput("block_configs", "must be plain, replaced or left out", part)
    mixer, kv_heads = _part(attention, "full"), None
    if mixer == "full":
        heads, share = fields.size("num_attention_heads"), whole("n_heads_in_group", attention.get("n_heads_in_group"))
        if heads % share:
            raise BadInput("n_heads_in_group", f"must divide num_attention_heads = {heads}", share)
        kv_heads = heads // share
    kind = _part(feed, "dense")
    return Slot(mixer, kind, kv_heads, _searched_width(fields, feed) if kind == "dense" else None)


def _part(part: dict[str, Any], plain: str) -> str:
    return "none" if part["no_op"] else "replaced" if part["replace_with_linear"] else plain


def _searched_width(fields: Fields, feed: dict[str, Any]) -> int:
    """The class's rule: 2/3 of the multiple, rounded up to 256."""
    multiple = feed.get("ffn_mult")
    if isinstance(multiple, bool) or not isinstance(multiple, int | float) or not 0 < multiple <= 1000:
        raise BadInput("ffn_mult", "must be a number between 0 and 1000", multiple)
    width = int(2 * multiple * fields.size("hidden_size") / 3)
    return -(-width // 256) * 256
