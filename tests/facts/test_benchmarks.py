"""Readers of benchmark results: each tool's units and statistics, and what is skipped instead of guessed."""

import copy
import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rackline.errors import BadInput
from rackline.facts.benchmarks import _TOOLS, Said, read_results
from rackline.facts.measurements import Formats, Load, Sizes

DATA = Path(__file__).parent / "data" / "benchmarks"
FILES = sorted(path for path in DATA.iterdir() if path.suffix != ".md")
JSON = [path for path in FILES if path.suffix == ".json"]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def values(name):
    """Means, and rates of the whole run, of a file's first run."""
    rows = read_results(DATA / name).rows
    first = rows[0].id.rpartition(":")[0]
    of_first = [row for row in rows if row.id.rpartition(":")[0] == first]
    return {row.metric: row.value for row in of_first if row.statistic in ("mean", "")}


def read(path):
    """Rows and skipped, or the line of the error."""
    try:
        found = read_results(path)
    except BadInput as error:
        return (), (), str(error)
    return found.rows, found.skipped, ""


def write(path, document):
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


# each figure as the file prints it, with the unit that the tool's source documents

@pytest.mark.parametrize(("name", "expected"), [
    ("vllm.json", {"ttft": 0.25, "tpot": 0.0195, "itl": 0.0194, "output_tokens_per_s": 1600, "total_tokens_per_s": 4800,
                   "requests_per_s": 3.2}),
    ("sglang.jsonl", {"ttft": 0.4, "tpot": 0.035, "itl": 0.034, "e2e": 4.9, "output_tokens_per_s": 409.6,
                      "total_tokens_per_s": 3686.4, "requests_per_s": 3.2}),
    ("inferencex-agg.json", {"ttft": 1.9, "tpot": 0.031, "itl": 0.031, "e2e": 33.0, "output_tokens_per_s": 200,
                             "input_tokens_per_s": 1600, "total_tokens_per_s": 1800}),
    ("trtllm.json", {"ttft": 0.82, "tpot": 0.028, "e2e": 14.8, "output_tokens_per_s": 4000,
                     "total_tokens_per_s": 12000, "requests_per_s": 8}),
    ("guidellm-v2.json", {"ttft": 0.18, "tpot": 0.0191, "tpot_with_first": 0.0199, "e2e": 3.98,
                          "output_tokens_per_s": 800, "total_tokens_per_s": 4896, "requests_per_s": 4}),
    ("aiperf.json", {"ttft": 0.21, "tpot": 0.015, "e2e": 3.2, "output_tokens_per_s": 1250, "requests_per_s": 6.25}),
    ("aiperf-0.3.json", {"ttft": 0.21, "tpot": 0.015, "e2e": 3.2, "output_tokens_per_s": 1250,
                         "requests_per_s": 6.25}),
    ("genai-perf.json", {"ttft": 0.21, "tpot": 0.015, "e2e": 3.2, "output_tokens_per_s": 1250, "requests_per_s": 6.25}),
    ("inference-perf.json", {"ttft": 0.4, "tpot": 0.019, "itl": 0.0189, "e2e": 4.2, "e2e_per_output_token": 0.021,
                             "output_tokens_per_s": 1000, "total_tokens_per_s": 3500, "requests_per_s": 5}),
    ("llama-bench.json", {"prefill_tokens_per_s": 12800}),
    ("llama-bench.csv", {"prefill_tokens_per_s": 12800}),
    ("plain.csv", {"ttft": 0.0955, "output_tokens_per_s": 900, "requests_per_s": 3.5})])
def test_every_tools_figures_in_its_own_units(name, expected):
    assert values(name) == pytest.approx(expected)


@pytest.mark.parametrize(("name", "load"), [
    ("vllm.json", Load(1000, 500, None, 32, requests=320)), ("sglang.jsonl", Load(1024, 128, None, 16, requests=160)),
    ("inferencex-agg.json", Load(8192, 1024, None, 64)), ("trtllm.json", Load(1000, 500, None, 118.5, requests=1000)),
    ("guidellm-v2.json", Load(1024, 200, None, 16, requests=100)),
    ("guidellm-v1.json", Load(1024, 200, None, 1, requests=100)),
    ("guidellm-0.3.json", Load(1024, 200, None, 100, requests=100)),
    ("aiperf.json", Load(550, 200, None, 20, requests=500)),
    ("aiperf-0.3.json", Load(550, 200, None, None, rate=6.5, requests=500)),
    ("genai-perf.json", Load(550, 200, None, 20, requests=500)),
    ("inference-perf.json", Load(500, 200, None, None, rate=5.0, requests=600)),
    ("llama-bench.json", Load(512, None, 1, None, 0)), ("plain.csv", Load(1024, 256, None, 8))])
def test_every_tools_load(name, load):
    assert read_results(DATA / name).rows[0].load == load


def test_p001_of_guidellm_is_a_tenth_of_a_percent():
    found = {row.statistic: row.value for row in read_results(DATA / "guidellm-v2.json").rows
             if row.metric == "ttft" and "[0]" in row.id}
    assert list(found) == ["mean", "median", "p0.1", "p1", "p5", "p10", "p25", "p75", "p90", "p95", "p99", "p99.9"]
    assert found["p0.1"] == min(found.values())


def test_what_files_say_of_engine_layout_and_formats():
    sglang = read_results(DATA / "sglang.jsonl").rows[0]
    assert (sglang.model, sglang.engine) == ("Qwen/Qwen3-32B", "sglang 0.5.23")
    assert sglang.formats == Formats("fp8", "fp8_e4m3")
    assert read_results(DATA / "vllm.json").rows[0].sizes == Sizes(tensor=2)
    apart = read_results(DATA / "inferencex-disagg.json").rows[0]
    assert apart.chips == 24
    assert 'decode={"num_workers": 1, "tp_size": 1, "pp_size": 1, "attention_dp_size": 16' in apart.sizes.notes
    assert "mtp" in apart.notes
    decode = read_results(DATA / "llama-bench.json").rows[1]
    assert (decode.metric, decode.load.context, decode.formats.weights) == ("decode_tokens_per_s", 4096, "Q4_K_M")


def test_what_the_caller_says_holds_before_the_file():
    said = Said("my-model", "h100-sxm", 4, "vllm 0.19", Sizes(tensor=4), Formats("fp8"))
    row = read_results(DATA / "vllm.json", said).rows[0]
    assert (row.model, row.hardware, row.chips, row.engine) == ("my-model", "h100-sxm", 4, "vllm 0.19")
    assert (row.sizes.tensor, row.formats.weights) == (4, "fp8")
    assert row.load.concurrency == 32


def test_appended_results_are_runs_of_their_own():
    rows = read_results(DATA / "vllm-appended.jsonl").rows
    assert {(row.load.concurrency, row.load.rate) for row in rows} == {(32, None), (None, 2.5)}
    assert len({row.id for row in rows}) == len(rows)


def test_a_broken_line_is_skipped_and_the_rest_goes_on(tmp_path):
    text = (DATA / "vllm-appended.jsonl").read_text(encoding="utf-8")
    path = tmp_path / "r.jsonl"
    path.write_text(text[: text.index("\n") // 2] + text[text.index("\n"):], encoding="utf-8")
    rows, skipped, _ = read(path)
    assert len(rows) == 12
    assert [one.where for one in skipped] == ["line 1"]


# traps

def changed(name, **keys):
    return json.loads((DATA / name).read_text(encoding="utf-8")) | keys


@pytest.mark.parametrize(("keys", "where", "word"), [
    ({"mean_ttft_ms": 250_000.0}, "mean_ttft_ms", "longer than the run"),
    ({"mean_tpot_ms": -1}, "mean_tpot_ms", "between"), ({"mean_tpot_ms": 0}, "mean_tpot_ms", "between"),
    ({"mean_tpot_ms": math.nan}, "mean_tpot_ms", "finite"), ({"mean_tpot_ms": "fast"}, "mean_tpot_ms", "finite"),
    ({"output_throughput": 1.6}, "output_throughput", "are not 160000 tokens"),
    ({"completed": "many"}, "completed", "finite"), ({"total_input_tokens": None}, "total_input_tokens", "version")])
def test_a_number_that_cannot_be_is_named_and_the_others_stay(tmp_path, keys, where, word):
    rows, skipped, _ = read(write(tmp_path / "v.json", changed("vllm.json", **keys)))
    assert len(rows) >= 11
    assert any(one.where == where and word in one.reason for one in skipped), skipped


def test_a_first_token_after_the_end_of_the_request_is_a_unit_mixed_up(tmp_path):
    document = changed("guidellm-v2.json")
    document["benchmarks"][0]["metrics"]["request_latency"]["successful"]["mean"] = 0.00398
    rows, skipped, _ = read(write(tmp_path / "g.json", document))
    assert any("exceeds end to end" in one.reason for one in skipped)
    assert not any(row.metric == "ttft" and row.statistic == "mean" and "[0]" in row.id for row in rows)


def test_aiperfs_stored_unit_is_read(tmp_path):
    document = changed("aiperf.json")
    document["inter_token_latency"]["unit"] = "s"
    document["request_latency"]["unit"] = "furlongs"
    rows, skipped, _ = read(write(tmp_path / "a.json", document))
    assert not [row for row in rows if row.metric == "e2e"]
    assert any(row.metric == "tpot" and row.value == 15.0 for row in rows)
    assert any(one.where == "request_latency.unit" and "furlongs" in one.reason for one in skipped)


@pytest.mark.parametrize(("name", "key", "value"), [
    ("guidellm-v2.json", "metadata", {"version": 7}), ("aiperf.json", "schema_version", "2.0")])
def test_another_version_is_said_and_the_rest_read(tmp_path, name, key, value):
    rows, skipped, _ = read(write(tmp_path / name, changed(name, **{key: value})))
    assert rows
    assert any("known are none" in one.reason for one in skipped)


def test_a_column_of_latencies_without_a_unit_is_not_guessed():
    skipped = read_results(DATA / "plain.csv").skipped
    assert ("column ttft_median", "has no unit: call it ttft_ms or ttft_s") in skipped
    assert [one.where for one in skipped if one.where.startswith("line")] == [
        "line 4.Mean TTFT (ms)", "line 4.tpot_p99_s", "line 4.output tok/s"]


def test_a_table_in_the_form_of_the_published_measurements_is_read_as_one(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("id,metric,value,unit\nA-1,tpot,12.5,ms\n", encoding="utf-8")
    assert read_results(path).rows[0].value == 0.0125


@pytest.mark.parametrize("text", [
    "", " \n", "{}", "[]", "[1, 2]", "null", "hello", "a,b\n1,2\n", '{"a": 1}', "{", "[[[", "[" * 100_000, '"x',
    "ttft\n1\n", '{"model_id": "m", "duration": 1, "completed": 0}'])
def test_a_file_without_a_usable_number_is_one_line(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    rows, _, error = read(path)
    assert not rows
    assert error
    assert "\n" not in error


def test_bytes_directories_and_nothing_are_one_line(tmp_path):
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "none.json", tmp_path / "b.json"):
        assert read(path)[2]


# ---- whatever a file holds

ODD = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({}),
                st.just(10**400), st.lists(st.integers(), max_size=2),
                st.dictionaries(st.text(max_size=4), st.integers(), max_size=2))


def places(document, path=()):
    """Every path to a value of a document."""
    if path:
        yield path
    listed = dict(enumerate(document)) if isinstance(document, list) else document
    for key, part in listed.items() if isinstance(listed, dict) else ():
        yield from places(part, (*path, key))


def mutated(document, path, odd):
    found = copy.deepcopy(document)
    part = found
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = odd
    return found


@FUZZ
@given(data=st.data())
def test_no_mutation_of_a_result_gives_a_traceback_or_an_impossible_number(tmp_path, data):
    path = data.draw(st.sampled_from(JSON))
    document = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.sampled_from(list(places(document))))
        document = mutated(document, where, data.draw(ODD))
    rows, _, error = read(write(tmp_path / path.name, document))
    assert rows or error
    for row in rows:
        numbers = [row.load.input, row.load.output, row.load.concurrency, row.load.rate, row.load.requests, row.chips]
        assert math.isfinite(row.value), row
        assert row.value > 0, row
        assert all(n is None or (math.isfinite(n) and n >= 0) for n in numbers), row
    assert len({row.id for row in rows}) == len(rows)


@FUZZ
@given(cells=st.lists(st.lists(st.text(max_size=12), max_size=12), max_size=5))
def test_no_table_gives_a_traceback(tmp_path, cells):
    head = (DATA / "plain.csv").read_text(encoding="utf-8").splitlines()[0]
    path = tmp_path / "t.csv"
    path.write_bytes("\n".join([head, *(",".join(row) for row in cells)]).encode("utf-8", "replace"))
    for row in read(path)[0]:
        assert math.isfinite(row.value)
        assert row.value > 0


def test_the_guide_names_every_tool_that_is_read():
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "results.md").read_text(encoding="utf-8")
    named = {line.split("|")[1].strip() for line in guide.splitlines() if line.startswith("| ")}
    assert {tool for tool, _, _ in _TOOLS} <= named
