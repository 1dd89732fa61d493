"""plan --confirm: the options simulated are the plan's best, ranked by what the simulation says."""

from __future__ import annotations

from functools import cache

import pytest

import rackline
from rackline.decisions.answer import Answer
from rackline.decisions.confirm import deployment_of
from rackline.decisions.planned import Confirmed
from rackline.decisions.search import Option, Search, Targets
from rackline.errors import BadInput
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.facts.traces import Trace, read_trace
from rackline.systems.layout import Layout
from rackline.systems.serving import Kind, Server, Workload
from rackline.systems.simulation.drawing import cut


@cache
def trace() -> Trace:
    return cut(read_trace("azure-conv"), 300)


@cache
def ask(**given) -> Answer:
    return rackline.plan("llama-3.1-8b", **({"on": "dgx-h100", "chips": 4, "trace": trace(), "tpot": 0.02,
                                             "mode": "together"} | given))


def test_the_first_options_are_simulated_and_the_others_are_not():
    rows = ask(confirm=3).data["ranked"]
    assert ["simulated" in row for row in rows] == [True] * 3 + [False] * (len(rows) - 3)
    planned = {row["name"] for row in ask().data["ranked"][:3]}
    assert {row["name"] for row in rows[:3]} == planned
    assert rows[0]["simulated"]["badge"] == "simulated"


def test_those_that_meet_the_targets_at_the_mean_come_first_by_the_goal():
    rows = [row["simulated"] for row in ask(confirm=4).data["ranked"][:4]]
    met = [row for row in rows if row["meets_targets"]]
    assert met
    assert rows[:len(met)] == met
    costs = [row["dollars_per_million_output_tokens"] for row in met]
    assert costs == sorted(costs)
    for row in met:
        assert row["time_per_output_token"]["mean"] <= 0.02


def test_by_time_per_token_the_simulated_mean_ranks():
    means = [row["simulated"]["time_per_output_token"]["mean"]
             for row in ask(confirm=4, goal="tpot").data["ranked"][:4]]
    assert means == sorted(means)


def test_simulated_under_a_light_load_nobody_waits_longer_than_planned_at_full_load():
    for row in ask(confirm=3).data["ranked"][:3]:
        assert row["simulated"]["time_per_output_token"]["mean"] < row["time_per_output_token"]


def test_separate_pools_are_simulated_too():
    row = ask(confirm=1, mode="apart").data["ranked"][0]
    assert row["mode"] == "apart"
    assert row["simulated"]["meets_targets"]


def test_the_table_and_the_notes_say_what_was_simulated():
    answer = ask(confirm=2)
    assert answer.tables[0].title == "Simulated on the trace"
    assert len(answer.tables[0].rows) == 2
    assert answer.notes[0].startswith("Simulated: the 2 best of the plan on azure-conv; 2 meet")
    assert not any(note.startswith("Simulated") for note in ask().notes)


def test_an_options_batch_and_chunk_are_the_limits_of_its_engine():
    server = Server(model("llama-3.1-8b"), machine("dgx-h100"))
    question = Search(server, Workload((Kind(1000, 200, 1.0),)), Targets())
    option = Option("together", Layout(tensor=2, data=2), 64.0, 0.02, 0.1, 3.0, 4, 0.5, chunk=512.0)
    limits = deployment_of(question, option).limits
    assert (limits.sequences, limits.tokens) == (64, 64 + 2 * 512)
    apart = Option("apart", Layout(tensor=2), 64.0, 0.02, 0.1, 3.0, 4, 0.5, prefill=Layout(tensor=2), prompts=4.0)
    early = deployment_of(question, apart).prefill_limits
    assert (early.sequences, early.tokens) == (4, 4000)


def test_what_could_not_be_simulated_meets_nothing():
    assert not Confirmed(Option("together", Layout(), 1, 1, 1, 1, 1, 1), reason="request 3 must fit").meets


@pytest.mark.parametrize(("given", "says"), [
    ({"trace": None, "input": 10}, "--confirm: simulates a request trace"),
    ({"trace": "lengths"}, "needs a trace that says when requests arrive"),
])
def test_without_arrivals_there_is_nothing_to_confirm_on(given, says):
    if given["trace"] == "lengths":
        given = {"trace": Trace("x", "", trace().input_tokens, trace().output_tokens)}
    with pytest.raises(BadInput, match=says):
        rackline.plan("llama-3.1-8b", **({"on": "dgx-h100", "confirm": 2} | given))
