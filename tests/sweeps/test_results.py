"""The file of results: one writer, whole cells, and nothing that anyone had is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from rackline.errors import BadInput
from rackline.sweeps import results
from rackline.sweeps.cell import Outcome, flat
from tests.sweeps import fake, started

ONE = '[fixed]\nmodel = "a"\n[grid]\nrate = [1]\n'
STORES_AND_DIES = """
import os, sys
from pathlib import Path
from rackline.sweeps import results
from rackline.sweeps.cell import Outcome
with results.opened(Path(sys.argv[1])) as book:
    for i in range(12):
        numbers = {f"m{j}": float(i) for j in range(i + 1)}
        results.store(book, Outcome(f"k{i:02}", {"rate": i, "model": "a"}, "finished", "", numbers))
    os._exit(9)
"""


def refused(path: Path | str) -> str:
    with pytest.raises(BadInput) as error, results.opened(Path(path)):
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_log_cut_off_anywhere_holds_a_beginning_of_whole_cells(tmp_path):
    whole = tmp_path / "whole.duckdb"
    subprocess.run([sys.executable, "-c", STORES_AND_DIES, str(whole)], cwd=started.HERE, check=False, timeout=30,
                   env={**os.environ, "PYTHONPATH": str(started.HERE)})
    log = whole.with_name(whole.name + ".wal").read_bytes()
    seen = set()
    for size in (*range(0, len(log), len(log) // 24), len(log) - 1, len(log)):
        torn = tmp_path / f"torn{size}.duckdb"
        shutil.copyfile(whole, torn)
        torn.with_name(torn.name + ".wal").write_bytes(log[:size])
        seen.add(_whole_cells(torn))
        torn.unlink()
    assert {0, 11, 12} <= seen
    assert len(seen) > 8


def _whole_cells(path: Path) -> int:
    """How many cells there are, each with all its numbers; one more can be stored after them."""
    with results.opened(path) as book:
        keys = sorted(results.keys(book))
        assert keys == [f"k{i:02}" for i in range(len(keys))]
        counted = book.connection.execute("select key, count(*), min(value), max(value) from numbers group by key")
        assert sorted(counted.fetchall()) == [(f"k{i:02}", i + 1, i, i) for i in range(len(keys))]
        results.store(book, Outcome("more", {"rate": 99}, "finished", "", {"m0": 1.0}))
    assert len(started.rows(path)) == len(keys) + 1
    return len(keys)


def test_a_second_writer_is_told_that_the_file_is_in_use_and_the_first_goes_on(tmp_path):
    slow = started.file(tmp_path, '[fixed]\nmodel = "a"\nseconds = 0.3\nmarks = "MARKS"\n[grid]\nrate = [1, 2, 3, 4]\n')
    first = started.start(slow, tmp_path / "r.duckdb")
    while not started.marks(tmp_path):
        assert first.poll() is None
    status, out, err = started.finish(slow, tmp_path / "r.duckdb")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: --to: is in use by another process; got ")
    assert "4 finished" in first.communicate(timeout=30)[0]
    assert set(started.marks(tmp_path).values()) == {1}


def _text(path: Path) -> None:
    path.write_text("a year of notes\n")


def _empty(path: Path) -> None:
    path.touch()


def _database(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table cells as select 1 as mine")


def _later_shape(path: Path) -> None:
    with results.opened(path) as book:
        book.connection.execute("update rackline_sweep set shape = 2")


@pytest.mark.parametrize("make", [_text, _empty, _database, _later_shape])
def test_a_file_that_is_no_sweep_of_this_shape_is_refused_and_stays_as_it_is(tmp_path, make):
    path = tmp_path / "r.duckdb"
    make(path)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert refused(path).startswith("--to: must be a new file or the results of a sweep")
    assert ((path.read_bytes(), path.stat().st_mtime_ns), os.listdir(tmp_path)) == (before, ["r.duckdb"])


@pytest.mark.parametrize(("name", "says"), [
    (".", "must be a file"), ("no/r.duckdb", "must lie in a folder that exists"), ("a\0b", "must be a path that can"),
    ("x" * 300, "must be a path that can be written")])
def test_a_place_where_nothing_can_be_written_is_one_line(tmp_path, name, says):
    assert f"--to: {says}" in refused(f"{tmp_path}/{name}")


def test_a_sweep_file_with_names_that_look_like_sql_is_stored_as_it_is_written(tmp_path):
    path, odd = tmp_path / "it's \"r\".duckdb", {"a'b\"c": 1.0, "KEY": 2.0, "model": 3.0, "status": 4.0}
    with results.opened(path) as book:
        results.store(book, Outcome("k", {"model": "x'; drop table cells; --"}, "finished", "", odd))
    with duckdb.connect(str(path)) as connection:
        found = connection.execute("select * exclude (seconds) from results")
        row = dict(zip([column[0] for column in found.description], found.fetchone(), strict=True))
    assert row == {"key": "k", "status": "finished", "error": "", "model": "x'; drop table cells; --", "a'b\"c": 1.0,
                   "metric KEY": 2.0, "metric model": 3.0, "metric status": 4.0}


def test_what_numbers_say_is_kept_exactly_and_lists_and_words_are_left_out():
    import numpy as np

    value = {"a": {"p99": 0.1, "all": [1, 2]}, "n": np.int64(3), "x": np.float64(1e-300), "yes": True, "name": "b",
             "none": None, "nan": float("nan"), "inf": float("inf")}
    assert dict(flat(value)) == {"a.p99": 0.1, "n": 3.0, "x": 1e-300, "yes": 1.0, "inf": float("inf")}


def test_the_file_is_not_made_for_a_sweep_that_is_refused(tmp_path):
    path = started.file(tmp_path, ONE.replace("rate", "rat"))
    with pytest.raises(BadInput):
        fake.sweep(path, tmp_path / "r.duckdb")
    assert not (tmp_path / "r.duckdb").exists()
