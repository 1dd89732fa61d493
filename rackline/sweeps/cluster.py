"""The same cells as tasks of a Ray cluster; Ray moves the work, this only hands cells out and takes numbers in."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rackline import __version__
from rackline.errors import BadInput
from rackline.sweeps.cell import ONE_THREAD, Outcome, computed
from rackline.sweeps.processes import TRIES
from rackline.sweeps.sweep_file import Cell

_BEAT = 0.2
_KNOCK = 5.0  # seconds
_RULE = "must be a running Ray cluster: auto, or HOST:PORT"
_WAITING = 2  # cells handed out for each core: one computed, one on its way


def outcomes(cells: Iterator[Cell], run: str, address: str) -> Generator[Outcome | None, None, None]:
    """What becomes of each cell, as they finish; None now and then while none does."""
    with _joined(address) as ray:
        task = ray.remote(num_cpus=1, max_retries=TRIES - 1)(_versioned)
        most = _WAITING * max(1, int(ray.cluster_resources().get("CPU", 1)))
        given: dict[Any, Cell] = {}
        while True:
            _hand_out(given, cells, most, lambda cell: task.remote(os.getcwd(), run, cell.options))
            if not given:
                return
            done, _ = ray.wait(list(given), timeout=_BEAT)
            if not done:
                yield None
            for reference in done:
                yield _taken(ray, reference, given.pop(reference))


def _hand_out(given: dict[Any, Cell], cells: Iterator[Cell], most: int, start: Callable[[Cell], Any]) -> None:
    while len(given) < most and (cell := next(cells, None)) is not None:
        given[start(cell)] = cell


def _versioned(folder: str, run: str, options: dict[str, Any]) -> tuple[str, Any]:
    """Runs on the cluster: the version of this program there, and what became of the cell; paths start at folder."""
    with suppress(OSError):  # a node without the folder can still do without files
        os.chdir(folder)
    os.environ.update(ONE_THREAD)
    return __version__, computed(run, options)


def _taken(ray: Any, reference: Any, cell: Cell) -> Outcome:
    try:
        version, (status, error, numbers, seconds) = ray.get(reference)
    except ray.exceptions.RayTaskError as missing:  # a fault of a cell is a number's place in `computed`, not raised
        raise BadInput("--cluster", "must have rackline on every node", str(missing.cause)) from None
    except ray.exceptions.RayError as lost:
        line = " ".join(str(lost).split())[:300]
        return Outcome(cell.key, cell.options, "failed", f"{type(lost).__name__}: {line}", attempts=TRIES)
    if version != __version__:
        raise BadInput("--cluster", f"must have rackline {__version__} on every node", f"{version} on one of them")
    return Outcome(cell.key, cell.options, status, error, numbers, seconds)


@contextmanager
def _joined(address: str) -> Iterator[Any]:
    """A connection to a running cluster; BadInput if there is none, or no Ray here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address != "auto":
        _check_reached(address)
    try:
        import ray
    except ImportError:
        raise BadInput("--cluster", "needs Ray", "it is not installed", 'pip install "rackline[cluster]"') from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BadInput("--cluster", _RULE, address, " ".join(str(error).split())[:160]) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reached(address: str) -> None:
    """Knocks first: Ray itself would try for more than a minute and then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host in ("127.0.0.1", "localhost"):
        # on such a cluster Ray would else look for itself at this machine's outside address, and listen there
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise BadInput("--cluster", _RULE, address, getattr(error, "strerror", None) or str(error)) from None
