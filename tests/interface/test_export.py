"""JSON, CSV and files."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rackline
from rackline.decisions.answer import Answer
from rackline.errors import BadInput
from rackline.interface import export
from tests.interface import fake
from tests.interface.conftest import run

ASK = ("fake", "deepseek-v3", "--on", "h100-sxm")


def _strict(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_is_strict_though_the_answer_holds_nan_infinity_and_numpy():
    found = _strict(run(*ASK, "--json").out)
    assert (found["time"], found["nan"], found["ends"], found["grid"]) == (0.0386, None, [None, None], [0.0, 1.0, 2.0])
    assert (found["whole"], found["yes"], found["names"]) == (3, True, ["a", "b"])
    assert found["tables"][0]["rows"][2][1] is None
    assert found["tables"][0]["columns"][1] == {"title": "time per pass", "unit": "seconds"}
    assert found["sources"][1]["elasticity"] == -0.93
    assert {"question", "headline", "badge", "feasible", "reasons", "notes", "explain", "text"} <= set(found)


@settings(max_examples=100, deadline=None)
@given(data=st.dictionaries(st.text(), st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3) | st.tuples(inner)),
    max_size=3))
def test_whatever_the_data_is_the_json_is_strict_and_utf8(data: dict):
    text = export.to_json(Answer("fake", "x", data=data))
    assert set(_strict(text.encode().decode())) >= set(export.plain(data))


def test_csv_of_several_tables_has_the_union_of_columns_after_the_table():
    rows = list(csv.DictReader(io.StringIO(run(*ASK, "--csv").out)))
    assert [row["table"] for row in rows] == ["Time against batch"] * 3 + ["Balance"]
    assert [row["time per pass [seconds]"] for row in rows] == ["0.012", "0.0386", "", ""]
    assert rows[3]["value"] == "312"


def test_csv_of_one_table_is_that_table():
    table = fake.full().tables[1]
    assert export.to_csv(Answer("fake", "x", tables=(table,))) == "name,value\nB*,312\n"


def test_csv_without_a_table_is_one_row_of_what_is_known():
    (row,) = csv.DictReader(io.StringIO(run(*ASK, "--csv", "--name", "infeasible").out))
    assert (row["feasible"], row["least_chips"]) == ("False", "12")
    assert row["reasons"] == "weights need 671 GB of 80 GB; take 12 chips"


STARTS = {".svg": b"<?xml", ".png": b"\x89PNG", ".html": b"<!doctype html>", ".json": b"{", ".csv": b"table,",
          ".txt": b"One pass takes"}


@pytest.mark.parametrize("ending", STARTS)
def test_a_file_is_written_by_its_ending_the_same_bytes_each_time(ending: str, tmp_path: Path):
    first, second = tmp_path / f"a{ending}", tmp_path / f"b{ending.upper()}"
    ran = run(*ASK, "--out", str(first))
    assert (ran.status, ran.err) == (0, f"wrote {first}\n")
    assert ran.out.startswith("One pass takes")
    rackline.save(fake.full(), second)
    assert first.read_bytes().startswith(STARTS[ending])
    if ending != ".json":  # the request is in the data
        assert first.read_bytes() == second.read_bytes()


def test_a_file_is_never_overwritten_unless_forced(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("mine")
    ran = run(*ASK, "--out", str(file))
    assert (ran.status, ran.out, file.read_text()) == (2, "", "mine")
    assert "--out: would overwrite a file" in ran.err
    assert "--force" in ran.err
    assert run(*ASK, "--out", str(file), "--force").status == 0
    assert file.read_text().startswith("table,")


@pytest.mark.parametrize(("path", "says"), [
    ("a.pdf", "must end in one of .svg"), ("a", "must end in one of .svg"), ("a.htm", "did you mean .html"),
    ("no/such/folder/a.svg", "must lie in a folder that exists"), ("", "must end in"), ("x" * 4000 + ".svg", "--out"),
    ("folder.svg", "must be a file, not a folder"), ("a\0.svg", "--out")])
def test_a_path_that_cannot_be_is_refused_before_the_question_is_asked(
        path: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.svg").mkdir()
    ran = run(*ASK, "--name", "crash", "--out", path)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert says in ran.err
    assert os.listdir(tmp_path) == ["folder.svg"]


def test_an_answer_without_a_plot_has_no_picture(tmp_path: Path):
    ran = run(*ASK, "--name", "bare", "--out", str(tmp_path / "a.png"))
    assert ran.status == 2
    assert "has no plot to draw" in ran.err
    infeasible = run(*ASK, "--name", "infeasible", "--out", str(tmp_path / "a.png"))
    assert (infeasible.status, infeasible.out.startswith("It fits nowhere.")) == (3, True)
    assert infeasible.err.startswith("not written: --out")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_refuses_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadInput, match=r"must be a path that can be written; got .* \(hint: Permission denied\)"):
        export.save(fake.full(), tmp_path / "a.csv")
