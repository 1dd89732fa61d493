"""What a sweep does with its cells, and that neither a killed worker nor a killed sweep loses or repeats any."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

import rackline
from tests.sweeps import fake, started

TWELVE = """
[fixed]
model = "a"
marks = "MARKS"
[grid]
rate = [1, 2, 4]
chips = [1, 2, 4, 8]
"""


def test_every_cell_has_its_numbers_and_the_best_is_named(tmp_path):
    answer = fake.sweep(started.file(tmp_path, TWELVE), tmp_path / "r.duckdb", workers=2)
    assert answer.headline == (
        f"12 cells in {tmp_path / 'r.duckdb'}: 12 finished, 0 refused, 0 failed; 12 of them computed now; least "
        "time_to_first_token.p99: 375 ms with rate 1, chips 8.")
    stored = started.rows(tmp_path / "r.duckdb", 'select rate, chips, "time_to_first_token.p99", threads from results')
    assert sorted(stored) == sorted((str(r), str(c), 3 * r / c, 1.0) for r in (1, 2, 4) for c in (1, 2, 4, 8))
    assert set(started.marks(tmp_path).values()) == {1}


def test_a_second_run_computes_nothing_and_a_larger_grid_only_what_is_new(tmp_path):
    results = tmp_path / "r.duckdb"
    first = fake.sweep(started.file(tmp_path, TWELVE), results, workers=1)
    again = fake.sweep(started.file(tmp_path, TWELVE), results, workers=1)
    larger = fake.sweep(started.file(tmp_path, TWELVE.replace("[1, 2, 4]", "[1, 2, 4.0, 6]")), results, workers=1)
    assert [answer.data["computed"] for answer in (first, again, larger)] == [12, 0, 4]
    assert (first.tables, first.plots) == (again.tables, again.plots)
    assert larger.data["cells"] == 16
    assert set(started.marks(tmp_path).values()) == {1}


def test_each_deployment_is_a_curve_of_the_metric_against_the_rate(tmp_path):
    answer = fake.sweep(started.file(tmp_path, TWELVE), tmp_path / "r.duckdb", workers=1, by="dollars", best="most")
    (plot,) = answer.plots
    assert (plot.title, plot.x.label) == ("dollars against rate", "rate")
    assert {(s.name, tuple(s.x), tuple(s.y)) for s in plot.series} == {
        (f"chips {c}", (1.0, 2.0, 4.0), (2.5 * c,) * 3) for c in (1, 2, 4, 8)}
    assert answer.tables[0].title == "Cells with the most dollars"
    assert [row[2] for row in answer.tables[0].rows] == sorted([2.5 * c for c in (1, 2, 4, 8)] * 3, reverse=True)[:10]


ENDS = """
[fixed]
model = "a"
marks = "MARKS"
[grid]
ends = ["well", "infeasible", "refused", "raises", "dies", "dies-once"]
rate = [1, 2]
"""
STATUS = {"well": "finished", "infeasible": "infeasible", "refused": "refused", "raises": "failed", "dies": "failed",
          "dies-once": "finished"}
SAYS = {"well": "", "infeasible": "too large", "refused": "--chips: must be fewer; got 9",
        "raises": "ZeroDivisionError: a\nfault", "dies": "its process ended 2 times, at last with exit status 7",
        "dies-once": ""}


@pytest.fixture(scope="module")
def of_every_end(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ends")
    return folder, fake.sweep(started.file(folder, ENDS), folder / "r.duckdb", workers=2)


def test_what_is_refused_infeasible_or_failed_is_stored_with_its_reason(of_every_end):
    folder, answer = of_every_end
    stored = started.rows(folder / "r.duckdb", "select ends, status, error from results")
    assert sorted(stored) == sorted(2 * [(end, STATUS[end], SAYS[end]) for end in STATUS])
    counts = {"finished": 4, "infeasible": 2, "refused": 2, "failed": 4}
    assert {name: answer.data[name] for name in counts} == counts
    assert {error["error"] for error in answer.data["errors"]} == set(SAYS.values()) - {""}


def test_a_worker_that_dies_has_its_cell_tried_once_more(of_every_end):
    folder, _ = of_every_end
    attempts = dict(started.rows(folder / "r.duckdb", """select json_extract_string(options, '$.ends'), min(attempts)
                                                         from cells group by all"""))
    assert attempts == {"well": 1, "infeasible": 1, "refused": 1, "raises": 1, "dies": 2, "dies-once": 2}


def test_nothing_is_tried_again_unless_asked_for_and_then_only_what_failed_or_was_refused(of_every_end):
    folder, _ = of_every_end
    before = started.marks(folder)
    assert fake.sweep(folder / "sweep.toml", folder / "r.duckdb").data["computed"] == 0
    assert fake.sweep(folder / "sweep.toml", folder / "r.duckdb", retry=True).data["computed"] == 6
    assert (started.marks(folder) - before).total() == 2 + 2 + 2 * 2
    assert len(started.rows(folder / "r.duckdb")) == 12


def test_a_sweep_of_which_nothing_runs_is_not_feasible(tmp_path):
    path = started.file(tmp_path, '[fixed]\nmodel = "a"\n[grid]\nends = ["infeasible", "refused"]\n')
    answer = fake.sweep(path, tmp_path / "r.duckdb", workers=1)
    assert not answer.feasible
    assert answer.reasons == ("1 refused: --chips: must be fewer; got 9", "1 infeasible: too large")


# ---- killed

SLOW = """
[fixed]
marks = "MARKS"
seconds = 0.03
[grid]
model = ["a", "b"]
rate = [1, 2, 3, 4, 5, 6]
chips = [1, 2, 4, 8]
"""


def test_killed_at_any_moment_and_started_again_nothing_is_lost_and_nothing_repeated(tmp_path):
    (tmp_path / "calm").mkdir()
    calm = tmp_path / "calm" / "r.duckdb"
    path, results, dice = started.file(tmp_path, SLOW), tmp_path / "r.duckdb", random.Random(4)
    stored: set[tuple] = set()
    kept_at = []
    for i in range(8):  # while it starts and makes its file, and while it computes
        before = started.marks(tmp_path)
        process = started.start(path, results)
        begun, later = (0, 0.5) if i % 2 else (dice.randint(1, 6), 0.02)
        _kill_when(process, tmp_path, before.total() + begun, dice.random() * later)
        assert not _which(started.marks(tmp_path) - before) & stored
        now = set(started.rows(results, "select model, rate, chips, 'well' from results")) if _begun(results) else set()
        assert stored <= now
        stored = now
        kept_at.append(len(now))
    before = started.marks(tmp_path)
    assert started.finish(path, results)[0] == 0
    assert not _which(started.marks(tmp_path) - before) & stored
    assert started.finish(path, calm)[0] == 0
    assert any(0 < kept < 48 for kept in kept_at)
    assert len(started.rows(results)) == 48
    assert started.rows(results) == started.rows(calm)
    assert started.rows(results, "select key, metric, count(*) from numbers group by all having count(*) > 1") == []
    assert not list(tmp_path.glob(".*.new"))


def _begun(results: Path) -> bool:
    return ("results",) in started.rows(results, "select view_name from duckdb_views() where not internal")


def _kill_when(process: subprocess.Popen, folder: Path, begun: int, later: float) -> None:
    """kill -9 for the sweep (not its workers) a moment after so many cells have begun."""
    while started.marks(folder).total() < begun and process.poll() is None:
        time.sleep(0.002)
    time.sleep(later)
    process.kill()
    process.communicate(timeout=20)


def _which(begun: Counter[str]) -> set[tuple]:
    return {tuple(line.split()) for line in begun}


def test_ctrl_c_keeps_what_has_finished_and_ends_with_130(tmp_path):
    path, results = started.file(tmp_path, SLOW), tmp_path / "r.duckdb"
    process = started.start(path, results)
    while started.marks(tmp_path).total() < 9:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the sweep and its workers
    out, err = process.communicate(timeout=20)
    kept = len(started.rows(results))
    assert (process.returncode, err) == (130, "")
    assert out.startswith(f"Stopped: {kept} of 48 cells in {results}: {kept} finished")
    assert 6 <= kept < 48


def test_workers_of_a_killed_sweep_end_with_it(tmp_path):
    path = started.file(tmp_path, SLOW.replace("0.03", "0.5"))
    process = started.start(path, tmp_path / "r.duckdb")
    while started.marks(tmp_path).total() < 2:
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while _group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _group(process.pid) == []
    assert started.marks(tmp_path).total() <= 4


def _group(leader: int) -> list[str]:
    """The living processes of a group."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    parts = [line.split(None, 2) for line in listed.splitlines()]
    return [line[2] for line in parts if line[0] == str(leader) and not line[1].startswith("Z")]


def test_a_killed_worker_is_replaced_and_no_cell_is_lost(tmp_path):
    path = started.file(tmp_path, SLOW.replace("0.03", "0.1"))
    process = started.start(path, tmp_path / "r.duckdb")
    while started.marks(tmp_path).total() < 3:
        time.sleep(0.005)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("this kernel does not list children")
    killed = [int(pid) for pid in children.read_text().split() if b"spawn_main" in _command(pid)]
    os.kill(killed[0], signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "48 finished, 0 refused, 0 failed" in out
    assert sorted(Counter(started.marks(tmp_path).values())) in ([1], [1, 2])


def _command(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


# ---- the real question

REAL = """
[fixed]
model = "llama-3.1-8b"
input = 300
output = 20
requests = 40
arrivals = "poisson"
[[cases]]
on = "h100-sxm"
chips = 1
[[cases]]
on = "no-such-machine"
[grid]
rate = [1, 8.5]
"""


def test_a_cell_has_the_numbers_that_simulate_gives_and_what_simulate_refuses_is_refused(tmp_path):
    import rackline
    from rackline.sweeps.cell import SIMULATE, computed, flat

    options = {"model": "llama-3.1-8b", "on": "h100-sxm", "chips": 1, "input": 300, "output": 20, "requests": 40,
               "arrivals": "poisson", "rate": 8.5}
    status, error, numbers, _ = computed(SIMULATE, options)
    assert (status, error) == ("finished", "")
    assert numbers == dict(flat(rackline.ask("simulate", **options).data))
    assert computed(SIMULATE, options | {"on": "no-such-machine"})[0] == "refused"
    assert computed(SIMULATE, options | {"model": "llama-3.1-405b"})[0] == "infeasible"


def test_a_sweep_of_simulate_is_one_command(tmp_path, capsys):
    import json

    from rackline.interface.cli import main

    path = started.file(tmp_path, REAL)
    assert main(["sweep", str(path), "--to", str(tmp_path / "r.duckdb"), "--workers", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == ""
    assert (found["cells"], found["finished"], found["refused"]) == (4, 2, 2)
    assert found["by"] == "time_to_first_token.p99"
    assert "no-such-machine" in found["errors"][0]["error"]


CLOCKS = """
[fixed]
model = "llama-3.1-8b"
on = "a100-80gb-pcie"
chips = 1
trace = "azure-conv"
requests = 120
layout = "tp1"
[grid]
clock = ["roofline", "calibrated"]
rate = [2, 4]
"""


def test_the_clock_is_an_axis_and_calibrated_cells_hold_their_intervals(tmp_path):
    answer = rackline.sweep(started.file(tmp_path, CLOCKS), to=str(tmp_path / "r.duckdb"), workers=1)
    best = answer.data["best"]
    assert len(best) == 4
    for cell in best:
        ends = [cell["numbers"].get(f"intervals.time_to_first_token.p99.{end}") for end in ("low", "high")]
        if cell["options"]["clock"] == "roofline":
            assert ends == [None, None]
        else:
            assert ends[0] < cell["numbers"]["time_to_first_token.p99"] < ends[1]
    assert [column.title for column in answer.tables[0].columns][:5] == [
        "clock", "rate", "first token p99", "low", "high"]
    (plot,) = answer.plots
    wide = {series.name: series.low is not None for series in plot.series}
    assert wide == {"clock roofline": False, "clock calibrated": True}
