"""Laws of the decode step and the operating point, and the lecture's figures for them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.physics import attention, capacity, experts, operating
from rackline.physics import blackboard as bb
from rackline.physics import passes_and_prices as prices


def size(low, high):
    return st.floats(math.log(low), math.log(high)).map(math.exp)


CASE = st.fixed_dictionaries({"B": size(1, 1e5), "L": size(1, 1e6), "N_active": size(1e8, 1e12),
                              "weights": size(1e9, 1e13), "kv": size(100, 1e6), "F": size(1e14, 1e18),
                              "W": size(1e11, 1e15)})
MACHINE = ("F", "W")
V3 = {"N_active": 37e9, "weights": 671e9, "kv": 35136.0}  # DeepSeek-V3 in fp8, its latent cache in one byte a number
GB200_RACK = {"F": 72 * 5e15, "W": 72 * 8e12}
quick = settings(max_examples=200, deadline=None)


def without(case, *names):
    return {key: value for key, value in case.items() if key not in names}


@quick
@given(CASE, st.sampled_from(["B", "L", "N_active", "weights", "kv"]), st.floats(1, 10))
def test_more_work_never_takes_less_time(case, grown, factor):
    more = case | {grown: case[grown] * factor}
    for time in (bb.step_time, bb.step_time_serial, bb.step_time_kv_apart):
        assert time(**more) >= time(**case) * (1 - 1e-12)


@quick
@given(CASE, st.sampled_from(MACHINE), st.floats(1, 10))
def test_a_faster_machine_never_takes_longer(case, grown, factor):
    assert bb.step_time(**case | {grown: case[grown] * factor}) <= bb.step_time(**case) * (1 + 1e-12)


@quick
@given(CASE)
def test_time_lies_between_overlap_and_none_a_factor_of_two_apart(case):
    low, apart, high = bb.step_time(**case), bb.step_time_kv_apart(**case), bb.step_time_serial(**case)
    assert low <= apart * (1 + 1e-12)
    assert apart <= high * (1 + 1e-12)
    assert high <= 2 * low * (1 + 1e-12)


@quick
@given(CASE)
def test_no_utilisation_above_one_and_one_of_the_two_is_full(case):
    compute, memory = bb.mfu(**case), bb.memory_utilisation(**case)
    assert min(compute, memory) > 0
    assert max(compute, memory) == pytest.approx(1, rel=1e-12)
    assert max(compute, memory) <= 1


@quick
@given(CASE)
def test_at_the_balance_batch_memory_and_compute_take_as_long(case):
    balance = bb.balance_batch_with_kv(**without(case, "B"))
    if np.isinf(balance):
        assert case["L"] >= bb.balance_context(**without(case, "B", "L", "weights")) * (1 - 1e-9)
    elif balance < 1e9:
        at = case | {"B": balance}
        memory = bb.memory_time(balance, case["L"], case["weights"], case["kv"], case["W"])
        assert memory == pytest.approx(bb.compute_time(balance, case["N_active"], case["F"]), rel=1e-6)
        assert bb.mfu(**at) == pytest.approx(1, rel=1e-6)


@quick
@given(CASE)
def test_the_balance_batch_grows_with_kv_from_the_weights_alone(case):
    machine = {key: case[key] for key in MACHINE}
    plain = bb.balance_batch(w=1, N_total=case["weights"], N_active=case["N_active"], **machine)
    assert bb.balance_batch_with_kv(**without(case, "B")) >= plain * (1 - 1e-12)
    assert bb.balance_batch_with_kv(**without(case, "B") | {"L": 0}) == pytest.approx(plain)


@quick
@given(CASE)
def test_at_the_balance_context_of_a_batch_both_terms_meet(case):
    context = bb.balance_context_at_batch(**without(case, "L"))
    plain = bb.balance_batch(w=1, N_total=case["weights"], N_active=case["N_active"], F=case["F"], W=case["W"])
    assert (context > 0) == (case["B"] > plain) or case["B"] == pytest.approx(plain)
    assert context <= bb.balance_context(**without(case, "B", "L", "weights")) * (1 + 1e-12)
    if context > 1e-3:
        assert bb.mfu(**case | {"L": context}) == pytest.approx(1, rel=1e-9)


@quick
@given(CASE)
def test_cost_per_token_falls_with_the_batch_to_its_floor(case):
    cost = bb.token_time(case["B"], bb.step_time(**case))
    assert bb.token_time(2 * case["B"], bb.step_time(**case | {"B": 2 * case["B"]})) <= cost * (1 + 1e-12)
    floor = bb.token_time_floor(**without(case, "B", "weights"))
    assert cost >= floor * (1 - 1e-12)
    assert bb.token_time(1e15, bb.step_time(**case | {"B": 1e15})) == pytest.approx(floor, rel=1e-3)


@quick
@given(CASE)
def test_no_rate_above_saturation(case):
    assert operating.train_rate(case["B"], bb.step_time(**case)) <= bb.saturated_rate(case["F"], case["N_active"]) * (
        1 + 1e-12)


@quick
@given(CASE)
def test_utilisation_halves_at_twice_the_balance_context_in_a_large_batch(case):
    context = bb.balance_context(**without(case, "B", "L", "weights"))
    large = case | {"B": 1e18}
    assert bb.mfu(**large | {"L": 2 * context}) == pytest.approx(bb.mfu(**large | {"L": context}) / 2, rel=1e-3)
    assert bb.mfu_large_batch(2 * context, context) == bb.mfu_large_batch(context, context) / 2 == 0.5
    assert bb.mfu(**case) <= bb.mfu_large_batch(case["L"], context) * (1 + 1e-9)


@quick
@given(CASE, size(1e-4, 1))
def test_the_batch_within_a_time_takes_that_time_and_inverts_the_step(case, t):
    batch = operating.batch_within(t, **without(case, "B"))
    if batch > 0:
        assert bb.step_time(**case | {"B": batch}) <= t * (1 + 1e-9)
        assert bb.step_time(**case | {"B": batch * 1.01}) > t
        assert operating.token_time_within(t, **without(case, "B")) == pytest.approx(t / batch)
    else:
        assert t <= bb.latency_floor(1, case["weights"], case["W"])
        assert operating.token_time_within(t, **without(case, "B")) == math.inf
    own = operating.batch_within(bb.step_time(**case), **without(case, "B"))
    assert own >= case["B"] * (1 - 1e-6) or case["L"] * case["kv"] * case["B"] < 1e-6 * case["weights"]


@quick
@given(CASE, size(1.01, 1e3))
def test_the_operating_batch_fits_and_no_other_that_fits_does_more(case, room):
    C, rest = case["weights"] * room, without(case, "B")
    batch = operating.operating_batch(C, **rest)
    assert case["weights"] + batch * case["L"] * case["kv"] <= C * (1 + 1e-9)
    rate = operating.train_rate(batch, bb.step_time(**case | {"B": batch}))
    fits = (C - case["weights"]) / (case["L"] * case["kv"])
    for share in (0.3, 0.7, 1.0):
        other = fits * share
        assert operating.train_rate(other, bb.step_time(**case | {"B": other})) <= rate * (1 + 1e-9)


@quick
@given(CASE, size(1.01, 1e3))
def test_a_full_memory_takes_the_drain_time_unless_compute_takes_longer(case, room):
    C = case["weights"] * room
    fits = (C - case["weights"]) / (case["L"] * case["kv"])
    full = operating.full_memory_step_time(C, **without(case, "B"))
    assert full == pytest.approx(bb.step_time(**case | {"B": fits}), rel=1e-9)
    assert full >= operating.drain_time(C, case["W"])


@quick
@given(CASE, size(1.01, 1e3))
def test_full_memory_and_full_compute_meet_at_one_context_and_batch(case, room):
    C, rest = case["weights"] * room, without(case, "B", "L")
    context = operating.full_memory_context(C, **rest)
    batch = operating.full_memory_batch(C, case["N_active"], case["F"], case["W"])
    assert context * batch * case["kv"] + case["weights"] == pytest.approx(C)
    assert bb.step_time(batch, context, **rest) == pytest.approx(operating.drain_time(C, case["W"]))
    assert bb.mfu(batch, context, **rest) == pytest.approx(1)


@quick
@given(CASE)
def test_decode_over_prefill_is_the_distance_from_the_compute_bound(case):
    ratio = prices.decode_over_prefill(**case)
    assert prices.decode_mfu_from_prices(1.0, ratio) == pytest.approx(bb.mfu(**case))
    decode = prices.pass_token_time(case["B"], case["weights"] + case["B"] * case["L"] * case["kv"],
                                    case["N_active"], case["F"], case["W"])
    prompt = prices.pass_token_time(1e18, case["weights"], case["N_active"], case["F"], case["W"])
    assert decode / prompt == pytest.approx(ratio)


@quick
@given(CASE, size(0.2, 20))
def test_the_batch_at_a_price_ratio_gives_that_ratio(case, r):
    batch = prices.batch_at_price_ratio(r, **without(case, "B"))
    if batch < 1e9:
        assert prices.crossing_length(**case | {"B": batch}) == pytest.approx(r, rel=1e-5)


@quick
@given(CASE)
def test_a_pass_as_long_as_the_crossing_is_balanced(case):
    length = prices.crossing_length(**case)
    read = case["weights"] + case["B"] * case["L"] * case["kv"]
    assert read / case["W"] == pytest.approx(bb.compute_time(length * case["B"], case["N_active"], case["F"]))


def test_three_hundred_times_sparsity_eight_is_2400():
    assert bb.machine_balance(F=600e12, W=1e12, w=1) == 300
    assert bb.balance_batch(F=600e12, W=1e12, w=1, N_total=8e11, N_active=1e11) == 2400


@pytest.mark.parametrize(("F", "W", "batch"), [(1.979e15, 3.35e12, 5357), (5e15, 8e12, 5667)])
def test_balance_batch_of_deepseek_v3_on_h100_and_gb200(F, W, batch):
    assert bb.balance_batch(F, W, 1, N_total=671e9, N_active=37e9) == pytest.approx(batch, abs=0.6)


def test_difference_1_the_sparsity_of_deepseek_v3_is_18():
    assert bb.sparsity(671e9, 37e9) == pytest.approx(18.1, abs=0.05)


@pytest.mark.parametrize(("chip", "F", "W", "w", "balance"), [
    ("H100 fp8", 1.979e15, 3.35e12, 1, 295), ("A100 bf16", 312e12, 2.039e12, 2, 153),
    ("TPU v5p", 459e12, 2.765e12, 2, 166),
    ("GB200", 5e15, 8e12, 1, 312), ("TPU v7", 4.614e15, 7.37e12, 1, 313), ("H200", 1.979e15, 4.8e12, 1, 206)])
def test_difference_2_the_balance_of_real_chips(chip, F, W, w, balance):
    assert bb.machine_balance(F, W, w) == pytest.approx(balance, abs=1), chip


def test_difference_3_parameters_are_bytes_only_at_one_byte_each():
    assert bb.weight_bytes(2, 671e9) == 2 * bb.weight_bytes(1, 671e9)
    assert prices.kv_from_price_step(w=1, N_active=1e11, R=300, L0=2e5) == pytest.approx(1667, abs=0.5)


def test_difference_5_the_lecture_s_rate_is_seven_percent_of_saturation():
    saturated = bb.saturated_rate(72 * 5e15, 1e11)
    assert saturated == pytest.approx(1.8e6)
    assert operating.train_rate(2000, 1 / 64) == 128_000
    assert operating.fleet_share(128_000, saturated) == pytest.approx(0.071, abs=5e-4)


def test_difference_6_batch_one_is_5667_times_or_312_times_worse():
    arguments = {"L": 0, "N_active": 37e9, "kv": 35136, **GB200_RACK}
    assert bb.batch_one_penalty(weights_read=671e9, **arguments) == pytest.approx(5667, abs=1)
    assert bb.batch_one_penalty(weights_read=37e9, **arguments) == pytest.approx(312.5, abs=0.1)
    hit = experts.weights_read(always=17e9, routed=654e9, experts=256, k=8, tokens=1)
    assert hit == pytest.approx(37.4e9, rel=0.01)


@pytest.mark.parametrize(("chip", "C", "W", "milliseconds"), [
    ("H100", 80e9, 3.35e12, 24), ("B200", 180e9, 8e12, 22.5), ("Rubin", 288e9, 22e12, 13),
    ("A100-80", 80e9, 2.039e12, 39),
    ("B300", 288e9, 8e12, 36),
    ("MI300X", 192e9, 5.3e12, 36), ("MI325X", 256e9, 6e12, 43), ("v5p", 95e9, 2.765e12, 34),
    ("the lecture's", 288e9, 20e12, 14.4)])
def test_difference_7_drain_times(chip, C, W, milliseconds):
    assert operating.drain_time(C, W) * 1e3 == pytest.approx(milliseconds, abs=0.6), chip


def test_difference_8_a_thousandth_of_128_million():
    assert operating.fleet_share(128e3, 128e6) == pytest.approx(1e-3)


def test_difference_9_the_worst_wait_is_two_intervals():
    assert operating.worst_wait(0.02) == 0.04
    assert operating.mean_wait(0.02) == pytest.approx(0.03)


def test_difference_13_a_flat_half_more_covers_300k_and_a_million_needs_five():
    assert prices.premium_covers(L0=2e5, premium=1.5) == pytest.approx(3e5)
    assert prices.premium_needed(L=1e6, L0=2e5) == pytest.approx(5)


def test_difference_13_at_the_balance_context_short_contexts_do_not_cost_five_times():
    kv = prices.kv_from_price_step(1, 1e11, bb.machine_balance(5e15, 8e12, 1), 2e5)
    balance = {**GB200_RACK, "N_active": 1e11, "kv": kv}
    assert bb.balance_context(**balance) == pytest.approx(2e5)
    large = 100 * bb.balance_batch(5e15, 8e12, 1, 8e11, 1e11)
    assert prices.decode_over_prefill(B=large, L=1e4, weights=8e11, **balance) == 1


@pytest.mark.parametrize("none", [{"kv": 0.0}, {"L": 0.0}])
def test_without_a_kv_cache_any_batch_fits_and_only_the_weights_balance(none):
    case = {"L": 4096.0, **V3, **GB200_RACK} | none
    arguments = without(case, "N_active", "F", "W")
    assert capacity.largest_batch(13e12, **arguments) == math.inf
    assert capacity.largest_batch(1e9, **arguments) == 0
    assert operating.operating_batch(13e12, **case) == pytest.approx(5667, abs=1)
    assert operating.operating_batch(1e9, **case) == 0
    assert operating.batch_within(0.01, **case) == pytest.approx(0.01 * bb.saturated_rate(case["F"], case["N_active"]))
    if case["kv"] == 0:
        assert bb.balance_context(**without(case, "L", "weights")) == math.inf
        assert bb.mfu_large_batch(1e6, math.inf) == 1
        assert attention.equal_context(37e9, 0.0) == math.inf


def test_difference_4_double_or_triple_2400_is_4800_to_7200():
    lecture = bb.balance_batch(F=600e12, W=1e12, w=1, N_total=8e11, N_active=1e11)
    assert (2 * lecture, 3 * lecture) == (4800, 7200)


def test_row_a10_a_rack_at_1k_saturates_compute_before_its_memory_is_full_and_at_128k_never():
    rack = {"C": 72 * 186e9, **V3, **GB200_RACK}
    short = operating.operating_batch(L=1024, **rack)
    assert short == pytest.approx(bb.balance_batch_with_kv(L=1024, **V3, **GB200_RACK))
    assert operating.full_memory_step_time(L=1024, **rack) > operating.drain_time(rack["C"], rack["W"])
    long = operating.operating_batch(L=131072, **rack)
    assert bb.mfu(long, 131072, **V3, **GB200_RACK) < 0.2
    assert bb.step_time(long, 131072, **V3, **GB200_RACK) == pytest.approx(operating.drain_time(rack["C"], rack["W"]))


@quick
@given(b=size(1, 1e4), L=size(1, 1e6), weights=size(1e9, 1e13), kv=size(100, 1e6), E=st.integers(1, 576),
       P=st.integers(1, 64))
def test_row_d4_pipeline_stages_divide_the_weights_and_not_the_kv(b, L, weights, kv, E, P):
    one, many = (capacity.memory_per_chip(b, L, weights, kv, E, stages) for stages in (1, P))
    assert one - capacity.weights_per_chip(weights, E, 1) == pytest.approx(b * L * kv / E, rel=1e-6, abs=1e-6 * one)
    assert many - capacity.weights_per_chip(weights, E, P) == pytest.approx(b * L * kv / E, rel=1e-6, abs=1e-6 * one)
    assert many == pytest.approx((weights + P * b * L * kv) / (E * P))
