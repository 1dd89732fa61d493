"""Ratios read alone, at one operating point, as tiers and as attention shapes: closed forms, the lecture's figures."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rackline
from rackline.decisions.prices.design import design
from rackline.decisions.prices.point import point
from rackline.decisions.prices.readings import ACTIVE, Reader, readings
from rackline.decisions.prices.shapes import shapes
from rackline.errors import BadInput
from rackline.facts.api_prices import Offer, PriceTier, offer
from rackline.facts.hardware import machine
from rackline.physics import charges
from rackline.physics.blackboard import memory_time
from rackline.physics.operating import token_time_within

RACK = machine("gb200-nvl72")


def reader(one, context=4000.0):
    return Reader(one, RACK, ACTIVE.value, context)


def sold(step=True, **prices):
    tiers = (PriceTier(**({"input": 1.0, "output": 5.0} | prices)),)
    return Offer("me", "m", (*tiers, PriceTier(200_000, 2.0, None, None, None, 7.5)) if step else tiers, window=1e6)


def by_read(one):
    return {r.what: r for r in readings(reader(one))}


# ---- alone


def test_a_step_at_200k_reads_1667_bytes_at_one_byte_a_weight_and_twice_that_at_two():
    found = by_read(sold())
    names = (f"step at 200,000, balance 300, {size} a weight" for size in ("one byte", "two bytes"))
    one, two = (found[name].line.result for name in names)
    assert one == pytest.approx(1666.67, abs=0.01)
    assert two == 2 * one


def test_five_times_the_input_price_is_a_fifth_of_compute():
    assert by_read(sold())["output over input"].line.result == pytest.approx(0.2)


def test_six_times_the_price_for_two_and_a_half_times_the_speed_is_36_per_cent_weights():
    fast = Offer("me", "m", (PriceTier(0, 1, None, None, None, 5),), {"fast": PriceTier(0, 6, None, None, None, 30)},
                 {"fast": 2.5})
    assert by_read(fast)["fast mode, 2.5× the speed"].line.result == pytest.approx(5 / 14)


def test_fast_mode_is_the_operating_curve_with_the_batch_eliminated():
    batch, context, weights, kv, bandwidth = 3000.0, 8192.0, 671e9, 70e3, 72 * 8e12
    t = memory_time(batch, context, weights, kv, bandwidth)
    curve = {"L": context, "N_active": 37e9, "weights": weights, "kv": kv, "F": 1e30, "W": bandwidth}
    for speed in (1.1, 1.3, 1.6):
        multiple = token_time_within(t / speed, **curve) / token_time_within(t, **curve)
        share = weights / bandwidth / t
        assert charges.fast_price_multiple(share, speed) == pytest.approx(multiple)
        assert charges.weights_share_of_step(multiple, speed) == pytest.approx(share)


def test_a_hit_at_a_tenth_pays_for_the_bandwidth_that_takes_a_tenth_of_computing():
    found = by_read(sold(cached_input=0.1))["cached over fresh input"]
    kv, rate = 1e11 / (300 * 2e5), RACK.chip.flops["fp8"].value
    assert kv / found.line.result == pytest.approx(0.1 * 2 * ACTIVE.value / rate)


# ---- one operating point


@settings(max_examples=60, deadline=None)
@given(ratio=st.floats(0.5, 30), context=st.floats(100, 1e6))
def test_step_and_output_price_agree_exactly_where_kv_alone_explains_the_ratio(ratio, context):
    found = point(reader(sold(output=ratio), context))
    assert found.agrees == (ratio <= max(1.0, context / 200_000))


def test_below_the_balance_batch_the_output_price_holds_and_nothing_turns_at_the_step():
    batch = charges.batch_below_balance(R=300.0, s=8.0, r=5.0, L=10e3, L0=2e5)
    cost = lambda length: 300 * 8 / batch + length / 2e5  # noqa: E731  memory over compute time at any context
    assert cost(10e3) == pytest.approx(5)
    assert cost(2e5) < 1.2 * cost(10e3)


def test_gemini_s_prices_exclude_one_another_and_every_way_out_is_named():
    data = rackline.prices("google/gemini-3.1-pro-preview", show="point").data["point"]
    assert data["agrees"] is False
    assert [way["gone"] for way in data["ways"]] == ["the step marks the balance context", "the batch is large",
                                                     "one margin for input and output", "(the cache discount)"]


# ---- tiers


def random_trace(seed, size=200):
    rng = np.random.default_rng(seed)
    return rng.lognormal(9, 1.5, size), rng.integers(1, 1000, size).astype(float)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("balance", [500.0, 2e5])
def test_no_context_loses_money(count, balance):
    found = design(*random_trace(1), balance, 1e6, count, 0.3)
    lengths = np.geomspace(1, 1e6, 999)
    price = np.array(found.prices)[np.searchsorted(found.ends, lengths)]
    assert (price >= 1.3 * charges.context_charge(lengths, balance, 1.0) * (1 - 1e-12)).all()
    assert found.margin >= 0.3 - 1e-9


def test_two_tiers_are_the_best_of_all_pairs():
    lengths, tokens = random_trace(2)
    found = design(lengths, tokens, 2000.0, 1e6, 2, 0.5)
    grid = np.geomspace(2000.0, 1e6, 96)
    inside = np.minimum(lengths, 1e6)
    best = min(np.average(np.where(inside <= end, end, 1e6), weights=tokens) * 1.5 / 2000.0 for end in grid[:-1])
    assert found.paid == pytest.approx(best)


def test_further_tiers_never_cost_users_more():
    paid = [design(*random_trace(3), 3000.0, 1e6, count, 0.5).paid for count in (1, 2, 3, 4)]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(paid))


def test_short_requests_alone_put_the_first_tier_s_end_at_the_balance_context():
    lengths = np.geomspace(10, 1.9e5, 50)
    found = design(lengths, np.ones(50), 2e5, 1e6, 2, 0.5)
    assert found.ends == (2e5, 1e6)
    assert found.premiums == (1.0, pytest.approx(5.0))


# ---- shapes


def test_eight_heads_of_128_in_one_shared_cache_are_2048_bytes():
    assert any((s.caches, s.kv_heads, s.width, s.stored, s.kv) == (1, 8, 128, "fp8", 2048) for s in shapes(1667))
    assert charges.shared_kv_bytes(32, 8, 128, 1, 32, 1) == 2048


def test_deepseek_s_own_shape_is_among_those_of_its_bytes():
    assert any((s.caches, s.kv_heads, s.width, s.stored) == (61, 1, 288, "bf16") for s in shapes(70_272))


@settings(max_examples=30, deadline=None)
@given(kv=st.floats(100, 1e6))
def test_every_shape_lies_within_a_quarter_and_dense_ones_come_first(kv):
    found = shapes(kv)
    assert all(1 / 1.25 <= s.kv / kv <= 1.25 for s in found)
    assert [s.sparse for s in found] == sorted(s.sparse for s in found)


# ---- what bad prices get


def test_what_is_missing_says_what_is_lost(tmp_path):
    (tmp_path / "p.csv").write_text("model,output\nm,4\n", encoding="utf-8")
    answer = rackline.prices(table=tmp_path / "p.csv", show="all")
    assert any("No input price" in line for line in answer.notes)
    assert any("No cached input price" in line for line in answer.notes)
    assert answer.data["evidence"] == ["output price"]


def test_nothing_to_infer_from_is_said(tmp_path):
    (tmp_path / "p.csv").write_text("model,cached_input\nm,4\n", encoding="utf-8")
    answer = rackline.prices(table=tmp_path / "p.csv", show="all")
    assert "nothing can be inferred" in answer.headline


def test_prices_that_no_model_of_the_prior_explains_get_no_interval(tmp_path):
    (tmp_path / "p.csv").write_text("model,input,output\nm,20000,30000\n", encoding="utf-8")
    answer = rackline.prices(table=tmp_path / "p.csv", show="all")
    assert "nothing is inferred" in answer.headline
    assert answer.data["joint"] == {}


@pytest.mark.parametrize(("row", "so"), [
    ("1,2,4", "nobody gains by a hit"), ("4,0.1,2", "margins differ"), ("0,0.1,2", "zero")])
def test_contradictory_prices_get_their_consequence(tmp_path, row, so):
    (tmp_path / "p.csv").write_text(f"model,input,cached_input,output\nm,{row}\n", encoding="utf-8")
    answer = rackline.prices(table=tmp_path / "p.csv", show="all")
    assert any(so in line for line in answer.notes)


def test_a_step_that_lowers_the_price_is_a_contradiction(tmp_path):
    (tmp_path / "p.csv").write_text("model,above,input,output\nm,0,2,8\nm,100000,1,4\n", encoding="utf-8")
    assert any("beyond 100,000" in line for line in rackline.prices(table=tmp_path / "p.csv").data["contradictions"])


def test_weights_that_are_not_bundled_are_refused(tmp_path):
    (tmp_path / "p.csv").write_text("model,input,weights\nm,1,lama\n", encoding="utf-8")
    with pytest.raises(BadInput, match="bundled model"):
        rackline.prices(table=tmp_path / "p.csv")


def test_without_a_name_the_offers_are_listed():
    assert "anthropic" in rackline.prices().data
    assert offer("anthropic/claude-opus-4-8").model in rackline.prices().data["anthropic"]
