"""How far a long question has come: the interface puts a Watch in place, decisions write to it, nobody else knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Watch:
    """What is being done; `counts`, shape (2,), int64: steps done and steps in all, written while they are read."""

    what: str = ""
    unit: str = ""
    counts: np.ndarray = field(default_factory=lambda: np.zeros(2, dtype=np.int64))


_CURRENT: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Lets what runs inside report to this watch."""
    token = _CURRENT.set(watch)
    try:
        yield watch
    finally:
        _CURRENT.reset(token)


def begin(what: str, unit: str, steps: int) -> np.ndarray:
    """Starts a stretch of work of so many steps; the array whose first number counts those done."""
    watch = _CURRENT.get() or Watch()
    watch.what, watch.unit = what, unit
    watch.counts[:] = 0, steps
    return watch.counts
