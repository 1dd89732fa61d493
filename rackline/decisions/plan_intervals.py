"""The intervals of a plan's figures: of its options, its frontier and its headline; none where they are bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rackline.decisions.intervals import Around, around_pass, figure
from rackline.decisions.planned import Planned
from rackline.decisions.search import Option, Sample
from rackline.systems.calibrated import Calibrated
from rackline.systems.placing import stacked

Point = Option | Sample
_FAMILIES = {"together": "together", "decode": "together", "apart": "apart"}  # mode -> families of metrics
TITLES = {"time_per_output_token": ("time per output token", "seconds"),
          "time_to_first_token": ("time to first token", "seconds"),
          "tokens_per_second_per_user": ("tokens/s of one user", "tokens/s"),
          "tokens_per_second_per_chip": ("output tokens/s a chip", "tokens/s"),
          "dollars_per_million_output_tokens": ("$ per million output tokens", "dollars")}
_FIRST = "time_to_first_token"


def around(planned: Planned, points: Sequence[Point]) -> list[dict[str, Around]]:
    """What may move each figure of each point, by the figure's name; empty for bounds.

    Ignores: what a mean over passes with and without prompts loses beside the average pass, a few parts in a hundred
    of an interval.
    """
    found: list[dict[str, Around]] = [{} for _ in points]
    if not isinstance(planned.question.server.clock, Calibrated):
        return found
    for mode in dict.fromkeys(p.mode for p in points):
        rows = [i for i, p in enumerate(points) if p.mode == mode]
        for i, one in zip(rows, _of_mode(planned, mode, [points[i] for i in rows]), strict=True):
            found[i] = one
    return found


def _of_mode(planned: Planned, mode: str, points: Sequence[Point]) -> Iterator[dict[str, Around]]:
    server, work = planned.question.server, planned.question.work
    layout = stacked([p.layout for p in points])
    first = stacked([getattr(p, "prefill", None) or p.layout for p in points])
    micro = np.array([[p.batch] for p in points]) / layout.pipeline
    passed = work.decoding(micro) + work.prompting(micro / work.output) if mode == "together" else work.decoding(micro)
    token = around_pass(server, layout, passed, f"tpot {_FAMILIES[mode]}")
    prompt = around_pass(server, first, work.prompting(first.data * 1.0), f"ttft {_FAMILIES[mode]}")
    assert token is not None
    assert prompt is not None
    for i in range(len(points)):
        seconds = token.at((i, 0))
        yield {"time_per_output_token": seconds, _FIRST: prompt.at((i, 0)),
               "tokens_per_second_per_user": seconds.of_rates(), "tokens_per_second_per_chip": seconds.of_rates(),
               "dollars_per_million_output_tokens": seconds.paid(planned.price)}


def ends(point: dict[str, Any], moved: dict[str, Around]) -> dict[str, float]:
    """The low and high ends of a point's figures, beside which they stand: time_per_output_token_low …"""
    return {f"{name}_{end}": float(getattr(one, end)(point[name])) for name, one in moved.items() if name in point
            for end in ("low", "high")}


def with_ends(planned: Planned, points: Sequence[Point], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of points with the ends of their figures."""
    return [row | ends(row, moved) for row, moved in zip(rows, around(planned, points), strict=True)]


def figures(planned: Planned, row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The main figures of the best option, its row, with their intervals and causes; empty for bounds."""
    moved = around(planned, [planned.best])[0]
    if planned.best.mode == "decode":
        moved.pop(_FIRST, None)
    return {name: figure(row[name], one) for name, one in moved.items()}
