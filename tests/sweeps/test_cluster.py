"""The same sweep on a Ray cluster of this machine: same results, and a killed sweep goes on from where it was."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from rackline.errors import BadInput
from tests.sweeps import fake, started
from tests.sweeps.test_sweep import ENDS, SAYS, SLOW, STATUS

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason='needs Ray: pip install -e ".[cluster]"')


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one node that only this machine reaches, and only with its token; what a driver needs to join."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ray") as folder:  # sockets have short paths
        env = {**os.environ, "PYTHONPATH": str(started.HERE), "RAY_USAGE_STATS_ENABLED": "0",
               "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's way to say: bind 127.0.0.1 and nothing else
               "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
        with open(f"{folder}/log", "w") as log:
            head = subprocess.Popen([sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start",
                                     "--head", "--block", "--node-ip-address=127.0.0.1", "--port=0", "--num-cpus=2",
                                     "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}/ray",
                                     "--object-store-memory=100000000"],
                                    env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            yield {name: env[name] for name in env if name.startswith("RAY_")} | {"RAY_ADDRESS": _address(folder, head)}
        finally:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()
            time.sleep(0.2)  # its children let go of the folder


def _address(folder: str, head: subprocess.Popen) -> str:
    told = Path(folder) / "ray" / "ray_current_cluster"
    deadline = time.monotonic() + 60
    while not told.exists():
        assert head.poll() is None, Path(f"{folder}/log").read_text()
        assert time.monotonic() < deadline, Path(f"{folder}/log").read_text()
        time.sleep(0.1)
    return told.read_text().strip()


@needs_ray
def test_a_cluster_stores_what_processes_store(cluster, tmp_path):
    text = ENDS.replace('marks = "MARKS"', "").replace(', "dies-once"', "").replace("[1, 2]", "[1]")
    path = started.file(tmp_path, text)
    status, out, err = started.finish(path, tmp_path / "ray.duckdb", "--cluster", "auto", **cluster)
    assert (status, err) == (0, "")
    assert "1 finished, 1 refused, 2 failed, 1 infeasible" in out
    assert started.finish(path, tmp_path / "own.duckdb")[0] == 0
    columns = "select * exclude (seconds, error) from results order by key"
    assert started.rows(tmp_path / "ray.duckdb", columns) == started.rows(tmp_path / "own.duckdb", columns)
    said = dict(started.rows(tmp_path / "ray.duckdb", "select ends, error from results where ends <> 'dies'"))
    assert said == {end: SAYS[end] for end in STATUS if not end.startswith("dies")}


@needs_ray
def test_a_killed_sweep_of_a_cluster_goes_on_and_repeats_nothing_stored(cluster, tmp_path):
    path, results = started.file(tmp_path, SLOW), tmp_path / "r.duckdb"
    process = started.start(path, results, "--cluster", cluster["RAY_ADDRESS"], **cluster)
    while started.marks(tmp_path).total() < 12:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate()
    stored = set(started.rows(results, "select model, rate, chips, 'well' from results"))
    time.sleep(1)  # for the cluster to see that its driver is gone
    before = started.marks(tmp_path)
    status, out, _ = started.finish(path, results, "--cluster", cluster["RAY_ADDRESS"], **cluster)
    assert (status, len(started.rows(results))) == (0, 48)
    assert 0 < len(stored) < 48
    assert not {tuple(line.split()) for line in started.marks(tmp_path) - before} & stored
    assert f"{48 - len(stored)} of them computed now" in out


@pytest.mark.parametrize("address", ["127.0.0.1:9", "here", "127.0.0.1:x", "127.0.0.1:99999999999999", "a b:1", ""])
def test_a_cluster_that_is_not_there_is_one_line(tmp_path, address):
    with pytest.raises(BadInput, match="--cluster: must be a running Ray cluster: auto, or HOST:PORT; got ") as error:
        fake.sweep(started.file(tmp_path, SLOW), tmp_path / "r.duckdb", cluster=address)
    assert "\n" not in str(error.value)


def test_without_a_cluster_here_auto_is_one_line(tmp_path, monkeypatch):
    def init(**given):
        raise ConnectionError("Could not find any\nrunning Ray instance.")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    with pytest.raises(BadInput, match=r"HOST:PORT; got auto \(hint: Could not find any running Ray instance\.\)"):
        fake.sweep(started.file(tmp_path, SLOW), tmp_path / "r.duckdb", cluster="auto")


def test_without_ray_a_cluster_is_one_line_that_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match=r"--cluster: needs Ray; got it is not installed .*rackline\[cluster\]"):
        fake.sweep(started.file(tmp_path, SLOW), tmp_path / "r.duckdb", cluster="auto")
