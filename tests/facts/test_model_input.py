"""A configuration that is broken or not understood gets one clear line that names the field and the rule."""

from __future__ import annotations

import json

import pytest

from rackline.errors import BadInput
from rackline.facts.models import model, model_aliases, model_names, read_config
from rackline.facts.models.text import parse
from tests.facts.test_model_kinds import LLAMA

MOE = {**LLAMA, "model_type": "qwen3_moe", "num_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": 64}
MLA = {**LLAMA, "model_type": "deepseek_v3", "kv_lora_rank": 64, "q_lora_rank": None, "qk_rope_head_dim": 8,
       "qk_nope_head_dim": 16, "v_head_dim": 16, "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1,
       "moe_intermediate_size": 64, "first_k_dense_replace": 1}


def refusal(data: dict) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read_config(data, "x")
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("value", [0, -1, True, "256", 1.5, 1e30, 10**30, float("nan"), float("inf"), [256], {}])
@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                                   "head_dim", "intermediate_size", "vocab_size"])
def test_a_size_must_be_a_sane_whole_number(field, value):
    assert refusal({**LLAMA, field: value}).what == field


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                                   "vocab_size"])
def test_a_size_without_a_default_must_be_given(field):
    assert refusal({k: v for k, v in LLAMA.items() if k != field}).what == field


@pytest.mark.parametrize(("data", "field"), [
    ({**LLAMA, "num_key_value_heads": 3}, "num_attention_heads"),
    ({**LLAMA, "num_attention_heads": 7, "num_key_value_heads": 7, "head_dim": None}, "hidden_size"),
    ({**LLAMA, "n_embd": 128}, "n_embd"),
    ({**LLAMA, "layer_types": ["full_attention"] * 7}, "layer_types"),
    ({**LLAMA, "layer_types": ["quantum_attention"] * 8}, "layer_types"),
    ({**LLAMA, "layer_types": ["linear_attention"] * 8}, "layer_types"),
    ({**LLAMA, "torch_dtype": "float8_e9m9"}, "torch_dtype"),
    ({**LLAMA, "quantization_config": {"quant_method": "magic"}}, "quant_method"),
    ({**LLAMA, "quantization_config": []}, None),
    ({**LLAMA, "num_key_value_head": 2, "num_key_value_heads": None}, "num_key_value_head"),
    ({**LLAMA, "mamba_d_state": 16}, "mamba_d_state"),
    ({**LLAMA, "model_type": "unheard-of", "mixture_of_depths": 2}, "mixture_of_depths"),
    ({**LLAMA, "model_type": "unheard-of", "num_key_value_heads": None}, "model_type"),
    ({**LLAMA, "model_type": "unheard-of", "hidden_act": "gelu"}, "hidden_act"),
    ({**LLAMA, "model_type": "unheard-of", "sliding_window": 64}, "layer_types"),
    ({**LLAMA, "model_type": "unheard-of", "linear_attn_config": {"a": 1}}, "linear_attn_config"),
    ({**MOE, "num_experts_per_tok": 17}, "num_experts_per_tok"),
    ({**MOE, "num_experts": None}, "num_experts"),
    ({**MOE, "moe_intermediate_size": None}, "moe_intermediate_size"),
    ({**MLA, "q_lora_rank": -1}, "q_lora_rank"),
    ({k: v for k, v in MLA.items() if k != "q_lora_rank"}, "q_lora_rank"),
    ({k: v for k, v in MLA.items() if k != "kv_lora_rank"}, "kv_lora_rank"),
    ({k: v for k, v in MLA.items() if k != "first_k_dense_replace"}, "first_k_dense_replace"),
    ({**MLA, "first_k_dense_replace": 9}, "first_k_dense_replace"),
    ({**MLA, "n_group": 3}, "num_experts"),
    ({"hidden_size": 256}, "model_type"),
    ({}, "model_type"),
    ({"model_type": 5}, "model_type"),
    ({"model_type": "llama", "architectures": "LlamaForCausalLM"}, "architectures"),
    ({"model_type": "gemma3", "text_config": "x"}, "text_config"),
    ({"model_type": "nemotron_h", **{k: v for k, v in LLAMA.items() if k != "model_type"}}, "hybrid_override_pattern"),
])
def test_inconsistent_or_unknown_fields_are_named(data, field):
    if field is None:
        assert read_config(data, "x")  # an empty setting says nothing
    else:
        assert refusal(data).what == field


@pytest.mark.parametrize("data", [
    {"model_type": "t5", "is_encoder_decoder": True, "d_model": 512}, {"model_type": "whisper", "encoder_layers": 4},
    {"model_type": "bert", "architectures": ["BertForMaskedLM"], "hidden_size": 768}, {"model_type": "wav2vec2"},
    {"model_type": "vit", "hidden_size": 768}, {"model_type": "clip", "text_config": {"hidden_size": 512}},
    {"model_type": "newcoder", "is_encoder_decoder": True}, {"architectures": ["NewForSequenceClassification"]}])
def test_encoders_speech_and_vision_models_are_refused(data):
    assert "decoder of text" in refusal(data).rule


@pytest.mark.parametrize(("text", "rule"), [
    (b"", "must not be empty"), (b"  \n", "must not be empty"), (b'{"hidden_size": 2', "must be whole JSON"),
    (b"[1, 2]", "must be a JSON object"), (b'"text"', "must be a JSON object"), (b"\xff\xfe{}", "must be UTF-8 text"),
    (b'{"a": 1, "a": 2}', "must give every field once"), (b'{"a": ' * 100 + b"1" + b"}" * 100, "must be nested"),
    (b"[" * 100_000, "must be nested"), (b'{"a": ' + b"9" * 5000 + b"}", "must hold numbers of a sane length"),
    (b'{"a": "' + b"x" * 5_000_001 + b'"}', "must be at most"), (b"not json", "must be whole JSON")])
def test_broken_files_are_refused_in_one_line(text, rule):
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert caught.value.rule.startswith(rule)
    assert "\n" not in str(caught.value)


def test_bare_infinity_passes_where_nothing_reads_it():
    data = parse(json.dumps({**LLAMA, "time_step_limit": [0.0, float("inf")]}).encode())
    assert read_config(data, "x").total_parameters == read_config(LLAMA, "x").total_parameters


def test_fields_left_to_the_class_are_written_down():
    data = {k: v for k, v in LLAMA.items() if k != "num_key_value_heads"}
    (note,) = [n for n in read_config(data, "x").notes if "num_key_value_heads = 8" in n]
    assert "taken from the class llama" in note


def test_an_absurd_model_of_sane_fields_is_refused():
    big = {"hidden_size": 1 << 20, "num_hidden_layers": 10_000, "intermediate_size": 10**8}
    assert refusal({**LLAMA, **big}).what == "total parameters"


def test_every_bundled_model_is_read_and_named():
    names = model_names()
    assert len(names) >= 60
    for name in names:
        read = model(name)
        assert (read.name, bool(read.source)) == (name, True)
        assert 0 < read.active_parameters <= read.total_parameters
    assert set(model_aliases().values()) <= set(names)


@pytest.mark.parametrize(("given", "name"), [
    ("deepseek-ai/DeepSeek-V3", "deepseek-v3"), ("DeepSeek_V3", "deepseek-v3"),
    ("Llama 3.1 8B Instruct", "llama-3.1-8b"),
    ("deepseek-v3-0324", "deepseek-v3"), ("meta-llama/Llama-3.1-405B", "llama-3.1-405b"), (" gpt2 ", "gpt2")])
def test_other_names_of_bundled_models(given, name):
    assert model(given).name == name


def test_a_path_to_a_file_or_its_folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    assert model(str(tmp_path)).layers == model(str(tmp_path / "config.json")).layers == read_config(LLAMA, "x").layers


@pytest.mark.parametrize("name", ["no-such-model", "deepseek-v33", "no/such-model", "missing/config.json", "", "..",
                                  "x" * 5000, "a\0b", "../models", "/etc"])
def test_unknown_names_and_paths_are_refused_in_one_line(name, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)  # offline, and not installed
    with pytest.raises(BadInput) as caught:
        model(name)
    assert "\n" not in str(caught.value)


def test_a_mistyped_name_gets_a_suggestion():
    with pytest.raises(BadInput, match="did you mean deepseek-v3"):
        model("deepseek-v3l")


def test_a_hub_name_without_the_hub_says_what_to_do(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(BadInput, match=r"path to its config\.json"):
        model("nobody/unheard-of-model-7b")
