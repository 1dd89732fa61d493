"""How far a sweep is, as one line of a terminal that is drawn again and again."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

_EVERY = 0.1  # seconds between drawings


@dataclass
class Bar:
    """What is to do, what was there at the start, and what has come since."""

    total: int
    before: int
    ended: Counter[str] = field(default_factory=Counter)
    start: float = field(default_factory=monotonic)
    drawn: float = 0.0


def draw(bar: Bar, status: str | None = None) -> None:
    """Counts a cell that ended, if one did, and draws the line on stderr if that is a terminal."""
    if status:
        bar.ended[status] += 1
    now = monotonic()
    if sys.stderr.isatty() and now - bar.drawn >= _EVERY:
        bar.drawn = now
        sys.stderr.write(f"\r\x1b[K{line(bar, now - bar.start)}")
        sys.stderr.flush()


def clear(bar: Bar) -> None:
    """Takes the line away."""
    if bar.drawn:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def line(bar: Bar, seconds: float) -> str:
    """ "120 of 1,000 cells  ▕██        ▏  12.3/s  1:12 left  3 refused" after so many seconds."""
    new = bar.ended.total()
    done, rate = bar.before + new, new / seconds if seconds > 0 else 0.0
    filled = round(20 * done / max(bar.total, 1))
    left = f"{_clock((bar.total - done) / rate)} left" if rate else "…"
    bad = "".join(f"  {n:,} {status}" for status, n in sorted(bar.ended.items()) if status != "finished")
    return f"{done:,} of {bar.total:,} cells  ▕{'█' * filled:20}▏  {rate:.3g}/s  {left}{bad}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
