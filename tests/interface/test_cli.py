"""What a command line gets: exit status, one-line errors, help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.decisions.questions import QUESTIONS, parameters
from rackline.interface import cli, usage
from tests.interface import fake
from tests.interface.conftest import run

ASK = ("fake", "deepseek-v3", "--on", "h100-sxm")
_ROOT = Path(__file__).parents[2]


def _refused(*args: str) -> str:
    ran = run(*args)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    return ran.err


def test_answered_is_0_infeasible_is_3_and_both_speak_on_stdout():
    assert run(*ASK).status == 0
    ran = run(*ASK, "--name", "infeasible")
    assert (ran.status, ran.err) == (3, "")
    assert ran.out.startswith("It fits nowhere.")
    assert "weights need 671 GB of 80 GB" in ran.out


def test_infeasible_with_json_is_json_with_its_reasons():
    ran = run(*ASK, "--name", "infeasible", "--json")
    found = json.loads(ran.out)
    assert ran.status == 3
    assert (found["feasible"], found["least_chips"], len(found["reasons"])) == (False, 12, 2)


def test_the_same_option_gives_the_same_bytes_twice():
    assert run(*ASK, "--explain", "--cite") == run(*ASK, "--explain", "--cite")


@pytest.mark.parametrize(("args", "says"), [
    (("fakee",), "did you mean fake"),
    (("fake", "deepsek-v3", "--on", "h100-sxm"), "did you mean deepseek-v3"),
    (("fake", "deepseek-v3", "--on", "h100"), "--on: must be a known name; got h100 (hint: did you mean h100-sxm?)"),
    ((*ASK, "--contxt", "3"), "did you mean --context"),
    ((*ASK, "--goal", "prize"), "--goal: must be a known name; got prize (hint: did you mean price?)"),
    ((*ASK, "--goal", "zzz"), "known: price, throughput, tpot)"),
    ((*ASK, "--kv", "fp9"), "--kv: must be a known name; got fp9 (hint: did you mean fp"),
    ((*ASK, "--ttft"), "requires an argument"),
    ((*ASK, "extra"), "takes 1 by place (model); got deepseek-v3 extra"),
    ((*ASK, "--ttft", "-1"), "--ttft: must be above zero; got -1"),
    ((*ASK, "--ttft", "nan"), "--ttft: must be a finite number of seconds; got nan"),
    ((*ASK, "--ttft", "80 GB"), "GB is a unit of bytes"),
    ((*ASK, "--size", "80 GBps"), "GBps is a unit of bytes/s"),
    ((*ASK, "--input", "1e30"), "--input: must be at most 1e+12 tokens; got 1e30"),
    ((*ASK, "--chips", "0"), "--chips: must be above zero; got 0"),
    ((*ASK, "--chips", "1.5"), "--chips: must be a whole number; got 1.5"),
    ((*ASK, "--batch", "8:1"), "--batch: a range goes from"),
    ((*ASK, "--batch", "1:1e30"), "--batch: must be at most 1e+09; got 1e30"),
    ((*ASK, "--layout", "tp8,xp2"), '--layout: must be sizes of tp, dp, cp, pp, ep'),
    ((*ASK, "--layout", "tp8,tp4"), "--layout: each size may be given once"),
    ((*ASK, "--trace", "no-such-file.csv"), "--trace: must be a file that exists"),
    ((*ASK, "--kv", "fp8", "--kv", "bf16"), "--kv: may be given once; got fp8, bf16"),
    ((*ASK, "--json", "--csv"), "only one of them may be given"),
    ((*ASK, "--json=3"), "does not take a value"),
    (("fake", "--on", "h100-sxm"), "MODEL: must be given"),
    (("fake", "deepseek-v3"), "--on: must be given"),
    (("fake", "", "--on", "h100-sxm"), "MODEL: must be a text that is not empty"),
    (("--json",), "takes a question first"),
    (("",), "question: must be a known name"),
])
def test_bad_input_is_one_line_that_names_the_option_and_hints(args: tuple[str, ...], says: str):
    assert says in _refused(*args)


def test_an_error_line_carries_no_control_characters():
    assert "\x1b" not in _refused("fake", "\x1b[31mred\nnext", "--on", "h100-sxm")


def test_a_fault_is_one_line_and_1_without_a_traceback(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RACKLINE_DEBUG", raising=False)
    ran = run(*ASK, "--name", "crash")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith("internal error: ZeroDivisionError: a fault (please report it")


def test_a_fault_shows_where_with_rackline_debug(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RACKLINE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(*ASK, "--name", "crash")


def test_an_interrupt_is_130_and_quiet():
    ran = run(*ASK, "--name", "interrupt")
    assert (ran.status, ran.out, ran.err) == (130, "", "")


def _python(*args: str, **more: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=_ROOT,
                            env=os.environ | {"PYTHONPATH": str(_ROOT)}, **more)


def test_a_closed_pipe_is_silent():
    process = _python("-m", "rackline", "--help")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(30), said) == (0, b"")


_HEAVY = ["numpy", "pydantic", "duckdb", "matplotlib", "rich", "click", "asyncio"]


@pytest.mark.parametrize("start", ["import rackline", "import rackline.interface.cli as c; c.main([])",
                                   "import rackline.interface.cli as c; c.main(['plan', '--help'])"])
def test_starting_and_helping_import_nothing_heavy(start: str):
    process = _python("-c", f"{start}\nimport sys; sys.exit(sum(m in sys.modules for m in {_HEAVY}))")
    process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("args", [(), ("--help",), ("-h",)])
def test_rackline_alone_lists_every_question(args: tuple[str, ...]):
    ran = run(*args)
    assert (ran.status, ran.err) == (0, "")
    for question in QUESTIONS.values():
        assert f"  {question.name} " in ran.out
        unwrapped = " ".join(ran.out.split()).replace("- ", "-")  # lines also break after a hyphen
        assert question.summary in unwrapped


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("columns", ["60", "120"])
def test_the_help_of_a_question_shows_every_parameter_within_the_terminal(
        name: str, columns: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", columns)
    ran = run(name, "--help")
    question = QUESTIONS[name]
    for p in parameters(question).values():
        assert f"  {p.flag}" in ran.out
    for common in usage.COMMON:
        assert f"  --{common}" in ran.out
    assert question.example in ran.out
    assert all(len(line) <= int(columns) for line in ran.out.splitlines() if question.example not in line)


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_example_of_a_question_is_a_command_line_that_it_takes(name: str):
    import shlex

    question = QUESTIONS[name]
    program, asked, *args = shlex.split(question.example)
    places, given_values = cli._parsed(question, args)
    required = [p for n, p in parameters(question).items() if n not in _with_default(question)]
    assert (program, asked) == ("rackline", name)
    assert len(places) + sum(value is not None for value in given_values.values()) >= len(required)


def _with_default(question: object) -> set[str]:
    from rackline.decisions.questions import defaults

    return set(defaults(question))  # type: ignore[arg-type]


_OPTIONS = sorted(p.flag for p in parameters(fake.QUESTION).values()
                  if p.kind not in ("flag", "text") and p.flag != "MODEL")
_VALUES = st.one_of(  # "--help" anywhere is a question of its own
    st.text(max_size=12), st.integers().map(str), st.floats().map(str),
    st.sampled_from(["1:4096", "1,8,64", "8k", "0", "1e400", "tp8,dp9", "½", "٣", "fp8", "50 ms", "1:2:3:4", ":", ",",
                     "0x10", "-0", "1e-400", "..", "/", "\x00", "tp99999999999", "9" * 5000]),
).filter(lambda text: text not in ("--help", "-h"))


@settings(max_examples=150, deadline=None)
@given(options=st.lists(st.tuples(st.sampled_from(_OPTIONS), _VALUES), max_size=3))
def test_whatever_the_options_say_it_is_an_answer_or_one_line(options: list[tuple[str, str]]):
    ran = run(*ASK, "--name", "bare", "--json", *(part for option in options for part in option))
    assert ran.status in (0, 2)
    if ran.status == 2:
        assert (ran.out, ran.err.count("\n")) == ("", 1)
    else:
        assert json.loads(ran.out)["headline"] == "Nothing but a sentence."


@settings(max_examples=100, deadline=None)
@given(args=st.lists(st.text(max_size=10) | st.sampled_from(["fake", "plan", "--on", "--json", "-h", "--", "-"]),
                     max_size=5))
def test_no_command_line_ends_in_a_traceback(args: list[str]):
    ran = run(*args)
    assert ran.status in (0, 2, 3)
    assert ran.err.count("\n") == (1 if ran.status == 2 else 0)
