"""capacity: its answer meets the targets and one replica fewer does not; every probe is there."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import rackline
from rackline.decisions import capacity
from rackline.decisions.answer import Answer
from rackline.errors import BadInput


@cache
def ask(**given) -> Answer:
    return rackline.capacity(**({"model": "llama-3.1-8b", "on": "a100-80gb-pcie", "chips": 1, "trace": "azure-conv",
                                 "requests": 600, "rate": 30.0, "ttft": 2.0, "tpot": 0.03} | given))


def test_the_answer_meets_the_targets_and_one_fewer_does_not():
    data = ask().data
    probes = {p["replicas"]: p for p in data["probes"]}
    assert data["replicas"] > 1
    assert probes[data["replicas"]]["met"]
    assert not probes[data["replicas"] - 1]["met"]
    again = rackline.simulate("llama-3.1-8b", on="a100-80gb-pcie", chips=data["replicas"], trace="azure-conv",
                              requests=600, rate=30.0, layout=f"tp1,x{data['replicas']}", routing="least-loaded").data
    assert again["time_to_first_token"]["p99"] == pytest.approx(probes[data["replicas"]]["ttft"])
    assert again["time_per_output_token"]["p99"] == pytest.approx(probes[data["replicas"]]["tpot"])


def test_a_probe_meets_the_targets_where_both_percentiles_do():
    data = ask().data
    for probe in data["probes"] + data["curve"]:
        assert probe["met"] == (probe["ttft"] <= 2.0 and probe["tpot"] <= 0.03)
        assert probe["ttft_median"] <= probe["ttft"]


def test_the_curve_of_one_replica_passes_the_rate_that_it_carries():
    data = ask().data
    rates = [p["rate"] for p in data["curve"]]
    assert rates == sorted(rates)
    assert data["replica_requests_per_second"] in rates
    missed = min(p["rate"] for p in data["curve"] if not p["met"])
    assert data["replica_requests_per_second"] < missed <= capacity.FINE * data["replica_requests_per_second"]
    assert data["replica_requests_per_second"] < data["sustained_requests_per_second"]


def test_a_lower_rate_and_laxer_targets_never_need_more_replicas():
    base = ask().data["replicas"]
    assert ask(rate=10.0).data["replicas"] <= base
    assert ask(tpot=0.06).data["replicas"] <= base
    assert ask(percentile=50).data["replicas"] <= base


def test_dollars_an_hour_are_those_of_the_chips():
    data = ask().data
    assert data["dollars_per_hour"] == pytest.approx(data["chips"] * data["price_per_chip_hour"])


def test_a_target_that_no_request_meets_alone_is_infeasible():
    answer = ask(ttft=0.001, tpot=None)
    assert not answer.feasible
    assert answer.data["probes"] == []
    assert "first token of" in answer.reasons[0]


@pytest.mark.parametrize(("given", "says"), [
    ({"ttft": None, "tpot": None}, "needs a target"), ({"requests": 1, "rate": None}, "must spread its requests"),
    ({"percentile": 100}, "--percentile: must be at most 99.99"),
])
def test_bad_input(given, says):
    with pytest.raises(BadInput, match=says):
        ask(**given)


def test_interrupted_it_says_between_which_numbers_the_answer_lies(monkeypatch):
    probes = []
    whole = capacity.Prober.with_replicas

    def second_fails(prober, replicas):
        probes.append(replicas)
        if len(probes) == 2:
            raise KeyboardInterrupt
        return whole(prober, replicas)

    monkeypatch.setattr(capacity.Prober, "with_replicas", second_fails)
    answer = rackline.capacity("llama-3.1-8b", on="a100-80gb-pcie", chips=1, trace="azure-conv", requests=400, rate=30,
                               tpot=0.02)
    assert answer.data["interrupted"]
    assert answer.data["replicas"] is None
    assert len(answer.data["probes"]) == 1
    assert answer.headline.startswith("interrupted: ")


def test_a_model_that_does_not_fit_says_so():
    assert not rackline.capacity("deepseek-v3", on="a100-80gb-pcie", trace="azure-conv", ttft=1).feasible


def test_plots_mark_what_one_replica_carries_and_sustains():
    answer = ask()
    assert [len(plot.series) for plot in answer.plots] == [3, 3]
    assert [text for _, text in answer.plots[0].marks] == ["within targets", "sustained"]
    assert all(np.isfinite(value) for plot in answer.plots for s in plot.series for value in s.y)
