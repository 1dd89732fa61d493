"""A published configuration to a Model: one algorithm, the differences between classes as data (families.py)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rackline.errors import BadInput
from rackline.facts.model import Attention, Layers, Matrix, Model
from rackline.facts.models import leftovers, plan, weights
from rackline.facts.models.families import ARCHITECTURES, FAMILIES, LLAMA, NOT_DECODERS, OTHER_NAMES, Family
from rackline.facts.models.feeds import feed_forward
from rackline.facts.models.fields import Fields
from rackline.facts.models.mixers import biased, grouped, latent
from rackline.facts.models.plan import Slot
from rackline.facts.models.recurrent import RECURRENT
from rackline.facts.models.schemas import LITGPT, canonical, schema_of, translate
from rackline.facts.models.text import mapping

_LARGEST_MODEL = 1e15  # parameters; published ones have at most 2e12
_WRAPPED = ("text_config", "language_config", "llm_config", "language_model_config")
_SHARED_WITH_WRAPPER = ("tie_word_embeddings", "torch_dtype", "dtype", "quantization_config")


def read_config(data: Any, name: str, source: str = "") -> Model:
    """The model that a configuration describes. BadInput for one that is broken, no text decoder, or not understood."""
    text, notes = _language_model(mapping(data))
    kind, notes = _kind(text, notes), notes
    family = FAMILIES.get(kind, LLAMA)
    given = canonical(translate(_own(text), kind), kind)
    asks = frozenset(("max_position_embeddings", *family.asks, *family.bias_flags, family.qk_norm_flag))
    fields = Fields(given, family.defaults if kind in FAMILIES else {}, kind, asks, notes=notes)
    if kind == "litgpt":
        family = _litgpt_family(fields)
        if text.get("padded_vocab_size") is None:
            fields.taken["vocab_size"] = given["vocab_size"]
        fields.taken |= {key: value for key, value in LITGPT.items() if key not in text and key != "vocab_size"}
    if kind not in FAMILIES:
        _unknown(fields, text)
    built = _build(fields, family, name, source, text)
    leftovers.check(fields, family.unused, _READ)
    return _sane(built)


# fields that some family reads: what a misspelt name may have meant
_READ = frozenset({
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size",
    "vocab_size", "max_position_embeddings", "num_experts", "num_experts_per_tok", "moe_intermediate_size",
    "n_shared_experts", "first_k_dense_replace", "n_group", "topk_group", "tie_word_embeddings", "sliding_window",
    "num_nextn_predict_layers", "shared_expert_intermediate_size", "kv_lora_rank", "q_lora_rank", "qk_rope_head_dim",
    "qk_nope_head_dim", "v_head_dim", "index_topk", "index_head_dim", "index_n_heads", "layer_types", "indexer_types",
    "mlp_layer_types", "moe_layer_freq", "decoder_sparse_step", "full_attention_interval", "attention_bias",
    "hybrid_override_pattern", "attn_type_list", "global_head_dim", "num_kv_shared_layers", "moe_latent_size"})


def _language_model(data: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The text decoder's own fields; a multimodal wrapper's other parts are left out, and a note says so."""
    if isinstance(data.get("thinker_config"), dict):
        data = data["thinker_config"]
    _decoder(_named(data, "model_type"), None, data)
    inner = next((name for name in _WRAPPED if data.get(name) is not None), None)
    if inner is None:
        return data, []
    if not isinstance(data[inner], dict):
        raise BadInput(inner, "must be an object", data[inner])
    shared = {key: data[key] for key in _SHARED_WITH_WRAPPER if data.get(key) is not None}
    text = {**shared, **{key: value for key, value in data[inner].items() if value is not None or key not in shared}}
    text.setdefault("model_type", data.get("model_type"))
    return text, ["only the language model is counted, not the vision or audio tower"]


def _own(text: dict[str, Any]) -> dict[str, Any]:
    ignored = ("architectures", "architecture", "model_type", "quantization_config", "quantization", "torch_dtype",
               "dtype", "rope_scaling", "rope_parameters", "_source", "_name")
    return {key: value for key, value in text.items() if key not in ignored}


def _kind(text: Mapping[str, Any], notes: list[str]) -> str:
    """The family's name; BadInput for a class that is no decoder of text."""
    named, architecture = _named(text, "model_type"), _architecture(text)
    by_type = OTHER_NAMES.get(named or "", named)
    _decoder(named, architecture, text)
    by_class = ARCHITECTURES.get(architecture or "")
    if by_class and by_type and by_type != by_class and by_type not in _SAME_CLASS:
        notes.append(f"model_type says {named}, architectures {architecture}: read as {architecture}")
        return by_class
    found = by_type or by_class or schema_of(dict(text))
    if found is None:
        raise BadInput("model_type", "must be given: neither it, nor architectures, nor a known schema is in the file",
                       ", ".join(list(text)[:6]))
    return found


_SAME_CLASS = ("kimi_k2", "deepseek_v3", "qwen2", "mimo")  # served by a class of another name with the same sizes


def _named(text: Mapping[str, Any], field: str) -> str | None:
    value = text.get(field)
    if value is not None and not isinstance(value, str):
        raise BadInput(field, "must be a text", value)
    return value or None


def _architecture(text: Mapping[str, Any]) -> str | None:
    listed = text.get("architectures")
    if listed is None:
        return _named(text, "architecture")
    if not isinstance(listed, list) or any(not isinstance(item, str) for item in listed):
        raise BadInput("architectures", "must be a list of texts", listed)
    return listed[0] if listed else None


def _decoder(named: str | None, architecture: str | None, text: Mapping[str, Any]) -> None:
    if named in NOT_DECODERS or text.get("is_encoder_decoder") is True or "encoder_layers" in text:
        raise BadInput("model_type", "must be a decoder of text, not an encoder, speech or vision model",
                       named or architecture or "an encoder")
    bad = ("ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForImageClassification",
           "ForQuestionAnswering", "ForCTC", "ForSpeechSeq2Seq", "ForConditionalGeneration")
    if architecture and named not in FAMILIES and named not in OTHER_NAMES and architecture.endswith(bad):
        raise BadInput("architectures", "must be a decoder of text, not an encoder, speech or vision model",
                       architecture)


def _unknown(fields: Fields, text: Mapping[str, Any]) -> None:
    """An architecture without a row is read by its fields, when all that matter are there."""
    for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
                 "vocab_size", "tie_word_embeddings", "hidden_act"):
        if not fields.has(name):
            raise BadInput("model_type", f"must be a known architecture, or the file must give {name}", fields.family)
    if fields.raw("hidden_act") not in ("silu", "swish", "swiglu"):
        raise BadInput("hidden_act", "must be silu for an unknown architecture: others do not say whether the "
                       "feed-forward is gated", fields.given["hidden_act"])
    if _windowed(fields) and not fields.has("layer_types"):
        raise BadInput("layer_types", "must be given for an unknown architecture with windows or chunks: which layers "
                       "have them?", "no such field")
    if any(fields.given.get(name) for name in LLAMA.bias_flags):
        raise BadInput("attention_bias", "must be false for an unknown architecture: which matrices have one?", True)
    fields.notes.append(f"{fields.family} is not a known architecture: read by its fields as a decoder with gated "
                        "feed-forward and two norms a layer; biases and norms that no field names are not counted "
                        "(below 0.01 % of the parameters in the known ones)")


def _windowed(fields: Fields) -> bool:
    """Whether a window or chunk is given that binds and that no flag switches off."""
    window = fields.given.get("sliding_window")
    binds = window not in (None, 0, fields.given.get("max_position_embeddings"))
    return fields.has("attention_chunk_size") or (binds and fields.given.get("use_sliding_window") is not False)


def _litgpt_family(fields: Fields) -> Family:
    """litgpt's flags as a Family; its own head is never tied, but Gemma's published weights are."""
    tied = fields.raw("mlp_class_name") == "GemmaMLP"
    layer_norm = fields.raw("norm_class_name") == "LayerNorm"
    names = ("q", "k", "v", "o", "mlp") if fields.flag("bias") else ("q", "k", "v") if fields.flag("attn_bias") else ()
    norms = sum(fields.flag(n) for n in ("norm_1", "norm_2", "post_attention_norm", "post_mlp_norm"))
    for name, known in (("mlp_class_name", _LITGPT_MLPS), ("norm_class_name", ("RMSNorm", "LayerNorm"))):
        if fields.given.get(name) not in known:
            raise BadInput(name, f"must be one of {', '.join(known)}", fields.given.get(name))
    qk_norm = ("full" if fields.raw("norm_qk_type") == "olmo2" else "head") if fields.flag("norm_qk") else ""
    plain = fields.given["mlp_class_name"] == "GptNeoxMLP"
    fields.taken["tie_word_embeddings"] = tied
    fields.touch("norm_qk_type")
    return Family(gated=not plain, norms=norms - fields.flag("shared_attention_norm"), norm_bias=layer_norm,
                  biases=names, qk_norm=qk_norm, windows="always",
                  defaults=MappingProxyType({"tie_word_embeddings": tied}),
                  unused=("parallel_residual", "padding_multiple", "scale_embeddings"))


_LITGPT_MLPS = ("GptNeoxMLP", "LLaMAMLP", "GemmaMLP", "LLaMAMoE")


def _build(fields: Fields, family: Family, name: str, source: str, text: Mapping[str, Any]) -> Model:
    slots = plan.slots(fields, family)
    hidden, vocab = fields.size("hidden_size"), fields.size("vocab_size")
    longest = fields.optional("max_position_embeddings")
    tied = fields.flag("tie_word_embeddings", bool(family.defaults.get("tie_word_embeddings", False)))
    layers = tuple(_layers(fields, family, slot, count) for slot, count in Counter(slots).items())
    mtp, mtp_vectors = _mtp(fields, family, slots, hidden)
    formats, kv_format = weights.formats(text, source or name, slots, fields.notes)
    norm = hidden * (1 + family.norm_bias)
    extra, extra_vectors = _per_layer_embedding(fields, len(slots), hidden)
    return Model(
        name=name, family=fields.family, hidden=hidden, vocab=vocab, layers=layers,
        embedding=hidden * (vocab + _positions(fields, family, longest)) + extra,
        head=Matrix("head", hidden, vocab, "head", "vocab", vocab * ("head" in biased(fields, family))), tied=tied,
        vectors=norm * (1 + family.embedding_norm + family.attention.startswith("rwkv")) + extra_vectors,
        mtp=mtp, mtp_vectors=mtp_vectors, max_context=longest, formats=MappingProxyType(formats), kv_format=kv_format,
        source=source, notes=_notes(fields))


def _layers(fields: Fields, family: Family, slot: Slot, count: int) -> Layers:
    norm = fields.size("hidden_size") * (1 + family.norm_bias)
    attention = None if slot.mixer == "none" else _attention(fields, family, slot)
    feed = None if slot.feed == "none" or _pure(family) else feed_forward(fields, family, slot)
    norms = 1 if family.one_block else family.norms - fields.flag("shared_norm")
    if fields.has("block_configs"):
        norms = (attention is not None) + (feed is not None)
    scalar = 1 if fields.family == "gemma4_text" else 0  # one learned scale of the layer's output
    return Layers(count, attention, feed, norms * norm + scalar)


def _pure(family: Family) -> bool:
    return family.attention in ("mamba1", "mamba2")


def _attention(fields: Fields, family: Family, slot: Slot) -> Attention:
    if slot.mixer == "replaced":
        hidden = fields.size("hidden_size")
        return Attention("linear", (Matrix("linear", hidden, hidden, "attention"),))
    if slot.mixer == "linear":
        return RECURRENT[family.linear](fields, family)
    if family.attention in RECURRENT:
        return RECURRENT[family.attention](fields, family)
    if family.attention == "latent" or fields.has("kv_lora_rank"):
        return latent(fields, family, slot)
    return grouped(fields, family, slot)


def _positions(fields: Fields, family: Family, longest: int | None) -> int:
    if family.positions < 0:
        return 0
    return family.positions + fields.size("max_position_embeddings", longest)


def _per_layer_embedding(fields: Fields, layers: int, hidden: int) -> tuple[int, int]:
    """Gemma 4's embedding of every token for every layer, its projection and norm."""
    width = fields.optional("hidden_size_per_layer_input", low=0)
    if not width:
        return 0, 0
    return fields.size("vocab_size_per_layer_input") * layers * width, hidden * layers * width + width


def _mtp(fields: Fields, family: Family, slots: list[Slot], hidden: int) -> tuple[tuple[Layers, ...], int]:
    """Multi-token-prediction modules: a layer, a projection of two widths to one, three norms.

    Ignores: copies of embedding and head that some published files repeat for the module (engines share them).
    """
    if fields.has("num_mtp_modules"):
        fields.notes.append("num_mtp_modules names prediction modules the published files do not hold: not counted")
    given = fields.optional("num_nextn_predict_layers", low=0)
    count = family.mtp if given is None else given
    if given is None and count:
        fields.taken["num_nextn_predict_layers"] = count
    if not count:
        fields.touch("mtp_hybrid_override_pattern", "mtp_layers_block_type")
        return (), 0
    made = Counter(plan.mtp_slots(fields, family, slots))
    layers = tuple(_layers(fields, family, slot, n * count) for slot, n in made.items())
    return layers, count * (2 * hidden * hidden + 3 * hidden)


def _notes(fields: Fields) -> tuple[str, ...]:
    taken = ", ".join(f"{name} = {'none' if value is None else value}" for name, value in sorted(fields.taken.items()))
    return tuple(fields.notes) + ((f"not in the file, taken from the class {fields.family}: {taken}",) if taken else ())


def _sane(model: Model) -> Model:
    for what, value in (("total parameters", model.total_parameters), ("weight bytes", model.weight_bytes()),
                        ("KV bytes per token", model.kv_bytes_per_token()), ("state bytes", model.state_bytes())):
        if not math.isfinite(value) or not 0 <= value <= _LARGEST_MODEL:
            raise BadInput(what, f"must be at most {_LARGEST_MODEL:.0e}", f"{value:.3g}",
                           "a size in the file is absurd")
    return model
