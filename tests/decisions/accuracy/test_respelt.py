"""What merely is spelt otherwise is predicted as it was: engines, formats, chips, models, metrics, units."""

import csv
import json
from pathlib import Path

import pytest

from rackline.decisions.accuracy import judging
from rackline.decisions.questions import ask
from rackline.facts.observations import observations
from rackline.facts.spellings import engine_named, format_named

VLLM = Path(__file__).parents[2] / "facts" / "data" / "benchmarks" / "vllm.json"
BASE = {"id": "base", "model": "deepseek-ai/DeepSeek-R1", "hardware": "B200-SXM", "n_chips": "4",
        "precision_weights": "fp4", "engine": "trtllm", "tp": "4", "isl": "1024", "osl": "1024", "concurrency": "64",
        "metric": "tpot", "value": "12", "unit": "ms", "from_memory": "0", "parallel_notes": "agg"}
RESPELT = [("engine", "TRT-LLM"), ("engine", "TensorRT LLM"), ("engine", "Dynamo TRT-LLM"),
           ("precision_weights", "NVFP4"), ("precision_weights", "W4A4"), ("hardware", "NVIDIA B200"),
           ("hardware", "4x B200"), ("hardware", "B200x4"), ("hardware", "B200 192GB HBM3e"),
           ("model", "nvidia/DeepSeek-R1-0528-FP4-v2"), ("model", "DeepSeek R1"), ("metric", "TPOT (ms)"),
           ("metric", "mean_tpot_ms"), ("metric", "Time per output token"), ("unit", "milliseconds"),
           ("unit", "MS"), ("from_memory", "FALSE"), ("tp", "")]


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    path = tmp_path_factory.mktemp("respelt") / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(BASE))
        writer.writeheader()
        writer.writerows([BASE, *({**BASE, name: text, "id": f"{name} {text}".strip()} for name, text in RESPELT),
                          {**BASE, "id": "another", "model": "openai/gpt-oss-120b"}])
    judged = judging.judge(observations(path))
    assert not judged.refused
    assert not judged.faults
    return {p.row.id: p for p in judged.predicted}


@pytest.mark.parametrize(("name", "text"), RESPELT)
def test_another_spelling_has_the_same_prediction_and_interval(predicted, name, text):
    found, base = predicted[f"{name} {text}".strip()], predicted["base"]
    assert base.basis == "seen"
    assert (found.seconds, found.low, found.high, found.basis) == (base.seconds, base.low, base.high, base.basis)


def test_another_model_has_another_prediction(predicted):
    assert predicted["another"].seconds < 0.9 * predicted["base"].seconds


@pytest.mark.parametrize(("text", "name", "version"), [
    ("vLLM 0.19.0", "vllm", "0.19.0"), ("vllm/vllm-openai:v0.19.0", "vllm", "0.19.0"),
    ("vllm==0.19.0", "vllm", "0.19.0"), ("vllm nightly-5b8c30", "vllm", "nightly-5b8c30"),
    ("vLLM (Splitwise paper, 2023)", "vllm", "(splitwise paper, 2023)"), ("SGLang (0.5.9)", "sglang", "0.5.9"),
    ("lmsysorg/sglang:v0.5.9", "sglang", "0.5.9"), ("TRTLLM", "tensorrt-llm", ""),
    ("TensorRT-LLM v1.0", "tensorrt-llm", "1.0"), ("LightLLM 1.0", "lightllm", "1.0"), ("", "not stated", "")])
def test_an_engine_is_read_with_its_version(text, name, version):
    assert engine_named(text) == (name, version)


@pytest.mark.parametrize(("text", "name"), [
    ("W4A16", "int4"), ("int4_wo", "int4"), ("awq-int4", "int4"), ("fp8_e4m3", "fp8"), ("W8A8-FP8", "fp8"),
    ("W8A8", "int8"), ("MXFP4", "mxfp4"), ("modelopt_fp4", "fp4"), ("bfloat16 (native)", "bf16"), ("half", "fp16"),
    ("Q4_K_M", "q4_k_m"), ("iq4_xs", "iq4_xs")])
def test_a_format_is_read(text, name):
    assert format_named(text) == name


def test_pools_whose_sizes_are_no_numbers_are_refused_by_name(tmp_path):
    notes = 'disagg; prefill={"tp_size": "four"}; decode={"tp_size": 8}'
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(BASE))
        writer.writeheader()
        writer.writerow({**BASE, "parallel_notes": notes})
    (_, why), = judging.judge(observations(path)).refused
    assert why == "layout of the pools: tp_size is no whole number: four"


def test_tokens_of_each_chip_are_so_whatever_the_unit_says(tmp_path):
    path = tmp_path / "rows.csv"
    whole = {**BASE, "metric": "output_tokens_per_s_per_gpu", "value": "400", "hardware": "H200",
             "model": "LLaMA v3.1 70B", "precision_weights": "FP8"}
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(BASE))
        writer.writeheader()
        writer.writerows([{**whole, "id": "a", "unit": "tokens/s"}, {**whole, "id": "b", "unit": "tok/s/gpu"}])
    one, other = judging.judge(observations(path)).predicted
    assert one.measured == other.measured
    assert one.seconds == other.seconds


def test_a_benchmarks_result_is_predicted_once_its_user_says_the_hardware(tmp_path):
    """Keys as `vllm bench serve --metadata hardware=H100-SXM n_chips=2` writes; without them a hint, no guess."""
    told = json.loads(VLLM.read_text(encoding="utf-8"))
    (tmp_path / "bare.json").write_text(json.dumps(told), encoding="utf-8")
    (tmp_path / "told.json").write_text(json.dumps({**told, "hardware": "H100-SXM", "n_chips": "2"}), encoding="utf-8")
    bare = ask("validate", against=str(tmp_path / "bare.json"))
    assert not bare.feasible
    assert "--metadata hardware=" in bare.notes[0]
    answer = ask("validate", against=str(tmp_path / "told.json"))
    assert answer.data["metrics"]["tpot"]["n"] == 2
    assert answer.data["groups"][0]["chip"] == "H100-SXM"
    assert [source.shown for source in answer.sources] == [f"{answer.data['rows']} rows"]


def test_why_a_row_is_off_says_what_kind_of_row_it_is(tmp_path):
    """A kernel, a single pass and a training step are no series of a serving engine."""
    rows = [{**BASE, "id": "pass", "metric": "decode_tokens_per_s", "engine": "llama.cpp", "value": "9", "batch": "1",
             "unit": "tokens/s", "hardware": "MI300X", "n_chips": "1", "model": "gpt-oss-120b", "tp": "1",
             "precision_weights": "MXFP4", "concurrency": "", "osl": "128", "isl": "0"},
            {**BASE, "id": "served", "hardware": "MI300X"},
            {**BASE, "id": "training", "metric": "train_tokens_per_s_per_gpu", "unit": "tokens/s/GPU", "value": "900",
             "engine": "Megatron-Bridge (NeMo)", "hardware": "MI300X"}]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, [*BASE, "batch"])
        writer.writeheader()
        writer.writerows(rows)
    said = {p.row.id: judging.reason(p) for p in judging.judge(observations(path)).predicted}
    assert len(set(said.values())) == 3
    assert "pooled clock" in said["served"]
    assert "stack" in said["training"]
    assert "engine" in said["pass"]


def test_one_run_that_cannot_have_been_served_leaves_the_others_of_its_folder(tmp_path):
    for name, model in (("RTXPRO6000_fits", "meta-llama/Llama-3.1-8B"),
                        ("RTXPRO6000_too-large", "meta-llama/Llama-3.1-70B")):
        (tmp_path / name).mkdir()
        about = {"model": model, "vllm_version": "0.19.0", "engine_kwargs": {"tensor_parallel_size": "1"}}
        (tmp_path / name / "meta.json").write_text(json.dumps(about), encoding="utf-8")
        requests = [{"input_toks": 500, "output_toks": 50, "queued_ts": i, "scheduled_ts": i + 0.01,
                     "first_token_ts": i + 0.1, "last_token_ts": i + 1.0} for i in range(4)]
        (tmp_path / name / "requests.jsonl").write_text("\n".join(map(json.dumps, requests)), encoding="utf-8")
    judged = judging.judge(observations(tmp_path))
    assert {p.like.model for p in judged.predicted} == {"llama-3.1-8b"}
    assert [where for where, _ in judged.faults] == ["RTXPRO6000_too-large"]
