"""The two commands of a newcomer: what make installs and when, and how tests are counted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def make(*args: str) -> subprocess.CompletedProcess:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *args], cwd=HERE, env=own, capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path):
    """A folder that make takes for an environment in which everything is installed."""
    for stamp in ("made", "installed", "installed-dev"):
        (tmp_path / stamp).touch()
    return f"VENV={tmp_path}"


@pytest.mark.parametrize("target", ["plan", "test"])
def test_nothing_is_installed_twice(installed, target):
    assert "pip install" not in make("-n", installed, target).stdout


@pytest.mark.parametrize(("target", "wanted"), [("plan", "-e .\n"), ("test", "-e '.[dev]'\n")])
def test_a_change_of_pyproject_installs_again(installed, target, wanted):
    assert wanted in make("-n", "-W", "pyproject.toml", installed, target).stdout


def test_a_machine_without_python_311_is_told_so(tmp_path):
    ran = make("PYTHONS=no-such-python", f"VENV={tmp_path}/v", "plan")
    assert ran.returncode == 2
    assert "needs Python 3.11 or newer: none of no-such-python is one" in ran.stderr


def test_an_older_python_is_passed_over(tmp_path):
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")  # what the question for its version answers
    old.chmod(0o755)
    assert "none of" in make(f"PYTHONS={old}", f"VENV={tmp_path}/v", "plan").stderr


def test_help_lists_every_command():
    shown = make("help").stdout
    assert [name for name in ("plan", "test", "bench", "docs", "sizes", "clean") if f"make {name} " not in shown] == []


FOUR_ENDS = """
import pytest
def test_good(): pass
def test_bad(): assert False
@pytest.mark.skip
def test_left_out(): pass
@pytest.fixture
def broken(): raise ValueError
def test_of_a_broken_fixture(broken): pass
"""
COUNTED = """
import sys, pytest
sys.path.insert(0, {tools!r})
from run_tests import Count
count = Count()
status = pytest.main([{file!r}, "-p", "no:cacheprovider"], plugins=[count])
print(count.line())
sys.exit(status)
"""


@pytest.mark.parametrize(("text", "line", "status"), [
    (FOUR_ENDS, "1 passed, 2 failed, 1 skipped", 1),
    ("def test_good(): pass", "1 passed, 0 failed, 0 skipped", 0),
    ("x = 1", "0 passed, 0 failed, 0 skipped", 5),
    ("import no_such_module", "0 passed, 1 failed, 0 skipped", 2)])
def test_every_end_of_a_test_is_counted(tmp_path, text, line, status):
    (tmp_path / "test_it.py").write_text(text)
    code = COUNTED.format(tools=str(HERE / "tools"), file=str(tmp_path / "test_it.py"))
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.stdout.splitlines()[-1], ran.returncode) == (line, status)
