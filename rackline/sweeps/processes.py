"""Cells computed by worker processes; one that dies takes nothing with it but its cell, which is tried once more."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from rackline.errors import BadInput
from rackline.sweeps.cell import ONE_THREAD, Outcome, computed
from rackline.sweeps.sweep_file import Cell

TRIES = 2
_BEAT = 0.2  # seconds between looks at the clock and at Ctrl-C while nothing happens
_READY = "ready"


@dataclass
class _Worker:
    """A process and the parent's end of its pipe; the cell it works on and how often that was tried."""

    process: BaseProcess
    pipe: Connection
    ready: bool = False
    cell: Cell | None = None
    attempt: int = 0


def outcomes(cells: Iterator[Cell], run: str, workers: int) -> Generator[Outcome | None, None, None]:
    """What becomes of each cell, as they finish; None now and then while none does."""
    team: list[_Worker] = []
    again: deque[tuple[Cell, int]] = deque()
    todo = ((cell, 1) for cell in cells)
    try:
        _deal(team, again, todo, run, workers)
        while any(worker.cell for worker in team):
            found = wait([worker.pipe for worker in team], _BEAT)
            heard = [_heard(worker, team, again) for worker in tuple(team) if worker.pipe in found]
            _deal(team, again, todo, run, workers)  # before the parent is away to store what it heard
            yield from filter(None, heard) if any(heard) else (None,)
    finally:
        _end(team)


def _deal(team: list[_Worker], again: deque[tuple[Cell, int]], todo: Iterator[tuple[Cell, int]], run: str,
          workers: int) -> None:
    """A cell for each worker without one, and workers while there are more cells than workers."""
    for i in range(workers):
        if i < len(team) and team[i].cell:
            continue
        following = again.popleft() if again else next(todo, None)
        if following is None:
            return
        if i == len(team):
            team.append(_started(run))
        team[i].cell, team[i].attempt = following
        with suppress(OSError):  # a worker that has just died is found dead when it is listened to
            team[i].pipe.send((following[0].key, following[0].options))


def _heard(worker: _Worker, team: list[_Worker], again: deque[tuple[Cell, int]]) -> Outcome | None:
    """What a worker says; of one that died, its cell is put back or given up."""
    try:
        said = worker.pipe.recv()
    except (EOFError, OSError):
        team.remove(worker)
        return _lost(worker, again)
    if said == _READY:
        worker.ready = True
        return None
    cell, worker.cell = worker.cell, None
    assert cell is not None
    status, error, numbers, seconds = said
    return Outcome(cell.key, cell.options, status, error, numbers, seconds, worker.attempt)


def _lost(worker: _Worker, again: deque[tuple[Cell, int]]) -> Outcome | None:
    worker.process.join()
    worker.pipe.close()
    code, cell = worker.process.exitcode, worker.cell
    if not worker.ready:
        raise BadInput("sweep", "its worker processes must be able to start", f"exit status {code}",
                       'a script that asks for a sweep does so below if __name__ == "__main__":')
    if cell is None:
        return None
    if worker.attempt < TRIES:
        again.append((cell, worker.attempt + 1))
        return None
    why = f"its process ended {TRIES} times, at last with exit status {code}"
    return Outcome(cell.key, cell.options, "failed", why, attempts=worker.attempt)


def _end(team: list[_Worker]) -> None:
    for worker in team:
        worker.pipe.close()  # an idle worker ends by itself
        if worker.cell:
            worker.process.kill()
    for worker in team:
        worker.process.join(2)
        worker.process.kill()


def _started(run: str) -> _Worker:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, run), daemon=True)
    with _inherited():
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextmanager
def _inherited() -> Iterator[None]:
    """What a worker has from its first moment: one thread, and no ear for Ctrl-C, which is the parent's affair."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    main = threading.current_thread() is threading.main_thread()
    heard: Any = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        if main:
            signal.signal(signal.SIGINT, heard)


def serve(pipe: Connection, run: str) -> None:
    """The life of a worker: answers cells until the parent hangs up or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    pipe.send(_READY)
    with suppress(EOFError, OSError):
        while True:
            _, options = pipe.recv()
            pipe.send(computed(run, options))


def _follow_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # the parent was killed: nobody would keep what is being computed
