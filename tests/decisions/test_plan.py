"""The plan: what it recommends holds when timed again, and nothing better was overlooked."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

import rackline
from rackline import units
from rackline.decisions.answer import Answer
from rackline.decisions.search import CHUNKS, Search, Targets, search
from rackline.errors import BadInput
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.systems.memory import largest_batch, largest_context, memory
from rackline.systems.placing import layouts, why_not
from rackline.systems.serving import Kind, Server, Workload, decode_time, together


@cache
def deepseek() -> Answer:
    return rackline.plan("deepseek-v3", on="gb200-nvl72", input=4000, output=500, ttft=2, tpot=0.05)


@cache
def small(goal: str = "price", **more: float) -> Answer:
    return rackline.plan("llama-3.1-8b", on="h100-sxm", chips=2, input=1000, output=200, goal=goal, **more)


def test_every_ranked_option_meets_the_targets_and_fits() -> None:
    answer = deepseek()
    assert answer.feasible
    for option in answer.data["ranked"]:
        assert option["time_per_output_token"] <= 0.05
        assert option["time_to_first_token"] <= 2
        held = option["memory"]
        assert held["weights"] + held["cache"] + held["state"] <= held["usable"]
        assert option["chips"] <= 72


def test_bounds_enclose_the_time_per_token() -> None:
    for option in deepseek().data["ranked"]:
        assert option["time_per_output_token_lower"] <= option["time_per_output_token"] * (1 + 1e-9)
        assert option["time_per_output_token"] <= option["time_per_output_token_upper"] * (1 + 1e-9)


def test_no_resource_is_busy_more_than_all_the_time() -> None:
    for answer in (deepseek(), small()):
        for option in answer.data["ranked"]:
            assert all(0 <= share <= 1 + 1e-9 for share in option["busy"].values())


def test_dollars_are_price_times_chips_over_tokens() -> None:
    data = deepseek().data
    best = data["best"]
    dollars = data["price_per_chip_hour"] * data["chips"] / 3600 / best["output_tokens_per_second"] * 1e6
    assert best["dollars_per_million_output_tokens"] == pytest.approx(dollars)
    split = best["dollars_per_million"]
    per_request = split["output_alone"] * 500 + split["input_alone"] * 4000
    assert per_request == pytest.approx(dollars * 500)


def test_the_ranking_follows_the_goal() -> None:
    prices = [o["dollars_per_million_output_tokens"] for o in small().data["ranked"]]
    assert prices == sorted(prices)
    for goal, key in (("tpot", "time_per_output_token"), ("ttft", "time_to_first_token")):
        values = [o[key] for o in small(goal).data["ranked"]]
        assert values == sorted(values)
        assert values[0] == pytest.approx(small().data["by_goal"][goal][key])


def test_the_frontier_trades_speed_for_throughput() -> None:
    points = deepseek().data["frontier"]
    speed = [p["tokens_per_second_per_user"] for p in points]
    tokens = [p["tokens_per_second_per_chip"] for p in points]
    assert speed == sorted(speed, reverse=True)
    assert tokens == sorted(tokens)
    assert len(points) > 20


def test_no_layout_at_any_batch_beats_the_search_when_each_is_timed_alone() -> None:
    one, two = model("llama-3.1-8b"), machine("h100-sxm", 2)
    work = Workload((Kind(1000.0, 200.0, 1.0),))
    server, targets = Server(one, two), Targets(1.0, 0.02)
    candidates = [x for x in layouts(one, two) if not why_not(one, two, x, work.longest)]
    found = search(Search(server, work, targets, resolution=512), candidates, ("together",))
    best = max(o.rate for o in found.options)
    naive = 0.0
    for layout in candidates:
        for batch in range(1, int(largest_batch(one, two, layout, work.held)) + 1, 7):
            decode = decode_time(server, layout, work, float(batch))
            for chunk in CHUNKS:
                point = together(server, layout, work, float(batch), chunk, decode)
                if point.tpot <= targets.tpot and point.ttft <= targets.ttft:
                    naive = max(naive, float(point.rate) * layout.replicas)
    assert best >= naive * 0.995
    assert best <= naive * 1.02


def test_largest_batch_and_context_are_the_last_that_fit() -> None:
    one, box = model("deepseek-v3"), machine("h200")
    layout = next(x for x in layouts(one, box) if x.tensor == 8 and x.pipeline == 1 and x.expert == 1)
    batch = float(largest_batch(one, box, layout, 4096.0))
    assert memory(one, box, layout, batch, 4096.0).fits
    assert not memory(one, box, layout, batch + 1, 4096.0).fits
    context = float(largest_context(one, box, layout, 4.0))
    assert memory(one, box, layout, 4.0, context).fits
    assert not memory(one, box, layout, 4.0, context + 1).fits


def test_equal_questions_give_equal_bytes() -> None:
    texts = [json.dumps(rackline.plan("llama-3.1-8b", on="h100-sxm", chips=2, input=1000, output=200).data)
             for _ in range(2)]
    assert texts[0] == texts[1]


def test_256_experts_on_64_of_72_chips_are_handled_and_the_idle_chips_paid() -> None:
    ranked = rackline.plan("deepseek-v3", on="gb200-nvl72", input=4000, output=500, top=10_000).data["ranked"]
    idle = [o for o in ranked if o["layout"]["expert"] == 64]
    assert idle
    assert all(o["chips"] < 72 for o in idle if o["mode"] == "together")
    assert all(o["tokens_per_second_per_chip"] <= o["tokens_per_second_per_chip_in_use"] for o in idle)


def test_a_trace_brings_its_own_lengths() -> None:
    data = rackline.plan("llama-3.1-8b", on="h100-sxm", trace="azure-conv").data
    assert data["workload"]["input"] == pytest.approx(1154.7, rel=0.01)
    assert data["trace_requests_per_second"] == pytest.approx(5.53, rel=0.01)
    assert sum(k["share"] for k in data["workload"]["kinds"]) == pytest.approx(1.0)


def test_a_fixed_context_is_decode_alone() -> None:
    answer = rackline.plan("llama-3.1-70b", on="h100-sxm", context=8192)
    assert {o["mode"] for o in answer.data["ranked"]} == {"decode"}


def test_a_model_that_fits_nowhere_says_what_would_make_it_fit() -> None:
    answer = rackline.plan("llama-3.1-405b", on="l4", input=100, output=100)
    assert not answer.feasible
    assert answer.data["would_fit"]
    assert any("weights" in reason for reason in answer.reasons)


def test_targets_that_nothing_meets_name_the_nearest() -> None:
    answer = rackline.plan("llama-3.1-70b", on="h100-sxm", input=1000, output=100, tpot=1e-6)
    assert not answer.feasible
    nearest = answer.data["nearest"]["time_per_output_token"]
    assert nearest > 1e-6
    layouts_named = [m["layout"] for m in answer.data["missed"]]
    assert len(layouts_named) == len(set(layouts_named))
    assert f"at best {units.show(nearest, 'seconds')} a token" in answer.reasons[0]  # the nearest comes first


def test_every_infeasible_layout_has_a_reason() -> None:
    data = deepseek().data
    assert data["infeasible"]
    assert all(entry["reasons"] for entry in data["infeasible"])


def test_every_engine_gets_a_command_with_its_version() -> None:
    titles = [entry["what"] for entry in deepseek().data["launch"]]
    assert [t.split()[0] for t in titles] == ["vllm", "sglang", "tensorrt-llm"]
    assert all(len(t.split()) == 2 for t in titles)


@pytest.mark.parametrize(("given", "rule"), [
    ({}, "needs what users send"),
    ({"input": 1000, "context": 5000}, "for decoding alone"),
    ({"trace": "azure-conv", "input": 5}, "brings its own lengths"),
    ({"input": 10_000_000, "output": 1}, "the model reads at most"),
])
def test_contradictory_options_are_refused_in_one_line(given: dict, rule: str) -> None:
    with pytest.raises(BadInput, match=rule) as error:
        rackline.plan("llama-3.1-8b", on="h100-sxm", **given)
    assert "\n" not in str(error.value)


def test_more_bandwidth_never_makes_the_best_plan_dearer() -> None:
    box = machine("h100-sxm", 4)
    fast = box.model_copy(update={"chip": box.chip.model_copy(update={
        "memory_bandwidth": box.chip.memory_bandwidth.model_copy(update={"value": 2e13})})})
    costs = [rackline.plan("llama-3.1-70b", on=on, input=1000, output=200, tpot=0.05).data["best"]
             ["dollars_per_million_output_tokens"] for on in (box, fast)]
    assert costs[1] <= costs[0] * (1 + 1e-9)
    assert np.isfinite(costs).all()


def test_the_frontier_is_made_of_splits_that_the_machine_can_realise() -> None:
    data = deepseek().data
    most = max(p["tokens_per_second_per_chip"] for p in data["frontier"]
               if p["time_per_output_token"] <= 0.05)
    assert data["best"]["tokens_per_second_per_chip"] >= 0.99 * most
