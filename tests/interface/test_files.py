"""The files that a question writes beside its answer: readable by others, refused before anything is computed."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json

import duckdb
import numpy as np
import pytest

import rackline
from rackline.interface.cli import main
from tests.interface.conftest import Ran

ASK = ("simulate", "llama-3.1-8b", "--on", "a100-80gb-pcie", "--chips", "1", "--trace", "azure-conv", "--requests",
       "25")


def run(*args: str) -> Ran:
    """Runs a command line with the bundled models and machines."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(args)
    return Ran(status, out.getvalue(), err.getvalue())


def test_a_parquet_log_has_a_row_a_request_with_the_answers_numbers(tmp_path):
    path = tmp_path / "it's a log.parquet"
    ran = run(*ASK, "--log", str(path), "--json")
    assert (ran.status, ran.err) == (0, f"wrote {path}\n")
    data = json.loads(ran.out)
    rows = duckdb.read_parquet(str(path))
    assert rows.columns[:4] == ["request", "arrival", "input", "output"]
    mean = duckdb.sql("select avg(time_to_first_token), count(*), max(finish) - min(arrival) from rows").fetchall()[0]
    assert mean == (pytest.approx(data["time_to_first_token"]["mean"]), 25, pytest.approx(data["makespan"]))


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_a_csv_log_is_csv(tmp_path, name):
    rackline.simulate("llama-3.1-8b", on="a100-80gb-pcie", chips=1, input=50, output=3, rate=2, requests=7,
                      log=tmp_path / name)
    data = (tmp_path / name).read_bytes()
    rows = list(csv.DictReader((gzip.decompress(data) if name.endswith("gz") else data).decode().splitlines()))
    assert [row["request"] for row in rows] == [str(i) for i in range(1, 8)]
    assert all(float(row["first_token"]) <= float(row["finish"]) for row in rows)


@pytest.mark.parametrize("name", ["passes.json", "passes.json.gz"])
def test_the_perfetto_file_is_chromes_trace_event_format(tmp_path, name):
    answer = rackline.simulate("llama-3.1-8b", on="dgx-h100", chips=2, layout="tp1,x2", trace="azure-conv", requests=30,
                               perfetto=str(tmp_path / name))
    data = (tmp_path / name).read_bytes()
    whole = json.loads(gzip.decompress(data) if name.endswith("gz") else data)
    assert whole["displayTimeUnit"] == "ms"
    events = whole["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]
    assert {e["ph"] for e in events} == {"M", "X", "C"}
    assert len(slices) == answer.data["passes"]
    assert [e["args"]["name"] for e in events if e["ph"] == "M"] == ["replica 0: tp1", "replica 1: tp1"]
    for e in slices:
        assert set(e) == {"ph", "name", "cat", "pid", "tid", "ts", "dur", "args"}
    # microseconds: passes of a replica follow one another, and together they are the busy time
    ends = max(e["ts"] + e["dur"] for e in slices)
    assert ends == pytest.approx(1e6 * answer.data["makespan"], rel=1e-6)
    assert sum(e["dur"] for e in slices) == pytest.approx(2e6 * answer.data["makespan"]
                                                          * answer.data["utilisation"]["busy"])
    for pid in (0, 1):
        mine = [e for e in slices if e["pid"] == pid]
        starts, stops = (np.array([e["ts"] + more * e["dur"] for e in mine]) for more in (0, 1))
        assert (starts[1:] >= stops[:-1] - 1e-3).all()
    for e in events:
        if e["ph"] == "C":
            assert [isinstance(v, int) for v in e["args"].values()] == [True]


@pytest.mark.parametrize(("given", "says"), [
    (("--log", "x.txt"), "--log: must end in one of .parquet, .csv, .csv.gz; got x.txt"),
    (("--perfetto", "x.csv"), "--perfetto: must end in one of .json, .json.gz; got x.csv"),
    (("--log", "nowhere/x.csv"), "--log: must lie in a folder that exists"),
    (("--log", "a\0b.csv"), "--log: must be a path that can be written"),
    (("--log", ""), "--log: must"),
])
def test_a_path_that_cannot_be_written_is_refused_in_one_line(given, says):
    ran = run(*ASK, *given)
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_a_file_is_overwritten_only_by_force(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("precious")
    assert "would overwrite a file" in run(*ASK, "--log", str(path)).err
    assert path.read_text() == "precious"
    assert run(*ASK, "--log", str(path), "--force").status == 0
    assert path.read_text().startswith("request,")


def test_an_interrupted_answer_is_shown_and_ends_with_130(monkeypatch):
    from rackline.decisions import capacity

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(capacity.Prober, "with_replicas", interrupt)
    ran = run("capacity", *ASK[1:], "--ttft", "2")
    assert ran.status == 130
    assert ran.out.startswith("interrupted: ")
