"""The same from Python in four lines."""

from __future__ import annotations

import pytest

import rackline
from rackline.decisions.questions import QUESTIONS, parameters
from rackline.errors import BadInput
from tests.interface.conftest import run

pytestmark = pytest.mark.usefixtures("with_fake")


def test_a_question_is_a_function_that_answers_as_the_command_line_does(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    answer = rackline.fake("deepseek-v3", on="h100-sxm", chips=8, ttft="50 ms")
    assert answer.data["request"].ttft == 0.05
    assert rackline.show(answer, width=100) == run("fake", "deepseek-v3", "--on", "h100-sxm").out
    assert rackline.ask("fake", "deepseek-v3", on="h100-sxm").headline == answer.headline


def test_a_function_knows_what_it_takes():
    assert rackline.plan.__name__ == "plan"
    for name, p in parameters(QUESTIONS["plan"]).items():
        assert f"{name}: {p.help}" in (rackline.plan.__doc__ or "")
    assert {"plan", "step", "ask", "show", "save"} <= set(dir(rackline))


def test_a_package_is_not_hidden_by_a_question_of_its_name():
    from rackline import facts

    assert facts.__name__ == "rackline.facts"
    assert rackline.facts is facts
    assert "facts" not in __import__("rackline.interface.library", fromlist=["names"]).names()


def test_what_is_not_there_is_said_with_the_nearest():
    with pytest.raises(AttributeError, match="did you mean plan"):
        rackline.plann("x")
    with pytest.raises(BadInput, match="did you mean ttft"):
        rackline.fake("deepseek-v3", on="h100-sxm", tftt=1)
