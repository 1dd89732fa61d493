"""Closed loops simulated: lengths, room, who waits for memory."""

from dataclasses import replace

import numpy as np
import pytest

from rackline.decisions.accuracy import closed_loops, judging
from rackline.decisions.accuracy.settings import setting
from rackline.decisions.simulated import first_token
from rackline.facts.observations import bundled
from rackline.systems.calibrated import calibrated

ROWS = [row for row in bundled().rows if row.metric == "ttft" and row.model.startswith("meta-llama/Llama-3.1-70B")
        and not row.flag and not row.sizes.notes.startswith("disagg")]
SETTINGS = [one for one in map(setting, ROWS) if one.bursts]


def of(clients, engine="vllm"):
    return next(one for one in SETTINGS if one.clients == clients and one.like.engine == engine)


def test_lengths_are_drawn_as_the_source_says_and_the_same_each_time():
    one = of(16)
    first, again = closed_loops.requests_of(one), closed_loops.requests_of(one)
    assert np.array_equal(first.input, again.input)
    assert len(first.input) == 160
    assert first.input.mean() == pytest.approx(one.input, rel=0.02)
    assert first.input.min() >= 0.8 / 0.9 * one.input - 1
    assert (first.after[:16] == -1).all()


def test_without_a_bound_of_memory_nobody_waits_for_it():
    for one in SETTINGS[::7]:
        clock = calibrated(one.like.engine)
        free, whole = (first_token(closed_loops.simulated(one, clock, bounded)).mean() for bounded in (False, True))
        if closed_loops.need(one) < 0.9:
            assert free == whole
        if closed_loops.need(one) > 1.5:
            assert whole > 2 * free


def test_errors_are_of_rows_left_out_of_the_fit():
    ids = {one.row.id for one in SETTINGS}
    found = [s for s in judging.known() if s.family == "ttft together" and s.row.id in ids]
    free = np.array([s.prompt[3] + s.decode[0] for s in found]) + 1e-3
    x = closed_loops.columns(found, free, np.zeros(len(found)))
    assert x.shape == (len(found), len(closed_loops.START))
    assert (x >= 0).all()
    error = closed_loops.left_out(found, x, "series")
    slow = [replace(s, seconds=10.0 * s.seconds) if s is found[0] else s for s in found]
    moved = closed_loops.left_out(slow, x, "series") - error
    own = np.array([s.like.series == found[0].like.series for s in found])
    assert moved[0] == pytest.approx(np.log(10.0))
    assert np.abs(moved[own][1:]).max(initial=0.0) < 1e-12  # none of its series was fitted to it
    assert np.abs(moved[~own]).max() > 1e-6
