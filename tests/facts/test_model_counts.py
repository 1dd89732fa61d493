"""Parameters and caches equal what is published, to the last number where a file's own count is known."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from rackline.facts import things
from rackline.facts.model import Layers, Model
from rackline.facts.models import model, read_config

DATA = Path(__file__).parent / "data"


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


PUBLISHED = rows("published_parameters.csv")
STATED = rows("stated_figures.csv")


def by_name(table: list[dict[str, str]], *fields: str) -> list:
    return [pytest.param(row, id=row["name"]) for row in table if all(row[f] for f in fields)]


@pytest.mark.parametrize("row", by_name(PUBLISHED))
def test_total_equals_the_closed_form_to_the_last_parameter(row):
    assert model(row["name"]).total_parameters == int(row["total"])


@pytest.mark.parametrize("row", by_name(PUBLISHED, "active"))
def test_active_equals_the_closed_form_to_the_last_parameter(row):
    assert model(row["name"]).active_parameters == int(row["active"])


@pytest.mark.parametrize("row", by_name(PUBLISHED, "published"))
def test_total_with_module_copies_and_scales_equals_the_published_files(row):
    read = model(row["name"])
    beside = {"mtp": read.mtp_parameters, "copies": 2 * read.vocab * read.hidden,
              "scales": scales(read.layers) + scales(read.mtp)}
    assert read.total_parameters + sum(beside[part] for part in row["beside"].split()) + int(row["rest"]) == int(
        row["published"])
    assert int(row["rest"]) == 0 or row["why"]


SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")


@pytest.mark.parametrize(("family", "sizes", "more", "published"), [
    ("gemma", (3072, 24576, 28, 16, 256_000), {"num_key_value_heads": 16, "head_dim": 256}, 8_537_680_896),  # 7B
    ("gpt_neox", (4096, 16384, 32, 32, 50_432), {}, 6_857_302_016),  # Pythia 6.9B
    ("phi", (2560, 10240, 32, 32, 51_200), {"num_key_value_heads": 32}, 2_779_683_840),  # phi-2
    ("opt", (768, 3072, 12, 12, 50_272), {"max_position_embeddings": 2048}, 125_239_296),  # 125M
    ("olmoe", (2048, 1024, 16, 16, 50_304), {"num_experts": 64, "num_experts_per_tok": 8, "num_key_value_heads": 16},
     6_919_161_856),  # 1B-7B
    ("seed_oss", (5120, 27648, 64, 80, 155_136), {"num_key_value_heads": 8, "head_dim": 128, "attention_bias": True,
                                                  "attention_out_bias": False}, 36_151_104_512),  # 36B
    ("llama", (2048, 5632, 22, 32, 32_000), {"num_key_value_heads": 4}, 1_100_048_384),  # TinyLlama
    ("falcon", (8192, 32768, 60, 128, 65_024), {"new_decoder_architecture": True, "num_kv_heads": 8}, 41_303_293_952),
])
def test_classes_that_are_not_bundled_count_to_the_last_parameter_too(family, sizes, more, published):
    config = {"model_type": family, **dict(zip(SIZES, sizes, strict=True)), **more}
    assert read_config(config, "x").total_parameters == published


def test_mamba_130m_counts_to_the_last_parameter():
    config = {"model_type": "mamba", "hidden_size": 768, "num_hidden_layers": 24, "state_size": 16, "expand": 2,
              "conv_kernel": 4, "intermediate_size": 1536, "time_step_rank": 48, "vocab_size": 50_280}
    assert read_config(config, "x").total_parameters == 129_135_360


def scales(layers: tuple[Layers, ...]) -> int:
    """fp8 files keep one scale per 128 × 128 block of every matrix but the small ones."""
    matrices = [(matrix, group.count) for group in layers for part in (group.attention, group.feed_forward) if part
                for matrix in part.matrices if matrix.role != "small"]
    matrices += [(matrix, group.count * group.feed_forward.experts) for group in layers if group.feed_forward
                 for matrix in group.feed_forward.expert_matrices]
    return sum(count * -(-m.inputs // 128) * -(-m.outputs // 128) for m, count in matrices)


# stated totals that neither round from the closed form nor are cut from it: the closed form in 1e9, and why
EXCEPTIONS = {
    "llama-2-70b": (68.977, "the name; the paper's own sizes give 68.98e9"),
    "llama-4-scout": (107.770, "the card counts the vision tower of 0.87e9"),
    "glm-4.5": (352.798, "the README's figure lies between the model and the model with its module (356.79e9)"),
    "glm-4.7": (352.798, "as GLM-4.5"),
    "gemma-4-26b-a4b": (25.233, "the name counts the vision tower"),
    "grok-1": (315.685, "its own run.py gives 315.69e9 with the embedding of 0.81e9"),
    "minimax-m2": (228.690, "the card rounds to tens"),
    "qwen3.5-397b-a17b": (396.346, "the name counts the vision tower of 0.46e9"),
}


@pytest.mark.parametrize("row", by_name(STATED, "total"))
def test_total_rounds_to_the_stated_figure_or_is_a_listed_exception(row):
    exact = model(row["name"]).total_parameters
    if row["name"] not in EXCEPTIONS:
        assert is_stated(exact, row["total"])
    else:
        assert not is_stated(exact, row["total"])
        assert round(exact / 1e9, 3) == EXCEPTIONS[row["name"]][0]


@pytest.mark.parametrize("row", by_name(STATED, "active"))
def test_active_rounds_to_the_stated_figure_with_or_without_embedding_and_head(row):
    """Cards differ in whether the embedding and the head count as active; one of the three ways must be theirs."""
    read = model(row["name"])
    assert any(is_stated(read.active_parameters - left_out, row["active"])
               for left_out in (0, read.embedding, read.embedding + read.head.parameters))


def figure(text: str) -> tuple[float, float]:
    """The stated number and half of its last digit's unit."""
    unit = {"M": 1e6, "B": 1e9, "T": 1e12}[text[-1]]
    return float(text[:-1]) * unit, unit * 10.0 ** -len(text[:-1].partition(".")[2]) / 2


def is_stated(exact: float, text: str) -> bool:
    """Whether the exact number, rounded or cut to the stated digits, is the stated one."""
    stated, half = figure(text)
    return stated - half <= exact < stated + 2 * half


@pytest.mark.parametrize("row", by_name(STATED, "kv"))
def test_kv_bytes_a_token_equal_the_published_ones(row):
    assert model(row["name"]).kv_bytes_per_token("bf16", beyond_window=row["kv_of"] == "beyond") == int(row["kv"])


@pytest.mark.parametrize(("name", "total", "tokens"), [
    ("deepseek-v3", "expanded", 15_000), ("deepseek-v3", "absorbed", 4_400), ("llama-3.1-70b", "absorbed", 53_000),
    ("llama-3.1-405b", "absorbed", 98_000)])
def test_attention_costs_as_much_as_the_weights_at_the_known_context(name, total, tokens):
    """2·width·heads·L a layer equals 2·N_active: the context at which attention and weights take the same FLOPs."""
    read = model(name)
    pair = sum(count * a.heads * (a.expanded_width if total == "expanded" else a.score_width)
               for a, count in read.attentions())
    assert read.active_parameters / pair == pytest.approx(tokens, rel=0.025)


def test_latent_attention_of_deepseek_v3_in_its_two_forms():
    ((attention, layers),) = model("deepseek-v3").attentions()
    assert (layers, attention.kv_heads, attention.heads, attention.cache_width) == (61, 1, 128, 576)
    assert attention.score_width == 576 + 512
    assert attention.expanded_width == 192 + 128
    assert attention.expansion == 512 * 128 * (128 + 128)


def test_indexer_keys_of_deepseek_v3_2_take_132_bytes_in_every_layer():
    assert model("deepseek-v3.2").index_bytes_per_token() == 61 * (128 + 4)


def test_borrowed_indexers_of_glm_5_2_keep_no_keys():
    own = sum(count for a, count in model("glm-5.2").attentions() if not a.indexer.shared)
    assert own < model("glm-5.2").depth == 78
    assert model("glm-5.2").index_bytes_per_token() == own * 132


def test_state_of_qwen3_next_is_its_delta_rule_and_its_short_convolution():
    """36 layers × (32 heads × 128 × 128 in fp32 + 3 past inputs of 8192 channels in bf16)."""
    assert model("qwen3-next-80b-a3b").state_bytes() == 36 * (32 * 128 * 128 * 4 + 3 * (2 * 16 * 128 + 32 * 128) * 2)


def test_pure_state_space_models_cache_nothing_a_token():
    for name in ("mamba-codestral-7b", "rwkv-4-7b", "rwkv-5-3b"):
        read = model(name)
        assert read.kv_bytes_per_token() == 0 < read.state_bytes()


def total_by_sum(read: Model) -> int:
    return sum(size for _, size in read.sizes_by_role())


@pytest.mark.parametrize("name", ["deepseek-v3", "gpt2", "jamba-v0.1", "gemma-4-26b-a4b", "nemotron-3-super",
                                  "minimax-m1", "gpt-oss-120b"])
def test_sizes_by_role_sum_to_the_total(name):
    assert total_by_sum(model(name)) == model(name).total_parameters


def bundled() -> list[str]:
    return sorted(things.names()["models"])


@pytest.mark.parametrize("name", bundled())
def test_no_bundled_model_takes_its_window_from_a_class(name):
    """A published null is no window; left out of the file, it would become the class's own 4,096."""
    assert not [note for note in model(name).notes if re.search(r"sliding_window = \d", note)]


@pytest.mark.parametrize("name", ["mistral-7b-v0.3", "mistral-nemo-12b"])
def test_later_mistrals_attend_to_the_whole_context(name):
    read = model(name)
    assert read.kv_bytes_per_token(beyond_window=True) == read.kv_bytes_per_token() > 0


@pytest.mark.parametrize("name", [name for name in bundled() if re.search("-(fp8|nvfp4)", name)])
def test_a_model_named_after_a_number_format_stores_less_than_in_bf16(name):
    """NVFP4 keeps attention in bf16 in some checkpoints; none keeps a third of its weights."""
    read = model(name)
    assert read.weight_bytes() < 0.6 * 2 * read.total_parameters


def test_bamba_9b_is_the_model_of_its_name_only_with_its_three_attention_layers():
    read = model("bamba-9b")
    assert round(read.total_parameters / 1e8) == 98
    assert sum(count for attention, count in read.attentions() if attention.cached) == 3
