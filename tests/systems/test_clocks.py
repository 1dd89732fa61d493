"""Every clock: monotone in work, never below the physical bound, broadcasts, finite, deterministic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.systems.calibrated import calibrated
from rackline.systems.clock import Roofline, pass_time
from rackline.systems.layout import Layout
from rackline.systems.passes import chunk, decode, prefill
from rackline.systems.simulation import Deployment
from rackline.systems.simulation.compiled import compile_clock

CLOCKS = {"roofline": Roofline(), "calibrated": calibrated(), "calibrated vllm": calibrated("vllm"),
          "calibrated, an engine never measured": calibrated("none such")}
CASES = [("llama-3.1-8b", "dgx-h100", Layout(2)), ("deepseek-v3", "gb200-nvl72", Layout(1, 8, expert=8)),
         ("gpt-oss-120b", "dgx-b200", Layout(2, 2, pipeline=2, expert=4))]
clocks = pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS)
cases = pytest.mark.parametrize(("name", "on", "layout"), CASES)


@clocks
@cases
@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 4096), context=st.integers(0, 200_000), more=st.integers(1, 1000))
def test_more_work_never_takes_less_time(clock, name, on, layout, batch, context, more):
    time = lambda b, c: float(pass_time(model(name), machine(on), layout, decode(b, c), clock).time)  # noqa: E731
    slack = 1.0 + 1e-9
    # a share of a rank more than even is lost by rounding: compare whole multiples of the data ranks
    whole = batch * int(layout.data)
    assert time(whole, context + more) * slack >= time(whole, context)
    assert time(whole + more * int(layout.data), context) * slack >= time(whole, context)


@clocks
@cases
@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 2048), context=st.integers(0, 100_000), new=st.integers(1, 8192))
def test_no_clock_is_below_the_physical_bound(clock, name, on, layout, batch, context, new):
    for pass_ in (decode(batch, context), prefill(int(layout.data), new), decode(batch, context) + chunk(new, 0.0)):
        bound = pass_time(model(name), machine(on), layout, pass_, Roofline())
        timed = pass_time(model(name), machine(on), layout, pass_, clock)
        assert float(timed.lower) >= float(bound.lower) * (1 - 1e-12)
        assert float(timed.time) >= float(bound.time) * (1 - 1e-12)
        assert float(timed.lower) <= float(timed.time) * (1 + 1e-12) <= float(timed.upper) * (1 + 2e-12)


@clocks
@cases
def test_arrays_give_what_their_numbers_give_one_by_one(clock, name, on, layout):
    batches, contexts = np.array([8.0, 64.0, 512.0]), np.array([0.0, 1000.0, 30000.0])
    many = pass_time(model(name), machine(on), layout, decode(batches, contexts), clock)
    ones = [pass_time(model(name), machine(on), layout, decode(b, c), clock)
            for b, c in zip(batches, contexts, strict=True)]
    for field in ("time", "lower", "upper", "overhead"):
        whole = np.broadcast_to(getattr(many, field), 3)
        np.testing.assert_allclose(whole, [float(getattr(one, field)) for one in ones], rtol=1e-12)


@clocks
@cases
def test_times_are_finite_above_zero_and_the_same_again(clock, name, on, layout):
    passes = [decode(1, 0), decode(1e6, 1e6), prefill(int(layout.data), 1.0)]
    for pass_ in passes:
        first, again = (pass_time(model(name), machine(on), layout, pass_, clock) for _ in range(2))
        assert np.isfinite(first.time)
        assert first.time > 0.0
        assert first.time == again.time
        assert {n: vars(t) for n, t in first.terms.items()} == {n: vars(t) for n, t in again.terms.items()}


@clocks
def test_the_simulator_can_compile_every_clock(clock):
    deployment = Deployment(model("llama-3.1-8b"), machine("dgx-h100"), Layout(2), clock=clock)
    compiled = compile_clock(deployment, 512)
    timed = pass_time(deployment.model, deployment.machine, deployment.layout, decode(64, 1000), clock)
    assert compiled.seconds([(1, 1000, 1)] * 64) == pytest.approx(float(timed.time), rel=1e-9)


def test_an_engine_never_measured_gets_the_common_clock():
    case = model("llama-3.1-8b"), machine("dgx-h100"), Layout(1), decode(8, 1000)
    common, other, slower = (float(pass_time(*case, calibrated(e)).time) for e in ("", "none such", "vllm"))
    assert common == other < slower


def test_every_coefficient_is_a_fact_with_an_interval_and_its_rows():
    for name, fact in calibrated().coefficients.items():
        assert fact.low <= fact.value <= fact.high, name
        assert "rows of" in fact.source
    physical = ("weights", "experts", "cache", "compute", "network")
    assert all(calibrated().coefficients[name].value >= 1.0 for name in physical)
