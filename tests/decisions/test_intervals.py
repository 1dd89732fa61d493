"""Calibrated predictions and their intervals: what is in them, how they widen, where a user meets them."""

from __future__ import annotations

import contextlib
import io
import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import rackline
from rackline.decisions.accuracy.judging import known
from rackline.decisions.answer import Answer
from rackline.decisions.intervals import around_pass
from rackline.errors import BadInput
from rackline.facts.calibration import as_data, calibration
from rackline.facts.fact import with_fact
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.interface.cli import main
from rackline.systems.calibrated import FAMILY, FIRST, Calibrated, calibrated
from rackline.systems.layout import Layout
from rackline.systems.passes import decode
from rackline.systems.serving import Kind, Server, Workload, together
from tests.interface.conftest import Ran

CLOCKED = {"clock": "calibrated", "engine": "vllm"}
STEP = {"model": "llama-3.1-70b", "on": "dgx-h100", "batch": 64, "context": 8000}
PLAN = {"model": "llama-3.1-8b", "on": "dgx-h100", "input": 2000, "output": 400}
RUN = {"model": "llama-3.1-8b", "on": "a100-80gb-pcie", "chips": 1, "trace": "azure-conv", "requests": 300,
       "layout": "tp1"}
SIZE = {name: value for name, value in RUN.items() if name != "layout"} | {"rate": 20.0, "ttft": 2.0, "tpot": 0.06}


@cache
def ask(question: str, clocked: bool = True) -> Answer:
    given = {"step": STEP, "plan": PLAN, "simulate": RUN, "capacity": SIZE}[question]
    return getattr(rackline, question)(**given, **(CLOCKED if clocked else {}))


def found(data: dict, path: str) -> float:
    """The number that a name with dots leads to."""
    for part in path.split("."):
        data = data[part]
    return float(data)  # type: ignore[arg-type]


# ---- the interval itself


def server(coefficients=None, on="dgx-h100") -> Server:
    clock = calibrated("vllm")
    changed = Calibrated(coefficients or clock.coefficients, clock.engine, clock.families)
    return Server(model("llama-3.1-70b"), machine(on), changed)


def ends(one: Server, batch: float = 64.0) -> tuple[float, float]:
    around = around_pass(one, Layout(8), decode(batch, 8000.0))
    assert around is not None
    return around.ends


def test_an_interval_is_never_narrower_than_one_of_its_causes_and_holds_the_value():
    around = around_pass(server(), Layout(8), decode(np.array([1.0, 64.0, 512.0]), 8000.0))
    low, high = around.ends
    for cause in (around.residuals, around.coefficients, around.facts):
        assert np.all(low <= cause[0])
        assert np.all(high >= cause[1])
        assert np.all(np.asarray(cause[0]) <= 0.0)
        assert np.all(np.asarray(cause[1]) >= 0.0)
    assert np.all(around.low(2.0) < 2.0)
    assert np.all(around.high(2.0) > 2.0)


@pytest.mark.parametrize("name", ["weights", "cache", "layer"])
def test_an_interval_grows_with_the_uncertainty_of_a_coefficient(name):
    known = calibrated("vllm").coefficients
    fact = known[name]
    wide = {**known, name: fact.model_copy(update={"low": fact.value * 0.5, "high": fact.value * 3.0})}
    narrow = {**known, name: fact.model_copy(update={"low": fact.value, "high": fact.value})}
    assert ends(server(narrow))[1] < ends(server())[1] < ends(server(wide))[1]
    assert ends(server(narrow))[0] > ends(server(wide))[0]


def test_a_coefficient_moves_a_pass_as_far_as_the_pass_timed_with_it():
    """One coefficient with an interval, no fact with one: the cause is the ratio of two passes."""
    known = {name: fact.model_copy(update={"low": fact.value, "high": fact.value})
             for name, fact in calibrated("vllm").coefficients.items()}
    cache_ = known["cache"]
    moved = known | {"cache": cache_.model_copy(update={"high": cache_.value * 2.0})}
    twice = known | {"cache": cache_.model_copy(update={"value": cache_.value * 2.0, "high": cache_.value * 2.0})}
    times = [float(server(c).stage_time(Layout(8), decode(64.0, 8000.0))) for c in (known, twice)]
    around = around_pass(server(moved), Layout(8), decode(64.0, 8000.0))
    assert around.coefficients == (0.0, pytest.approx(math.log(times[1] / times[0])))


def test_an_interval_widens_with_that_of_a_fact_and_only_of_one_that_times_read():
    path = ("chip", "memory_bandwidth")
    base = server()
    chip = base.machine.chip
    slower = chip.memory_bandwidth.model_copy(update={"low": chip.memory_bandwidth.value / 2.0})
    wide = base.machine.model_copy(update={"chip": chip.model_copy(update={"memory_bandwidth": slower})})
    assert ends(replace(base, machine=wide))[1] > ends(base)[1]
    other = chip.model_copy(update={"memory_capacity": chip.memory_capacity.model_copy(update={"low": 1.0})})
    assert ends(replace(base, machine=base.machine.model_copy(update={"chip": other}))) == ends(base)
    halved = with_fact(base.machine, path, chip.memory_bandwidth.value / 2.0)
    time = [float(replace(base, machine=m).stage_time(Layout(8), decode(64.0, 8000.0))) for m in (base.machine, halved)]
    around = around_pass(replace(base, machine=wide), Layout(8), decode(64.0, 8000.0))
    assert around.facts[1] >= math.log(time[1] / time[0]) > 0.0


def test_prompts_take_as_much_longer_as_they_were_found_to():
    clock = calibrated("vllm")
    work = Workload((Kind(1000.0, 100.0, 1.0),))
    bare = replace(clock, families={k: v for k, v in clock.families.items() if k != FIRST})
    with_, without = (together(replace(server(), clock=c), Layout(8), work, 8.0, 2048.0, 0.0) for c in (clock, bare))
    assert clock.prompt_factor == clock.families[FIRST].coefficients["prompt"].value > 1.0
    assert (bare.prompt_factor, Server(model("llama-3.1-8b"), machine("h100-sxm")).prompt_factor) == (1.0, 1.0)
    half = float(without.tpot) / 2.0
    assert float(with_.ttft) - half == pytest.approx(clock.prompt_factor * (float(without.ttft) - half))
    assert float(with_.tpot) == float(without.tpot)


def test_a_bound_has_no_such_interval():
    assert around_pass(Server(model("llama-3.1-8b"), machine("h100-sxm")), Layout(), decode(1.0, 1.0)) is None


# ---- where a user meets them


@pytest.mark.parametrize("question", ["step", "plan", "simulate", "capacity"])
def test_every_figure_lies_in_its_interval_and_is_the_answers_own(question):
    data = ask(question).data
    assert data["clock"] == "calibrated"
    for name, one in data["intervals"].items():
        assert one["low"] <= one["value"] <= one["high"], name
        own = data["best"] if question == "plan" else data
        if name != "pass":
            assert one["value"] == pytest.approx(found(own, name)), name


@pytest.mark.parametrize("question", ["step", "plan", "simulate", "capacity"])
def test_a_roofline_has_no_interval_and_is_as_it_was(question):
    data = ask(question, False).data
    assert not {"intervals", "clock", "rests_on"} & set(data)
    words = {word for table in ask(question, False).tables for column in table.columns for word in column.title.split()}
    assert not {"low", "high"} & words


def test_main_figures_have_columns_of_low_and_high_beside_them():
    titles = {question: [[c.title for c in table.columns] for table in ask(question).tables]
              for question in ("step", "plan", "simulate", "capacity")}
    assert any(t[1:4] == ["time", "low", "high"] for t in titles["step"])
    ranked = next(t for t in titles["plan"] if "helps most" in t)
    for what in ("per token", "first token", "$/Mtok out"):
        assert ranked[ranked.index(what):][:3] == [what, f"{what} low", f"{what} high"]
    assert any("p99 low" in t and "mean high" in t for t in titles["simulate"])
    assert any("per token, p99 low" in t for t in titles["capacity"])


def test_the_table_of_a_plan_and_its_frontier_hold_their_ends():
    data = ask("plan").data
    for row in (*data["ranked"], *data["by_goal"].values(), *data["frontier"]):
        for name in ("time_per_output_token", "dollars_per_million_output_tokens", "tokens_per_second_per_user"):
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
        low, high = (1.0 / row[f"time_per_output_token_{end}"] for end in ("high", "low"))
        assert row["tokens_per_second_per_user_low"] == pytest.approx(low)
        assert row["tokens_per_second_per_user_high"] == pytest.approx(high)


@pytest.mark.parametrize("question", ["step", "plan", "simulate", "capacity"])
def test_plots_carry_the_band_around_their_curves(question):
    bands = [s for plot in ask(question).plots for s in plot.series if s.low is not None]
    assert bands
    for series in bands:
        inside = [low <= y <= high for low, y, high in zip(series.low, series.y, series.high, strict=True)]
        assert all(inside), series.name
        assert any(low < high for low, high in zip(series.low, series.high, strict=True)), series.name


def test_dollars_are_wider_than_seconds_by_the_price_and_not_where_the_user_gave_it():
    intervals = ask("step").data["intervals"]
    ratio = {name: intervals[name]["high"] / intervals[name]["value"] for name in ("time", "cost")}
    assert ratio["cost"] > 2.0 * ratio["time"]  # an hour of this machine is sold at 1.25 to 10.8 dollars
    given = rackline.step(**STEP, **CLOCKED, price=2.0).data["intervals"]
    assert given["cost"]["high"] / given["cost"]["value"] == pytest.approx(ratio["time"])


def test_a_slow_engine_is_simulated_not_scaled():
    """At a rate near what is sustained, queues make slower passes cost more than their own length."""
    data = rackline.simulate(**RUN | {"rate": 9.0, "requests": 600}, **CLOCKED).data
    one = data["intervals"]["time_per_output_token.mean"]
    passes = math.sqrt(sum(math.log(one["causes"][cause]["high"]) ** 2 for cause in
                           ("residuals", "coefficients", "facts") if cause in one["causes"]))
    assert one["high"] / one["value"] > math.exp(passes) * 1.2
    assert data["intervals"]["time_to_first_token.mean"]["high"] > data["time_to_first_token"]["mean"]


def test_capacity_needs_no_fewer_replicas_with_slower_passes():
    one = ask("capacity").data["intervals"]["replicas"]
    assert one["low"] <= one["value"] <= one["high"]
    assert one["low"] < one["high"]
    assert f"{one['low']:,.0f} to {one['high']:,.0f}" in ask("capacity").headline


def test_badges_say_what_each_figure_is():
    assert [ask(q).badge for q in ("step", "plan", "simulate", "capacity")] == [
        "calibrated", "calibrated", "simulated", "simulated"]
    assert [ask(q, False).badge for q in ("step", "plan")] == ["bound", "bound"]
    confirmed = rackline.plan("llama-3.1-8b", on="h100-sxm", chips=1, trace="azure-conv", confirm=1, **CLOCKED)
    table = next(t for t in confirmed.tables if t.title == "Simulated on the trace")
    assert table.badge == "simulated"
    assert confirmed.badge == "calibrated"
    assert "Simulated on the trace [simulated]" in rackline.show(confirmed)
    row = dict(zip([c.title for c in table.columns], table.rows[0], strict=True))
    assert row["low"] < row["simulated, mean"] < row["high"]


def test_what_does_not_fit_is_arithmetic_on_facts():
    answer = rackline.plan("llama-3.1-405b", on="h100-sxm", chips=1, input=100, clock="calibrated")
    assert (answer.feasible, answer.badge) == (False, "derived")
    late = rackline.plan("llama-3.1-8b", on="h100-sxm", chips=1, input=100, tpot=1e-6, clock="calibrated")
    assert (late.feasible, late.badge) == (False, "calibrated")


# ---- what it rests on


def test_the_answer_says_what_was_measured():
    series = next(words for words in calibration().families[FAMILY].spread if " · vllm · " in words and "fp8" in words
                  and words.startswith("llama-3.1-70b · H200-SXM"))
    assert series
    on = rackline.step("llama-3.1-70b", on="dgx-h200", batch=8, weights="fp8", **CLOCKED).data["rests_on"]
    assert (on["model"], on["chip"], on["engine"], on["series"], on["interval"]) == (True, True, True, True, "unseen")
    never = rackline.step("gemma-3-27b", on="tpu-v4", chips=4, batch=8, context=1000, clock="calibrated")
    assert (never.data["rests_on"]["model"], never.data["rests_on"]["chip"]) == (False, False)
    assert never.data["rests_on"]["engine"] is None
    assert any("Not among them: the model gemma-3-27b, the chip tpu-v4" in note for note in never.notes)


SERIES = {"model": "llama-3.1-70b", "on": "dgx-h200", "weights": "fp8", "input": 922, "output": 922, "max_batch": 64,
          "mode": "together", "goal": "tpot", "top": 40}


def test_a_plan_in_a_measured_series_has_its_own_narrower_interval_beside():
    data = rackline.plan(**SERIES, **CLOCKED).data
    rows = {row["layout"]: row for row in data["as_measured"]}
    assert {row["basis"] for row in rows.values()} <= {"seen", "near"}
    assert not any("pp" in name or "cp" in name for name in rows)
    pooled = {row["name"]: row for row in data["ranked"]}
    for name, row in rows.items():
        one = row["time_per_output_token"]
        assert one["low"] < one["value"] < one["high"]
        if row["basis"] == "seen":
            width = pooled[name]["time_per_output_token_high"] / pooled[name]["time_per_output_token_low"]
            assert one["high"] / one["low"] < width
    assert any(row["basis"] == "seen" for row in rows.values())


def test_a_plan_says_of_a_measured_layout_what_was_measured():
    """A configuration that was published lies in the interval that its series gives it."""
    rows = [s for s in known() if s.family == FAMILY and s.like.series[:4] == (
        "llama-3.1-70b", "H200-SXM", "vllm", "fp8") and not s.like.flag]
    row = next(s for s in rows if s.clients == 32 and s.row.sizes.tensor == 4
               and s.row.load.input == s.row.load.output == 1024)
    data = rackline.plan(**SERIES | {"max_batch": 32, "goal": "throughput"}, **CLOCKED).data
    one = next(r for r in data["as_measured"] if r["layout"] == "tp4×2" and r["clients"] == 32)
    assert one["time_per_output_token"]["low"] < row.seconds < one["time_per_output_token"]["high"]


@pytest.mark.parametrize("given", [{"engine": "all"}, {"engine": "sglang"}, {"clock": "roofline"}, {"kv": "fp8"},
                                   {"model": "qwen3-32b"}])
def test_what_is_no_measured_series_has_none_beside(given):
    assert "as_measured" not in rackline.plan(**SERIES | CLOCKED | {"top": 3} | given).data


def test_a_calibration_of_few_rows_has_wider_intervals_and_says_so(tmp_path):
    path = written(tmp_path, lambda family: family | {"few": True, "rows": 12, "unseen": {
        **family["unseen"], "low": 2 * family["unseen"]["low"], "high": 2 * family["unseen"]["high"]}})
    own = rackline.step(**STEP, **CLOCKED, calibration=str(path))
    one, bundled = (a.data["intervals"]["time"] for a in (own, ask("step")))
    assert one["value"] == pytest.approx(bundled["value"])
    assert one["low"] < bundled["low"] < bundled["high"] < one["high"]
    assert own.data["rests_on"]["few"]
    assert any("few rows" in note for note in own.notes)


def written(folder, change=lambda family: family, name="mine"):
    """A calibration file with the family of passes changed."""
    data = json.loads(json.dumps(as_data(calibration())))
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**data, "name": name, "families": {FAMILY: change(data["families"][FAMILY])}}))
    return path


def cache_as(family: dict, **changed) -> dict:
    known = family["coefficients"]
    return family | {"coefficients": known | {"cache": known["cache"] | changed}}


def slower(family: dict) -> dict:
    return family | {"coefficients": {name: fact | {key: 3.0 * fact[key] for key in ("value", "low", "high")}
                                      for name, fact in family["coefficients"].items()}}


@pytest.mark.parametrize(("question", "given", "name"), [
    ("step", STEP, "time"), ("plan", PLAN, "best.time_per_output_token"),
    ("simulate", RUN, "time_per_output_token.mean")])
def test_a_calibration_of_ones_own_is_used(tmp_path, question, given, name):
    data = getattr(rackline, question)(**given, **CLOCKED, calibration=str(written(tmp_path, slower))).data
    assert found(data, name) > 1.5 * found(ask(question).data, name)
    assert data["rests_on"]["calibration"] == "mine"


@pytest.mark.parametrize(("change", "says"), [
    (lambda f: f | {"coefficients": {k: v for k, v in f["coefficients"].items() if k != "cache"}},
     "--calibration: must have every coefficient of tpot together; got no cache"),
    (lambda f: cache_as(f, value=-1, low=-2), "a coefficient lies above 0"),
    (lambda f: cache_as(f, value=math.nan), "must be a finite number"),
    (lambda f: cache_as(f, high=1e300), "a coefficient lies above 0 and at most"),
    (lambda f: f | {"unseen": {"low": 0.5, "high": 1.0, "rows": 3}}, "an interval goes from below"),
    (lambda f: f | {"unseen": {"low": -1e9, "high": 1.0, "rows": 3}}, "an interval goes from below")])
def test_a_calibration_that_cannot_be_is_refused_in_a_line(tmp_path, change, says):
    with pytest.raises(BadInput) as error:
        rackline.step(**STEP, **CLOCKED, calibration=str(written(tmp_path, change)))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_calibration_of_no_passes_is_refused(tmp_path):
    path = tmp_path / "none.json"
    path.write_text(json.dumps({"name": "x", "source": "y", "families": {}}))
    with pytest.raises(BadInput, match="must hold coefficients of passes"):
        rackline.plan(**PLAN, **CLOCKED, calibration=str(path))


@pytest.mark.parametrize("question", ["step", "simulate", "capacity", "modes", "context", "buy"])
@pytest.mark.parametrize(("option", "value"), [("engine", "vllm"), ("calibration", __file__)])
def test_options_of_the_calibrated_clock_are_refused_without_it(question, option, value):
    others = {"model": "llama-3.3-70b", "on": "dgx-h100"}
    given = {"step": STEP, "simulate": RUN, "capacity": SIZE}.get(question, others)
    with pytest.raises(BadInput, match=f"--{option}: belongs to --clock calibrated"):
        getattr(rackline, question)(**given, **{option: value})


@pytest.mark.parametrize("question", ["modes", "context", "buy"])
def test_other_questions_pass_the_clock_down_and_say_how_far_off_it_may_be(question):
    given = {"model": "llama-3.3-70b", "on": "dgx-h100"}
    bound, timed = (getattr(rackline, question)(**given, **clock) for clock in ({}, CLOCKED))
    assert (bound.badge, timed.badge) == ("bound", "calibrated")
    assert timed.headline != bound.headline or question == "buy"
    factor = timed.data["seconds_factor"]
    assert factor["low"] < 1.0 < factor["high"]
    assert not any("datasheet rates" in note or "A bound" in note for note in timed.notes)


# ---- on the command line


LINE = ("step", "llama-3.1-8b", "--on", "h100-sxm", "--chips", "1", "--batch", "1,8", "--context", "2k")


def run(*args: str) -> Ran:
    """What a command line leaves behind."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(args)
    return Ran(status, out.getvalue(), err.getvalue())


def test_low_and_high_are_in_csv_json_and_text():
    out = {form: run(*LINE, "--clock", "calibrated", *flag) for form, flag in (
        ("text", ()), ("json", ("--json",)), ("csv", ("--csv",)))}
    assert {ran.status for ran in out.values()} == {0}
    assert "low [seconds]" in out["csv"].out
    assert "high [seconds]" in out["csv"].out
    data = json.loads(out["json"].out)
    assert data["badge"] == data["clock"] == "calibrated"
    for point in data["curve"]:
        assert point["low"] < point["time"] < point["high"]
        assert point["cost_low"] < point["cost"] < point["cost_high"]
    assert "Nine of ten real systems lie between low and high" in out["text"].out


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"[" * 100_000, bytes(range(256)), b"NaN",
                                     b"\xff\xfe{\x00}\x00", b'{"name": "x", "source": "y", "families": {}}'])
def test_a_file_that_is_no_calibration_ends_with_2_and_one_line(tmp_path, content):
    path = tmp_path / "own.json"
    path.write_bytes(content)
    ran = run(*LINE, "--clock", "calibrated", "--calibration", str(path))
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith("error: ")


def test_no_calibration_where_there_is_no_file():
    for path in ("nowhere.json", "/"):
        ran = run(*LINE, "--clock", "calibrated", "--calibration", path)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert "--calibration" in ran.err
