"""Logs of runs and published figures of open loops: read, simulated, judged; what is refused and why."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rackline.decisions.accuracy import judging
from rackline.decisions.accuracy.replays import FIGURES, figures, is_replay
from rackline.decisions.vllm_runs import asked
from rackline.errors import BadInput
from rackline.facts.calibration import calibration
from rackline.facts.measurements import measurements_in
from rackline.facts.observations import Observations, observations
from rackline.facts.run_logs import read_runs
from rackline.facts.vllm_logs import run_names, serving_run
from rackline.interface.library import ask

HEAD = ("id,source,model,hardware,n_chips,precision_weights,engine,engine_version,tp,ep,dp,isl,osl,concurrency,metric,"
        "value,unit,notes")
TEXT = "ShareGPT replay 300 reqs, 10 req/s arrivals; max_num_seqs=256; max_num_batched_tokens=2048"
META = {"model": "meta-llama/Llama-3.1-8B", "vllm_version": "0.19.0",
        "engine_kwargs": {"tensor_parallel_size": 1, "max_num_seqs": 64, "max_num_batched_tokens": 1024,
                          "kv_cache_dtype": "auto"},
        "kv_cache": {"num_gpu_blocks": 2000, "block_size": 16},
        "hardware": {"device_name": "NVIDIA GeForce RTX 4090", "device_total_memory_bytes": 25250627584}}


def row(metric="tpot_mean", value="40", unit="ms", text=TEXT, **cells):
    given = {"id": "A-1", "source": "s", "model": "meta-llama/Llama-3.1-8B", "hardware": "RTX4090", "n_chips": "1",
             "precision_weights": "bfloat16", "engine": "vLLM", "engine_version": "0.19.0", "tp": "1", "ep": "",
             "dp": "1", "isl": "857.5", "osl": "652.5", "concurrency": f'"{text}"', "metric": metric, "value": value,
             "unit": unit, "notes": ""} | cells
    return measurements_in(f"{HEAD}\n{','.join(given[name] for name in HEAD.split(','))}\n", "rows")[0]


def log(folder, lines=None, **meta):
    """A log of eight requests, one a second, each begun after a tenth of a second and done after two."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "meta.json").write_text(json.dumps(META | meta), encoding="utf-8")
    lines = lines if lines is not None else [json.dumps(
        {"request_id": f"bench-{i}", "input_toks": 300 + i, "output_toks": 40, "arrival_time": 1e9 + i,
         "queued_ts": 50.0 + i, "scheduled_ts": 50.0 + i, "first_token_ts": 50.1 + i, "last_token_ts": 52.0 + i})
        for i in range(8)]
    (folder / "requests.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def judged(given):
    """Rows, or what lies at a path."""
    return judging.judge(Observations("rows", tuple(given)) if isinstance(given, list) else observations(given))


# ---- logs


def test_a_folder_s_log_is_simulated_on_its_machine_with_its_limits(tmp_path):
    ((run, faults),) = read_runs(log(tmp_path / "run"))
    assert faults == ()
    assert (run.model, run.machine, run.layout, run.sequences, run.tokens, run.kv_blocks, run.reserved) == (
        "llama-3.1-8b", "rtx-4090", "tp1,dp1,pp1,ep1,x1", 64, 1024, 2000, True)
    found = judged(tmp_path / "run")
    assert {p.row.metric for p in found.predicted} == set(FIGURES)
    assert {p.row.metric: p.row.value for p in found.predicted}["ttft_mean"] == pytest.approx(0.1)
    assert all(p.low <= p.seconds <= p.high for p in found.predicted)


def test_a_file_in_the_folder_and_a_folder_of_folders_are_the_same(tmp_path):
    log(tmp_path / "a")
    log(tmp_path / "b")
    one, all_ = judged(tmp_path / "a" / "requests.jsonl"), judged(tmp_path)
    assert len(all_.predicted) == 2 * len(one.predicted)
    assert [p.seconds for p in all_.predicted[:len(FIGURES)]] == [p.seconds for p in one.predicted]


def test_validate_answers_a_log_in_the_form_of_other_rows(tmp_path):
    found = ask("validate", against=str(log(tmp_path / "run"))).data["metrics"]
    assert found["e2e_mean"]["n"] == 1
    assert found["e2e_mean"]["median_ape"] > 0
    assert found["output_tokens_per_s"]["refused"] == {}


@pytest.mark.parametrize(("meta", "expected"), [
    ({"model": "Qwen/Qwen3-32B", "engine_kwargs": {"tensor_parallel_size": 2},
      "hardware": {"device_name": "NVIDIA RTX PRO 6000 Blackwell Server Edition"}},
     ("qwen3-32b", "rtx-pro-6000", "tp2,dp1,pp1,ep1,x1", 2)),
    ({"engine_kwargs": {"data_parallel_size": 2}, "hardware": {"device_name": "NVIDIA H100 80GB HBM3"}},
     ("llama-3.1-8b", "dgx-h100", "tp1,dp1,pp1,ep1,x2", 2)),
    ({"hardware": {"device_name": "NVIDIA A100-SXM4-40GB", "device_total_memory_bytes": 42_000_000_000}},
     ("llama-3.1-8b", "dgx-a100-40gb", "tp1,dp1,pp1,ep1,x1", 1)),
])
def test_devices_and_layouts_are_told_from_the_log(tmp_path, meta, expected):
    ((run, _),) = read_runs(log(tmp_path / "run", **meta))
    assert (run.model, run.machine, run.layout, run.chips) == expected


def test_a_log_without_a_device_is_told_by_its_folder(tmp_path):
    ((run, _),) = read_runs(log(tmp_path / "RTXPRO6000_Llama", hardware={}))
    assert run.machine == "rtx-pro-6000"
    ((run, _),) = read_runs(log(tmp_path / "L4_DeepSeek-V3-Lite", hardware={}))
    assert run.machine == "l4"
    with pytest.raises(BadInput, match="device"):
        read_runs(log(tmp_path / "run", hardware={}))


def test_bad_lines_are_named_and_the_rest_goes_on(tmp_path):
    good = (log(tmp_path / "run") / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    backwards = good[1].replace('"last_token_ts": 53.0', '"last_token_ts": 1.0')
    lacking = good[3].replace('"output_toks": 40, ', "")
    bad = [good[0], "not JSON", "[]", backwards, good[2].replace("302", "0"), lacking]
    found = judged(log(tmp_path / "run", lines=bad))
    assert [where for where, _ in found.faults] == [f"requests.jsonl, line {i}" for i in (2, 3, 4, 5, 6)]
    assert len(found.predicted) == len(FIGURES)
    with pytest.raises(BadInput, match="at least one served request"):
        read_runs(log(tmp_path / "run", lines=bad[1:4]))


@pytest.mark.parametrize(("broken", "why"), [("meta", "needs meta.json"), ("limits", "whole number"),
                                            ("model", "must name the model")])
def test_a_log_that_cannot_be_used_says_why(tmp_path, broken, why):
    folder = log(tmp_path / "run", **({"engine_kwargs": {"max_num_seqs": "many"}} if broken == "limits" else {}))
    if broken == "meta":
        (folder / "meta.json").unlink()
    if broken == "model":
        (folder / "meta.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match=why):
        read_runs(folder)


def test_a_place_without_a_log_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "nothing-here", tmp_path / ("x" * 5000)):
        with pytest.raises(BadInput):
            observations(place)


def test_the_figures_of_the_bundled_logs_are_the_published_ones():
    """LSS-0001, 3, 5, 7 of the published table."""
    run = serving_run(run_names()[0])
    found = figures(run.trace.arrival, run.first_token, run.finish, asked(run))
    assert found["ttft_mean"] == pytest.approx(65.456574, abs=1e-5)
    assert found["tpot_mean"] == pytest.approx(32.447e-3, abs=1e-6)
    assert 1 / found["output_tokens_per_s"] == pytest.approx(1066.382, abs=0.01)
    assert found["makespan"] == pytest.approx(183.567, abs=1e-3)


# ---- published figures


def test_an_open_loop_is_told_by_its_words():
    assert (row().load.rate, row().load.requests) == (10.0, 300)
    assert is_replay(row())
    assert not is_replay(row(text="64"))
    assert not is_replay(row(text="ShareGPT replay"))
    assert row(text="1,000 requests at 2.5 requests per second").load.requests == 1000
    assert row(text="1,000 requests at 2.5 requests per second").load.rate == 2.5


def test_rows_of_one_run_are_predicted_like_its_log():
    rows = [replace(row(metric, "1", unit), id=metric) for metric, unit in
            (("ttft_mean", "s"), ("tpot_mean", "s"), ("makespan", "s"), ("output_tokens_per_s", "tokens/s"))]
    found = judged(rows)
    assert found.refused == ()
    ours = {p.row.metric: p.seconds for p in found.predicted}
    logged = {p.row.metric: p.seconds for p in judging.replays.of_run(serving_run(run_names()[0]), calibration())}
    for name, seconds in ours.items():  # the log has its pages of memory, the row what the memory's model leaves
        assert seconds == pytest.approx(logged[name], rel=0.1), name


def test_more_requests_are_drawn_and_other_limits_are_used():
    one, wider = row(), row(text=TEXT.replace("300", "600").replace("256", "8"))
    few, many = (judged([each]).predicted[0] for each in (one, wider))
    assert many.seconds < few.seconds  # at most eight at once: shorter passes
    assert judged([wider]).predicted[0].seconds == many.seconds


def test_a_row_that_cannot_be_served_is_refused_with_its_reason():
    found = judged([row(model="no-such-model"), replace(row(hardware="RTX4090", n_chips="1", tp="4"), id="B")])
    assert found.predicted == ()
    assert [why for _, why in found.refused] == ["no bundled model no-such-model",
                                                 "4 chips of parallel sizes on 1"]


def test_an_interval_is_that_of_the_passes_carried_through_the_queue():
    run = serving_run(run_names()[0])
    predicted = judging.replays.of_run(run, calibration())
    assert np.all([p.low < p.seconds < p.high for p in predicted])
