"""Every encoding of layers, attention and weights that published files use is read as what it means."""

from __future__ import annotations

import pytest

from rackline.facts.models import model, read_config

LLAMA = {"model_type": "llama", "hidden_size": 256, "num_hidden_layers": 8, "num_attention_heads": 8, "head_dim": 32,
         "num_key_value_heads": 2, "intermediate_size": 512, "vocab_size": 1000, "max_position_embeddings": 8192,
         "tie_word_embeddings": False, "torch_dtype": "bfloat16", "hidden_act": "silu"}


def kinds(**changes) -> dict[tuple, int]:
    read = read_config({**LLAMA, **changes}, "x")
    return {(a.kind, a.window): count for a, count in read.attentions()}


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, {("full", None): 8}),
    ({"model_type": "mistral", "sliding_window": 512}, {("window", 512): 8}),
    ({"model_type": "mistral", "sliding_window": None}, {("full", None): 8}),
    ({"model_type": "mistral", "sliding_window": 8192}, {("full", None): 8}),  # a window that never binds
    ({"model_type": "mistral"}, {("window", 4096): 8}),  # MistralConfig's default
    ({"model_type": "gemma2", "sliding_window": 512}, {("window", 512): 4, ("full", None): 4}),
    ({"model_type": "gemma3_text", "sliding_window": 512, "sliding_window_pattern": 4},
     {("window", 512): 6, ("full", None): 2}),
    ({"model_type": "qwen3", "sliding_window": 512, "use_sliding_window": True, "max_window_layers": 3},
     {("full", None): 3, ("window", 512): 5}),
    ({"model_type": "qwen3", "sliding_window": 512, "use_sliding_window": False}, {("full", None): 8}),
    ({"model_type": "cohere2", "sliding_window": 512}, {("window", 512): 6, ("full", None): 2}),
    ({"layer_types": ["sliding_attention"] * 3 + ["full_attention"] * 5, "sliding_window": 64},
     {("window", 64): 3, ("full", None): 5}),
    ({"model_type": "unheard-of", "layer_types": ["sliding_attention", "full_attention"] * 4, "sliding_window": 64},
     {("window", 64): 4, ("full", None): 4}),
])
def test_windows_in_every_encoding(changes, expected):
    assert kinds(**changes) == expected


@pytest.mark.parametrize(("name", "expected"), [
    ("gpt-oss-120b", {"window": 18, "full": 18}), ("gemma-3-27b", {"window": 52, "full": 10}),
    ("gemma-4-26b-a4b", {"window": 25, "full": 5}), ("llama-4-scout", {"window": 36, "full": 12}),
    ("qwen3-next-80b-a3b", {"linear": 36, "full": 12}), ("qwen3.5-397b-a17b", {"linear": 45, "full": 15}),
    ("minimax-m1", {"linear": 70, "full": 10}), ("jamba-v0.1", {"linear": 28, "full": 4}),
    ("nemotron-h-56b", {"linear": 54, "full": 10}), ("llama-3.3-nemotron-super-49b", {"full": 49}),
    ("deepseek-v3", {"latent": 61}), ("deepseek-v3.2", {"sparse": 61}), ("glm-5.2", {"sparse": 78}),
    ("mamba-codestral-7b", {"linear": 64}), ("falcon-180b", {"full": 80}), ("deepseek-v2-lite", {"latent": 27})])
def test_layers_of_each_attention_kind(name, expected):
    counts: dict[str, int] = {}
    for attention, count in model(name).attentions():
        counts[attention.kind] = counts.get(attention.kind, 0) + count
    assert counts == expected


@pytest.mark.parametrize(("name", "routed", "top_k", "dense"), [
    ("deepseek-v3", 256, 8, 3), ("kimi-k2", 384, 8, 1), ("glm-4.5", 160, 8, 3), ("llama-4-maverick", 128, 1, 24),
    ("llama-4-scout", 16, 1, 0), ("jamba-v0.1", 16, 2, 16), ("qwen3-235b-a22b", 128, 8, 0), ("glm-5.2", 256, 8, 3)])
def test_dense_layers_among_the_routed_ones(name, routed, top_k, dense):
    feeds = list(model(name).feed_forwards())
    assert sum(count for f, count in feeds if not f.experts) == dense
    assert {(f.experts, f.top_k) for f, _ in feeds if f.experts} == {(routed, top_k)}


def test_experts_in_a_latent_space_are_narrower_than_the_layer():
    (feed,) = [f for f, _ in model("nemotron-3-super").feed_forwards() if f.experts]
    assert {(m.inputs, m.outputs) for m in feed.expert_matrices} == {(1024, 2688), (2688, 1024)}


def test_layers_that_share_the_cache_keep_none():
    read = read_config({**LLAMA, "model_type": "gemma4_text", "num_kv_shared_layers": 3, "global_head_dim": 64,
                        "num_global_key_value_heads": 1, "attention_k_eq_v": True, "sliding_window": 64,
                        "layer_types": [*["sliding_attention"] * 3, "full_attention"] * 2}, "x")
    borrowing = [(a, n) for a, n in read.attentions() if a.borrows]
    assert sum(n for _, n in borrowing) == 3
    assert all({m.name for m in a.matrices} == {"q", "o"} for a, _ in borrowing)
    assert read.kv_bytes_per_token("bf16") == (4 * 2 * 2 * 32 + 1 * 1 * 2 * 64) * 2  # 4 windows, 1 full keep a cache


def test_heads_of_gemma_4_differ_by_kind():
    sizes = {a.kind: (a.kv_heads, a.cache_width) for a, _ in model("gemma-4-26b-a4b").attentions()}
    assert sizes == {"full": (2, 1024), "window": (8, 512)}


def test_a_wrapper_is_its_language_model_and_says_so():
    wrapped = {"model_type": "qwen3_vl", "text_config": {**LLAMA, "model_type": "qwen3_vl_text"},
               "vision_config": {"depth": 9}}
    read = read_config(wrapped, "x")
    assert read.total_parameters == read_config({**LLAMA, "model_type": "qwen3"}, "x").total_parameters
    assert any("vision" in note for note in read.notes)


def test_unknown_architecture_is_read_by_its_fields_and_says_so():
    read = read_config({**LLAMA, "model_type": "unheard-of"}, "x")
    assert read.total_parameters == read_config(LLAMA, "x").total_parameters
    assert any("not a known architecture" in note for note in read.notes)


@pytest.mark.parametrize(("name", "expected", "kv"), [
    ("deepseek-v3", {"attention": "fp8", "dense": "fp8", "experts": "fp8", "shared": "fp8", "head": "bf16"}, "bf16"),
    ("gpt-oss-120b", {"attention": "bf16", "experts": "mxfp4", "embedding": "bf16"}, "bf16"),
    ("kimi-k2.5", {"attention": "bf16", "dense": "bf16", "shared": "bf16", "experts": "int4"}, "bf16"),
    ("kimi-k2.6-nvfp4", {"attention": "bf16", "dense": "bf16", "shared": "bf16", "experts": "nvfp4"}, "fp8"),
    ("kimi-k2.5-nvfp4", {"attention": "bf16", "dense": "nvfp4", "shared": "nvfp4", "experts": "nvfp4"}, "fp8"),
    ("glm-5.2-nvfp4", {"attention": "bf16", "dense": "bf16", "shared": "bf16", "experts": "nvfp4"}, "fp8"),
    ("gemma-4-26b-a4b-nvfp4", {"attention": "bf16", "shared": "bf16", "experts": "nvfp4"}, "fp8"),
    ("gemma-4-31b-nvfp4", {"attention": "bf16", "dense": "nvfp4"}, "fp8"),
    ("minimax-m2.7-nvfp4", {"attention": "bf16", "experts": "nvfp4"}, "fp8"),
    ("qwen3.5-397b-a17b-nvfp4", {"attention": "bf16", "shared": "bf16", "experts": "nvfp4"}, "fp8"),
    ("llama-4-scout-fp8", {"attention": "bf16", "experts": "fp8", "shared": "fp8"}, "bf16"),
    ("qwen3-32b-fp8-static", {"attention": "fp8", "dense": "fp8", "head": "bf16"}, "fp8"),
    ("llama-3.1-70b", {"attention": "bf16", "dense": "bf16"}, "bf16")])
def test_formats_by_role_follow_the_file(name, expected, kv):
    read = model(name)
    assert {role: read.formats[role] for role in expected} == expected
    assert read.kv_format == kv


def test_a_name_alone_never_decides_the_format():
    read = read_config(LLAMA, "llama-nvfp4")
    assert set(read.formats.values()) == {"bf16"}
    assert any("the file does not" in note for note in read.notes)


@pytest.mark.parametrize(("name", "gib"), [("gpt-oss-120b", 60.8), ("gpt-oss-20b", 12.8)])
def test_gpt_oss_weights_take_the_bytes_of_its_checkpoint(name, gib):
    """arXiv:2508.10925, table 1: checkpoints of 60.8 and 12.8 GiB, experts in mxfp4, the rest in bf16."""
    assert round(model(name).weight_bytes() / 2**30, 1) == gib
