"""Other schemas (litgpt, native DeepSeek, grok-1, TensorRT-LLM, …) under the names of the Hugging Face schema."""

from __future__ import annotations

import math
from typing import Any

from rackline.errors import BadInput
from rackline.facts.models.fields import whole

# one size, many spellings: canonical name -> spellings
_SPELLINGS = {
    "hidden_size": ("n_embd", "d_model", "n_embed", "dim", "emb_size", "embed_dim"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("n_head", "n_heads", "num_q_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_head_kv", "n_query_groups", "multi_query_group_num", "kv_n_heads"),
    "head_dim": ("attention_head_dim", "kv_channels", "key_size"),
    "intermediate_size": ("n_inner", "ffn_hidden_size", "inter_dim", "mlp_dim", "ffn_dim"),
    "vocab_size": ("padded_vocab_size",),
    "max_position_embeddings": ("n_positions", "seq_length", "max_seq_len", "block_size", "sequence_len",
                                "context_length", "max_sequence_length", "n_ctx"),
    "num_experts": ("num_local_experts", "n_routed_experts", "n_expert", "moe_num_experts"),
    "num_experts_per_tok": ("top_k_experts", "experts_per_token", "n_expert_per_token", "n_activated_experts",
                            "num_selected_experts", "moe_top_k", "moe_topk"),
    "moe_intermediate_size": ("moe_inter_dim", "expert_intermediate_size"),
    "n_shared_experts": ("num_shared_experts",),
    "first_k_dense_replace": ("n_dense_layers",),
    "n_group": ("n_expert_groups",),
    "topk_group": ("n_limited_groups",),
    "tie_word_embeddings": ("tie_embeddings", "share_embedding_table"),
    "sliding_window": ("sliding_window_size",),
    "num_nextn_predict_layers": ("mtp_num_hidden_layers",),
    "shared_expert_intermediate_size": ("moe_shared_expert_intermediate_size", "shared_intermediate_size"),
    "hidden_act": ("hidden_activation", "activation_function", "mlp_hidden_act"),
}
_CANONICAL = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}
# names that mean another thing in one family
_OWN = {
    "mamba2": {"num_heads": "mamba_num_heads", "head_dim": "mamba_head_dim", "state_size": "ssm_state_size"},
    "mamba": {"state_size": "ssm_state_size", "intermediate_size": "mamba_intermediate_size",
              "d_inner": "mamba_intermediate_size"},
    "falcon_mamba": {"state_size": "ssm_state_size", "intermediate_size": "mamba_intermediate_size"},
    "bamba": {"mamba_n_heads": "mamba_num_heads", "mamba_d_head": "mamba_head_dim", "mamba_n_groups": "n_groups",
              "mamba_d_state": "ssm_state_size", "mamba_d_conv": "conv_kernel", "mamba_expand": "expand",
              "mamba_conv_bias": "use_conv_bias"},
    "jamba": {"mamba_d_state": "ssm_state_size", "mamba_d_conv": "conv_kernel", "mamba_expand": "expand",
              "mamba_dt_rank": "time_step_rank", "mamba_conv_bias": "use_conv_bias", "mamba_proj_bias": "use_bias"},
    "command_r_dims": {"num_heads": "num_attention_heads"},
}


def canonical(data: dict[str, Any], family: str) -> dict[str, Any]:
    """The fields under canonical names; two spellings of one size must agree. BadInput where they do not."""
    own = _OWN.get(family, {})
    out: dict[str, Any] = {}
    for name, value in data.items():
        target = own.get(name) or _CANONICAL.get(name, name)
        if target in _CANONICAL.values() and target != "hidden_act" and None not in (out.get(target), value) and (
                out[target] != value):
            raise BadInput(name, f"must equal {target}, of which it is another spelling", value,
                           f"{target} = {out[target]!r}")
        if out.get(target) is None:
            out[target] = value
    return out


def schema_of(data: dict[str, Any]) -> str | None:
    """The family that a file without model_type shows by its fields; None for Hugging Face's schema."""
    marks = {"litgpt": ("hf_config", "n_layer"), "deepseek_native": ("inter_dim", "n_dense_layers"),
             "grok-1": ("widening_factor", "num_q_heads"), "command_r_dims": ("mlp_dim", "logit_scale")}
    return next((family for family, names in marks.items() if all(name in data for name in names)), None)


def translate(data: dict[str, Any], family: str) -> dict[str, Any]:
    """A foreign schema's own conventions as Hugging Face fields; the data itself for Hugging Face's schema."""
    special = {"litgpt": _litgpt, "deepseek_native": _deepseek, "grok-1": _grok, "dbrx": _nested, "mpt": _nested,
               "chatglm": _chatglm, "falcon": _falcon, "gpt_bigcode": _bigcode}.get(family)
    return special(dict(data)) if special else data


LITGPT = {"n_layer": 16, "n_embd": 4096, "block_size": 4096, "n_head": 32, "bias": True, "attn_bias": False,
           "norm_class_name": "LayerNorm", "mlp_class_name": "GptNeoxMLP", "parallel_residual": True,
           "shared_attention_norm": False, "vocab_size": 50254, "padding_multiple": 512, "lm_head_bias": False,
           "norm_qk": False, "norm_qk_type": "default", "post_attention_norm": False, "post_mlp_norm": False,
           "norm_1": True, "norm_2": True}


def _litgpt(data: dict[str, Any]) -> dict[str, Any]:
    """litgpt's Config: class defaults of litgpt/config.py, vocabulary padded to a multiple."""
    full = {**LITGPT, **data}
    if full.get("padded_vocab_size") is None:
        multiple = whole("padding_multiple", full["padding_multiple"])
        full["padded_vocab_size"] = math.ceil(whole("vocab_size", full["vocab_size"]) / multiple) * multiple
    full["vocab_size"] = full.pop("padded_vocab_size")
    if full.get("head_size") is not None:
        full["head_dim"] = full["head_size"]
    if full.get("intermediate_size") is None and full["mlp_class_name"] == "GptNeoxMLP":
        full["intermediate_size"] = 4 * whole("hidden_size", full["n_embd"])
    if full.get("sliding_window_indices") is not None:
        full["sliding_window_indices"] = list(full["sliding_window_indices"])
    for name in ("head_size", "padding_multiple", "hf_config", "name"):
        full.pop(name, None)
    return full


def _deepseek(data: dict[str, Any]) -> dict[str, Any]:
    """DeepSeek's inference/config_*.json: q_lora_rank 0 is none; sigmoid scores come with a correction bias."""
    if data.get("q_lora_rank") == 0 and not isinstance(data["q_lora_rank"], bool):
        data["q_lora_rank"] = None
    data["topk_method"] = "noaux_tc" if data.get("score_func") == "sigmoid" else "greedy"
    # model.py: the gate has a bias only at width 7168, that is, in the sigmoid-scored 671B
    return data


def _grok(data: dict[str, Any]) -> dict[str, Any]:
    """grok-1's run.py: the feed-forward is widening_factor · width · 2/3, rounded up to a multiple of 8."""
    width = whole("widening_factor", data.get("widening_factor")) * whole("hidden_size", data.get("emb_size")) * 2 // 3
    data["moe_intermediate_size"] = math.ceil(width / 8) * 8
    data.pop("widening_factor")
    return data


def _nested(data: dict[str, Any]) -> dict[str, Any]:
    """DBRX and MPT keep sizes of attention and experts in two inner objects."""
    for name in ("attn_config", "ffn_config"):
        inner = data.pop(name, None)
        if inner is None:
            continue
        if not isinstance(inner, dict):
            raise BadInput(name, "must be an object", inner)
        data |= {key: value for key, value in inner.items() if key not in data}
    if "moe_num_experts" in data and "ffn_hidden_size" in data:
        data["moe_intermediate_size"] = data.pop("ffn_hidden_size")
    return data


def _chatglm(data: dict[str, Any]) -> dict[str, Any]:
    """ChatGLM: multi_query_group_num counts only under multi_query_attention."""
    if data.pop("multi_query_attention", None) is False:
        data["multi_query_group_num"] = data.get("num_attention_heads")
    return data


def _falcon(data: dict[str, Any]) -> dict[str, Any]:
    """Falcon: one KV head under multi_query unless the new decoder architecture gives num_kv_heads."""
    new = data.get("new_decoder_architecture", "num_key_value_heads" in data)  # TensorRT-LLM writes the latter
    if not new and data.get("multi_query", True):
        data["num_kv_heads"] = 1
    data["shared_norm"] = not new and bool(data.get("parallel_attn", True))
    data.pop("num_ln_in_parallel_attn", None)
    return data


def _bigcode(data: dict[str, Any]) -> dict[str, Any]:
    """GPT-BigCode: one KV head under multi_query, one per head otherwise."""
    data["num_key_value_heads"] = 1 if data.pop("multi_query", True) else data.get("n_head")
    return data
