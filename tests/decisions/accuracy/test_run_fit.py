"""The clock of cards: where it starts, what logs make of it, what a run is without its own log."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rackline.decisions.accuracy import replays, run_fit
from rackline.decisions.questions import ask
from rackline.decisions.vllm_runs import asked, deployment_of
from rackline.errors import BadInput
from rackline.facts.calibration import calibration
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.facts.vllm_logs import run_names, serving_run
from rackline.systems.calibrated import CARDS, FAMILY, Calibrated, calibrated, on_a_bus
from rackline.systems.clock import pass_time
from rackline.systems.layout import Layout
from rackline.systems.passes import decode
from rackline.systems.simulation import simulate

LLAMA, QWEN = (serving_run(name) for name in run_names())
BY = calibration()


def errors(run, by=BY):
    return {p.row.metric: abs(p.error) for p in replays.of_run(run, by)}


def test_the_start_is_made_of_other_measurements_and_no_log():
    start = run_fit.starts(BY)
    assert list(start) == list(run_fit.SPREAD)
    assert start["weights"] == BY.families["decode"].coefficients["weights"].value
    alone = run_fit.cards(BY, [])
    assert {name: fact.value for name, fact in alone.coefficients.items()} == pytest.approx(start, rel=1e-4)
    assert alone.coefficients["network"].high > 3 * alone.coefficients["network"].value


def test_a_dense_model_on_a_card_is_predicted_without_its_log():
    found = errors(LLAMA)
    assert max(found[f"{name}_mean"] for name in ("ttft", "tpot", "e2e")) < 0.05


def test_routed_experts_over_pcie_are_predicted_without_their_log():
    """Means over the run: tokens and requests as asked; first tokens miss it, the last seconds' queue decides them."""
    found = errors(QWEN)
    assert max(found["tpot_mean"], found["e2e_mean"]) < 0.05
    assert 0.05 < found["ttft_mean"] < 0.3


def test_with_its_log_a_run_is_what_it_was():
    for run in (LLAMA, QWEN):
        log = simulate(asked(run), replace(deployment_of(run), clock=calibrated("vllm")))
        for mine, theirs in ((log.finish - log.first_token, run.finish - run.first_token),
                             (log.finish - log.arrival, run.finish - run.trace.arrival)):
            assert mine.mean() == pytest.approx(theirs.mean(), rel=0.02)


def test_a_log_of_the_same_model_on_the_same_machine_is_left_out():
    place = machine("rtx-4090", 1)
    less = run_fit.without(BY, "llama-3.1-8b", place)
    source = less.families[CARDS].coefficients["weights"].source
    assert QWEN.name in source
    assert LLAMA.name not in source
    assert run_fit.without(BY, "llama-3.1-8b", machine("rtx-pro-6000", 1)) is BY
    assert run_fit.without(BY, "llama-3.1-8b", machine("dgx-h100")) is BY


def test_coefficients_that_made_a_log_are_found_again():
    """A run simulated by known coefficients: the fit is as likely as they are, and moves most of the way to them."""
    start = run_fit.starts(BY)
    wanted = {**start, "compute": 1.6, "weights": 1.3}
    clock = Calibrated({name: run_fit.cards(BY, []).coefficients[name].model_copy(
        update={"value": value, "low": value, "high": value}) for name, value in wanted.items()}, rated=True)
    log = simulate(asked(LLAMA), replace(deployment_of(LLAMA), clock=clock))
    made = replace(LLAMA, first_token=log.first_token, finish=log.finish)
    found = {name: fact.value for name, fact in run_fit.cards(BY, [made]).coefficients.items()}
    unlikely = lambda by: run_fit.unlikeliness(BY, [made], by)  # noqa: E731
    assert unlikely(found) < 1.1 * unlikely(wanted) < 0.05 * unlikely(start)
    for name in ("compute", "weights"):
        assert abs(np.log(found[name] / wanted[name])) < 0.4 * abs(np.log(start[name] / wanted[name])), name


def test_cards_have_a_clock_of_their_own_and_others_the_pooled_one():
    assert [on_a_bus(machine(name)) for name in ("rtx-4090", "l40s", "dgx-h100", "gb200-nvl72", "m3-max")] == [
        True, True, False, False, False]
    time = lambda clock, place: float(pass_time(model("llama-3.1-8b"), machine(place, 1), Layout(),  # noqa: E731
                                                decode(16.0, 1000.0), clock).time)
    both = calibrated("vllm")
    pooled = Calibrated(BY.families[FAMILY].coefficients, "vllm")
    assert time(both, "dgx-h100") == time(pooled, "dgx-h100")
    assert time(both, "rtx-4090") == time(Calibrated(BY.families[CARDS].coefficients, "vllm", rated=True), "rtx-4090")
    assert time(both, "rtx-4090") != time(pooled, "rtx-4090")


def test_calibrate_takes_a_run_s_log(tmp_path):
    lines = [json.dumps({"input_toks": 500, "output_toks": 100, "queued_ts": 5.0 * i, "scheduled_ts": 5.0 * i,
                         "first_token_ts": 5.0 * i + 0.1, "last_token_ts": 5.0 * i + 2.1}) for i in range(6)]
    (tmp_path / "requests.jsonl").write_text("\n".join(lines), encoding="utf-8")
    meta = {"model": "meta-llama/Llama-3.1-8B", "hardware": {"device_name": "NVIDIA GeForce RTX 4090"}}
    (tmp_path / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    found = ask("calibrate", from_=str(tmp_path)).data["calibration"]["families"][CARDS]
    assert tmp_path.name in found["coefficients"]["weights"]["source"]
    assert found["rows"] == 606
    meta["hardware"] = {"device_name": "NVIDIA H100 80GB HBM3"}
    (tmp_path / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    with pytest.raises(BadInput, match="single cards or PCIe boxes"):
        ask("calibrate", from_=str(tmp_path))
