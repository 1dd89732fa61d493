"""What a question's trace options offer to the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from rackline.decisions.offered import Offered, arrivals, mean_rate, offered
from rackline.decisions.questions import QUESTIONS, prepare
from rackline.errors import BadInput


def ask(**given) -> Offered:
    return offered(prepare(QUESTIONS["simulate"], {"model": "llama-3.1-8b", "on": "a100-80gb-pcie"} | given))


def test_a_trace_as_it_is():
    found = ask(trace="azure-conv")
    assert len(found.trace) == 19_366
    assert found.rate == pytest.approx(5.53, abs=0.01)
    assert found.how == "arrivals as recorded"


def test_a_rate_is_the_rate_of_what_is_kept():
    found = ask(trace="azure-conv", requests=500, rate=20.0)
    assert (len(found.trace), found.rate) == (500, pytest.approx(20.0))
    whole = ask(trace="azure-conv", requests=500)
    np.testing.assert_allclose(np.diff(found.requests.arrival) * found.rate, np.diff(whole.requests.arrival)
                               * whole.rate, atol=1e-9)


def test_a_duration_cuts_recorded_time_and_with_a_rate_counts_requests():
    assert float(ask(trace="azure-conv", duration=60.0).requests.arrival[-1]) <= 60.0
    assert len(ask(trace="azure-conv", duration=60.0, rate=10.0).trace) == 600


def test_more_requests_than_a_trace_has_go_on_with_its_beginning():
    found = ask(trace="azure-conv", requests=20_000)
    assert len(found.trace) == 20_000
    assert (np.diff(found.requests.arrival) >= 0).all()


@pytest.mark.parametrize(("text", "cv"), [("poisson", 1.0), ("gamma:3", 3.0)])
def test_drawn_arrivals_have_the_rate_and_the_burstiness_asked_for(text, cv):
    found = ask(trace="azure-conv", arrivals=text, rate=7.0)
    gaps = np.diff(found.requests.arrival)
    assert found.rate == pytest.approx(7.0, rel=0.1)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.15)
    assert (found.requests.input == ask(trace="azure-conv").requests.input).all()


def test_lengths_without_a_trace_are_the_users():
    found = ask(input=300, output=20, rate=2.0, duration=50.0, seed=2)
    assert set(found.requests.input.tolist()) == {300}
    assert found.requests.arrival[-1] < 50
    assert found.trace.name == "300 tokens in, 20 out"


def test_closed_loop_requests_follow_those_of_their_client():
    found = ask(trace="azure-conv", clients=3, requests=9)
    assert found.requests.after.tolist() == [-1, -1, -1, 0, 1, 2, 3, 4, 5]
    assert found.rate is None


def test_requests_at_one_moment_have_no_rate():
    assert mean_rate(ask(trace="azure-conv", requests=1).trace) is None


@pytest.mark.parametrize("text", ["gamma", "gamma:-1", "gamma:1000", "trace:2", "weibull:2", "", "poisson:1"])
def test_arrivals_that_cannot_be_drawn_are_refused(text):
    with pytest.raises(BadInput, match="--arrivals"):
        arrivals(text)


def test_the_same_seed_draws_the_same_and_arrivals_do_not_depend_on_the_cut():
    one, same, other = (ask(trace="azure-conv", arrivals="poisson", rate=3.0, seed=s).requests.arrival
                        for s in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
