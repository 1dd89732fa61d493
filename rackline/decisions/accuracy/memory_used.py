"""How much of a chip's memory engines put to use, as closed loops show whose clients wait for room in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from rackline.decisions.accuracy.served_samples import RESERVED
from rackline.decisions.accuracy.settings import Like, Refused, Setting, setting
from rackline.facts.measurements import Measured
from rackline.systems.layout import Layout
from rackline.systems.memory import cache_bytes, state_bytes, weight_bytes

OVER = 1.1  # of the datasheet's memory, what all clients at once ask for at least: then some surely wait
_Point = tuple[Like, Layout, float, float, float]


def used_shares(rows: Iterable[Measured]) -> np.ndarray:
    """Shares of the datasheet's bytes that weights and the running sequences' caches took, one a configuration.

    Eq: N = clients/(1 + ttft/(tpot*output)), share = (weights + N*cache)/capacity
    Little's law: of a request's time all but the first token's is spent running, so is that share of the clients.
    Only where clients start at once and all of them together ask for more than there is.
    Ignores: that a prompt holds memory before its first token, a few parts in a hundred of a request's time.
    """
    return np.array(sorted(_share(one, *seconds) for one, seconds in _measured(rows) if _share(one, 0.0, 1.0) > OVER))


def _measured(rows: Iterable[Measured]) -> Iterator[tuple[Setting, tuple[float, float]]]:
    """Configurations in closed loops, with their seconds to the first token and per token."""
    found: dict[_Point, dict[str, Measured]] = {}
    settings: dict[_Point, Setting] = {}
    for row in rows:
        if row.metric not in ("tpot", "ttft") or row.flag:
            continue
        try:
            one = setting(row)
        except Refused:
            continue
        if one.bursts and one.like.mode == "together":
            point = (one.like, one.layout, one.clients, one.input, one.output)
            found.setdefault(point, {})[row.metric], settings[point] = row, one
    for point, both in found.items():
        if len(both) == 2:
            yield settings[point], (both["ttft"].value, both["tpot"].value)


def _share(one: Setting, first: float, token: float) -> float:
    """The share in use with so many seconds to the first token and per token."""
    running = one.clients / (1.0 + first / (token * one.output))
    tokens = one.input + one.output * RESERVED.get(one.like.engine, 0.5)
    each = cache_bytes(one.model, one.layout, tokens) + state_bytes(one.model, one.layout)
    held = weight_bytes(one.model, one.layout) + running / one.layout.data * each
    return float(held) / one.machine.chip.memory_capacity.value
