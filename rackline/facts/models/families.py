"""What the code of each published model class fixes beside its configuration: one row a family.

Sources: the modelling files of transformers 4.4x to 5.x under models/<family>, and the authors' repositories for
chatglm, dbrx, grok-1, litgpt, mpt and DeepSeek's native files. `defaults` holds class defaults of fields that
published files leave out because they equal the default; every use of one is written into the model's notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

_NONE: Mapping[str, Any] = MappingProxyType({})
_ATTENTION_BIAS = MappingProxyType({"attention_bias": ("q", "k", "v", "o"), "mlp_bias": ("mlp",)})
_QKV_BIAS = MappingProxyType({"attention_bias": ("q", "k", "v")})


@dataclass(frozen=True)
class Family:
    """The fixed choices of one model class; sizes stay in the configuration."""

    attention: str = "grouped"  # or latent, mamba1, mamba2, rwkv4, rwkv5: what a plain layer mixes tokens with
    linear: str = ""  # what a layer called linear or mamba mixes tokens with
    windows: str = "never"  # without a list: never, always, alternate (full every sliding_window_pattern), qwen
    gated: bool = True  # feed-forward of three matrices, not two
    norms: int = 2  # norms of the layer's width in a layer
    norm_bias: bool = False  # LayerNorm with a shift
    biases: tuple[str, ...] = ()  # matrices that always have a bias: q k v o mlp expert router head
    # field -> matrices that have a bias when it is true
    bias_flags: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE)
    qk_norm: str = ""  # head: one per head size; full: over all heads
    qk_norm_flag: str = ""  # the norm is there only when this field is true
    sinks: bool = False  # one learned logit per head
    output_gate: bool = False  # the query projection also makes a gate of the same width
    router_bias: bool = False  # one number per expert added to choose experts
    mtp: int = 0  # multi-token-prediction modules where the file does not say
    positions: int = -1  # learned positions: extra rows beyond max_position_embeddings; -1: none
    embedding_norm: bool = False
    one_block: bool = False  # each layer is a mixer or a feed-forward, with one norm
    defaults: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    asks: tuple[str, ...] = ()  # optional fields that change sizes: leaving one out is written into the notes
    unused: tuple[str, ...] = ()  # fields that look structural but change nothing in this class


def _family(base: Family, *, defaults: Mapping[str, Any] | None = None, unused: tuple[str, ...] = (),
            **changes: Any) -> Family:
    return replace(base, defaults=MappingProxyType({**base.defaults, **(defaults or {})}),
                   unused=base.unused + unused, **changes)


_TIED = {"tie_word_embeddings": True}
LLAMA = Family(bias_flags=_ATTENTION_BIAS, defaults=MappingProxyType({"tie_word_embeddings": False}))
_MISTRAL = _family(Family(), windows="always", asks=("sliding_window",), defaults={"tie_word_embeddings": False})
_QWEN2 = _family(Family(), windows="qwen", biases=("q", "k", "v"), defaults={"tie_word_embeddings": False})
_QWEN2_MOE = _family(_QWEN2, bias_flags=MappingProxyType({"qkv_bias": ("q", "k", "v")}),
                     defaults={"decoder_sparse_step": 1}, unused=("intermediate_size",))
_QWEN3 = _family(LLAMA, windows="qwen", qk_norm="head", defaults={"head_dim": 128})
_QWEN3_MOE = _family(_QWEN3, defaults={"decoder_sparse_step": 1}, unused=("intermediate_size", "qkv_bias",
                                                                          "use_qk_norm"))
_QWEN3_NEXT = _family(_QWEN3_MOE, linear="delta", output_gate=True, mtp=1,
                      defaults={"head_dim": 256, "full_attention_interval": 4, "linear_conv_kernel_dim": 4},
                      unused=("mtp_use_dedicated_embeddings",))
_GEMMA2 = _family(LLAMA, windows="alternate", norms=4,
                  defaults={**_TIED, "sliding_window_pattern": 2, "head_dim": 256, "sliding_window": 4096,
                            "vocab_size": 256_000})
# Gemma3TextConfig: published files leave out whatever equals these
_GEMMA3 = _family(_GEMMA2, qk_norm="head",
                  defaults={"sliding_window_pattern": 6, "vocab_size": 262_208, "num_attention_heads": 8,
                            "num_key_value_heads": 4, "max_position_embeddings": 131_072})
_GEMMA4 = _family(_GEMMA3, defaults={"global_head_dim": 512},
                  asks=("attention_k_eq_v", "num_global_key_value_heads", "hidden_size_per_layer_input"),
                  unused=("enable_moe_block", "use_double_wide_mlp", "vocab_size_per_layer_input"))
_DEEPSEEK = _family(LLAMA, bias_flags=_NONE, defaults={"moe_layer_freq": 1}, unused=("attention_bias",))
_DEEPSEEK2 = _family(_DEEPSEEK, attention="latent", unused=("num_key_value_heads", "head_dim", "qk_head_dim"))
_DEEPSEEK3 = _family(_DEEPSEEK2, router_bias=True)
_GLM5 = _family(_DEEPSEEK3, asks=("indexer_types", "index_head_dim"),
                unused=("index_topk_freq", "index_skip_topk_offset", "index_share_for_mtp_iteration",
                        "index_topk_pattern"))
_GPT2 = Family(gated=False, norm_bias=True, biases=("q", "k", "v", "o", "mlp"), positions=0,
               defaults=MappingProxyType(_TIED))
_PHIMOE = _family(_MISTRAL, norm_bias=True,
                  bias_flags=MappingProxyType({"attention_bias": ("q", "k", "v", "o"), "lm_head_bias": ("head",)}))
_MAMBA = _family(Family(), attention="mamba1", one_block=True,
                 defaults={**_TIED, "conv_kernel": 4, "use_conv_bias": True},
                 unused=("pad_vocab_size_multiple", "rms_norm", "fused_add_norm"))
_NEMOTRON_H = _family(Family(), linear="mamba2", gated=False, one_block=True, router_bias=True,
                      bias_flags=_ATTENTION_BIAS,
                      asks=("moe_latent_size", "head_dim", "use_bias", "mamba_proj_bias", "n_shared_experts",
                            "shared_expert_intermediate_size"),
                      defaults={"tie_word_embeddings": False, "use_conv_bias": True},
                      unused=("time_step_rank", "expand", "intermediate_size"))
_COHERE = _family(Family(), norms=1, qk_norm="full", qk_norm_flag="use_qk_norm",
                  bias_flags=MappingProxyType({"attention_bias": ("q", "k", "v", "o")}), defaults=_TIED)
_FALCON = _family(Family(), gated=False, norm_bias=True, defaults=_TIED,
                  bias_flags=MappingProxyType({"bias": ("q", "k", "v", "o", "mlp")}),
                  unused=("new_decoder_architecture", "parallel_attn", "multi_query", "hidden_act"))
_MPT = _family(Family(), gated=False, defaults=_TIED, unused=("attn_type", "hidden_act", "no_bias", "alibi"))
_MINIMAX = _family(Family(), defaults={"tie_word_embeddings": False},
                   unused=("use_mtp", "num_mtp_modules", "mtp_transformer_layers", "qk_norm_type",
                           "use_routing_bias", "shared_moe_mode", "postnorm"))

FAMILIES: Mapping[str, Family] = MappingProxyType({
    "llama": LLAMA,
    "mistral": _family(_MISTRAL, defaults={"sliding_window": 4096}),
    "ministral3": _MISTRAL,
    "mixtral": _MISTRAL,
    "phi3": _family(_MISTRAL, unused=("full_attn_mod", "interpolate_factor", "attention_bias", "mlp_bias",
                                      "lm_head_bias")),
    "phimoe": _PHIMOE,
    "qwen2": _QWEN2,
    "mimo": _family(_QWEN2, unused=("attention_bias",)),
    "qwen2_moe": _QWEN2_MOE,
    "qwen3": _QWEN3,
    "qwen3_vl_text": _QWEN3,
    "qwen3_moe": _QWEN3_MOE,
    "qwen3_vl_moe_text": _QWEN3_MOE,
    "qwen3_next": _QWEN3_NEXT,
    "qwen3_5_moe_text": _QWEN3_NEXT,
    "qwen3_5_text": _QWEN3_NEXT,
    "olmo2": _family(LLAMA, qk_norm="full"),
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA3,
    "gemma4_text": _GEMMA4,
    "gpt_oss": _family(LLAMA, windows="alternate", sinks=True, biases=("router", "expert"),
                       defaults={"head_dim": 64, "sliding_window_pattern": 2, "attention_bias": True}),
    "llama4_text": _family(LLAMA, windows="chunk",
                           defaults={"no_rope_layer_interval": 4, "interleave_moe_layer_step": 1},
                           unused=("use_qk_norm", "for_llm_compressor")),  # its qk norm has no weights
    "deepseek": _DEEPSEEK,
    "deepseek_v2": _DEEPSEEK2,
    "deepseek_v3": _DEEPSEEK3,
    "kimi_k2": _DEEPSEEK3,
    "deepseek_v32": _family(_DEEPSEEK3, asks=("index_head_dim",)),
    "deepseek_native": _family(_DEEPSEEK2, asks=("score_func",), defaults={"tie_word_embeddings": False}),
    "glm_moe_dsa": _GLM5,
    "glm4_moe_lite": _DEEPSEEK3,
    "glm4_moe": _family(_DEEPSEEK, router_bias=True, bias_flags=_QKV_BIAS, qk_norm="head",
                        qk_norm_flag="use_qk_norm", mtp=1,  # both true in GLM-4.5, 4.6 and 4.7, not in the class
                        defaults={"attention_bias": True, "use_qk_norm": True}),
    "dbrx": _family(Family(), defaults={"tie_word_embeddings": False}),
    "grok-1": _family(Family(), norms=4, defaults=_TIED),
    "minimax_m2": _family(_MINIMAX, qk_norm="full", qk_norm_flag="use_qk_norm", router_bias=True,
                          defaults={"use_qk_norm": True}),
    "minimax_m1": _family(_MINIMAX, linear="lightning"),
    "nemotron-nas": LLAMA,
    "nemotron_h": _NEMOTRON_H,
    "jamba": _family(Family(), linear="mamba1", defaults={"tie_word_embeddings": False, "use_conv_bias": True,
                                                          "expert_layer_period": 2, "expert_layer_offset": 1,
                                                          "attn_layer_period": 8, "attn_layer_offset": 4}),
    "bamba": _family(LLAMA, linear="mamba2", defaults={"use_conv_bias": True},
                     unused=("expand", "num_attention_heads", "num_key_value_heads")),  # read where a layer attends
    "mamba": _MAMBA,
    "falcon_mamba": _MAMBA,
    "mamba2": _family(_MAMBA, attention="mamba2", defaults={"tie_word_embeddings": False},
                      unused=("expand", "time_step_rank")),
    "rwkv": _family(Family(), attention="rwkv4", norm_bias=True, gated=False, defaults={"tie_word_embeddings": False}),
    "rwkv5": _family(Family(), attention="rwkv5", norm_bias=True, gated=False, defaults={"tie_word_embeddings": False}),
    "cohere": _COHERE,
    "cohere2": _family(_COHERE, windows="alternate", qk_norm="", defaults={"sliding_window_pattern": 4}),
    "command_r_dims": _COHERE,
    "chatglm": _family(Family(), defaults={"tie_word_embeddings": False},
                       bias_flags=MappingProxyType({"add_qkv_bias": ("q", "k", "v"),
                                                    "add_bias_linear": ("q", "k", "v", "o", "mlp")}),
                       unused=("apply_query_key_layer_scaling", "post_layer_norm",
                               "apply_residual_connection_post_layernorm", "bias_dropout_fusion", "rmsnorm",
                               "fp32_residual_connection", "original_rope")),
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2,
    "starcoder2": _family(Family(), asks=("sliding_window",), gated=False, norm_bias=True, windows="always",
                          defaults=_TIED, bias_flags=MappingProxyType({"use_bias": ("q", "k", "v", "o", "mlp")}),
                          unused=("mlp_type", "norm_type")),
    "gemma": _family(LLAMA, defaults={**_TIED, "head_dim": 256}),
    "granite": LLAMA,
    "seed_oss": _family(Family(), defaults={"tie_word_embeddings": False}, bias_flags=MappingProxyType({
        "attention_bias": ("q", "k", "v"), "attention_out_bias": ("o",), "mlp_bias": ("mlp",)})),
    "phi": _family(Family(), gated=False, norms=1, norm_bias=True, biases=("q", "k", "v", "o", "mlp", "head"),
                   defaults={"tie_word_embeddings": False}),
    "smollm3": _family(LLAMA, windows="qwen", unused=("no_rope_layer_interval", "no_rope_layers")),
    "olmo": _family(LLAMA, norms=0),  # its norms have no weights
    "olmoe": _family(LLAMA, qk_norm="full"),
    "gpt_neox": _family(Family(), gated=False, norm_bias=True, biases=("mlp",), defaults={
        "tie_word_embeddings": False, "attention_bias": True}, unused=("use_parallel_residual",),
                        bias_flags=MappingProxyType({"attention_bias": ("q", "k", "v", "o")})),
    "gptj": _family(Family(), gated=False, norm_bias=True, norms=1, biases=("mlp", "head"),
                    defaults={"tie_word_embeddings": False}, unused=("rotary_dim",)),
    "opt": _family(_GPT2, positions=2, unused=("do_layer_norm_before", "word_embed_proj_dim")),
    "bloom": _family(_GPT2, positions=-1, embedding_norm=True),
    "falcon": _FALCON,
    "mpt": _MPT,
    "palm": _family(Family(), norms=1, defaults=_TIED),  # arXiv:2204.02311, section 2
    "litgpt": Family(),  # read from norm_class_name, mlp_class_name and the flags
})

# architectures[0] where it names another family than its model_type does, or the file has no model_type
ARCHITECTURES: Mapping[str, str] = MappingProxyType({
    "LlamaForCausalLM": "llama", "MistralForCausalLM": "mistral", "MixtralForCausalLM": "mixtral",
    "Qwen2ForCausalLM": "qwen2", "Qwen2MoeForCausalLM": "qwen2_moe", "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe", "Qwen3NextForCausalLM": "qwen3_next", "Glm4MoeForCausalLM": "glm4_moe",
    "FalconForCausalLM": "falcon", "DeepseekV2ForCausalLM": "deepseek_v2", "DeepseekV3ForCausalLM": "deepseek_v3",
    "DeepseekV32ForCausalLM": "deepseek_v32", "GlmMoeDsaForCausalLM": "glm_moe_dsa", "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3_text", "GptOssForCausalLM": "gpt_oss", "MiniMaxM2ForCausalLM": "minimax_m2",
    "NemotronHForCausalLM": "nemotron_h", "DeciLMForCausalLM": "nemotron-nas", "GPT2LMHeadModel": "gpt2",
})
# other names of model_type for the same class
OTHER_NAMES: Mapping[str, str] = MappingProxyType({
    "gemma3": "gemma3_text", "gemma4": "gemma4_text", "llama4": "llama4_text", "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text", "qwen3_5": "qwen3_5_text", "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen3_omni_moe_text": "qwen3_moe", "qwen2_vl": "qwen2", "qwen2_5_vl": "qwen2", "qwen2_vl_text": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "kimi_k25": "kimi_k2", "mistral3": "ministral3", "RefinedWeb": "falcon", "RefinedWebModel": "falcon",
})
# model classes that are no decoder of text: refused
NOT_DECODERS = ("t5", "mt5", "umt5", "bart", "mbart", "pegasus", "marian", "m2m_100", "whisper", "wav2vec2", "hubert",
                "speech_to_text", "bert", "roberta", "xlm-roberta", "distilbert", "albert", "electra", "deberta",
                "deberta-v2", "camembert", "mpnet", "modernbert", "nomic_bert", "clip", "clip_vision_model", "siglip",
                "siglip_vision_model", "vit", "dinov2", "swin", "convnext", "sam", "detr", "blip", "clap", "bark",
                "encodec", "vits", "encoder-decoder", "vision-encoder-decoder", "segformer", "resnet", "seamless_m4t")
