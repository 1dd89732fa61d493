"""By the token or on one's own machines: bills token by token, whole machines, and the volume at which it turns."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rackline
from rackline.decisions.prices.hosting import Own, bill, by_the_hour, chosen, hours
from rackline.errors import BadInput
from rackline.facts.api_prices import Offer, PriceTier, bundled, offer
from rackline.facts.traces import Ragged, Trace, read_trace
from rackline.physics import charges


def trace(inputs, outputs, arrival=None, prefix=None):
    columns = (np.array(x, dtype=np.int64) for x in (inputs, outputs))
    return Trace("t", "test", *columns, arrival=None if arrival is None else np.array(arrival, dtype=float),
                 prefix=prefix, block_tokens=None if prefix is None else 10)


def sold(*tiers):
    return Offer("me", "m", tiers)


@cache
def llama():
    return rackline.buy("llama-3.3-70b", on="dgx-h100", provider="together", purchase=30_000, tpot="50 ms")


def test_each_request_is_priced_in_its_own_tier_all_of_its_tokens():
    step = sold(PriceTier(0, 1, None, None, None, 10), PriceTier(100, 2, None, None, None, 20))
    found = bill(step, trace([100, 101], [5, 5]))
    assert found.dollars == pytest.approx((100 * 1 + 101 * 2 + 5 * 10 + 5 * 20) / 1e6)


def test_a_bill_of_the_mooncake_trace_adds_up_request_by_request():
    found, requests = offer("anthropic/claude-sonnet-4-5"), read_trace("mooncake-conv")
    dollars = sum(i * found.at(i).input + o * found.at(i).output
                  for i, o in zip(requests.input_tokens.tolist(), requests.output_tokens.tolist(), strict=True)) / 1e6
    whole = bill(found, requests)
    assert whole.without_cache == pytest.approx(dollars)
    assert whole.dollars < dollars
    assert whole.fresh + whole.cached == requests.input_tokens.sum()


def repeated():
    """Two equal prompts of two blocks each."""
    return Ragged(np.array([0, 2, 4]), np.array([1, 2, 1, 2]))


def test_cached_tokens_pay_the_hit_and_fresh_ones_the_write():
    found = bill(sold(PriceTier(0, 10, 1, 12, None, 50)), trace([20, 20], [1, 1], prefix=repeated()))
    assert (found.cached, found.caches) == (20, True)
    assert found.dollars == pytest.approx((20 * 12 + 20 * 1 + 2 * 50) / 1e6)


@pytest.mark.parametrize("tier", [PriceTier(0, 10, 9.9, 12, None, 50), PriceTier(0, 10, None, None, None, 50)])
def test_a_cache_that_does_not_pay_is_not_used(tier):
    found = bill(sold(tier), trace([20, 20], [1, 1], prefix=repeated()))
    assert (found.cached, found.caches) == (0, False)
    assert found.dollars == found.without_cache


def test_without_an_output_price_nothing_is_compared():
    with pytest.raises(BadInput, match="output price"):
        bill(sold(PriceTier(0, 1)), trace([1], [1]))


def test_what_costs_nothing_is_not_compared():
    with pytest.raises(BadInput, match="ask something"):
        bill(sold(PriceTier(0, 0, None, None, None, 0)), trace([1], [1]))


def test_by_default_the_cheapest_seller_of_the_weights_is_taken():
    requests = trace([1000] * 3, [100] * 3)
    best = chosen(bundled(), "llama-3.1-8b", None, requests)
    every = [bill(one, requests).dollars for one in bundled().values()
             if one.weights == "llama-3.1-8b" and one.base.input and one.base.output]
    assert best.dollars == min(every)
    with pytest.raises(BadInput, match="novita"):
        chosen(bundled(), "llama-3.1-8b", "novitta", requests)


def test_hours_count_every_request_once():
    requests = read_trace("mooncake-conv")
    found = hours(trace([1] * 5, [1] * 5, [0, 10, 3700, 3800, 9000]))
    assert [*np.round(found.rates * [3600, 3600, 1800], 9)] == [2, 2, 1]
    assert hours(requests).rates[0] * requests.arrival[-1] == pytest.approx(len(requests))
    with pytest.raises(BadInput, match="arrival"):
        hours(trace([1], [1]))


@settings(max_examples=200, deadline=None)
@given(day=st.floats(1, 1e4), api=st.floats(1, 1e4), capacity=st.floats(0.01, 100))
def test_the_volume_at_which_it_turns_is_that_of_trying_every_volume(day, api, capacity):
    own = Own("rented", day, capacity)
    first, lasting = own.turns(api)
    at = day / api
    assert np.isinf(first) == (at > capacity)
    if abs(capacity - at) < 1e-3 * capacity:
        return
    if capacity > at:
        assert own.cost(first) <= api * first * (1 + 1e-9)
        assert own.cost(first * 0.999) > api * first * 0.999
        beyond = lasting * np.geomspace(1.000001, 50, 400)
        assert (own.cost(beyond) <= api * beyond * (1 + 1e-6)).all()
        started = (round(lasting / at) - 1) * capacity  # where the last machine that undoes it is added
        before = (started + lasting) / 2
        assert lasting - started < 1e-6 * lasting or own.cost(before) > api * before
    else:
        assert np.isinf(lasting)


def test_renting_by_the_hour_never_costs_more_than_a_fleet_for_the_peak():
    found = hours(trace([1] * 60, [1] * 60, [*np.linspace(0, 3599, 50), *np.linspace(3600, 10_799, 10)]))
    rate = found.peak / 3.5
    fleet = np.ceil(found.peak / rate)
    assert by_the_hour(found, rate, 2.0) < fleet * 2.0 * 24


def test_a_bought_chip_costs_its_price_over_its_life_and_its_power():
    assert charges.purchase_per_hour(35_040, 4, 1000, 0.1) == pytest.approx(1.0 + 0.1)


def test_dollars_a_day_follow_from_price_chips_and_machines():
    data = llama().data
    rented, bought = data["own"]
    assert rented["dollars_per_day"] == pytest.approx(rented["machines"] * 8 * 24 * 1.3)
    assert rented["turns_at"] == pytest.approx(8 * 24 * 1.3 / data["api_dollars_per_day"])
    assert bought["dollars_per_day"] < rented["dollars_per_day"]
    assert data["hours"][0] / data["requests_per_second_per_machine"] <= rented["machines"]


def test_twice_the_volume_costs_twice_by_the_token_and_turns_at_half_the_multiple():
    one, two = (rackline.buy("llama-3.1-8b", on="h100", chips=1, volume=v).data for v in (1, 2))
    assert two["api_dollars_per_day"] == pytest.approx(2 * one["api_dollars_per_day"])
    assert two["own"][0]["turns_at"] == pytest.approx(one["own"][0]["turns_at"] / 2)


def test_an_engine_that_reaches_half_carries_half():
    bound, half = (rackline.buy("llama-3.1-8b", on="h100", chips=1, reached=r).data for r in (1.0, 0.5))
    assert half["requests_per_second_per_machine"] == pytest.approx(bound["requests_per_second_per_machine"] / 2)


def test_what_does_not_fit_exits_with_reasons():
    answer = rackline.buy("kimi-k2", on="dgx-h100")
    assert not answer.feasible
    assert answer.question == "buy"
    assert answer.reasons


@pytest.mark.parametrize(("given", "rule"), [
    ({"model": "phi-3-mini"}, "PROVIDER/MODEL"), ({"provider": "nobody"}, "provider"),
    ({"trace": "mooncake-conv", "model": "llama-3-8b"}, "at most 8,192")])
def test_bad_input_is_one_clear_line(given, rule):
    with pytest.raises(BadInput, match=rule):
        rackline.buy(**({"model": "llama-3.1-8b", "on": "h100"} | given))
