"""What long contexts cost: limits of each kind of attention, takeovers, and bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rackline.decisions.context_kinds import variants
from rackline.decisions.questions import ask
from rackline.errors import BadInput
from rackline.facts.models import model
from rackline.physics.attention import equal_context

ASKED = {"model": "deepseek-v3", "on": "gb200-nvl72"}


@pytest.fixture(scope="module")
def found():
    return ask("context", **ASKED, beside="llama-3.1-405b")


@pytest.fixture(scope="module")
def curves(found):
    return {c["name"]: c for c in found.data["curves"]}


def _at(curve, context, what="cost"):
    return curve[what][curve["context"].index(context)]


def test_an_output_token_costs_what_the_step_question_says_of_the_same_layout(curves):
    own = curves["deepseek-v3"]
    assert own["context"][0] == 8000
    assert own["context"][-1] == 1e8
    step = ask("step", **ASKED, context=8000, batch=_at(own, 8000, "users"), layout="dp72,ep72").data
    assert step["cost"] == pytest.approx(_at(own, 8000))


def test_the_cost_never_falls_with_the_context_by_more_than_whole_users_explain(curves):
    for curve in curves.values():
        cost = np.array([c for c in curve["cost"] if c is not None])
        assert np.all(cost[1:] >= 0.9 * cost[:-1])
        assert cost[-1] > 100 * cost[0]


def test_full_attention_is_linear_in_context_until_memory_is_short(curves):
    for name in ("deepseek-v3", "deepseek-v3 with full", "llama-3.1-405b"):
        assert _at(curves[name], 1e6) / _at(curves[name], 2e5) == pytest.approx(5, rel=0.05)


def test_what_is_latent_already_stays_as_it_is(curves):
    assert curves["deepseek-v3 with latent"]["cost"] == curves["deepseek-v3"]["cost"]


def test_windows_and_sparse_reading_cost_less_at_a_million_than_full_attention(curves):
    million = {name: _at(curve, 1e6) for name, curve in curves.items()}
    full, rest = million["deepseek-v3 with full"], ("windowed", "latent", "sparse")
    assert all(million[f"deepseek-v3 with {kind}"] < full / 3 for kind in rest)


def test_capacity_ends_what_bandwidth_does_not(curves):
    llama = curves["llama-3.1-405b"]
    assert llama["limits"][-1]["what"] == "capacity"
    whole = 72 * 186e9 * 0.9 - model("llama-3.1-405b").weight_bytes()
    assert llama["longest"] <= whole / model("llama-3.1-405b").kv_bytes_per_token() < 1.3 * llama["longest"]


def test_a_prompt_s_attention_passes_its_weights_where_the_closed_form_says(curves):
    llama, v3 = model("llama-3.1-405b"), model("deepseek-v3")
    closed = 2 * equal_context(llama.active_parameters, 126 * 2 * 128 * 256)  # a prompt's tokens see half on average
    assert curves["llama-3.1-405b"]["prefill_attention_passes_weights_from"] == pytest.approx(closed, rel=0.05)
    expanded = equal_context(v3.active_parameters, 61 * 2 * 128 * 320)
    assert curves["deepseek-v3"]["prefill_attention_passes_weights_from"] == pytest.approx(expanded, rel=0.25)


def test_the_sparse_attention_s_indexer_is_still_linear(curves):
    sparse = curves["deepseek-v3 with sparse"]
    ratio = _at(sparse, 1e7) / _at(sparse, 1e6)
    assert 5 < ratio < 15


def test_replacing_attention_keeps_weights_and_heads():
    own = model("llama-3.1-70b")
    for kind, changed in variants(own).items():
        assert changed.total_parameters == own.total_parameters
        assert changed.depth == own.depth
        assert {a.heads for a, _ in changed.attentions()} == {64}, kind
    kinds = variants(own)
    assert kinds["full"].kv_bytes_per_token() == own.kv_bytes_per_token()  # 8 KV heads of 128 already
    assert kinds["latent"].kv_bytes_per_token() == 80 * 576 * 2
    assert kinds["sparse"].index_bytes_per_token() > 0
    near = [n for a, n in kinds["windowed"].attentions() if a.window == 1024]
    assert sum(near) == pytest.approx(80 * 52 / 62, abs=1)  # Gemma 3: 52 of 62 layers


def test_a_recurrent_model_gets_attention_of_each_kind():
    assert all(k.kv_bytes_per_token() > 0 and k.state_bytes() == 0 for k in variants(model("bamba-9b")).values())


def test_contexts_of_one_s_own_and_a_single_one():
    assert ask("context", **ASKED, context="1k,4k").data["curves"][0]["context"] == [1000, 4000]
    assert ask("context", **ASKED, context=4096).headline


def test_a_price_scales_every_cost(curves):
    twice = ask("context", **ASKED, context="8000,200k", price=6.6).data["curves"][0]
    assert twice["cost"][0] == pytest.approx(2 * _at(curves["deepseek-v3"], 8000))


def test_a_model_that_does_not_fit_is_infeasible():
    answer = ask("context", model="llama-3.1-405b", on="dgx-h100")
    assert not answer.feasible
    assert answer.reasons


@pytest.mark.parametrize(("given_value", "says"), [
    ({"context": "0"}, "--context: must be above zero"), ({"beside": "lama-3"}, "--beside"),
    ({"beside": "x" * 300}, "--beside"), ({"price": -1}, "--price: must be above zero"),
])
def test_bad_input_is_one_line_that_names_the_option(given_value, says):
    with pytest.raises(BadInput) as error:
        ask("context", **ASKED, **given_value)
    assert says in str(error.value)


def test_the_answer_is_json_and_says_why_contexts_stopped(found):
    json.dumps(found.data, allow_nan=False)
    assert any("Why contexts stopped near 200,000" in note for note in found.notes)
