"""rackline sweep: computes the cells of a sweep file that are not stored yet, and answers from all of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rackline.decisions import sweep_view, watch
from rackline.decisions.answer import Answer
from rackline.decisions.questions import Question, Sweep, find
from rackline.decisions.sweep_grid import Grid
from rackline.decisions.sweep_view import Run
from rackline.sweeps import cluster, found, processes, results
from rackline.sweeps.cell import SIMULATE, Outcome
from rackline.sweeps.results import Results
from rackline.sweeps.sweep_file import Cell, Files, cells, files, read_grid


@dataclass(frozen=True)
class Work:
    """A grid, the files that it names, and the "module:function" that answers a cell."""

    grid: Grid
    files: Files
    run: str


def work(path: Path, question: Question, run: str) -> Work:
    """The work in a sweep file."""
    grid = read_grid(path, question)
    return Work(grid, files(grid, question), run)


def answer(request: Sweep) -> Answer:
    """The answer to a sweep once every cell of its file is stored."""
    return swept(work(request.file, find("simulate"), SIMULATE), request)


def swept(given: Work, request: Sweep) -> Answer:
    """Stores what is not stored yet and answers from all of it; after Ctrl-C, from what has finished."""
    wanted = {cell.key for cell in cells(given.grid, given.files)}
    with results.opened(Path(request.to)) as book:
        left = wanted - results.keys(book)
        if request.retry:
            left |= wanted & results.keys(book, results.AGAIN)
        run = _compute(given, request, book, left, len(wanted)) if left else Run(len(wanted))
        return sweep_view.view(found.summary(book, wanted, request), given.grid, run)


def _compute(given: Work, request: Sweep, book: Results, left: set[str], total: int) -> Run:
    counts = watch.begin("sweep", "cells", len(left))
    with _interrupts() as interrupted, closing(_outcomes(given, request, left)) as finishing:
        for outcome in finishing:
            if outcome:
                results.store(book, outcome)
                counts[0] += 1
            if interrupted.is_set():
                return Run(total, int(counts[0]), interrupted=True)
    return Run(total, int(counts[0]))


def _outcomes(given: Work, request: Sweep, left: set[str]) -> Generator[Outcome | None, None, None]:
    todo = _todo(given, set(left))
    if request.cluster is not None:
        return cluster.outcomes(todo, given.run, request.cluster)
    return processes.outcomes(todo, given.run, min(request.workers or os.cpu_count() or 1, len(left)))


def _todo(given: Work, left: set[str]) -> Iterator[Cell]:
    """The cells with these keys, each once."""
    for cell in cells(given.grid, given.files):
        if cell.key in left:
            left.remove(cell.key)
            yield cell


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that a sweep stops between two cells and never within a transaction."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before: Any = signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
