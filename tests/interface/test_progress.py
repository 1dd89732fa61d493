"""Progress is one line on a terminal, says how fast and how long to go, and is gone in the end."""

from __future__ import annotations

import io
import time

import numpy as np

from rackline.decisions.watch import Watch, begin, fill, watching
from rackline.interface import progress


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_line_says_how_far_how_fast_and_how_long_to_go():
    assert progress.line(Watch("simulating", "requests", [50, 200]), 10.0) == (
        f"simulating {'━' * 6}{'╌' * 18} 50/200 requests, 5/s, 30 s to go")
    assert progress.line(Watch("simulating", "requests", [0, 200]), 10.0).endswith("0/200 requests")
    assert progress.line(Watch("simulating", "requests", [300, 200]), 1.0).endswith("200/200 requests, 200/s, 0 s to go"
                                                                                    )
    assert progress.line(Watch(), 10.0) == ""


def test_an_array_that_fills_up_is_its_own_count():
    watch = Watch()
    with watching(watch):
        fill("simulating", "requests", np.array([1.0, np.nan, 2.0, np.nan]))
    assert watch.progress() == (2, 4)


def test_steps_counted_are_seen_by_whoever_watches_and_by_nobody_else():
    watch = Watch()
    with watching(watch):
        steps = begin("simulating", "probes", 7)
        steps[0] += 3
    assert watch.progress() == (3, 7)
    begin("other", "probes", 9)
    assert watch.progress() == (3, 7)


def test_on_a_terminal_the_line_is_drawn_after_a_while_and_wiped(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.02)
    monkeypatch.setattr(progress, "BETWEEN", 0.01)
    stream = Terminal()
    with progress.shown(stream):
        begin("simulating", "probes", 4)[0] = 1
        time.sleep(0.3)
    assert "simulating" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_what_is_quick_or_looked_at_by_nobody_shows_nothing():
    quick, file = Terminal(), io.StringIO()
    with progress.shown(quick):
        begin("simulating", "probes", 4)
    with progress.shown(file):
        begin("simulating", "probes", 4)
    assert (quick.getvalue(), file.getvalue()) == ("", "")
