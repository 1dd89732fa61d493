"""All prices together: seeded, honest about what is left out, and right as often as it says."""

import time
from functools import cache

import numpy as np
import pytest

import rackline
from rackline.decisions.prices import prior
from rackline.decisions.prices.coverage import coverage, summary
from rackline.decisions.prices.posterior import EVIDENCE, markups, posterior, weighted
from rackline.facts.api_prices import Offer, PriceTier, bundled, offer
from rackline.facts.models import model
from rackline.interface.export import to_json

GEMINI = "google/gemini-3.1-pro-preview"
FEW = 2**14


@cache
def checked():
    return coverage()


@cache
def gemini():
    return rackline.prices(GEMINI)


def of(**prices):
    return Offer("me", "m", (PriceTier(**prices),))


def median(found, values):
    return float(found.quantiles(values, (0.5,))[0])


def test_ninety_per_cent_intervals_hold_the_truth_of_85_to_95_per_cent_of_the_sales_of_open_models():
    for row in summary(checked()):
        assert 0.85 <= row.held <= 0.95, row.text()
        assert row.sales > 200


def test_the_posterior_is_narrower_than_the_prior():
    least = {"active parameters": 1.5, "total parameters": 1.15, "KV bytes a token": 1.15}
    for row in summary(checked()):
        assert row.narrower > least[row.quantity], row.text()


def test_neither_prior_nor_markups_know_the_model_that_is_tested():
    own = prior.size(model("deepseek-v3"))
    others = [one for one in prior.open_sizes() if not one.same(own)]
    assert any(one.same(own) for one in prior.open_sizes())
    assert {prior.size(model(name)) for name in ("deepseek-v3", "deepseek-r1", "deepseek-v3.1")}.isdisjoint(others)
    left = markups(own).sales
    assert left == sum(not one.same(own) for _, one in prior.sold()) < markups().sales


def test_the_same_seed_gives_the_same_bytes_and_another_other_draws():
    again, other = rackline.prices(GEMINI, show="all"), rackline.prices(GEMINI, show="all", seed=1)
    assert to_json(rackline.prices(GEMINI, show="all")) == to_json(again)
    assert to_json(again) != to_json(other)


def test_a_posterior_takes_less_than_five_cpu_seconds():
    start = time.process_time()
    posterior(offer(GEMINI))
    assert time.process_time() - start < 5


def test_seeds_agree_within_the_noise_of_the_draws():
    medians = [median(p, p.sizes.active) for p in (posterior(offer(GEMINI), seed, draws=2**16) for seed in range(4))]
    assert max(medians) / min(medians) < 1.3


def test_dearer_input_means_a_larger_model():
    cheap, dear = (posterior(of(input=x, output=4 * x), draws=FEW) for x in (0.2, 2.0))
    assert median(dear, dear.sizes.active) > 3 * median(cheap, cheap.sizes.active)


def test_a_markup_over_that_of_open_models_sellers_makes_the_model_smaller():
    fair, dear = (posterior(of(input=1.0, output=4.0), dearer=x, draws=FEW) for x in (1.0, 4.0))
    assert median(dear, dear.sizes.active) < median(fair, fair.sizes.active) / 2


def test_without_evidence_the_posterior_is_the_prior():
    plain = prior.sizes(0, FEW, prior.open_sizes())
    found = posterior(of(input=1.0, output=3.0), draws=FEW)
    before = weighted(found.sizes.active, found.sizes.weight, (0.05, 0.5, 0.95))
    np.testing.assert_allclose(np.log(before), np.log(np.quantile(plain.active, (0.05, 0.5, 0.95))), atol=0.12)


def test_the_kernel_keeps_the_spread_of_the_known_sizes():
    drawn = prior.sizes(3, 2**17, prior.open_sizes())
    for field in ("active", "kv"):
        known = np.log([getattr(one, field) for one in prior.open_sizes()])
        assert np.log(getattr(drawn, field)).std() == pytest.approx(known.std(), rel=0.02)
    assert (drawn.total >= drawn.active).all()


def test_each_kind_of_evidence_is_used_where_there_is_one():
    assert posterior(offer(GEMINI), draws=FEW, speed=100).used == EVIDENCE
    assert posterior(of(output=3.0), draws=FEW).used == ("output price",)
    assert posterior(of(input=1.0, cached_input=0.1), draws=FEW).used == ("input price", "cached input price")


def test_a_measured_speed_excludes_what_could_not_be_so_fast_and_nothing_else():
    slow, quick = (posterior(of(input=1.0, output=4.0), draws=FEW, speed=x) for x in (1e-6, 300.0))
    plain = posterior(of(input=1.0, output=4.0), draws=FEW)
    np.testing.assert_array_equal(slow.weights, plain.weights)
    possible = prior.fastest(quick.sizes, quick.serving) >= 300.0
    np.testing.assert_array_equal(quick.weights > 0, (plain.weights > 0) & possible)
    assert median(quick, quick.serving.chips) > median(plain, plain.serving.chips)


def test_the_step_of_a_long_context_narrows_total_and_kv_most():
    rows = gemini().data["joint"]
    for name in ("total parameters", "KV bytes a token, bf16"):
        left = rows[name]["left_out"]
        assert max(left, key=left.get) == "long-context step"
    left = rows["active parameters"]["left_out"]
    assert max(left, key=left.get) == "input price"


def test_weighted_quantiles_are_the_plain_ones_of_repeated_values():
    rng = np.random.default_rng(5)
    values, counts = rng.random(200), rng.integers(1, 6, 200)
    repeated = np.sort(np.repeat(values, counts))
    found = weighted(values, counts.astype(float), (0.1, 0.5, 0.9))
    assert [*found] == [repeated[int(np.ceil(q * len(repeated))) - 1] for q in (0.1, 0.5, 0.9)]


def test_the_bundled_sales_are_many_and_of_many_models():
    names = {bundled()[name].weights for name, _ in prior.sold()}
    assert len(names) > 50
    assert {"deepseek-v3", "llama-3.3-70b", "gpt-oss-120b", "kimi-k2", "glm-4.5", "minimax-m2"} <= names
