"""The compiled loop is the readable one, bit for bit; the compiled clock is the ledger's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.errors import BadInput
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.systems.clock import PassTime, Roofline, pass_time
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.passes import Part, Pass
from rackline.systems.simulation import Deployment, Limits
from rackline.systems.simulation.chosen import simulate_fast, slow_reasons
from rackline.systems.simulation.compiled import compile_clock
from rackline.systems.simulation.naive import simulate_naive
from rackline.systems.simulation.prepare import prepare
from tests.systems.simulating import DGX, differences, requests

SERVED = {  # dense, window, latent, sparse top-k with an indexer, experts, state, chunked attention
    "llama-3.1-8b": Layout(), "mistral-7b": Layout(tensor=2), "deepseek-v3": Layout(data=8, expert=8),
    "deepseek-v3.2": Layout(tensor=8, data=2, pipeline=2, expert=16), "gpt-oss-120b": Layout(tensor=2, expert=2),
    "qwen3-next-80b-a3b": Layout(tensor=4, expert=4), "mamba-codestral-7b": Layout(), "gemma-3-27b": Layout(tensor=2),
    "llama-4-scout": Layout(tensor=8), "jamba-v0.1": Layout(tensor=4), "minimax-m1": Layout(tensor=8, context=1),
}
MACHINES = [DGX, machine("gb200-nvl72"), machine("tpu-v5e-pod")]
pieces = st.lists(st.tuples(st.integers(1, 900), st.integers(0, 200_000), st.booleans()), min_size=1, max_size=12)


def clock_of(name: str, place: int, imbalance: float = 1.0):
    return compile_clock(Deployment(model(name), MACHINES[place], SERVED[name], imbalance=imbalance), 12_000)


CLOCKS = {(name, place): clock_of(name, place) for name in SERVED for place in range(len(MACHINES))}


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(sorted(CLOCKS)), pieces)
def test_the_time_of_any_pass_is_the_ledger_s(which, given):
    name, place = which
    parts = tuple(Part(1, new, past, float(logits)) for new, past, logits in given)
    expected = float(pass_time(model(name), MACHINES[place], SERVED[name], Pass(parts)).time)
    assert CLOCKS[which].seconds([(n, p, int(v)) for n, p, v in given]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["deepseek-v3", "gpt-oss-120b"])
@pytest.mark.parametrize("batch", [8, 64, 512])
def test_imbalanced_experts_take_the_time_of_as_many_times_the_tokens(name, batch):
    given, layout = model(name), SERVED[name]
    even = pass_time(given, DGX, layout, Pass((Part(batch, 1, 500),))).terms
    more = pass_time(given, DGX, layout, Pass((Part(batch, 1.5, 500),))).terms
    expected = sum(float((more if term.startswith("experts.") else even)[term].time) for term in even)
    assert clock_of(name, 0, 1.5).seconds([(1, 500, 1)] * batch) == pytest.approx(expected, rel=1e-9)


def test_a_clock_that_is_not_affine_is_refused():
    def curved(terms, machine):
        timed = Roofline()(terms, machine)
        return PassTime(timed.terms, timed.compute, timed.memory, timed.network, timed.time**1.5)

    with pytest.raises(BadInput, match="affine"):
        compile_clock(Deployment(model("llama-3.1-8b"), DGX, Layout(), clock=curved), 1000)
    assert ledger(model("llama-3.1-8b"), Layout(), Pass((Part(1, 1, 1),)))


# ---- two loops


@st.composite
def traffic(draw):
    n = draw(st.integers(1, 25))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.4]), min_size=n, max_size=n))
    inputs = draw(st.lists(st.integers(1, 90), min_size=n, max_size=n))
    outputs = draw(st.lists(st.integers(1, 60), min_size=n, max_size=n))
    block = draw(st.sampled_from([1, 7, 16]))
    branches = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    hashes = [[100 * branch * (j > 1) + j for j in range(-(-tokens // block))]
              for branch, tokens in zip(branches, inputs, strict=True)]
    drawn = requests(np.cumsum(gaps), inputs, outputs, hashes=hashes, block_tokens=block)
    if draw(st.booleans()):
        after = [draw(st.integers(-1, i - 1)) if draw(st.booleans()) else -1 for i in range(n)]
        delays = draw(st.lists(st.sampled_from([0.0, 0.05]), min_size=n, max_size=n))
        drawn = replace(drawn, after=np.array(after, dtype=np.int64), delay=np.array(delays))
    return drawn


@st.composite
def deployments(draw):
    name = draw(st.sampled_from(["llama-3.1-8b", "mistral-7b", "deepseek-v3", "gemma-3-27b", "qwen3-next-80b-a3b"]))
    layout = replace(SERVED[name], replicas=draw(st.integers(1, 3)), pipeline=draw(st.sampled_from([1, 1, 2])))
    train = draw(st.sampled_from([0.0, 0.0, 0.05]))
    admission = draw(st.sampled_from(["chunked", "reserved", "whole"]))
    limits = Limits(draw(st.integers(4, 30)), draw(st.integers(30, 200)), admission,
                    prefix_caching=draw(st.booleans()), kv_blocks=draw(st.integers(300, 900)),
                    batching="train" if train else "continuous", interval=train,
                    ranks=draw(st.sampled_from(["together", "apart"])))
    routing = draw(st.sampled_from(["round-robin", "least-loaded", "prefix-aware"]))
    prefill = draw(st.sampled_from([None, None, replace(layout, replicas=draw(st.integers(1, 2)))]))
    return Deployment(model(name), machine("gb200-nvl72"), layout, limits, routing=routing, prefill=prefill)


@settings(max_examples=250, deadline=None)
@given(traffic(), deployments())
def test_the_compiled_loop_equals_the_readable_one(wanted, served):
    # pages in proportion to the page's size, so that large ones run out as well
    blocks = served.limits.kv_blocks // wanted.block_tokens + 2 * int(served.layout.pipeline)
    # with ranks apart these are a rank's own
    most = int((wanted.input + wanted.output).max()) // wanted.block_tokens + 1
    limits = replace(served.limits, kv_blocks=max(blocks, int(served.layout.pipeline) * most))
    served = replace(served, limits=limits)
    if served.prefill is not None:
        wanted = replace(wanted, after=np.full_like(wanted.after, -1), arrival=np.sort(wanted.arrival))
    ready = prepare(wanted, served)
    assert slow_reasons(wanted, ready, served) == ()
    assert differences(simulate_naive(wanted, ready, served), simulate_fast(wanted, ready, served)) == []
