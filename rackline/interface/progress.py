"""One line on stderr while a question takes long: how far, how fast, how long to go; silent where nobody looks."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rackline import units
from rackline.decisions.watch import Watch, watching

PATIENCE = 1.0  # seconds before anything is shown
BETWEEN = 0.2  # seconds from one look to the next
_BAR = 24  # characters


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[None]:
    """Shows how far what runs inside has come, from its second second on, if the stream is a terminal."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield
        return
    watch, done = Watch(), threading.Event()
    looker = threading.Thread(target=_look, args=(watch, done, stream), daemon=True)
    looker.start()
    try:
        with watching(watch):
            yield
    finally:
        done.set()
        looker.join()


def _look(watch: Watch, done: threading.Event, stream: TextIO) -> None:
    began, what, drawn = time.monotonic(), watch.what, False
    if done.wait(PATIENCE):
        return
    while not done.wait(BETWEEN):
        if watch.what != what:
            began, what = time.monotonic(), watch.what
        text = line(watch, time.monotonic() - began)
        if text:
            stream.write(f"\r\x1b[2K{text}")
            stream.flush()
            drawn = True
    if drawn:
        stream.write("\r\x1b[2K")
        stream.flush()


def line(watch: Watch, seconds: float) -> str:
    """The line for a watch after so many seconds; empty where nothing is known."""
    done, steps = watch.progress()
    if steps <= 0:
        return ""
    done = min(done, steps)
    filled = _BAR * done // steps
    text = f"{watch.what} {'━' * filled}{'╌' * (_BAR - filled)} {done:,}/{steps:,} {watch.unit}"
    if done == 0 or seconds <= 0:
        return text
    rate = done / seconds
    return f"{text}, {units.show(rate, 'count')}/s, {units.show((steps - done) / rate, 'seconds')} to go"
