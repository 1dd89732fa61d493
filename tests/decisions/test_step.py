"""`rackline step`: balance points are the lecture's in its limit, the answer agrees with itself, refusals are clear."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from rackline.decisions import balance, joint
from rackline.decisions.questions import ask
from rackline.decisions.step_case import operating_batch
from rackline.decisions.stepping import Case
from rackline.errors import BadInput
from rackline.facts.hardware import machine
from rackline.facts.model import Attention, FeedForward, Layers, Matrix, Model
from rackline.facts.models import model
from rackline.interface.export import to_json
from rackline.physics import blackboard, operating
from rackline.systems.layout import Layout
from rackline.systems.memory import usable_bytes
from rackline.systems.placing import layouts, why_not
from rackline.systems.serving import Server

HIDDEN, LAYERS = 4096, 16
ROW = HIDDEN * 2.0  # bytes of a token's row of the embedding


def lecture_model():
    """The lecture's model: dense, full attention without arithmetic of its own, every parameter multiplied."""
    mixing = Attention("full", (Matrix("qkvo", HIDDEN, 4 * HIDDEN, "attention", "heads"),), heads=8, kv_heads=8,
                       cache_width=16)
    dense = FeedForward((Matrix("up", HIDDEN, 8192, "dense"), Matrix("down", 8192, HIDDEN, "dense")))
    return Model("lecture", "lecture", HIDDEN, 1000, (Layers(LAYERS, mixing, dense),), 1000 * HIDDEN,
                 Matrix("head", HIDDEN, 1000, "head", "vocab"), tied=True)


def case_of(known, chips=1, layout=None, kind="decode"):
    """A case on H100s at two dollars an hour."""
    on = machine("h100-sxm").with_chips(chips)
    return Case(Server(known, on), layout or Layout(), kind, 0.0, on.price)


@pytest.fixture(scope="module")
def v3():
    """The walkthrough's question: DeepSeek-V3 on a GB200 NVL72."""
    return ask("step", "deepseek-v3", on="gb200-nvl72", batch=4096, context=2000, layout="dp72,ep72", price=2.0)


# ---- the solver and the balance points


@pytest.mark.parametrize(("zero", "found"), [(7.25, 7.25), (1e9 + 0.5, 1e9 + 0.5), (0.5, 1.0), (2.0, 2.0)])
def test_crossing_finds_where_a_line_reaches_zero(zero, found):
    assert balance.crossing(lambda x: x - zero) == pytest.approx(found, rel=1e-9)


def test_crossing_is_infinite_where_nothing_crosses():
    assert balance.crossing(lambda x: -1.0 / x) == math.inf


@pytest.mark.parametrize("context", [0.0, 100.0, 2000.0])
def test_balance_batch_of_the_ledger_is_the_lectures_in_its_limit(context):
    case = case_of(lecture_model())
    s = case.symbols
    seen = context + 1 + ROW / s.kv  # the new token's KV is written, its embedding read
    expected = blackboard.balance_batch_with_kv(seen, s.N_active, s.weights, s.kv, s.F, s.W)
    assert balance.balance_batch(case, context) == pytest.approx(expected, rel=1e-9)


def test_balance_context_of_the_ledger_is_the_lectures_in_its_limit():
    case = case_of(lecture_model())
    s = case.symbols
    expected = blackboard.balance_context(s.N_active, s.kv, s.F, s.W) - 1 - ROW / s.kv
    assert balance.balance_context(case) == pytest.approx(expected, rel=1e-6)


def test_at_twice_the_balance_context_compute_is_half_used():
    case = case_of(lecture_model())
    at = balance.balance_context(case) + 1 + ROW / case.symbols.kv
    assert balance.compute_share(case, at - 1 - ROW / case.symbols.kv) == pytest.approx(1.0, rel=1e-6)
    assert balance.compute_share(case, 2 * at - 1 - ROW / case.symbols.kv) == pytest.approx(0.5, rel=1e-6)


def test_no_batch_balances_beyond_the_balance_context():
    case = case_of(lecture_model())
    there = balance.balance_context(case)
    assert math.isfinite(balance.balance_batch(case, 0.9 * there))
    assert balance.balance_batch(case, 1.01 * there) == math.inf


@pytest.mark.parametrize("layout", [Layout(), Layout(tensor=8), Layout(data=8, expert=8), Layout(tensor=2, pipeline=4)])
def test_compute_and_memory_are_equal_at_the_balance_batch_of_any_layout(layout):
    case = case_of(model("mixtral-8x7b-v0.1"), 8, layout)
    found = balance.balance_batch(case, 0.0)
    assert math.isfinite(found)
    units = [np.floor(found / case.unit) * case.unit, np.ceil(found / case.unit) * case.unit]
    below, above = (case.step(b, 0.0) for b in units)
    assert below.compute <= below.memory * (1 + 1e-9)
    assert above.compute >= above.memory * (1 - 1e-9)


def test_at_the_knee_the_weights_take_as_long_as_what_grows_with_the_batch():
    case = case_of(lecture_model())
    for context in (0.0, 100_000.0):
        knee = balance.knee(case, context)
        step = case.step(knee, context)  # of whole sequences
        assert max(step.compute, step.cache) == pytest.approx(step.weights, rel=1 / knee)


def test_drain_batch_takes_the_drain_time():
    case = case_of(lecture_model())
    drain = joint.drain_time(case)
    batch = balance.drain_batch(case, 4000.0, drain)
    assert case.step(batch, 4000.0).time <= drain < case.step(batch + 1, 4000.0).time


# ---- the lecture's numbers


def test_h100_balances_at_295_times_sparsity():
    case = case_of(model("deepseek-v3"), 8)
    s = case.symbols
    found = blackboard.balance_batch(**s.of("F", "W", "w", "N_total", "N_active"))
    assert found == pytest.approx(295.4 * s.N_total / s.N_active, rel=1e-3)


def test_gb200_balances_at_5667_with_the_published_counts(v3):
    sparsity = model("deepseek-v3").total_parameters / model("deepseek-v3").active_parameters
    assert v3.data["balance_batch_lecture"] / sparsity * (671 / 37) == pytest.approx(5667, rel=1e-3)


def test_batch_one_is_the_balance_batch_times_as_dear_or_about_300_with_experts_counted(v3):
    penalty = v3.data["batch_one_penalty"]
    assert penalty["two_term"] == pytest.approx(v3.data["balance_batch_lecture"])
    assert 280 < penalty["experts_counted"] < 320


def test_the_drain_time_of_a_gb200_is_23_ms_and_that_of_an_h100_24(v3):
    assert v3.data["drain_time"] == pytest.approx(0.02325)
    assert joint.drain_time(case_of(lecture_model())) == pytest.approx(0.024, rel=0.01)


def test_the_minimum_efficient_scale_is_a_small_part_of_where_compute_saturates(v3):
    d = v3.data
    assert d["minimum_efficient_scale"] == pytest.approx(d["balance_batch_lecture"] / d["drain_time"])
    assert d["minimum_efficient_scale"] < 0.1 * d["compute_saturation"]


def test_the_lectures_operating_point_is_found_again_without_attention_arithmetic():
    case = case_of(lecture_model())
    s = case.symbols
    for context in (100.0, 100_000.0):
        expected = float(operating.operating_batch(s.C * 0.9, context, s.N_active, s.weights, s.kv, s.F, s.W))
        assert operating_batch(case, context) == pytest.approx(expected, rel=0.02)


# ---- the answer agrees with itself


def test_the_terms_add_up_to_the_pass_and_are_sorted(v3):
    d = v3.data
    times = [row["time"] for row in d["terms"]]
    assert sum(times) == pytest.approx(d["time"])
    assert times == sorted(times, reverse=True)
    assert sum(row["share"] for row in d["terms"]) == pytest.approx(1.0)
    for name in ("compute", "memory", "network"):
        assert sum(row[name] for row in d["terms"]) == pytest.approx(d[f"{name}_time"])
    assert d["lower"] <= d["time"] <= d["upper"]


def test_flops_and_bytes_of_the_terms_are_what_the_seconds_come_from(v3):
    chip = machine("gb200-nvl72").chip
    for row in v3.data["terms"]:
        assert row["memory"] == pytest.approx(row["bytes"] / chip.memory_bandwidth.value)
        assert row["compute"] <= row["flops"] / chip.flops["bf16"].value * (1 + 1e-9)
        assert row["compute"] >= row["flops"] / chip.flops["fp8"].value * (1 - 1e-9)


def test_the_curve_passes_through_the_point_and_its_costs_through_its_parts():
    d = ask("step", "deepseek-v3", on="gb200-nvl72", batch=[64, 4096], context=2000, layout="dp72,ep72", price=2.0).data
    one = ask("step", "deepseek-v3", on="gb200-nvl72", batch=4096, context=2000, layout="dp72,ep72", price=2.0).data
    assert [p["batch"] for p in d["curve"]] == [64, 4096]
    last = d["curve"][-1]
    assert last["time"] == pytest.approx(one["time"])
    assert last["cost"] == pytest.approx(one["cost"])
    parts = [last[f"cost_{p}"] for p in ("weights", "cache", "compute", "network")]
    assert last["cost_upper"] == pytest.approx(sum(parts))
    assert last["cost"] == pytest.approx(2.0 * 72 / 3600 * last["time"] / 4096 * 1e6)


def test_cost_falls_with_the_batch_towards_a_floor_that_it_never_passes(v3):
    costs = [p["cost"] for p in v3.data["curve"]]
    assert v3.data["cost_floor"] <= min(p["cost_lower"] for p in v3.data["curve"])
    assert costs[0] > 100 * costs[-1]
    weights = [p["cost_weights"] * p["batch"] for p in v3.data["curve"][-5:]]
    assert weights == pytest.approx([weights[0]] * 5, rel=1e-2)  # the hyperbola, once every expert is read


def test_the_curve_ends_at_the_largest_batch_that_fits(v3):
    last = v3.data["curve"][-1]
    assert last["batch"] == v3.data["largest_batch"]
    assert all(p["fits"] for p in v3.data["curve"])
    beyond = ask("step", "llama-3.1-8b", on="h100-sxm", chips=1, batch=[1, 10_000], context=8192).data["curve"]
    assert [p["fits"] for p in beyond] == [True, False]


def test_the_operating_point_fits_and_is_the_balance_batch_or_the_capacity(v3):
    point = v3.data["operating_point"]
    assert point["batch"] == pytest.approx(min(point["balance_batch"], point["largest_batch"]), abs=72)
    assert point["memory_share"] <= 1
    assert point["compute_utilisation"] <= 1
    assert point["limited_by"] == ("memory capacity" if point["largest_batch"] < point["balance_batch"] else "compute")
    assert point["at_capacity"]["memory_share"] <= 1


def test_a_prompt_longer_than_the_crossing_is_bound_by_compute_and_a_shorter_one_by_memory():
    case = case_of(model("llama-3.1-8b"), kind="prefill")
    crossing = joint.prefill_against_decode(case.decoding(), 1.0, 4096.0)["crossing_length"]
    assert case.step(1.0, np.ceil(crossing) + 1).compute > case.step(1.0, np.ceil(crossing) + 1).memory
    assert case.step(1.0, np.floor(crossing) - 1).compute < case.step(1.0, np.floor(crossing) - 1).memory


def test_per_token_of_a_prompt_memory_falls_with_its_length_and_compute_stays():
    case = case_of(lecture_model())
    curve = joint.prefill_against_decode(case, 1.0, 4096.0)["curve"]
    memory, compute = ([p[name] for p in curve] for name in ("memory", "compute"))
    assert memory[-1] < memory[0] / 1000
    head = 2 * 1000 * HIDDEN / case.symbols.F  # one token of each prompt needs an output
    assert compute[0] - head == pytest.approx(compute[-1] - head / 4096, rel=1e-9)


def test_output_costs_more_than_input_at_batch_one_and_as_much_at_the_end_of_the_curve():
    known = lecture_model()
    case = case_of(known)
    one, many = (joint.prefill_against_decode(case, b, 400.0) for b in (1.0, 1e6))
    assert one["decode_over_prefill"] > 100
    assert many["decode_over_prefill"] == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize("given", [{}, {"against": "context"}, {"pass_": "prefill"}, {"batch": "1:4096"},
                                   {"context": "1k:64k"}, {"context": 0}, {"pass_": "verify", "drafted": 2},
                                   {"layout": "tp4,pp2", "batch": 3}, {"batch": 1}])
def test_every_form_of_the_question_answers_with_finite_numbers(given):
    found = ask("step", "qwen3-30b-a3b", on="h100-sxm", **given)
    assert found.feasible
    assert found.data["time"] > 0
    assert max(found.data[k] for k in ("mfu", "compute_utilisation", "memory_utilisation", "network_utilisation")) <= 1
    assert all(math.isfinite(v) for p in found.data["curve"] for v in p.values())
    assert json.loads(to_json(found))["headline"] == found.headline
    assert all(line.numbers and not math.isnan(line.result) for line in found.explain)


def test_the_explanation_gives_the_numbers_of_the_answer(v3):
    results = {line.what: line.result for line in v3.explain}
    d = v3.data
    for what, key in (("pass, terms in sequence", "time"), ("pass, all overlapped", "lower"),
                      ("drain time", "drain_time"), ("lecture: balance batch, no KV", "balance_batch_lecture"),
                      ("lecture: latency floor", "floor"),
                      ("cost of a million tokens", "cost"), ("compute saturates", "compute_saturation")):
        assert results[what] == pytest.approx(d[key])


def test_memory_bandwidth_moves_a_memory_bound_step_one_for_one():
    found = ask("step", "llama-3.1-8b", on="h100-sxm", chips=1, batch=1)
    assert found.sources[0].name == "chip.memory_bandwidth"
    assert found.sources[0].elasticity == pytest.approx(-1.0, abs=0.01)


# ---- the layout chosen


@pytest.mark.parametrize("batch", [1.0, 256.0])
def test_the_default_layout_is_the_fastest_of_those_that_fit_on_the_whole_machine(batch):
    known, on = model("qwen3-30b-a3b"), machine("h100-sxm")
    found = ask("step", known, on=on, batch=batch, context=4096)
    times = []
    for layout in layouts(known, on):
        case = Case(Server(known, on), layout, "decode", 0.0, on.price)
        if layout.replicas == 1 and layout.chips == on.chips and not why_not(known, on, layout, 4096) and (
                case.largest_batch(4096.0) >= batch):
            times.append(float(case.step(batch, 4096.0).time))
    assert found.data["time"] == pytest.approx(min(times))


def test_a_layout_of_the_users_is_replicated_over_the_machine():
    found = ask("step", "llama-3.1-8b", on="h100-sxm", layout="tp2", batch=8)
    assert found.data["layout"]["replicas"] == 4
    alone = ask("step", "llama-3.1-8b", on="h100-sxm", layout="tp2", batch=8, chips=2)
    assert found.data["time"] == alone.data["time"]
    assert found.data["cost"] == pytest.approx(alone.data["cost"])


# ---- what is refused, what does not fit


def test_a_model_that_fits_nowhere_says_what_would_make_it_fit():
    found = ask("step", "llama-3.1-405b", on="h100-sxm", chips=2)
    assert not found.feasible
    assert "does not fit" in found.headline
    assert any("would fit with" in reason for reason in found.reasons)


def test_a_batch_that_does_not_fit_says_how_large_it_may_be():
    found = ask("step", "llama-3.1-8b", on="h100-sxm", chips=1, batch=100_000, context=8192)
    assert not found.feasible
    most = found.data["largest_batch"]
    assert ask("step", "llama-3.1-8b", on="h100-sxm", chips=1, batch=most, context=8192).feasible
    assert not ask("step", "llama-3.1-8b", on="h100-sxm", chips=1, batch=most + 1, context=8192).feasible


def test_a_layout_that_cannot_run_says_why():
    found = ask("step", "deepseek-v3", on="gb200-nvl72", layout="tp7")
    assert not found.feasible
    assert any("does not divide 128 heads" in reason for reason in found.reasons)


@pytest.mark.parametrize(("given", "what"), [
    ({"pass_": "verify"}, "--drafted"), ({"drafted": 3}, "--drafted"),
    ({"batch": "1:8", "context": "1k,2k"}, "--batch"),
    ({"batch": "1:8", "against": "context"}, "--batch"), ({"pass_": "prefill", "context": 0}, "--context")])
def test_contradictory_options_are_refused_by_name(given, what):
    with pytest.raises(BadInput) as raised:
        ask("step", "llama-3.1-8b", on="h100-sxm", **given)
    assert raised.value.what == what


def test_the_same_pass_costs_the_same_on_any_number_of_replicas():
    case = case_of(model("llama-3.1-8b"), 8, Layout(tensor=2, replicas=4))
    halved = replace(case, server=replace(case.server, machine=case.server.machine.with_chips(4)),
                     layout=Layout(tensor=2, replicas=2))
    assert case.cost(1.0, 8.0, 1.0) == pytest.approx(halved.cost(1.0, 8.0, 1.0))


def test_without_a_cache_the_curve_ends_though_any_batch_fits():
    found = ask("step", "llama-3.1-8b", on="h100-sxm", context=0).data
    assert found["largest_batch"] > 1e15
    assert max(row["batch"] for row in found["curve"]) == 1000 * found["batch"]


def test_where_no_change_tried_is_enough_the_chips_by_memory_alone_are_told():
    found = ask("step", "llama-3.1-405b", on="rtx-4090")
    read, box = model("llama-3.1-405b"), machine("rtx-4090")
    least = math.ceil(read.weight_bytes() / usable_bytes(box))
    assert any(f"at least {least} such chips" in reason for reason in found.reasons)
