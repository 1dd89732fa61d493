"""Asking a question from Python."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rackline.decisions import questions
from rackline.decisions.questions import QUESTIONS, ask, defaults, find, parameters, prepare
from rackline.errors import BadInput
from rackline.facts.fact import Fact
from rackline.facts.machine import Chip, Machine, Network
from tests.interface import fake


def _fact(value: float, unit: str) -> Fact:
    return Fact(value=value, unit=unit, source="a test", date="2026-11-01")


def _machine() -> Machine:
    chip = Chip(name="c", title="C", flops={"bf16": _fact(1e15, "flop/s")}, memory_capacity=_fact(8e10, "bytes"),
                memory_bandwidth=_fact(3e12, "bytes/s"))
    network = Network(bandwidth=_fact(4.5e11, "bytes/s"), latency=_fact(1e-6, "seconds"))
    return Machine(name="m", title="M", chip=chip, chips=8, domain=8, scale_up=network)


@pytest.fixture
def _with_fake():
    with fake.installed():
        yield


pytestmark = pytest.mark.usefixtures("_with_fake")


def test_the_request_holds_read_values_and_defaults():
    request = prepare(find("fake"), {"model": "deepseek-v3", "on": "h100-sxm", "chips": "16", "ttft": "2 s"})
    assert (request.model, request.on) == (("deepseek-v3", None), ("h100-sxm", 16))
    assert (request.ttft, request.goal, request.price, request.batch[-1]) == (2.0, "price", None, 16.0)


def test_a_machine_record_passes_through_with_so_many_chips():
    machine = _machine()
    given = {"model": "deepseek-v3", "on": machine}
    assert prepare(find("fake"), given).on is machine
    assert prepare(find("fake"), given | {"chips": 4}).on == machine.with_chips(4)


def test_chips_that_a_machine_cannot_have_name_the_option():
    with pytest.raises(BadInput, match=r"^--chips: M has no network beyond 8 chips; got 16 \(hint: "):
        prepare(find("fake"), {"model": "deepseek-v3", "on": _machine(), "chips": 16})


def test_places_and_names_ask_the_same():
    by_place = ask("fake", "deepseek-v3", on="h100-sxm", name="bare").data["request"]
    assert by_place == ask("fake", model="deepseek-v3", on="h100-sxm", name="bare", kv=None).data["request"]


@pytest.mark.parametrize(("given", "says"), [
    ({"onn": "x"}, "option of fake: must be a known name; got onn"), ({}, "MODEL: must be given"),
    ({"model": 3, "on": "h100-sxm"}, "MODEL: must be a name, a file or a Model record; got 3"),
    ({"model": "deepseek-v3", "on": SimpleNamespace()}, "--on: must be a name, a file or a Machine record"),
])
def test_unknown_missing_and_wrong_values_name_the_option(given: dict, says: str):
    with pytest.raises(BadInput) as error:
        ask("fake", **given)
    assert says in str(error.value)


def test_an_unknown_question_is_met_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean plan"):
        ask("plann")


def test_the_same_word_means_the_same_in_every_question():
    seen: dict[str, tuple] = {}
    for question in questions._ALL:
        for name, p in parameters(question).items():
            # prices asks of a model as a provider sells it, whose configuration nobody may know
            if name in ("model", "on", "chips", "weights", "kv", "price") and (name, p.kind) != ("model", "text"):
                assert seen.setdefault(name, (p, defaults(question).get(name))) == (p, defaults(question).get(name))
    assert len(seen) == 6


def test_what_answers_a_question_lies_among_the_decisions():
    for question in QUESTIONS.values():
        places = ("rackline.decisions.", "rackline.sweeps.")
        assert question is fake.QUESTION or question.run.startswith(places)
