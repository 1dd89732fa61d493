"""Laws of a training step: its arithmetic adds up, its bubble and messages behave, known models cost as printed."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.physics import training as physics
from rackline.systems.layout import Layout
from rackline.systems.training import (
    STEP_PARTS,
    WORKING,
    Recipe,
    chip_parameters,
    gather_time,
    predictors,
    step_parts,
    token_flops,
)

H100 = machine("dgx-h100", 1024)
LLAMA, QWEN, DEEPSEEK = model("llama-3-70b"), model("qwen3-235b-a22b"), model("deepseek-v3")
POWERS = st.sampled_from([1, 2, 4, 8])
LAWS = settings(max_examples=40, deadline=None)


def recipe(of=LLAMA, layout=None, **changes):
    layout = layout or Layout(8, pipeline=4, replicas=32)
    return replace(Recipe(of, layout, batch=1024.0, length=4096.0), **changes)


def total(r, names=STEP_PARTS, on=H100):
    parts = step_parts(r, on)
    return sum(parts[name] for name in names)


@LAWS
@given(tensor=POWERS, pipeline=POWERS, micro=st.sampled_from([1.0, 2.0]), length=st.sampled_from([2048.0, 8192.0]))
def test_the_chips_together_do_the_arithmetic_of_the_step(tensor, pipeline, micro, length):
    """Matrices of all chips, the bubble aside, are six FLOPs for each parameter and token."""
    r = recipe(layout=Layout(tensor, pipeline=pipeline, replicas=4), batch=256.0, length=length, micro=micro)
    flops = step_parts(r, H100)["matrix 16"] * 989e12 * r.layout.chips * r.micros / r.turns
    assert flops == pytest.approx(token_flops(LLAMA, length)[0] * r.batch * length, rel=1e-9)


@LAWS
@given(tensor=POWERS, data=POWERS, batch=st.integers(64, 4096))
def test_scores_are_counted_as_the_causal_formula_has_them_and_fused_backwards_cost_half_a_pass_more(
        tensor, data, batch):
    r = recipe(layout=Layout(tensor, replicas=data), batch=float(batch))
    tokens = r.micros * r.micro * r.length * data
    flops = step_parts(r, H100)["scores"] * 989e12 * r.layout.chips
    assert flops == pytest.approx(token_flops(LLAMA, r.length)[1] * tokens * 3.5 / 3.0, rel=1e-3)


@LAWS
@given(pieces=st.integers(1, 20), pipeline=st.sampled_from([2, 4, 8, 16]), batch=st.integers(256, 4096))
def test_more_pieces_idle_less_and_one_stage_never_idles(pieces, pipeline, batch):
    r = recipe(layout=Layout(8, pipeline=pipeline, replicas=8), batch=float(batch), pieces=float(pieces))
    assert r.turns > replace(r, pieces=pieces + 1.0).turns > r.micros
    assert recipe(layout=Layout(8, replicas=8), batch=float(batch)).turns == batch / 8
    assert total(replace(r, pieces=pieces + 1.0), WORKING) < total(r, WORKING)


@LAWS
@given(of=st.sampled_from([LLAMA, QWEN]), tensor=st.sampled_from([1, 2, 4]), batch=st.integers(256, 2048))
def test_computing_again_costs_more_and_full_costs_a_third_of_matrices(of, tensor, batch):
    r = recipe(of, Layout(tensor, data=8, expert=8, replicas=4), batch=float(batch))
    none, selective, full = (step_parts(replace(r, recompute=how), H100) for how in ("none", "selective", "full"))
    assert sum(none.values()) < sum(selective.values()) < sum(full.values())
    assert full["matrix 16"] == pytest.approx(none["matrix 16"] * 4.0 / 3.0)
    assert selective["matrix 16"] == none["matrix 16"]


@LAWS
@given(batch=st.integers(512, 4096), length=st.sampled_from([1024.0, 4096.0, 16384.0]))
def test_parts_are_never_negative_and_grow_with_the_batch(batch, length):
    layout = Layout(2, data=16, pipeline=4, expert=32)
    small, large = (step_parts(recipe(QWEN, layout, batch=float(n), length=length), H100) for n in (batch, 2 * batch))
    assert all(seconds >= 0.0 for seconds in small.values())
    assert all(large[name] >= small[name] * (1 - 1e-12) for name in STEP_PARTS)
    assert large["exchange"] > 0.0


@given(n=st.floats(1e3, 1e12), ranks=st.integers(2, 512), span=st.sampled_from([1, 2, 4, 8, 16]))
def test_gathering_from_further_apart_is_never_faster(n, ranks, span):
    seconds = gather_time(H100, n, ranks, span)
    assert seconds <= gather_time(H100, n, ranks, 2 * span) * (1 + 1e-12)
    assert seconds < gather_time(H100, 2 * n, ranks, span)
    assert gather_time(H100, n, 1, span) == 0.0


def test_sharding_moves_messages_from_the_step_to_its_micro_batches():
    plain, sharded = (step_parts(recipe(layout=Layout(replicas=64), sharded=s), H100) for s in (False, True))
    assert plain["shards"] == sharded["reduce"] == 0.0
    assert sharded["shards"] > plain["reduce"]


def test_frozen_weights_need_no_gradients():
    whole, frozen = (step_parts(recipe(frozen=f), H100) for f in (False, True))
    assert frozen["matrix 16"] == pytest.approx(whole["matrix 16"] * 2.0 / 3.0)
    assert frozen["optimizer"] == frozen["reduce"] == 0.0


def test_eight_bits_take_half_the_time_and_a_chip_without_them_none_less():
    wide, narrow = (step_parts(recipe(arithmetic=a), H100) for a in ("bf16", "fp8"))
    head = 6.0 * LLAMA.head.size / token_flops(LLAMA, 4096.0)[0]  # stays in 16 bits
    assert narrow["matrix 8"] == pytest.approx(wide["matrix 16"] * (1.0 - head) * 989 / 1979)
    old = machine("dgx-a100-80gb", 1024)
    assert step_parts(recipe(arithmetic="fp8"), old)["matrix 8"] == 0.0


def test_a_chip_holds_its_share_of_the_parameters():
    layout = Layout(2, data=16, pipeline=4, expert=32)
    experts = sum(n * f.experts * f.expert_parameters for f, n in QWEN.feed_forwards())
    shared = QWEN.total_parameters - experts
    assert chip_parameters(QWEN, layout) == pytest.approx(shared / 8 + experts / 128)


# ---- known figures


def test_gpt_3_took_3_14e23_operations():
    """Brown et al. 2020, table D.1: 3.14e23 for 300 billion tokens."""
    assert physics.training_flops(300e9, 174.6e9) == pytest.approx(3.14e23, rel=0.01)


def test_flops_for_each_token_are_those_that_deepseek_prints():
    """ISCA 2025, arXiv 2505.09343, table 3: 250 GFLOP a token for DeepSeek-V3, 2,448 for a dense 405B, at 4,096."""
    plain = replace(DEEPSEEK, mtp=(), mtp_vectors=0)
    assert sum(token_flops(plain, 4096.0)) == pytest.approx(250e9, rel=0.01)
    assert sum(token_flops(model("llama-3.1-405b"), 4096.0)) == pytest.approx(2448e9, rel=0.015)


def test_prediction_modules_are_trained_with_a_head_of_their_own():
    more = sum(token_flops(DEEPSEEK, 4096.0)) - sum(token_flops(replace(DEEPSEEK, mtp=()), 4096.0))
    assert more > 6.0 * DEEPSEEK.head.size
    assert predictors(DEEPSEEK).depth == DEEPSEEK.depth + 1
    assert predictors(LLAMA) is LLAMA


def test_the_bubble_of_the_published_trillion_is_an_eighth():
    """Korthikanti et al. 2022: 64 stages, 512 micro-batches, not interleaved."""
    assert physics.bubble(64, 512, 1) == pytest.approx(63 / 512)


@pytest.mark.parametrize(("name", "chips", "batch", "seconds", "share"), [
    ("megatron-22b", 8, 4, 1.10, 0.415), ("mt-nlg-530b", 280, 280, 37.83, 0.560),
    ("megatron-1t", 512, 512, 71.49, 0.563)])
def test_published_steps_reach_the_published_share_of_the_peak(name, chips, batch, seconds, share):
    """Korthikanti et al. 2022, arXiv 2205.05198, table 5, which counts attention as if nothing were masked."""
    flops = sum(token_flops(model(name), 2048.0, causal=False)) * batch * 2048.0
    assert flops / (seconds * chips * 312e12) == pytest.approx(share, rel=0.005)


@pytest.mark.parametrize(("name", "chips", "stages", "pieces", "seconds"), [
    ("mt-nlg-530b", 280, 35, 3, 37.83), ("megatron-1t", 512, 64, 1, 71.49)])
def test_the_arithmetic_alone_is_a_bound_that_published_steps_come_near(name, chips, stages, pieces, seconds):
    """The same steps: sequence parallel, selective recompute."""
    r = Recipe(model(name), Layout(8, pipeline=stages), 8.0 * stages, 2048.0, 1.0, float(pieces), "selective")
    assert 0.55 * seconds < total(r, WORKING, machine("dgx-a100-80gb", chips)) < seconds
