"""rackline trace: the published figures of the bundled traces, what is missing said, one line for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.decisions.questions import ask
from rackline.errors import BadInput
from rackline.facts.traces.counting import counts
from rackline.interface import export, figures
from rackline.interface.cli import main


def written(folder: Path, text: str) -> str:
    path = folder / "t.csv"
    path.write_text(text)
    return str(path)


def test_azure_conversations_come_about_at_random_as_published():
    data = ask("trace", "azure-conv").data
    assert (data["requests"], round(data["rate"], 4), round(data["gaps"]["cv"], 3)) == (19366, 5.5301, 1.094)
    assert [data["per_second"][k] for k in ("p50", "p99", "max")] == [5, 13, 16]
    assert data["per_minute"]["max"] == 507
    assert [data["input_tokens"][k] for k in ("p50", "p90", "p99")] == [1020, 2734.5, 4142]
    assert (data["prefix"], data["turns"]) == (None, None)


def test_mooncake_conversations_reuse_37_4_percent_and_have_a_coarse_clock():
    answer = ask("trace", "mooncake-conv")
    assert "37.4 %" in answer.headline
    cached, total = answer.data["prefix"]["cached_tokens"], answer.data["input_tokens"]["total"]
    assert cached / total == pytest.approx(0.3736, abs=5e-5)
    assert [answer.data["per_second"][k] for k in ("p50", "p99", "max")] == [0, 17, 28]
    assert answer.data["per_minute"]["max"] == 247
    assert answer.data["prefix"]["distinct"] == 182_790
    assert "coarse" in answer.headline
    reuse = answer.plots[-1].series[0]
    assert reuse.y[-1] == pytest.approx(answer.data["prefix_reuse"])  # the curve ends at the figure


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 200), min_size=2, max_size=60).map(sorted), st.sampled_from([1.0, 7.0, 60.0]))
def test_counts_in_bins_are_those_of_every_bin_written_out(times, width):
    arrival = np.array(times)
    found = counts(arrival, width)
    places = np.floor((arrival - arrival[0]) / width).astype(int)
    every = np.bincount(places, minlength=found.bins)
    assert found.bins == every.size
    assert found.mean == pytest.approx(every.mean())
    assert found.most == every.max()
    assert found.dispersion == pytest.approx(every.var() / every.mean(), abs=1e-9)
    for percent in (0, 50, 99, 100):
        assert found.percentile(percent) == pytest.approx(np.percentile(every, percent))


def test_a_span_of_three_thousand_years_is_counted_without_its_empty_seconds():
    assert counts(np.array([0.0, 1.0, 1e11]), 1.0).filled.size == 3


def test_lengths_alone_are_answered_and_what_is_missing_said(tmp_path):
    answer = ask("trace", written(tmp_path, "input_tokens,output_tokens\n10,2\n30,4\n"))
    assert "no arrival times" in answer.headline
    notes = " ".join(answer.notes)
    assert all(missing in notes for missing in ("No arrival times", "No prefix hashes", "No sessions"))
    assert (answer.data["rate"], answer.data["gaps"], answer.data["peak_minute_rate"]) == (None, None, None)
    assert [table.title for table in answer.tables] == ["Lengths"]
    assert answer.data["total_tokens"]["mean"] == 23


def test_sessions_are_counted_with_the_time_between_their_turns(tmp_path):
    rows = "0,10,2,a\n4,10,2,b\n6,10,2,a\n7,10,2,\n11,10,2,a\n"
    data = ask("trace", written(tmp_path, "timestamp,input_tokens,output_tokens,session_id\n" + rows)).data
    assert data["turns"] == {"sessions": 2, "mean": 2.0, "p50": 2.0, "max": 3, "requests_of_none": 1, "gap_p50": 5.5}


@pytest.mark.parametrize("rows", ["3,4,5\n", "3,4,5\n3,6,7\n", "0,1,1\n0.5,1,1\n"])
def test_the_smallest_traces_are_answered_drawn_and_printed(rows, tmp_path):
    answer = ask("trace", written(tmp_path, "timestamp,input_tokens,output_tokens\n" + rows))
    assert json.loads(export.to_json(answer))["requests"] == rows.count("\n")
    assert export.to_csv(answer)
    assert figures.to_bytes(answer, "png")[:4] == b"\x89PNG"


def test_the_size_of_a_block_can_be_given(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"timestamp":0,"input_length":40,"output_length":2,"hash_ids":[1,2,3]}\n'
                    '{"timestamp":9,"input_length":32,"output_length":2,"hash_ids":[1,2]}\n')
    with pytest.raises(BadInput, match="block_tokens=16 fits"):
        ask("trace", str(path))
    assert ask("trace", str(path), block_tokens=16).data["prefix_reuse"] == pytest.approx(32 / 72)


@pytest.mark.parametrize(("args", "says"), [
    (["nothing.csv"], "bundled trace"), ([], "must be given"), (["azure-con"], "did you mean azure-conv"),
    (["azure-conv", "--block-tokens", "0"], "--block-tokens"), (["azure-conv", "--on", "h100"], "no such option"),
])
def test_bad_input_is_one_line_and_status_2(args, says, capsys):
    assert main(["trace", *args]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert says in said.err
