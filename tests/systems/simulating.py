"""Small deployments, clocks that are test doubles, and requests to run through the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.systems.clock import PassTime, TermTime
from rackline.systems.layout import Layout
from rackline.systems.simulation.prepare import prepare
from rackline.systems.simulation.records import Deployment, Limits, Log, Requests

LLAMA = model("llama-3.1-8b")
A100 = machine("dgx-a100-80gb", 1)
DGX = machine("dgx-h200")


@dataclass(frozen=True)
class Constant:
    """A clock by which every pass takes so many seconds."""

    seconds: float

    def __call__(self, terms, machine):
        return PassTime({"pass": TermTime(self.seconds, 0.0, 0.0)}, self.seconds, 0.0, 0.0, self.seconds)


def requests(arrival: Sequence[float], input: Sequence[int] | int, output: Sequence[int] | int, *,
             hashes: Sequence[Sequence[int]] = (), block_tokens: int = 16) -> Requests:
    """Requests without followers."""
    n = len(arrival)
    column = lambda values: np.broadcast_to(np.asarray(values, dtype=np.int64), n).copy()  # noqa: E731
    start = np.concatenate([[0], np.cumsum([len(h) for h in hashes])]) if hashes else np.zeros(n + 1)
    block = np.array([key for h in hashes for key in h], dtype=np.int64)
    return Requests(np.asarray(arrival, dtype=float), column(input), column(output), column(-1), np.zeros(n),
                    start.astype(np.int64), block, block_tokens)


ONE_CHIP = Layout()


def deployment(seconds: float | None = None, layout: Layout = ONE_CHIP, **limits: object) -> Deployment:
    """Llama-3.1-8B on one A100, or with a constant clock."""
    limited = Limits(**limits)
    if seconds is None:
        return Deployment(LLAMA, A100, layout, limited)
    return Deployment(LLAMA, DGX, layout, limited, Constant(seconds))


def prepared(wanted: Requests, served: Deployment):
    """What both loops start from."""
    return prepare(wanted, served)


def differences(one: Log, other: Log) -> list[str]:
    """Columns in which two logs are not equal bit for bit."""
    found = [name for name in ("arrival", "admitted", "first_token", "finish", "preemptions", "cached", "replica")
             if not np.array_equal(getattr(one, name), getattr(other, name))]
    found += [f"passes.{column.name}" for column in fields(one.passes)
              if not np.array_equal(getattr(one.passes, column.name), getattr(other.passes, column.name))]
    return found + (["tier_tokens"] if dict(one.tier_tokens) != dict(other.tier_tokens) else [])
