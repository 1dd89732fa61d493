"""The readers of request traces against what is published, and against bytes nobody published."""

import csv
import gzip
import io
import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rackline.errors import BadInput
from rackline.facts.traces import Trace, bundled, found_blocks, quantiles, read_trace, summary
from rackline.facts.traces import files as trace_files

FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LENGTHS = st.integers(1, 10**6)
REQUESTS = st.lists(st.tuples(st.integers(0, 10**6), LENGTHS, LENGTHS), min_size=1, max_size=30).map(sorted)


def written(folder: Path, data: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def refused(folder: Path, data: str | bytes, name: str = "t.csv") -> str:
    with pytest.raises(BadInput) as caught:
        read_trace(written(folder, data, name))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is published -------------------------------------------------------------------------------------------

def test_azure_conversation_2023_has_the_published_rows_span_and_lengths():
    found = summary(read_trace("azure-conv"))
    assert found["requests"] == 19366
    assert found["span"] == pytest.approx(3501.722, abs=5e-4)
    assert found["rate"] == pytest.approx(5.5301, abs=5e-5)
    assert found["interarrival_cv"] == pytest.approx(1.094, abs=5e-4)
    assert found["input_tokens"]["total"] == 22_361_870
    assert found["output_tokens"]["total"] == 4_088_665
    assert [found["input_tokens"][k] for k in ("min", "p50", "p90", "p99", "max")] == [2, 1020, 2734.5, 4142, 14050]
    assert [found["output_tokens"][k] for k in ("min", "p50", "p90", "p99", "max")] == [7, 129, 424, 601, 1000]
    assert found["prefix_reuse"] is None


def test_mooncake_conversation_reuses_37_4_percent_of_its_input_tokens():
    trace = read_trace("mooncake-conv")
    found = summary(trace)
    assert found["prefix_reuse"] == pytest.approx(0.3736, abs=5e-5)
    assert found["requests"] == 12031
    assert found["span"] == pytest.approx(3536.999)
    assert found["interarrival_cv"] == pytest.approx(3.034, abs=5e-4)
    assert found["input_tokens"]["total"] == 144_793_823
    assert found["output_tokens"]["total"] == 4_122_048
    assert trace.prefix.values.size == 288_500
    assert found_blocks(trace.prefix).sum() == 105_710
    assert np.unique(trace.prefix.values).size == 182_790


def test_found_blocks_equals_a_cache_written_out_as_a_set():
    prefix = read_trace("mooncake-conv").prefix
    cache: set[int] = set()
    for i, found in enumerate(found_blocks(prefix)[:2000]):
        hashes = prefix.values[prefix.offsets[i]:prefix.offsets[i + 1]].tolist()
        lead = next((n for n, h in enumerate(hashes) if h not in cache), len(hashes))
        assert found == lead
        cache.update(hashes)


# --- each published form -----------------------------------------------------------------------------------------

FORMS = {
    "azure 2023": ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"
                   "2023-11-16 18:15:48.1805900,396,109", [0, 1.5]),
    "azure 2024": ("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,374,44\n"
                   "2024-05-10 00:00:01.509930+00:00,396,109\n", [0, 1.5]),
    "burstgpt": ("Timestamp,Session ID,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
                 "5,7,ChatGPT,374,44,418,Conversation log\n6.5,,GPT-4,396,109,505,API log\n", [0, 1.5]),
    "vidur": ("arrived_at,num_prefill_tokens,num_decode_tokens\n0.25,374,44\n1.75,396,109\n", [0, 1.5]),
    "vidur, lengths only": ("num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n374,44,418,8.5\n"
                            "396,109,505,3.6\n", None),
    "llmservingsim": ('{"input_toks":374,"output_toks":44,"arrival_time_ns":1000}\n'
                      '{"input_toks":396,"output_toks":109,"arrival_time_ns":1500001000}\n', [0, 1.5]),
    "mooncake": ('{"timestamp":3000,"input_length":374,"output_length":44,"hash_ids":[0]}\n'
                 '{"timestamp":4500,"input_length":396,"output_length":109,"hash_ids":[0]}\n', [0, 1.5]),
    "own names, tabs, bytes order mark": ("\ufeffPrompt Tokens\tCompletion-Tokens\tArrival_ms\n374\t44\t10\n"
                                          "396\t109\t1510\n", [0, 1.5]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())], ids=["plain", "gzip"])
def test_every_published_form_gives_the_same_requests(form, pack, tmp_path):
    text, arrival = FORMS[form]
    trace = read_trace(written(tmp_path, pack(text), "any.name"))
    assert trace.input_tokens.tolist() == [374, 396]
    assert trace.output_tokens.tolist() == [44, 109]
    if arrival is None:
        assert trace.arrival is None
        assert summary(trace)["rate"] is None
    else:
        assert trace.arrival == pytest.approx(arrival, abs=1e-6)


def test_burstgpt_sessions_are_numbered_and_a_blank_one_is_none(tmp_path):
    assert read_trace(written(tmp_path, FORMS["burstgpt"][0])).session.tolist() == [0, -1]


@pytest.mark.parametrize("stamp", ["1.5 * i", "TIMESTAMP '2024-01-01' + to_milliseconds(1500 * i)"])
def test_parquet_gives_the_same_requests(stamp, tmp_path):
    path = tmp_path / "t.parquet"
    duckdb.sql(f"select {stamp} as arrival, 374 + i as input_tokens, 44 + i as output_tokens, [i, 7] as hash_ids "
               "from range(3) t(i)").write_parquet(str(path))
    trace = read_trace(path, block_tokens=200)
    assert trace.arrival == pytest.approx([0, 1.5, 3])
    assert trace.input_tokens.tolist() == [374, 375, 376]
    assert trace.prefix.values.tolist() == [0, 7, 1, 7, 2, 7]
    assert "whole Parquet" in refused(tmp_path, path.read_bytes()[:-20])


# --- laws --------------------------------------------------------------------------------------------------------

@FAST
@given(REQUESTS, st.sampled_from(["csv", "jsonl"]), st.booleans())
def test_a_written_trace_reads_back(tmp_path, requests, form, zipped):
    names = ("arrival_ms", "input_tokens", "output_tokens")
    out = io.StringIO()
    if form == "csv":
        csv.writer(out).writerows([names, *requests])
    else:
        out.write("\n".join(json.dumps(dict(zip(names, r, strict=True))) for r in requests))
    data = out.getvalue().encode()
    trace = read_trace(written(tmp_path, gzip.compress(data) if zipped else data))
    assert trace.input_tokens.tolist() == [r[1] for r in requests]
    assert trace.output_tokens.tolist() == [r[2] for r in requests]
    assert trace.arrival == pytest.approx([(r[0] - requests[0][0]) / 1000 for r in requests])


@FAST
@given(st.sampled_from(sorted(FORMS)), st.integers(0, 10**6), st.binary(min_size=0, max_size=4), st.booleans(),
       st.integers(0, 6))
def test_mutated_bytes_give_a_sound_trace_or_one_clear_line(tmp_path, form, at, put, zipped, cut):
    data = FORMS[form][0].encode()
    data = gzip.compress(data, mtime=0) if zipped else data
    at %= len(data)
    try:
        trace = read_trace(written(tmp_path, data[:at] + put + data[at + cut:]))
    except BadInput as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right, each has its own law
    else:
        assert sound(trace)


def sound(trace: Trace) -> bool:
    rising = trace.arrival is None or (trace.arrival[0] == 0 and (np.diff(trace.arrival) >= 0).all())
    return bool(rising and len(trace) >= 1 and trace.input_tokens.min() >= 1 and trace.output_tokens.min() >= 1)


@FAST
@given(REQUESTS, st.integers(1, 40))
def test_quantiles_keep_the_mean_lengths_and_order_the_totals(tmp_path, requests, n):
    rows = "".join(f"{a},{b}\n" for _, a, b in requests)
    trace = read_trace(written(tmp_path, "input_tokens,output_tokens\n" + rows))
    triples = quantiles(trace, n)
    inputs, outputs, weights = np.array(triples).T
    assert len(triples) == min(n, len(trace))
    assert weights.sum() == pytest.approx(1)
    assert (inputs * weights).sum() == pytest.approx(trace.input_tokens.mean())
    assert (outputs * weights).sum() == pytest.approx(trace.output_tokens.mean())
    assert (np.diff(inputs + outputs) >= -1e-9 * (inputs + outputs)[1:]).all()
    assert max(weights) - min(weights) <= 1 / len(trace) + 1e-12


def test_more_quantiles_bring_the_spread_of_lengths_back():
    trace = read_trace("azure-conv")
    total = trace.input_tokens + trace.output_tokens
    spreads = []
    for n in (1, 4, 16, 64):
        inputs, outputs, weights = np.array(quantiles(trace, n)).T
        spreads.append(np.sqrt((weights * (inputs + outputs - total.mean()) ** 2).sum()) / total.std())
    assert spreads == sorted(spreads)
    assert spreads[0] == pytest.approx(0, abs=1e-9)
    assert spreads[-1] > 0.98


# --- what is refused ---------------------------------------------------------------------------------------------

HEAD = "timestamp,input_tokens,output_tokens\n"
REFUSED = {
    "a column missing": ("time,prompt\n1,2\n", "columns time, prompt"),
    "two of a kind": ("timestamp,time,input,output\n1,1,2,3\n", "timestamp, time"),
    "out of order": (HEAD + "1,2,3\n5,2,3\n4,2,3\n", "data row 3"),
    "no output": (HEAD + "1,2,3\n5,2,0\n", "data row 2"),
    "negative": (HEAD + "1,-2,3\n", "data row 1"),
    "not a number": (HEAD + "1,nan,3\n", "data row 1"),
    "fractional": (HEAD + "1,2.5,3\n", "2.5"),
    "absurd": (HEAD + "1,1e30,3\n", "1e30"),
    "words": (HEAD + "1,many,3\n", "many"),
    "endless time": (HEAD + "inf,2,3\n", "inf"),
    "unix milliseconds called a timestamp": (HEAD + "1700000000000,2,3\n", "timestamp_ms"),
    "dates, then numbers": (HEAD + "2023-11-16 18:15:46,2,3\n5,2,3\n", "data row 2"),
    "zone, then none": (HEAD + "2023-11-16 18:15:46Z,2,3\n2023-11-16 18:15:47,2,3\n", "data row 2"),
    "a short row": (HEAD + "1,2,3\n1,2\n", "data row 2"),
    "a header alone": (HEAD, "at least one request"),
    "nothing": ("", "at least one request"),
    "blank lines": ("\n \n", "at least one request"),
    "not UTF-8": (b"timestamp,input_tokens,output_tokens\n1,2,3\xff\n", "UTF-8"),
    "truncated gzip": (gzip.compress(HEAD.encode() * 50)[:-9], "gzip"),
    "not JSON": ('{"input_length":1,"output_length":2}\n{"input_length":1,', "data row 2"),
    "a key lost": ('{"input_length":1,"output_length":2}\n{"input_length":1}', "data row 2"),
    "a JSON array": ('[{"input_length":1,"output_length":2}]', "one JSON object a line"),
    "true as a length": ('{"input_length":true,"output_length":2}', "data row 1"),
    "hashes of other blocks": ('{"timestamp":0,"input_length":64,"output_length":2,"hash_ids":[1,2,3,4]}',
                               "block_tokens=16"),
    "hashes that are words": ('{"timestamp":0,"input_length":64,"output_length":2,"hash_ids":["a"]}', "whole numbers"),
    "tar archive": (b"x" * 257 + b"ustar" + b"\0" * 300, "tar archive"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_traces_are_refused_in_one_line_that_names_the_place(case, tmp_path):
    data, place = REFUSED[case]
    assert place in refused(tmp_path, data)


def test_a_directory_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(BadInput, match="a directory"):
        read_trace(tmp_path)
    with pytest.raises(BadInput, match="azure-conv"):
        read_trace("azure-cnv")
    with pytest.raises(BadInput):
        read_trace("nul\0byte")


def test_too_large_is_refused_on_disk_and_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(trace_files, "LARGEST", 1000)
    assert "at most" in refused(tmp_path, HEAD + "1,2,3\n" * 400)
    assert "in all" in refused(tmp_path, gzip.compress((HEAD + "1,2,3\n" * 400).encode()))


def test_equal_stamps_are_in_order(tmp_path):
    assert read_trace(written(tmp_path, HEAD + "1,2,3\n1,2,3\n")).arrival.tolist() == [0, 0]


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_quantiles_refuses_what_is_not_a_count(n):
    with pytest.raises(BadInput, match="bins"):
        quantiles(read_trace("azure-conv"), n)


def test_every_bundled_trace_reads():
    assert all(sound(read_trace(name)) for name in bundled())
