"""Fast, standard and slow service: the frontier's laws, its ends, drafting, and bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from rackline.decisions.mode_points import Point, Service, lecture_base, service
from rackline.decisions.modes import ACCEPTANCE
from rackline.decisions.money import chip_price
from rackline.decisions.questions import ask
from rackline.errors import BadInput
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.physics import blackboard
from rackline.systems.layout import Layout
from rackline.systems.serving import Server

ASKED = {"model": "deepseek-v3", "on": "gb200-nvl72"}


@pytest.fixture(scope="module")
def found():
    return ask("modes", **ASKED, beside="dgx-h200")


@pytest.fixture(scope="module")
def own(found):
    return found.data["services"][0]


def test_along_a_frontier_speed_costs_more(found):
    for row in found.data["services"]:
        for fast, slow in pairwise(row["frontier"]):
            assert fast["tokens_per_second"] > slow["tokens_per_second"]
            assert fast["cost"] > slow["cost"]


def test_every_point_costs_what_the_step_question_says(own):
    for name in ("slow", "standard", "fastest"):
        p = own[name]
        step = ask("step", **ASKED, batch=p["batch"], context=8192, layout=p["layout"]).data
        assert step["cost"] == pytest.approx(p["cost"])
        assert step["time"] == pytest.approx(p["time_per_output_token"])


def test_standard_departs_within_the_drain_time_of_the_memory(found, own):
    assert found.data["standard_seconds"] == pytest.approx(186e9 / 8e12)
    assert own["standard"]["time_per_output_token"] <= found.data["standard_seconds"]
    assert (own["standard"]["speed"], own["standard"]["price"]) == (1, 1)


def test_the_lecture_s_multiple_asks_more_than_the_cheap_end_of_the_frontier(own):
    quicker = own["at_2_5_times_the_speed"]
    assert quicker["speed"] >= 2.5
    assert 1 < quicker["price"] < 6
    bought = own["for_6_times_the_price"]
    assert bought["price"] <= 6
    assert bought["speed"] > 2.5


def test_six_times_for_two_and_a_half_is_met_from_the_base_that_is_named(found):
    for row in found.data["services"]:
        base, points = row["lecture_base"], row["frontier"]
        quick = [p for p in points if p["tokens_per_second"] >= 2.5 * base["tokens_per_second"] * (1 - 1e-9)]
        assert min(p["cost"] for p in quick) >= 6 * base["cost"]
        slower = [p for p in points if p["tokens_per_second"] < base["tokens_per_second"]]
        assert all(min(p["cost"] for p in points if p["tokens_per_second"] >= 2.5 * s["tokens_per_second"] * (1 - 1e-9))
                   < 6 * s["cost"] for s in slower)


def test_slow_service_saves_little_where_kv_fills_the_memory(own):
    assert 0.9 < own["slow"]["price"] <= 1
    assert own["slow"]["shares"]["cache"] > own["slow"]["shares"]["weights"]
    assert "memory is full" in own["why_slow_ends"]


def test_fast_ends_above_the_time_of_reading_what_one_token_needs(own):
    v3 = model("deepseek-v3")
    floor = blackboard.weight_time(v3.active_parameters, 72 * 8e12)
    assert own["fastest"]["batch"] == 1
    assert own["fastest"]["time_per_output_token"] > floor


def test_drafting_helps_where_weights_are_read_and_not_where_arithmetic_fills_the_pass(found):
    plain, drafted = found.data["services"][:2]
    assert drafted["fastest"]["tokens_per_second"] > 1.5 * plain["fastest"]["tokens_per_second"]
    assert drafted["slow"]["cost"] > plain["slow"]["cost"]
    assert drafted["slow"]["shares"]["compute"] > 0.5


def test_certain_drafts_that_are_never_accepted_only_cost():
    asked = {**ASKED, "drafted": 2}
    plain, lost = ask("modes", **asked, acceptance=0).data["services"]
    assert lost["fastest"]["tokens_per_second"] < plain["fastest"]["tokens_per_second"]
    assert lost["slow"]["cost"] > plain["slow"]["cost"]


def test_nothing_drafted_is_one_service():
    assert len(ask("modes", **ASKED, drafted=0).data["services"]) == 1


def test_a_machine_that_is_too_small_is_left_out_by_name():
    answer = ask("modes", **ASKED, beside="rtx-4090")
    assert answer.data["left_out"] == ["GeForce RTX 4090"] or "4090" in answer.data["left_out"][0]
    assert any("does not fit" in note for note in answer.notes)


def test_a_model_that_does_not_fit_is_infeasible_with_remedies():
    answer = ask("modes", model="llama-3.1-405b", on="dgx-h100")
    assert not answer.feasible
    assert answer.reasons


def test_a_price_doubles_dollars_and_no_multiple():
    one, two = (ask("modes", **ASKED, drafted=0, price=price).data["services"][0] for price in (2, 4))
    assert two["slow"]["cost"] == pytest.approx(2 * one["slow"]["cost"])
    assert two["fastest"]["price"] == pytest.approx(one["fastest"]["price"])


def test_the_frontier_moves_little_with_more_batches_tried(monkeypatch):
    on = machine("gb200-nvl72")
    server = Server(model("deepseek-v3"), on)
    coarse = service(server, 8192.0, chip_price(on), 0, 0.8)
    monkeypatch.setattr("rackline.decisions.mode_points._RESOLUTION", 448)
    fine = service(server, 8192.0, chip_price(on), 0, 0.8)
    assert fine.slow.cost == pytest.approx(coarse.slow.cost, rel=0.01)
    assert fine.within(0.01).cost == pytest.approx(coarse.within(0.01).cost, rel=0.03)


def test_a_frontier_without_a_steep_part_has_no_base_for_the_lecture_s_multiple():
    points = tuple(Point(Layout(), 1.0, tpot, 1 / tpot) for tpot in np.geomspace(0.01, 1, 20))
    some = Service(None, 1.0, 0.8, points)
    assert lecture_base(some) is None
    steep = tuple(replace(p, cost=p.tpot**-3) for p in points)
    assert lecture_base(replace(some, points=steep)) is steep[-1]


@pytest.mark.parametrize(("given_value", "says"), [
    ({"context": "1M"}, "--context: the model reads at most"), ({"acceptance": 1.5}, "--acceptance: must be at most 1"),
    ({"acceptance": -0.1}, "--acceptance: must be at least 0"), ({"drafted": -1}, "--drafted: must be at least 0"),
    ({"beside": "h2000"}, "did you mean"), ({"beside": ","}, "--beside: must be 1 to 8 names"),
    ({"standard": 0}, "--standard: must be above zero"), ({"beside": 3}, "--beside"),
])
def test_bad_input_is_one_line_that_names_the_option(given_value, says):
    with pytest.raises(BadInput) as error:
        ask("modes", **ASKED, **given_value)
    assert says in str(error.value)


def test_the_whole_answer_is_json_and_says_where_acceptance_comes_from(found):
    json.dumps(found.data, allow_nan=False)
    assert any(source.source == ACCEPTANCE.source for source in found.sources)
