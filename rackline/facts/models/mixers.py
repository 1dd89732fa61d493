"""Attention of one layer from its configuration: grouped heads, latent, sparse with an indexer.

Conventions: q, k, v, o are separate matrices whatever the file fuses. `cache_width` counts keys and values together.
Absorbed latent attention multiplies each pair by rank + rope (scores) and by rank (values); expanded by the head's own
widths. The up-projection kv_b is one matrix: absorbed into query and output, or applied to each new token, it costs the
same multiply-adds; `expansion` is its cost for each token already cached.
"""

from __future__ import annotations

from rackline.errors import BadInput
from rackline.facts.model import Attention, Cut, Indexer, Matrix
from rackline.facts.models.families import Family
from rackline.facts.models.fields import Fields, divides
from rackline.facts.models.plan import Slot

# DeepSeek-V3.2's indexer caches fp8 keys with one 4-byte scale per 128 numbers: 132 bytes a token (inference/model.py)
_INDEX_KEY_BYTES = 1 + 4 / 128


def grouped(fields: Fields, family: Family, slot: Slot) -> Attention:
    """Multi-head, grouped-query or multi-query attention over all tokens, a window or a chunk."""
    heads, kv_heads, width = _head_sizes(fields, slot)
    with_bias = biased(fields, family)
    queries = heads * width * (2 if family.output_gate and fields.flag("attn_output_gate", True) else 1)
    hidden = fields.size("hidden_size")

    def matrix(name: str, inputs: int, outputs: int, cut: Cut) -> Matrix:
        return Matrix(name, inputs, outputs, "attention", cut, outputs if name in with_bias else 0)

    names = "q" if slot.borrows else "qk" if _keys_are_values(fields, slot) else "qkv"
    inward = tuple(matrix(name, hidden, queries if name == "q" else kv_heads * width,
                          "heads" if name == "q" else "kv_heads") for name in names)
    window = window_of(fields, slot)
    return Attention(
        kind="window" if window else "full", matrices=(*inward, matrix("o", heads * width, hidden, "heads")),
        vectors=_norm_vectors(fields, family, slot, heads * width, kv_heads * width, width) + heads * family.sinks,
        heads=heads, kv_heads=kv_heads, cache_width=2 * width, score_width=2 * width, window=window,
        borrows=slot.borrows)


def _head_sizes(fields: Fields, slot: Slot) -> tuple[int, int, int]:
    heads = fields.size("num_attention_heads")
    kv_heads = slot.kv_heads or fields.size("num_key_value_heads", heads)
    width = fields.optional("head_dim")
    if width is None:
        hidden = fields.size("hidden_size")
        divides("hidden_size", hidden, "num_attention_heads", heads)
        width = fields.taken["head_dim"] = hidden // heads
    wide = fields.optional("global_head_dim")  # Gemma 4: layers that see everything have heads of their own
    if wide and slot.mixer == "full":
        width = wide
        kv_heads = fields.size("num_global_key_value_heads", kv_heads) if _keys_are_values(fields, slot) else kv_heads
    fields.touch("num_global_key_value_heads")
    divides("num_attention_heads", heads, "num_key_value_heads", kv_heads)
    return heads, kv_heads, width


def _keys_are_values(fields: Fields, slot: Slot) -> bool:
    return fields.flag("attention_k_eq_v") and slot.mixer == "full"


def biased(fields: Fields, family: Family) -> set[str]:
    """Names of the matrices that have a bias."""
    flagged = [names for flag, names in family.bias_flags.items() if fields.flag(flag, flag == "qkv_bias")]
    # a class that has always a bias and a flag for it (Qwen2-MoE's qkv_bias) obeys the flag
    always = () if family.bias_flags.keys() & {"qkv_bias"} else family.biases
    return {name for names in (always, *flagged) for name in names}


def _norm_vectors(fields: Fields, family: Family, slot: Slot, queries: int, keys: int, width: int) -> int:
    if not family.qk_norm or (family.qk_norm_flag and not fields.flag(family.qk_norm_flag)):
        return 0
    both = (queries, keys) if family.qk_norm == "full" else (width, width)
    return both[0] if slot.borrows else sum(both)


def window_of(fields: Fields, slot: Slot) -> int | None:
    """Tokens that the layer sees; None where the window never binds.

    Ignores: a chunk (Llama 4) is read as a window of the same length, so on average half of it too much.
    """
    if slot.mixer not in ("window", "chunk"):
        return None
    window = fields.size("attention_chunk_size" if slot.mixer == "chunk" else "sliding_window")
    longest = fields.optional("max_position_embeddings")
    return None if longest is not None and window >= longest else window


def latent(fields: Fields, family: Family, slot: Slot) -> Attention:
    """Multi-head latent attention, with DeepSeek's indexer where the configuration has one."""
    if slot.mixer != "full":
        raise BadInput("layer_types", "must be full attention for latent attention", slot.mixer)
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    rank, rope = fields.size("kv_lora_rank"), fields.size("qk_rope_head_dim")
    nope, value = fields.size("qk_nope_head_dim"), fields.size("v_head_dim")
    query_rank = _query_rank(fields)
    expand = Matrix("kv_b", rank, heads * (nope + value), "attention", "heads")
    indexer, index_matrices, index_vectors = _indexer(fields, slot, query_rank)
    return Attention(
        kind="sparse" if indexer else "latent",
        matrices=(*_latent_queries(hidden, query_rank, heads * (nope + rope)),
                  Matrix("kv_a", hidden, rank + rope, "attention", "none"), expand,
                  Matrix("o", heads * value, hidden, "attention", "heads"), *index_matrices),
        vectors=rank + (query_rank or 0) + index_vectors,
        heads=heads, kv_heads=1, cache_width=rank + rope, score_width=2 * rank + rope,
        expanded_width=nope + rope + value, expansion=expand.size,
        top_k=fields.size("index_topk") if indexer else None, indexer=indexer)


def _query_rank(fields: Fields) -> int | None:
    if "q_lora_rank" not in fields.given:
        raise BadInput("q_lora_rank", "must be given, null where queries have no rank of their own", "no such field")
    return fields.optional("q_lora_rank")


def _latent_queries(hidden: int, rank: int | None, width: int) -> tuple[Matrix, ...]:
    if rank is None:
        return (Matrix("q", hidden, width, "attention", "heads"),)
    return (Matrix("q_a", hidden, rank, "attention", "none"), Matrix("q_b", rank, width, "attention", "heads"))


def _indexer(fields: Fields, slot: Slot, query_rank: int | None) -> tuple[Indexer | None, tuple[Matrix, ...], int]:
    """The indexer, its matrices and vectors: queries from the query rank, one key and one weight per head a token."""
    width = fields.optional("index_head_dim")
    if width is None:
        return None, (), 0
    if query_rank is None:
        raise BadInput("q_lora_rank", "must be given: the indexer's queries come from it", None)
    heads, hidden = fields.size("index_n_heads"), fields.size("hidden_size")
    indexer = Indexer(heads, width, _INDEX_KEY_BYTES, slot.shared_index)
    if slot.shared_index:
        return indexer, (), 0
    matrices = (Matrix("index_q", query_rank, heads * width, "attention", "none"),
                Matrix("index_k", hidden, width, "attention", "none"),
                Matrix("index_weights", hidden, heads, "small", "none"))
    return indexer, matrices, 2 * width  # the key's LayerNorm: scale and shift
