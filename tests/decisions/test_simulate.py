"""simulate: what it reports is what its log says, costs and shares add up, bad input is one line."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

import rackline
from rackline.decisions import simulated
from rackline.decisions.answer import Answer
from rackline.decisions.questions import QUESTIONS, prepare
from rackline.decisions.search import Targets
from rackline.decisions.simulate import run
from rackline.decisions.simulate_case import NoRoom, case
from rackline.decisions.simulate_data import Simulated
from rackline.decisions.simulate_use import dollars
from rackline.errors import BadInput
from rackline.interface.export import plain

ONE = {"model": "llama-3.1-8b", "on": "a100-80gb-pcie", "chips": 1}


@cache
def found(**given) -> Simulated:
    """A simulation of the first 150 requests of the Azure trace on one A100, or with other options."""
    q = prepare(QUESTIONS["simulate"], ONE | {"trace": "azure-conv", "requests": 150} | given)
    made = case(q)
    assert not isinstance(made, NoRoom)
    return run(made, q.seed)


def ask(**given) -> Answer:
    return rackline.simulate(**(ONE | given))


# ---- times


def test_first_token_and_gaps_of_tokens_add_up_to_end_to_end():
    log, requests = found().log, found().case.offered.requests
    gaps = np.nan_to_num(simulated.per_token(log, requests)) * (requests.output - 1)
    np.testing.assert_allclose(simulated.first_token(log) + gaps, simulated.end_to_end(log), rtol=1e-9)
    assert (simulated.queueing(log) <= simulated.first_token(log)).all()


def test_a_spread_is_what_numpy_says_of_the_numbers_that_are_there():
    values = np.array([3.0, np.nan, 1.0, 2.0])
    assert simulated.spread(values) == {"mean": 2.0, "p50": 2.0, "p90": pytest.approx(2.8), "p95": pytest.approx(2.9),
                                        "p99": pytest.approx(2.98), "max": 3.0}
    assert np.isnan(simulated.spread(np.array([np.nan]))["mean"])


def test_one_request_alone_takes_its_prompt_pass_and_a_pass_a_token():
    data = ask(input=100, output=11, rate=1.0, requests=1).data
    assert data["passes"] == 11
    assert data["end_to_end"]["mean"] == pytest.approx(data["makespan"])
    assert data["time_to_first_token"]["mean"] + 10 * data["time_per_output_token"]["mean"] == pytest.approx(
        data["end_to_end"]["mean"])
    assert data["utilisation"]["busy"] == pytest.approx(1.0)


# ---- queues: Little's law, and nobody is lost


def test_littles_law_holds_between_waits_and_the_queue_over_time():
    log = found(rate=12.0).log
    at = simulated.moments(log, 20_001)
    line = simulated.over_time(log, at)
    assert line["waiting"].mean() == pytest.approx(simulated.mean_waiting(log), rel=0.02)
    assert line["running"].mean() == pytest.approx(simulated.mean_running(log), rel=0.02)
    assert line["waiting"].max() == simulated.most(log)["waiting"] > 0


def test_before_the_first_and_after_the_last_nobody_is_there():
    log = found().log
    ends = simulated.over_time(log, np.array([log.arrival.min() - 1.0, log.finish.max()]))
    assert {name: counts.tolist() for name, counts in ends.items()} == {"waiting": [0, 0], "running": [0, 0]}


def test_pages_in_use_are_a_share_that_follows_the_requests_in_service():
    line = found().timeline
    assert (line["kv_occupancy"] >= 0).all()
    assert line["kv_occupancy"].max() < 1
    assert np.corrcoef(line["kv_occupancy"], line["running"])[0, 1] > 0.9


# ---- use and money


@pytest.mark.parametrize("given", [{}, {"rate": 40.0}, {"on": "dgx-h100", "chips": 2, "layout": "tp2"},
                                   {"on": "dgx-h100", "chips": 3, "layout": "tp1", "prefill_layout": "tp2"}])
def test_causes_and_idle_time_are_the_whole_and_no_resource_exceeds_it(given):
    used = found(**given).use
    causes = [used.compute, used.memory, used.network, used.other, used.idle]
    assert sum(causes) == pytest.approx(1.0)
    assert min(causes) >= 0
    assert used.arithmetic <= used.busy
    assert used.bandwidth <= used.busy
    assert (used.network > 0) == ("layout" in given)


def test_the_busy_share_is_the_seconds_in_passes():
    one = found()
    assert one.use.busy == pytest.approx(float(one.log.passes.seconds.sum()) / simulated.makespan(one.log))


@pytest.mark.parametrize("given", [{}, {"trace": "mooncake-conv", "requests": 25, "rate": 0.3, "prefix_caching": True}])
def test_input_cached_and_output_tokens_together_pay_for_the_chips(given):
    one = found(**given)
    requests, log = one.case.offered.requests, one.log
    paid, cached = one.dollars, log.cached.sum()
    total = (paid["input"] * (requests.input.sum() - cached) + (paid["cached"] or 0.0) * cached
             + paid["output"] * requests.output.sum()) / 1e6
    assert total == pytest.approx(one.case.price.value * simulated.makespan(log) / 3600)
    assert (cached > 0) == bool(given)
    if given:
        assert 0 < paid["cached"] < paid["input"]


def test_twice_the_price_is_twice_the_dollars():
    one = found()
    args = (one.log, one.case.offered.requests, one.case.deployment)
    once, twice = dollars(*args, 1.0, one.use), dollars(*args, 2.0, one.use)
    assert twice["output"] == pytest.approx(2 * once["output"])


def test_goodput_counts_the_requests_within_both_targets():
    one = found()
    log, requests = one.log, one.case.offered.requests
    median = float(np.median(simulated.first_token(log)))
    share = simulated.goodput(log, requests, Targets(ttft=median))["share"]
    assert share == pytest.approx(0.5, abs=0.01)
    assert simulated.goodput(log, requests, Targets(ttft=median, tpot=1e-9))["share"] < 0.05
    assert simulated.goodput(log, requests, Targets()) is None


# ---- keeping up


def test_a_deployment_that_keeps_up_and_one_that_does_not():
    assert found().keeps_up
    slow = ask(trace="azure-conv", requests=1500, rate=40.0)
    assert slow.feasible
    assert not slow.data["keeps_up"]
    sustained = slow.data["sustained_requests_per_second"]
    assert f"cannot keep up with azure-conv (1,500 requests) at 40 requests/s: it sustains {sustained:.3g}" in (
        slow.headline)
    assert slow.data["throughput"]["requests_per_second"] == pytest.approx(sustained, rel=0.25)
    # at nine tenths of what it sustains the queue does not grow
    assert ask(trace="azure-conv", requests=1500, rate=0.9 * sustained).data["keeps_up"]


def test_a_closed_loop_keeps_as_many_running_as_there_are_clients():
    answer = ask(input=200, output=50, clients=4, requests=60)
    assert answer.data["running"]["max"] <= 4
    assert answer.data["running"]["mean"] == pytest.approx(4, rel=0.1)
    assert answer.data["keeps_up"]
    assert answer.data["offered_requests_per_second"] is None


# ---- the answer


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    texts = [json.dumps(plain(ask(input=300, output=20, rate=8.0, requests=40, seed=seed).data)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]


def test_more_replicas_and_routing_share_the_requests():
    one = found(on="dgx-h100", chips=4, layout="tp1,x4")
    assert sorted(set(one.log.replica.tolist())) == [0, 1, 2, 3]
    assert one.throughput["requests_per_second_per_chip"] * 4 == pytest.approx(one.throughput["requests_per_second"])


def test_replicas_of_separate_pools_are_numbered_one_after_the_other():
    one = found(on="dgx-h100", chips=3, layout="tp1,x2", prefill_layout="tp1")
    assert sorted(set(one.log.passes.replica.tolist())) == [0, 1, 2]
    assert (one.log.passes.prompt_tokens[one.log.passes.replica > 0] == 0).all()


def test_a_plan_chooses_the_layout_and_a_note_says_so():
    answer = rackline.simulate("llama-3.1-8b", on="dgx-h100", trace="azure-conv", requests=20)
    assert answer.data["layout"]["replicas"] * answer.data["layout"]["tensor"] == 8
    assert answer.notes[0].startswith(f"Layout {answer.data['layout_name']}: the best of plan")


def test_a_model_that_fits_nowhere_is_infeasible_with_what_would_fit():
    answer = rackline.simulate("deepseek-v3", on="a100-80gb-pcie", trace="azure-conv", requests=5)
    assert not answer.feasible
    assert answer.data["would_fit"]
    other = rackline.simulate("deepseek-v3", on="dgx-h200", layout="tp2", trace="azure-conv", requests=5)
    assert not other.feasible
    assert other.reasons[0] == "would fit with another layout on the same chips"


@pytest.mark.parametrize(("given", "says"), [
    ({}, "needs what users send"),
    ({"trace": "azure-conv", "input": 5}, "brings its own lengths"),
    ({"input": 100}, "--rate: must be given where no arrivals are recorded"),
    ({"input": 100, "clients": 2, "rate": 1.0}, "give no --rate, --arrivals or --duration; got 2"),
    ({"input": 200_000, "output": 1, "rate": 1.0}, "request 1: must fit into llama-3.1-8b's context of 131,072 tokens"),
    ({"input": 5000, "output": 1, "rate": 1.0, "kv_blocks": 10}, "must fit into the KV memory of 160 tokens"),
    ({"input": 10, "rate": 1.0, "arrivals": "gamma:x"}, "must be trace, poisson or gamma:CV; got gamma:x"),
    ({"input": 10, "rate": 1.0, "batching": "train"}, "--interval: must be given"),
    ({"input": 10, "rate": 1.0, "interval": 0.02}, "--interval: belongs to --batching train"),
    ({"input": 10, "rate": 1.0, "drafted": 2}, "--acceptance: must be given"),
    ({"input": 10, "rate": 1.0, "acceptance": 0.5}, "--acceptance: belongs to --drafted"),
    ({"input": 10, "rate": 1.0, "tiers": "host:1GB@1GB/s"}, "give --prefix-caching too; got host"),
    ({"input": 10, "rate": 1.0, "tiers": "host:1GB", "prefix_caching": True}, "must be NAME:CAPACITY@BANDWIDTH"),
    ({"input": 10, "rate": 1.0, "tiers": "a:1GB@1GB/s,a:1GB@1GB/s", "prefix_caching": True}, "names of their own"),
    ({"input": 10, "rate": 1.0, "tiers": "a:1m@1GB/s", "prefix_caching": True}, "must carry a unit of bytes"),
])
def test_bad_input_is_one_line_that_says_what(given, says):
    with pytest.raises(BadInput) as error:
        ask(**given)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_too_few_chips_for_both_pools_is_said():
    with pytest.raises(BadInput, match=r"must leave chips for --layout: 8 in all"):
        rackline.simulate("llama-3.1-8b", on="dgx-h100", layout="tp4", prefill_layout="tp8", trace="azure-conv")


def test_tiers_are_read_as_they_are_written():
    q = prepare(QUESTIONS["simulate"], ONE | {"tiers": "host:64GB@50GB/s,flash:1TB@6GB/s+1ms/fifo"})
    host, flash = q.tiers
    assert (host.capacity, host.bandwidth, host.latency, host.eviction) == (64e9, 50e9, 0.0, "lru")
    assert (flash.capacity, flash.bandwidth, flash.latency, flash.eviction) == (1e12, 6e9, 1e-3, "fifo")


def test_an_interrupted_run_shows_what_was_served(monkeypatch):
    from rackline.systems.simulation import naive

    steps = iter(range(10**9))
    whole = naive.step

    def step(world):
        if next(steps) == 400:
            raise KeyboardInterrupt
        return whole(world)

    monkeypatch.setattr(naive, "step", step)
    answer = ask(input=300, output=20, rate=8.0, requests=60, drafted=2, acceptance=0.5)
    assert answer.data["interrupted"]
    assert 0 < answer.data["finished"] < 60
    assert answer.headline.startswith(f"Interrupted after {answer.data['finished']} requests were served")


def test_hit_rates_of_memory_and_tiers_add_up_to_all_that_was_cached():
    data = ask(trace="mooncake-conv", requests=150, rate=0.3, prefix_caching=True, kv_blocks=300,
               tiers="host:20GB@20GB/s,flash:1TB@6GB/s").data
    hits = data["hit_rates"]
    assert hits["prefix"] == pytest.approx(hits["hbm"] + sum(hits["tiers"].values()))
    assert list(hits["tiers"]) == ["host", "flash"]
    assert min(hits["hbm"], *hits["tiers"].values()) > 0
    alone = ask(trace="mooncake-conv", requests=150, rate=0.3, prefix_caching=True, kv_blocks=300).data["hit_rates"]
    assert alone["tiers"] == {}
    assert alone["prefix"] < hits["prefix"]
