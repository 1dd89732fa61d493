"""Laws of the simulator: conservation, queues with closed forms, the clock, determinism."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.facts.traces import read_trace
from rackline.systems.layout import Layout
from rackline.systems.simulation import Deployment, KvTier, Limits, simulate
from rackline.systems.simulation.naive import begin, simulate_naive, step
from rackline.systems.simulation.prepare import prepare
from rackline.systems.simulation.traffic import requests_of
from tests.systems.simulating import DGX, LLAMA, Constant, deployment, requests

# ---- conservation


@st.composite
def shared_traffic(draw):
    """Requests that share prefixes, some arriving at once."""
    n = draw(st.integers(1, 12))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.004, 0.03, 0.5]), min_size=n, max_size=n))
    inputs = draw(st.lists(st.integers(1, 70), min_size=n, max_size=n))
    outputs = draw(st.lists(st.integers(1, 40), min_size=n, max_size=n))
    branches = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    hashes = [[100 * branch * (j > 1) + j for j in range(-(-tokens // 8))]
              for branch, tokens in zip(branches, inputs, strict=True)]
    return requests(np.cumsum(gaps), inputs, outputs, hashes=hashes, block_tokens=8)


def total_pages(engine):
    """Pages counted one by one; those of shared blocks once."""
    private = sum(s.pages - len(s.held) for s in engine.running)
    holders = [key for s in engine.running for key in s.held]
    assert {key: holders.count(key) for key in holders} == engine.pages.references
    assert not set(engine.pages.kept) & set(holders)
    assert all(len(set(s.held)) == len(s.held) <= s.pages for s in engine.running)
    assert all(s.pages == 0 for s in engine.waiting)
    return engine.pages.free + private + len(engine.pages.references) + len(engine.pages.kept)


@settings(max_examples=150, deadline=None)
@given(shared_traffic(), st.integers(15, 40), st.sampled_from(["chunked", "reserved", "whole"]),
       st.integers(0, 3), st.sampled_from(["lru", "fifo"]))
def test_no_page_is_lost_or_shared_wrongly(traffic, blocks, admission, drafted, eviction):
    served = deployment(0.01, sequences=5, tokens=24, admission=admission, prefix_caching=True, kv_blocks=blocks)
    tiers = (KvTier("host", 8 * 8 * LLAMA.kv_bytes_per_token(), 1e9, 1e-4, eviction),)
    served = replace(served, tiers=tiers if admission == "chunked" else (), drafted=drafted, acceptance=0.6)
    world = begin(traffic, prepare(traffic, served), served, 1)
    while step(world):
        assert all(total_pages(e) == e.pages.total for pool in world.pools for e in pool)
    engine = world.pools[0][0]
    assert engine.pages.used == 0
    assert engine.outstanding == 0
    assert not np.isnan(world.book.finish).any()


@settings(max_examples=60, deadline=None)
@given(shared_traffic(), st.booleans(), st.integers(15, 40))
def test_every_token_comes_out_once(traffic, caching, blocks):
    served = deployment(0.01, sequences=4, tokens=20, prefix_caching=caching, kv_blocks=blocks)
    log = simulate_naive(traffic, prepare(traffic, served), served)
    assert log.passes.decoding.sum() == traffic.output.sum()
    computed = log.passes.prompt_tokens.sum() + log.cached.sum()
    assert computed == traffic.input.sum() if log.preemptions.sum() == 0 else computed >= 0
    assert np.all(log.arrival <= log.admitted)
    assert np.all(log.admitted < log.first_token)
    assert np.all(log.first_token <= log.finish)
    assert np.array_equal(log.first_token == log.finish, traffic.output == 1)


def test_little_s_law_of_sequences_in_passes():
    rng = np.random.default_rng(5)
    traffic = requests(np.cumsum(rng.exponential(0.02, 3000)), 8, rng.integers(1, 60, 3000))
    log = simulate(traffic, deployment(sequences=64, tokens=2048))
    assert log.passes.every == 1
    in_passes = (log.passes.decoding * log.passes.seconds).sum()
    assert in_passes == pytest.approx((log.finish - log.admitted).sum(), rel=1e-9)


# ---- queues with closed forms


def poisson(rate: float, n: int, seed: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, n))


def mean_and_error(waits: np.ndarray, batches: int = 50) -> tuple[float, float]:
    """Mean and its standard error from the means of batches, which are nearly independent."""
    means = np.array([b.mean() for b in np.array_split(waits, batches)])
    return waits.mean(), means.std(ddof=1) / np.sqrt(batches)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_at_a_time_waits_as_m_d_1(load):
    """Eq: W = load·D/(2·(1 − load))"""
    log = simulate(requests(poisson(load / 0.01, 200_000, 7), 4, 1), deployment(0.01, sequences=1))
    mean, error = mean_and_error(log.admitted - log.arrival)
    assert mean == pytest.approx(load * 0.01 / (2 * (1 - load)), abs=4 * error)


@pytest.mark.parametrize("arrivals", [0.2, 1.0, 5.0])
def test_boundless_batches_wait_as_their_closed_form(arrivals):
    """Busy a share a/(a + e^−a) of the time with a arrivals per service; half a service is left on average."""
    log = simulate(requests(poisson(arrivals / 0.01, 200_000, 8), 4, 1), deployment(0.01, sequences=1000, tokens=8000))
    mean, error = mean_and_error(log.admitted - log.arrival)
    assert mean == pytest.approx(arrivals / (arrivals + np.exp(-arrivals)) * 0.005, abs=4 * error)


def test_a_train_s_worst_case_is_two_intervals_while_it_has_room():
    served = deployment(0.02, sequences=50, tokens=8000, batching="train", interval=0.02)
    log = simulate(requests(poisson(500, 20_000, 9), 4, 1), served)
    latency = log.finish - log.arrival
    assert 0.0399 < latency.max() <= 0.04 + 1e-9
    small = replace(served, limits=replace(served.limits, sequences=9))
    full = simulate(requests(poisson(500, 20_000, 9), 4, 1), small)
    assert (full.finish - full.arrival).max() > 0.04


def test_trains_depart_at_multiples_of_the_interval():
    served = deployment(0.03, sequences=50, tokens=8000, batching="train", interval=0.02)
    log = simulate(requests(poisson(50, 500, 9), 4, 5), served)
    departures = log.passes.start / 0.02
    assert np.allclose(departures, np.round(departures), atol=1e-9)
    assert np.diff(np.round(departures)).min() == 2


# ---- clock and seeds


def test_more_bandwidth_never_makes_the_same_schedule_slower():
    rng = np.random.default_rng(11)
    traffic = requests(np.zeros(60), rng.integers(1, 900, 60), rng.integers(1, 200, 60))
    finish = []
    for factor in (1.0, 1.3, 2.0, 8.0):
        chip = DGX.chip
        faster = chip.memory_bandwidth.model_copy(update={"value": factor * chip.memory_bandwidth.value})
        machine = DGX.model_copy(update={"chip": chip.model_copy(update={"memory_bandwidth": faster})})
        finish.append(simulate(traffic, Deployment(LLAMA, machine, Layout(), Limits(16, 256))).finish)
    assert all(np.all(later <= earlier) for earlier, later in pairwise(finish))
    assert np.all(finish[-1] < finish[0])


def test_the_same_seed_gives_the_same_bytes_and_another_one_others():
    traffic = requests(poisson(20, 100, 3), 50, 60)
    served = replace(deployment(), drafted=3, acceptance=0.7)
    one, same, other = (simulate(traffic, served, seed=seed) for seed in (1, 1, 2))
    assert one.finish.tobytes() == same.finish.tobytes()
    assert one.passes.seconds.tobytes() == same.passes.seconds.tobytes()
    assert one.finish.tobytes() != other.finish.tobytes()


@pytest.mark.parametrize(("chance", "drafted"), [(0.0, 3), (0.5, 1), (0.7, 3), (0.9, 7), (1.0, 4)])
def test_tokens_a_verification_follow_the_closed_form(chance, drafted):
    """Eq: E = (1 − a^(d + 1))/(1 − a)"""
    served = replace(deployment(0.01, sequences=1), drafted=drafted, acceptance=chance)
    log = simulate(requests(np.zeros(20), 5, 2000), served, seed=4)
    tokens = 20 * 1999 / (len(log.passes.start) - 20)
    expected = drafted + 1 if chance == 1.0 else (1 - chance ** (drafted + 1)) / (1 - chance)
    assert tokens == pytest.approx(expected, rel=0.02)


def test_an_unbounded_prefix_cache_reuses_the_published_share_of_the_mooncake_trace():
    """Mooncake, FAST 2025: 37.4 % of the conversation trace's input; 37.362 % but for each prompt's last token."""
    traffic = requests_of(read_trace("mooncake-conv"))
    traffic = replace(traffic, output=np.ones_like(traffic.output))
    limits = Limits(sequences=10**6, tokens=10**9, prefix_caching=True, kv_blocks=10**7)
    log = simulate(traffic, Deployment(LLAMA, DGX, Layout(), limits, Constant(1e-6)))
    assert round(100 * log.cached.sum() / traffic.input.sum(), 1) == 37.4


# ---- data ranks


def test_ranks_apart_end_their_passes_together_and_hold_their_own_limits():
    layout = Layout(data=2)
    served = deployment(0.01, layout, sequences=4, tokens=16, kv_blocks=40, ranks="apart")
    log = simulate(requests(np.zeros(16), 12, 5), served)
    assert log.passes.replica.max() == 0
    starts, counts = np.unique(log.passes.start, return_counts=True)
    assert np.all(counts == 2)
    assert np.allclose(np.diff(starts), 0.01)
    assert log.passes.decoding.max() <= 4
    assert simulate(requests(np.zeros(16), 12, 5), replace(served, limits=replace(
        served.limits, sequences=8, tokens=32, kv_blocks=80, ranks="together"))).finish.max() <= log.finish.max()


def test_a_prompt_on_one_rank_delays_the_tokens_of_the_other():
    served = Deployment(LLAMA, DGX, Layout(data=2), Limits(8, 4096, ranks="apart"))
    alone = simulate(requests([0.0], 64, 200), served)
    disturbed = simulate(requests([0.0, 0.3], [64, 4000], [200, 2]), served)
    assert disturbed.replica.tolist() == [0, 0]
    assert disturbed.finish[0] > alone.finish[0] + 0.5 * (disturbed.first_token[1] - 0.3)
