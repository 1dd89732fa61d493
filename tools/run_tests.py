"""Runs ruff, mypy and the tests, all of them even if one fails; the last line counts the tests.

Exit status: pytest's own where it is not 0, else 1 if ruff or mypy complained.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parents[1]
WORKERS = "2"


class Count:
    """How many tests ended how: a pytest plugin."""

    def __init__(self) -> None:
        self.ended: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.ended["failed"] += 1  # a broken fixture is a failure too
        elif report.skipped:
            self.ended["skipped"] += 1
        elif report.when == "call":
            self.ended["passed"] += 1

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.ended["failed"] += 1

    def line(self) -> str:
        return ", ".join(f"{self.ended[how]} {how}" for how in ("passed", "failed", "skipped"))


def check(*command: str) -> bool:
    """Whether a tool run in this environment found nothing to complain of."""
    print("$", *command, flush=True)
    return subprocess.run([sys.executable, "-m", *command], cwd=HERE, check=False).returncode == 0


def main(args: list[str]) -> int:
    """Runs everything; args go to pytest."""
    clean = [check("ruff", "check", "."), check("mypy")]
    count = Count()
    status = int(pytest.main(["-n", WORKERS, *args], plugins=[count]))
    for name, good in zip(("ruff", "mypy"), clean, strict=True):
        print(f"{name}: {'nothing found' if good else 'FAILED, see above'}")
    print(count.line(), flush=True)
    return status or int(not all(clean))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
