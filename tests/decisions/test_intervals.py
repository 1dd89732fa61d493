"""Calibrated predictions and their intervals: what is in them, how they widen, where a user meets them."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import rackline
from rackline.decisions.answer import Answer
from rackline.decisions.intervals import around_pass
from rackline.facts.fact import with_fact
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.systems.calibrated import PROMPTS, Calibrated, calibrated
from rackline.systems.layout import Layout
from rackline.systems.passes import decode
from rackline.systems.serving import Kind, Server, Workload, arriving_time, together

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
    bare = replace(clock, families={k: v for k, v in clock.families.items() if k != PROMPTS})
    with_, without = (together(replace(server(), clock=c), Layout(8), work, 8.0, 2048.0, 0.0) for c in (clock, bare))
    assert clock.prompt_factor == clock.families[PROMPTS].coefficients["prompt"].value > 1.0
    assert (bare.prompt_factor, Server(model("llama-3.1-8b"), machine("h100-sxm")).prompt_factor) == (1.0, 1.0)
    assert float(with_.tpot) == float(without.tpot)
    waited = float(with_.ttft) - float(clock.waiting(0.0, 8.0))
    assert waited < clock.prompt_factor * (float(without.ttft) - float(without.tpot) / 2.0)  # no chunk to be filled
    one = replace(server(), clock=clock)
    prompt = arriving_time(one, Layout(8), work, 8.0)
    mixed = float(one.stage_time(Layout(8), work.decoding(8.0) + work.prompting(2.048)))
    filled = 8.0 / 100.0 / 2.048
    assert waited == pytest.approx(clock.prompt_factor * (prompt + filled / (2.0 * (1.0 - filled)) * mixed))


def test_a_request_waits_for_decoding_passes_the_server_and_its_clients():
    clock = calibrated("vllm")
    known = {name: fact.value for name, fact in clock.families[PROMPTS].coefficients.items()}
    assert clock.waiting(0.02, 100.0) == pytest.approx(
        known["pass"] * 0.02 + 1e-3 * known["start"] + 1e-6 * known["client"] * 100.0)
    assert replace(clock, families={}).waiting(0.02, 100.0) is None
    bound = Server(model("llama-3.1-8b"), machine("h100-sxm"))
    assert bound.waiting(0.02, 100.0) is None
    assert np.isinf(arriving_time(bound, Layout(), Workload((Kind(1000.0, 100.0, 1.0),)), 8.0))


def test_a_prompt_longer_than_a_chunk_takes_its_chunks_whoever_waits():
    one, work = server(), Workload((Kind(20_000.0, 100.0, 1.0),))
    point = together(one, Layout(8), work, 8.0, 512.0, 0.0)
    mixed = float(one.stage_time(Layout(8), work.decoding(8.0) + work.prompting(512.0 / 20_000.0)))
    assert float(point.ttft) > 20_000.0 / 512.0 * mixed * calibrated().prompt_factor


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


@cache
def confirmed_plan() -> Answer:
    return rackline.plan("llama-3.1-8b", on="h100-sxm", chips=1, trace="azure-conv", confirm=1, **CLOCKED)


def test_a_confirmed_first_token_may_be_later_than_a_planned_one_as_its_prompts_are_simulated_by_their_passes():
    answer = confirmed_plan()
    table = next(t for t in answer.tables if t.title == "Simulated on the trace")
    first = dict(zip([c.title for c in table.columns], table.rows[0], strict=True))
    row = answer.data["ranked"][0]
    planned = row["time_to_first_token_high"] / row["time_to_first_token"]
    assert first["high "] / first["simulated, mean "] > 1.2 * planned


def test_badges_say_what_each_figure_is():
    assert [ask(q).badge for q in ("step", "plan", "simulate", "capacity")] == [
        "calibrated", "calibrated", "simulated", "simulated"]
    assert [ask(q, False).badge for q in ("step", "plan")] == ["bound", "bound"]
    confirmed = confirmed_plan()
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
