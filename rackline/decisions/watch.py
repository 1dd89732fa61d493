"""How far a long question has come: the interface puts a Watch in place, decisions write to it, nobody else knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Watch:
    """What is being done; `counts`: steps done and steps in all, written while they are read.

    filling: an array whose numbers are nan until their step is done, instead of a count.
    """

    what: str = ""
    unit: str = ""
    counts: list[int] = field(default_factory=lambda: [0, 0])
    filling: Any = None

    def progress(self) -> tuple[int, int]:
        """Steps done, and steps in all."""
        if self.filling is not None:
            import numpy as np  # 80 ms: only once something runs

            return int(self.filling.size - np.count_nonzero(np.isnan(self.filling))), self.filling.size
        return self.counts[0], self.counts[1]


_CURRENT: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Lets what runs inside report to this watch."""
    token = _CURRENT.set(watch)
    try:
        yield watch
    finally:
        _CURRENT.reset(token)


def begin(what: str, unit: str, steps: int) -> list[int]:
    """Starts a stretch of work of so many steps; the list whose first number counts those done."""
    watch = _CURRENT.get() or Watch()
    watch.what, watch.unit, watch.filling = what, unit, None
    watch.counts[:] = [0, steps]
    return watch.counts


def fill(what: str, unit: str, filling: Any) -> None:
    """Starts a stretch of work that ends when no number of an array is nan any more."""
    watch = _CURRENT.get() or Watch()
    watch.what, watch.unit, watch.filling = what, unit, filling
