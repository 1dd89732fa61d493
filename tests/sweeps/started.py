"""Sweeps as processes of their own, which tests may kill."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb

HERE = Path(__file__).parents[2]


def start(*args: object, **env: str) -> subprocess.Popen:
    """A sweep of the fake question that has just been started, in a process group of its own."""
    line = [sys.executable, "-m", "tests.sweeps.fake", str(args[0]), "--to", *map(str, args[1:]), "--workers", "2"]
    env = {**os.environ, "PYTHONPATH": str(HERE), "COLUMNS": "200", **env}
    return subprocess.Popen(line, cwd=HERE, text=True, start_new_session=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=env)


def finish(*args: object, **env: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a sweep that runs to its end."""
    process = start(*args, **env)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def file(folder: Path, text: str) -> Path:
    """A sweep file; MARKS in its text is a file beside it."""
    path = folder / "sweep.toml"
    path.write_text(text.replace("MARKS", str(folder / "marks")))
    return path


def rows(results: Path, sql: str = "select * exclude (seconds) from results order by key") -> list[tuple]:
    """What a file of results holds; nothing where there is no file."""
    if not results.exists():
        return []
    with duckdb.connect(str(results)) as connection:
        return connection.execute(sql).fetchall()


def marks(folder: Path) -> Counter[str]:
    """How often each cell was started."""
    path = folder / "marks"
    return Counter(path.read_text().splitlines() if path.exists() else [])
