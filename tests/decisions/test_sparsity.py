"""Sparsity against quality: the published point, trades at equal quality, dense laws with published coefficients."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.decisions.questions import ask
from rackline.errors import BadInput
from rackline.facts.scaling_laws import dense_laws, routed_point
from rackline.interface.export import plain
from rackline.interface.text import Look, to_text
from rackline.physics import sparsity

GIVEN = {"model": "deepseek-v3", "on": "gb200-nvl72"}


@pytest.fixture(scope="module")
def answer():
    return ask("sparsity", **GIVEN)


@pytest.fixture(scope="module")
def found(answer):
    return plain(answer.data)


def test_the_published_point_is_a_gain_of_three_and_a_half_not_four():
    point = routed_point()
    assert point.dense.value / point.active.value == pytest.approx(3.5, rel=0.01)
    a = sparsity.exponent(3.5, 64)
    assert sparsity.dense_equivalent(370e6, 64, a) == pytest.approx(1.3e9, rel=0.01)


def test_all_parameters_grow_by_less_than_the_number_of_experts(found):
    assert 1 < found["total_growth_low"] < found["total_growth"] < found["total_growth_high"] < 64


def test_every_model_of_the_family_is_as_good_as_the_one_asked_about(found):
    for row in found["trades"]:
        equal = sparsity.dense_equivalent(row["active"], row["experts"], found["exponent"])
        assert equal == pytest.approx(found["dense_equivalent"])


def test_at_its_own_sparsity_the_family_is_the_model_itself(found):
    own = next(row for row in found["trades"] if row["experts"] == 32)
    assert own["active"] == pytest.approx(37.6e9, rel=0.01)
    assert own["total"] == pytest.approx(671e9, rel=0.01)
    assert own["balance_batch"] == pytest.approx(5584, rel=0.01)


def test_more_experts_mean_fewer_active_and_more_parameters_and_a_larger_balance_batch(found):
    rows = found["trades"]
    for key, sign in (("active", -1), ("total", 1), ("bytes", 1), ("balance_batch", 1)):
        assert all(sign * (b[key] - a[key]) > 0 for a, b in itertools.pairwise(rows)), key


def test_prompts_gain_from_sparsity_as_their_arithmetic_shrinks(found):
    one, many = (next(r for r in found["trades"] if r["experts"] == e) for e in (1, 64))
    assert many["prompts"] / one["prompts"] == pytest.approx(many["active"] / one["active"], rel=1e-6)
    assert found["cheapest"]["prompts"] > 64
    assert found["cheapest"]["batch 64"] == 1


def test_what_does_not_fit_has_no_price():
    rows = plain(ask("sparsity", "deepseek-v3", on="dgx-h100", context=100).data)["trades"]
    assert rows[-1]["dollars"]["64.0"] is None
    assert rows[0]["dollars"]["64.0"] > 0


def test_finer_experts_reach_more_chips_and_send_more():
    grains = ask("sparsity", **GIVEN).data["grains"]
    assert [g["experts"] for g in grains] == [256, 512, 1024, 2048, 4096]
    assert all(b["chips"] > a["chips"] and b["sent"] > a["sent"] for a, b in itertools.pairwise(grains))
    assert grains[0]["sent"] < 8 * 7168 * 3 * 1.0001


def test_a_dense_model_is_its_own_equivalent_and_has_no_grains():
    data = ask("sparsity", "llama-3.1-405b", on="gb200-nvl72").data
    assert (data["dense_equivalent"], data["grains"]) == (pytest.approx(406e9, rel=0.01), [])


# ---- dense laws


@pytest.mark.parametrize("name", ["epoch", "hoffmann"])
def test_chinchilla_s_own_size_has_a_loss_near_two_under_both_fits(name):
    law = dense_laws()[name]
    assert 1.9 < sparsity.loss(70e9, 1.4e12, **law.coefficients()) < 2.01


def test_the_second_fit_puts_the_optimum_at_twenty_tokens_a_parameter_as_its_authors_say():
    known, budget = dense_laws()["epoch"].coefficients(), 6 * 70e9 * 1.4e12
    losses = {ratio: sparsity.loss(math.sqrt(budget / 6 / ratio), math.sqrt(budget / 6 * ratio), **known)
              for ratio in (5, 10, 20, 40, 80)}
    assert min(losses, key=losses.get) == 20


@settings(max_examples=100, deadline=None)
@given(n=st.floats(1e8, 1e12), d=st.floats(1e9, 1e14), name=st.sampled_from(["epoch", "hoffmann"]))
def test_tokens_and_parameters_for_a_loss_undo_the_loss(n, d, name):
    known = dense_laws()[name].coefficients()
    sought = sparsity.loss(n, d, **known)
    assert sparsity.tokens_for_loss(sought, n, **known) == pytest.approx(d, rel=1e-5)
    assert sparsity.parameters_for_loss(sought, d, **known) == pytest.approx(n, rel=1e-5)


def test_no_number_of_tokens_reaches_a_loss_below_the_model_s_own():
    known = dense_laws()["epoch"].coefficients()
    assert sparsity.tokens_for_loss(known["E0"], 1e9, **known) == math.inf
    assert sparsity.parameters_for_loss(known["E0"], 1e12, **known) == math.inf


def test_smaller_models_of_one_loss_serve_cheaper_and_train_on_more_tokens(found):
    rows = [r for r in found["dense_laws"] if "2024" in r["law"]]
    assert all(b["tokens"] > a["tokens"] and b["training_ratio"] > a["training_ratio"]
               for a, b in itertools.pairwise(rows))


# ---- the answer


def test_it_says_what_is_not_there(answer):
    text = " ".join(to_text(answer, Look(explain=True, cite=True)).split())
    assert "were found in no source at hand" in text
    assert "Besiroglu" in text


@pytest.mark.parametrize(("given", "says"), [
    ({"experts": "0"}, "--experts: must be above zero"), ({"experts": "1.5"}, "--experts: must be whole numbers"),
    ({"batch": "x"}, "--batch"), ({"context": "9M"}, "--context: the model reads at most"), ({"on": "gb300x"}, "--on"),
])
def test_bad_input_is_one_line_that_names_the_option(given, says):
    with pytest.raises(BadInput) as error:
        ask("sparsity", **(GIVEN | given))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
