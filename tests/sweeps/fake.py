"""A question that takes as long as it is told, and a sweep of it as a process of its own.

    python -m tests.sweeps.fake SWEEP.toml --to RESULTS.duckdb [--workers N] [--cluster ADDRESS]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rackline.decisions import questions
from rackline.decisions.answer import Answer
from rackline.decisions.questions import Question, Sweep, param
from rackline.errors import BadInput
from rackline.interface import cli
from rackline.sweeps import question as sweeping


@dataclass(frozen=True, kw_only=True)
class Slow:
    """What a cell of the tests takes."""

    model: Any = param("model", "any words", flag="MODEL")
    rate: float | None = param("number", "requests a second", default=None)
    chips: int | None = param("count", "chips", default=None)
    seconds: float | None = param("ratio", "how long it takes", default=0.0, least=0)
    ends: str = param("choice", "how it ends", default="well",
                      choices=("well", "infeasible", "refused", "raises", "dies", "dies-once"))
    trace: Any = param("trace", "a file", default=None)
    marks: str | None = param("text", "a file that gets a line for every start of a cell", default=None)
    log: str | None = param("new_file", "a file that it would write", default=None)


QUESTION = Question("slow", "A question for tests", Slow, "tests.sweeps.fake:run", "rackline slow x")
RUN = "tests.sweeps.fake:run"


def run(options: Mapping[str, Any]) -> Answer:
    """The answer of one cell, or whatever else `ends` asks for."""
    rate, chips, ends = float(options.get("rate", 1)), int(options.get("chips", 1)), options.get("ends", "well")
    first = _mark(options, f"{options['model']} {rate:g} {chips} {ends}")
    time.sleep(float(options.get("seconds", 0)))
    _end(ends, first)
    feasible = ends != "infeasible"
    return Answer("slow", "Slow.", feasible=feasible, reasons=() if feasible else ("too large",), data={
        "time_to_first_token": {"mean": rate / chips, "p99": 3 * rate / chips}, "dollars": chips * 2.5, "name": "x",
        "threads": float(os.environ.get("OMP_NUM_THREADS", "0")), "timeline": [1.0, 2.0], "nothing": None,
        "undefined": float("nan")})


def _mark(options: Mapping[str, Any], line: str) -> bool:
    """Writes the line, at once and whole; whether it is there for the first time."""
    if not options.get("marks"):
        return True
    path = Path(options["marks"])
    before = path.read_text().splitlines() if path.exists() else []
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "w") as file:
        file.write(line + "\n")
    return line not in before


def _end(how: str, first: bool) -> None:
    if how == "refused":
        raise BadInput("--chips", "must be fewer", 9)
    if how == "raises":
        raise ZeroDivisionError("a\nfault")
    if how == "dies" or (how == "dies-once" and first):
        os._exit(7)


def sweep(file: Path, to: Path, **options: Any) -> Answer:
    """A sweep of the fake question."""
    return answer(Sweep(file=file, to=str(to), **options))


def answer(request: Sweep) -> Answer:
    """What rackline sweep answers, of the fake question."""
    return sweeping.swept(sweeping.work(request.file, QUESTION, RUN), request)


def main(args: list[str]) -> int:
    """The command line with the fake question in the cells of its sweeps."""
    questions.QUESTIONS["sweep"] = replace(questions.QUESTIONS["sweep"], run="tests.sweeps.fake:answer")
    return cli.main(["sweep", *args])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
