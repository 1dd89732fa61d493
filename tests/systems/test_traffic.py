"""Requests drawn, resampled and chained: what is asked for comes out, within what chance allows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.errors import BadInput
from rackline.facts.traces import Ragged, Trace, found_blocks, read_trace, summary
from rackline.facts.traces.counting import counts
from rackline.systems.simulation import arrivals, drawing, simulate, traffic
from rackline.systems.simulation.arrivals import Gaps, Schedule, points, steady, stream, within
from tests.systems.simulating import deployment, requests

FAST = settings(max_examples=40, deadline=None)
Z = 4.0  # standard errors: one right test in 16,000 would fail, and the seeds are fixed
CVS = (0.0, 0.5, 1.0, 2.0, 5.0)
KINDS = [(cv, weibull) for cv in CVS for weibull in (False, True)]


def beyond(found: np.ndarray, expected: float) -> float:
    """Standard errors between a sample's mean and what was expected."""
    spread = max(float(found.std()), 1e-9) / math.sqrt(found.size)
    return abs(float(found.mean()) - expected) / spread


# ---- arrivals


@pytest.mark.parametrize(("cv", "weibull"), KINDS)
def test_as_many_points_come_as_are_expected_however_short_the_time(cv, weibull):
    # a process that began with a whole gap would give too few (regular) or too many (bursts)
    rng = stream(1, "points")
    for total in (0.4, 3.0, 40.0):
        assert beyond(np.array([points(rng, Gaps(cv, weibull), total).size for _ in range(4000)]), total) < Z


@pytest.mark.parametrize(("cv", "weibull"), KINDS)
def test_gaps_have_the_burstiness_that_was_asked_for(cv, weibull):
    gaps = np.diff(points(stream(2, "gaps"), Gaps(cv, weibull), 400_000.0))
    blocks = np.array([b.std() / b.mean() for b in np.array_split(gaps, 20)])
    error = blocks.std() / math.sqrt(20)
    assert abs(gaps.std() / gaps.mean() - cv) <= Z * error + 0.01 * cv + 1e-9


def test_without_burstiness_the_arrivals_are_a_poisson_process():
    found = counts(within(stream(3, "poisson"), steady(7.0), 20_000.0), 1.0)
    assert abs(found.dispersion - 1) < Z * math.sqrt(2 / found.bins)
    assert abs(found.mean - 7) < Z * math.sqrt(7 / found.bins)


def test_poisson_gaps_pass_kolmogorovs_test_and_bursts_do_not():
    def distance(cv: float) -> float:
        gaps = np.sort(np.diff(points(stream(4, "ks"), Gaps(cv), 20_000.0)))
        share = np.arange(gaps.size + 1) / gaps.size
        law = 1 - np.exp(-gaps / gaps.mean())
        return math.sqrt(gaps.size) * float(np.maximum(abs(law - share[1:]), abs(law - share[:-1])).max())

    assert distance(1.0) < 1.95  # the 0.1 % point of Kolmogorov's distribution
    assert distance(1.3) > 1.95


def test_a_schedule_brings_its_rate_in_each_of_its_steps():
    schedule = Schedule(np.array([0.0, 100.0, 150.0, 300.0]), np.array([4.0, 0.0, 40.0, 2.0]))
    runs = [within(stream(seed, "schedule"), schedule, 500.0, Gaps(2.0)) for seed in range(300)]
    found = np.array([np.histogram(run, [0, 100, 150, 300, 500])[0] for run in runs])
    assert (found[:, 1] == 0).all()
    for i, expected in ((0, 400.0), (2, 6000.0), (3, 400.0)):
        assert beyond(found[:, i], expected) < Z
    assert all((np.diff(run) >= 0).all() and run[0] >= 0 and run[-1] < 500 for run in runs)


@FAST
@given(st.lists(st.tuples(st.floats(0.1, 50), st.floats(0, 20)), min_size=1, max_size=6), st.floats(0, 1))
def test_a_schedules_expected_requests_and_their_times_undo_each_other(steps, share):
    starts = np.concatenate([[0.0], np.cumsum([width for width, _ in steps])[:-1]])
    schedule = Schedule(starts, np.array([max(rate, 0.01) for _, rate in steps]))
    time = np.array([share * (starts[-1] + 10)])
    assert schedule.when(schedule.expected(time)) == pytest.approx(time, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("cv", [0.5, 1.0, 3.0])
def test_the_first_n_arrivals_take_n_over_the_rate(cv):
    last = np.array([arrivals.first(stream(seed, "first"), steady(5.0), 200, Gaps(cv))[-1] for seed in range(400)])
    residual = (1 + cv * cv) / 2  # of the first arrival, in mean gaps: the inspection paradox
    assert beyond(last, (199 + residual) / 5.0) < Z


def test_the_same_seed_gives_the_same_bytes_and_another_name_other_ones():
    one, again, other = (within(stream(9, name), steady(3.0), 100.0).tobytes() for name in ("a", "a", "b"))
    assert one == again != other


# ---- lengths and resampling


def test_lengths_drawn_evenly_have_the_mean_and_ends_of_their_range():
    trace = drawing.made(stream(5, "lengths"), 50_000, (800, 1000), 64)
    assert (trace.input_tokens.min(), trace.input_tokens.max()) == (800, 1000)
    assert beyond(trace.input_tokens, 900) < Z
    assert set(trace.output_tokens) == {64}


def test_resampling_keeps_pairs_and_means_at_any_rate_and_time():
    trace = read_trace("azure-conv")
    at = within(stream(6, "arrivals"), steady(50.0), 1000.0, Gaps(2.0))
    found = drawing.resampled(trace, stream(6, "lengths"), at)
    assert np.array_equal(found.arrival, at)
    pairs = set(zip(trace.input_tokens.tolist(), trace.output_tokens.tolist(), strict=True))
    assert set(zip(found.input_tokens.tolist(), found.output_tokens.tolist(), strict=True)) <= pairs
    assert beyond(found.input_tokens, trace.input_tokens.mean()) < Z
    assert beyond(found.output_tokens, trace.output_tokens.mean()) < Z


def test_resampling_a_trace_with_hashes_keeps_its_reuse():
    trace = read_trace("mooncake-conv")
    found = drawing.continued(trace, stream(7, "rounds"), 6 * len(trace))
    assert summary(found)["prefix_reuse"] == pytest.approx(summary(trace)["prefix_reuse"], rel=0.02)
    assert np.unique(found.prefix.values).size > 5.9 * np.unique(trace.prefix.values).size


@st.composite
def traces(draw) -> Trace:
    """Small traces whose requests extend each other's prompts, with sessions."""
    n = draw(st.integers(1, 12))
    parents = [draw(st.integers(-1, i - 1)) for i in range(n)]
    chains: list[list[int]] = []
    for i, parent in enumerate(parents):
        chains.append([*(chains[parent] if parent >= 0 else [0]), i + 1])
    offsets = np.cumsum([0, *map(len, chains)])
    arrival = np.cumsum([0.0, *draw(st.lists(st.floats(0, 9), min_size=n - 1, max_size=n - 1))])
    return Trace("drawn", "a test", 4 * np.diff(offsets), np.arange(1, n + 1), arrival,
                 np.array(draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n))),
                 Ragged(offsets, np.concatenate(chains)), 4)


@FAST
@given(traces(), st.integers(1, 40), st.integers(0, 99))
def test_a_continued_trace_is_the_recorded_one_over_and_over(trace, n, seed):
    found, size = drawing.continued(trace, stream(seed, "x"), n), len(trace)
    start = int(stream(seed, "x").integers(0, size))
    rows = (start + np.arange(n)) % size
    assert np.array_equal(found.input_tokens, trace.input_tokens[rows])
    assert np.array_equal(found.output_tokens, trace.output_tokens[rows])
    assert np.array_equal(found.prefix.lengths, trace.prefix.lengths[rows])
    assert (np.diff(found.arrival) >= -1e-9).all()
    assert len(found.prefix.offsets) == n + 1
    rounds = (start + np.arange(n)) // size
    for number in set(rounds.tolist()):
        here = np.flatnonzero(rounds == number)
        if here.size == size:  # a whole round has the recorded reuse, and users that no other round has
            low, high = here[0], here[-1] + 1
            alone = drawing.cut(drawing.arrived(found, np.arange(float(n))), high - low, low)
            assert found_blocks(alone.prefix).sum() == found_blocks(trace.prefix).sum()
            assert set(found.session[here]) - {-1} & set(found.session[rounds != number]) <= {-1}


@FAST
@given(traces(), st.floats(0.01, 100))
def test_scaling_the_rate_compresses_every_gap_alike(trace, factor):
    scaled = drawing.scaled(trace, factor)
    assert scaled.arrival * factor == pytest.approx(trace.arrival)
    if trace.arrival[-1] > 1e-6:
        assert summary(drawing.at_rate(trace, 3.0))["rate"] == pytest.approx(3.0)


@FAST
@given(traces(), st.integers(1, 12), st.floats(0, 20), st.floats(0.1, 50))
def test_a_cut_holds_the_requests_of_its_window_and_nothing_else(trace, most, start, seconds):
    inside = np.flatnonzero((trace.arrival >= start) & (trace.arrival < start + seconds))[:most]
    if not inside.size:
        with pytest.raises(BadInput, match="at least one request"):
            drawing.cut(trace, most, start, seconds)
        return
    found = drawing.cut(trace, most, start, seconds)
    assert np.array_equal(found.output_tokens, trace.output_tokens[inside])
    assert np.array_equal(found.prefix.lengths, trace.prefix.lengths[inside])
    assert found.arrival[0] == 0


def test_ten_million_requests_stay_small():
    at = within(stream(8, "many"), steady(1e4), 100.0)
    found = traffic.requests_of(drawing.resampled(read_trace("azure-conv"), stream(8, "lengths"), at))
    columns = (found.arrival, found.input, found.output, found.after, found.delay, found.block_start)
    assert sum(column.nbytes for column in columns) <= 48 * (at.size + 1)  # 480 MB for ten million
    assert found.block.size == 0


# ---- requests


def test_a_trace_is_replayed_token_for_token():
    trace = read_trace("mooncake-conv")
    found = traffic.requests_of(trace)
    assert (found.input.sum(), found.output.sum()) == (144_793_823, 4_122_048)
    assert np.array_equal(found.arrival, trace.arrival)
    assert (found.after == -1).all()
    assert found.block_tokens == 512
    _, first, which = np.unique(trace.prefix.values, return_index=True, return_inverse=True)
    assert np.array_equal(found.block[first][which], found.block)  # equal hashes stay equal …
    assert np.unique(found.block).size == first.size  # … and others apart
    assert 0 <= found.block.min() <= found.block.max() < found.block.size


@FAST
@given(st.lists(st.integers(-(2**60), 2**60) | st.integers(0, 5), min_size=1, max_size=40))
def test_dense_numbers_keep_what_is_equal_and_what_is_not(hashes):
    found = traffic.dense(np.array(hashes, dtype=np.int64))
    assert 0 <= found.min() <= found.max() < len(hashes)
    assert len(set(zip(hashes, found.tolist(), strict=True))) == len(set(hashes)) == len(set(found.tolist()))


@FAST
@given(traces())
def test_turns_of_a_session_wait_for_the_turn_before_and_for_nothing_else(trace):
    found = traffic.requests_of(trace, turns="chained")
    for i, before in enumerate(found.after.tolist()):
        earlier = [j for j in range(i) if trace.session[j] == trace.session[i] >= 0]
        assert before == (earlier[-1] if earlier else -1)  # always an earlier request: no circle
        assert found.delay[i] == (trace.arrival[i] - trace.arrival[before] if earlier else 0)


@FAST
@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 9))
def test_a_closed_loop_never_has_more_outstanding_than_clients(n, clients, seed):
    rng = stream(seed, "loop")
    found = traffic.closed_loop(drawing.made(rng, n, (80, 100), (8, 10)), clients)
    start, finish = np.zeros(n), np.zeros(n)
    for i in range(n):  # whatever the times of serving are
        assert found.after[i] < i
        start[i] = found.arrival[i] if found.after[i] < 0 else finish[found.after[i]] + found.delay[i]
        finish[i] = start[i] + rng.exponential()
    outstanding = [(start <= t) & (finish > t) for t in start]
    assert max(mask.sum() for mask in outstanding) == outstanding[0].sum() == min(n, clients)


def test_clients_of_a_closed_loop_send_the_same_number_of_requests():
    found = traffic.closed_loop(drawing.made(stream(0, "x"), 1000, 10, 10), 7, thinking=0.5)
    client = np.arange(1000)
    for i in range(1000):
        client[i] = client[found.after[i]] if found.after[i] >= 0 else i
    assert np.ptp(np.bincount(client)) <= 1
    assert set(found.delay[7:]) == {0.5}


# ---- what is refused

LENGTHS_ONLY = Trace("t", "a test", np.array([3, 4]), np.array([1, 2]))
SAME_TIME = Trace("t", "a test", np.array([3, 4]), np.array([1, 2]), np.zeros(2))
REFUSED = {
    "replay without arrivals": (lambda: traffic.requests_of(LENGTHS_ONLY), "must have arrivals"),
    "scale without arrivals": (lambda: drawing.scaled(LENGTHS_ONLY, 2.0), "must have arrivals"),
    "window without arrivals": (lambda: drawing.cut(LENGTHS_ONLY, seconds=3.0), "must have arrivals"),
    "rate of one moment": (lambda: drawing.at_rate(SAME_TIME, 2.0), "span some time"),
    "scale by nothing": (lambda: drawing.scaled(SAME_TIME, 0.0), "above zero"),
    "cut to nothing": (lambda: drawing.cut(SAME_TIME, requests=0), "at least one"),
    "no clients": (lambda: traffic.closed_loop(LENGTHS_ONLY, 0), "at least one client"),
    "endless thinking": (lambda: traffic.closed_loop(LENGTHS_ONLY, 1, math.inf), "thinking time"),
    "negative burstiness": (lambda: Gaps(-1.0), "coefficient of variation"),
    "no burstiness at all": (lambda: Gaps(math.nan), "coefficient of variation"),
    "too many": (lambda: within(stream(0, "x"), steady(1e9), 1e9), "at most"),
    "no end": (lambda: within(stream(0, "x"), steady(1.0), math.inf), "a time above zero"),
    "falling schedule": (lambda: Schedule(np.array([0.0, 0.0]), np.ones(2)), "rising times"),
    "negative rate": (lambda: steady(-1.0), "rates of at least zero"),
    "n of a schedule that ends": (lambda: arrivals.first(stream(0, "x"), steady(0.0), 3), "end with a rate of zero"),
    "no tokens": (lambda: drawing.made(stream(0, "x"), 3, 0, 5), "above zero"),
    "range upside down": (lambda: drawing.made(stream(0, "x"), 3, 5, (9, 2)), "from low to high"),
    "no requests": (lambda: drawing.made(stream(0, "x"), 0, 5, 5), "from 1 to"),
    "no arrivals to resample": (lambda: drawing.resampled(SAME_TIME, stream(0, "x"), np.zeros(0)), "at least one"),
    "falling arrivals": (lambda: drawing.arrived(SAME_TIME, np.array([2.0, 1.0])), "in order"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_drawn_is_refused_in_one_line(case):
    make, says = REFUSED[case]
    with pytest.raises(BadInput, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_blocks_of_its_own_are_found_again_by_a_preempted_request_alone():
    asked = traffic.own_blocks(requests([0.0, 0.0, 0.0], [96, 96, 96], [64, 64, 64]))
    assert np.unique(asked.block).size == asked.block.size == 18
    served = deployment(0.01, sequences=3, tokens=512, kv_blocks=22, prefix_caching=True)
    kept, again = simulate(asked, served), simulate(replace(asked, block_start=np.zeros(4, np.int64),
                                                            block=np.zeros(0, np.int64)), served)
    assert kept.preemptions.sum() > 0
    assert kept.cached.sum() == 0
    assert kept.passes.prompt_tokens.sum() < again.passes.prompt_tokens.sum()
