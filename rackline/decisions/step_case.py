"""From a step question to one case: which layout, which batch and context, and what the curves run over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from rackline.decisions.balance import balance_batch
from rackline.decisions.clocks import clock_of
from rackline.decisions.money import chip_price
from rackline.decisions.search import round_off
from rackline.decisions.stepping import Case
from rackline.errors import BadInput
from rackline.systems.layout import Layout
from rackline.systems.placing import layouts, stacked, why_not
from rackline.systems.serving import Server

CONTEXT = 8192.0  # tokens, where the question names none
_LONGEST = 2.0**20  # tokens that a curve runs to by itself, or to the model's own limit
_FAR = 1000  # times the batch of the headline at which a curve ends by itself: without a cache any batch fits
POINTS = 64  # of a curve without points of its own
_GROUP = 256  # layouts timed together
_BUSY = 8 / 9  # of the machine's chips a layout of our own choice keeps busy at least, as 64 of 72


@dataclass(frozen=True)
class Asked:
    """The numbers of a question: points asked for on each axis (empty: none), and the axis of the curves."""

    batches: np.ndarray
    contexts: np.ndarray
    against: str

    @property
    def context(self) -> float:
        """The context of the point that the headline tells."""
        return float(np.clip(CONTEXT, self.contexts.min(), self.contexts.max()))

    @property
    def batch(self) -> float | None:
        """The one batch asked for, if it is one."""
        return float(self.batches[0]) if self.batches.size == 1 else None

    @property
    def most(self) -> float:
        """The largest batch that the question allows."""
        return float(self.batches.max()) if self.batches.size else np.inf


def asked(q: Any) -> Asked:
    """The points of a question; BadInput where two axes are ranges or one is not of the kind of pass."""
    batches, contexts = (_points(x) for x in (q.batch, q.context))
    if batches.size > 1 and (contexts.size > 1 or q.against == "context"):
        raise BadInput("--batch", "must be one number when the curves run against context", f"{batches.size} numbers",
                       "ask once for each")
    against = "context" if contexts.size > 1 else q.against or "batch"
    if contexts.size == 0:
        contexts = np.array([min(CONTEXT, q.model.max_context or CONTEXT)])
    _check_kind(q, contexts)
    return Asked(batches, contexts, against)


def _points(given: Any) -> np.ndarray:
    return np.unique(np.asarray([] if given is None else given, dtype=float).ravel())


def _check_kind(q: Any, contexts: np.ndarray) -> None:
    if q.pass_ == "verify" and q.drafted is None:
        raise BadInput("--drafted", "must be given with --pass verify", "nothing", "for example --drafted 3")
    if q.pass_ != "verify" and q.drafted is not None:
        raise BadInput("--drafted", "is for --pass verify", q.drafted)
    if q.pass_ == "prefill" and contexts.min() < 1:
        raise BadInput("--context", "is the length of the prompts in a prefill: at least 1", contexts.min())


@dataclass(frozen=True)
class Choice:
    """The case that a question is about and the rule that chose its layout; `case` None: nothing fits, with reasons."""

    case: Case | None
    rule: str = ""
    reasons: tuple[str, ...] = ()


def choose(q: Any, points: Asked) -> Choice:
    """The user's layout, replicated over the machine, or the best that fits."""
    server = Server(q.model.with_formats(weights=q.weights, kv=q.kv), q.on, clock_of(q))
    start = Case(server, Layout(), q.pass_, float(q.drafted or 0), chip_price(q.on, q.price))
    return _given(start, q.layout, points) if q.layout is not None else _best(start, points)


def _given(start: Case, layout: Layout, points: Asked) -> Choice:
    server = start.server
    if layout.replicas == 1:
        layout = replace(layout, replicas=max(1, server.machine.chips // layout.replica))
    reasons = why_not(server.model, server.machine, layout, points.context, server.usable)
    if reasons:
        return Choice(None, reasons=tuple(f"{layout.name()}: {reason}" for reason in reasons))
    return Choice(replace(start, layout=layout), "Layout as asked, its replicas filling the machine.")


def _best(start: Case, points: Asked) -> Choice:
    """Of the layouts with the fewest replicas that fit: the fastest at the batch asked for, else of most throughput."""
    machine = start.server.machine
    busy = (x for x in layouts(start.server.model, machine) if x.chips >= _BUSY * machine.chips)
    found = sorted(busy, key=lambda x: x.replicas)
    reasons: list[str] = []
    for _, same in groupby(found, key=lambda x: x.replicas):
        for layout in _ranked(start, list(same), points):
            why = why_not(start.server.model, machine, layout, points.context, start.server.usable)
            if not why:
                return Choice(replace(start, layout=layout), _rule(start, points))
            reasons.append(f"{layout.name()}: {'; '.join(why)}")
    return Choice(None, reasons=tuple(reasons[:8]))


def _rule(start: Case, points: Asked) -> str:
    batch = points.batch
    if batch is None and start.kind != "prefill":
        goal = "the most tokens/s at the largest batch that fits"
    elif batch is None:
        goal = "the most prompt tokens/s with one prompt a data rank"
    else:
        goal = f"the least time at batch {batch:,.0f}"
    return f"Layout chosen: of those with the fewest replicas that fit, the one of {goal} (--layout gives another)."


def _ranked(start: Case, group: list[Layout], points: Asked) -> Iterator[Layout]:
    """Layouts, the best first; those that cannot hold the batch asked for come last, the roomiest of them first."""
    scores = np.concatenate([_scores(start, group[i : i + _GROUP], points) for i in range(0, len(group), _GROUP)])
    digits = np.array([round_off(float(score)) for score in scores])
    for index in np.lexsort(([x.context for x in group], -digits)):  # of equal ones the least context parallel
        yield group[index]


def _scores(start: Case, group: list[Layout], points: Asked) -> np.ndarray:
    case = replace(start, layout=stacked(group))
    most = case.largest_batch(points.context)
    wanted = case.unit if start.kind == "prefill" else np.minimum(most, points.most)
    batch = np.maximum(1.0, wanted if points.batch is None else points.batch) * np.ones_like(most)
    time = case.step(batch, points.context).time
    rate = case.tokens(batch, points.context) / time  # at one batch the highest rate is the least time
    return np.where(most >= batch, rate, most - np.ceil(batch) - 1.0).ravel()


def point(case: Case, points: Asked) -> float:
    """The batch that the headline tells: the one asked for, else the operating point within the range asked for."""
    if points.batch is not None:
        return points.batch
    best = float(case.unit) if case.kind == "prefill" else operating_batch(case, points.context)
    low = points.batches.min() if points.batches.size else 1.0
    return float(np.clip(best, low, points.most))


def operating_batch(case: Case, context: float) -> float:
    """The batch at which compute balances memory, in whole sequences a rank, or the largest that fits if smaller."""
    balance = balance_batch(case, context)
    rounded = np.ceil(balance / case.unit) * case.unit if np.isfinite(balance) else np.inf
    return float(min(rounded, case.largest_batch(context)))


def grid(case: Case, points: Asked, batch: float) -> tuple[np.ndarray, np.ndarray]:
    """Batches and contexts of the curve's points, of one shape."""
    if points.against == "context":
        most = min(float(case.largest_context(batch)), max(case.server.model.max_context or 0, _LONGEST))
        x = points.contexts if points.contexts.size > 1 else _spread(most)
        return np.full(x.shape, batch), x
    most = min(float(case.largest_batch(points.context)), _FAR * batch)
    x = points.batches if points.batches.size > 1 else _spread(most)
    return x, np.full(x.shape, points.context)


def _spread(most: float) -> np.ndarray:
    """Whole numbers from 1 to the most, even by ratio."""
    return np.unique(np.round(np.geomspace(1.0, max(1.0, most), POINTS)))
