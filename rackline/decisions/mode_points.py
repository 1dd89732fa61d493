"""Speed for one user against price: every layout and batch that fits, with and without drafted tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rackline.decisions.search import Search, Targets, batches
from rackline.decisions.stepping import Case, Step
from rackline.facts.fact import Fact
from rackline.physics.speculation import expected_tokens
from rackline.systems.layout import Layout
from rackline.systems.placing import layouts, stacked, why_not
from rackline.systems.serving import Kind, Server, Workload

LECTURE = (2.5, 6.0)  # the lecture's products: 2.5 times the speed for 6 times the price
_RESOLUTION = 128  # batches tried a layout
_GROUP = 64  # layouts timed together
_BINS = 400  # of log time per token, of which the cheapest point is kept
_FASTEST, _SLOWEST = 1e-6, 1e3  # seconds per token that they span


@dataclass(frozen=True)
class Point:
    """One way to serve: layout, batch a replica, seconds per token that a user sees, dollars per million tokens."""

    layout: Layout
    batch: float
    tpot: float
    cost: float


@dataclass(frozen=True)
class Service:
    """A machine with so many drafted tokens: its frontier, fastest first, no point beaten in both speed and price."""

    case: Case  # its layout is not used
    context: float
    acceptance: float
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """The machine, and what is drafted."""
        machine = self.case.server.machine.name
        return f"{machine}, {self.case.drafted:g} drafted" if self.case.drafted else machine

    @property
    def slow(self) -> Point:
        """The cheapest point, however long it takes."""
        return self.points[-1]

    @property
    def fast(self) -> Point:
        """The fastest point, whatever it costs."""
        return self.points[0]

    def within(self, tpot: float) -> Point | None:
        """The cheapest point of at most so many seconds per token; None where none is as fast."""
        return next((p for p in reversed(self.points) if p.tpot <= tpot * (1 + 1e-9)), None)

    def for_price(self, cost: float) -> Point | None:
        """The fastest point of at most that price; None where none is as cheap."""
        return next((p for p in self.points if p.cost <= cost * (1 + 1e-9)), None)

    def step(self, point: Point) -> Step:
        """The pass of a point."""
        return replace(self.case, layout=point.layout).step(point.batch, self.context)

    def largest_batch(self, point: Point) -> float:
        """Most sequences that fit in the point's layout."""
        return float(replace(self.case, layout=point.layout).largest_batch(self.context))


def service(server: Server, context: float, price: Fact, drafted: int, acceptance: float) -> Service:
    """The frontier of a machine; without points where nothing fits."""
    case = Case(server, Layout(), "verify" if drafted else "decode", float(drafted), price)
    model, machine = server.model, server.machine
    fitting = [x for x in layouts(model, machine) if not why_not(model, machine, x, context, server.usable)]
    kept: dict[int, Point] = {}
    for start in range(0, len(fitting), _GROUP):
        for point in _cheapest(case, context, acceptance, fitting[start : start + _GROUP]):
            bin_ = int(_bin(np.array(point.tpot)))
            if bin_ not in kept or point.cost < kept[bin_].cost:
                kept[bin_] = point
    return Service(case, context, acceptance, _unbeaten(kept.values()))


def _unbeaten(points: Iterable[Point]) -> tuple[Point, ...]:
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (p.tpot, p.cost)):
        if not found or point.cost < found[-1].cost:
            found.append(point)
    return tuple(found)


def _bin(tpot: np.ndarray) -> np.ndarray:
    scale = (_BINS - 1) / np.log(_SLOWEST / _FASTEST)
    return (np.log(np.clip(tpot, _FASTEST, _SLOWEST) / _FASTEST) * scale).astype(int)


def _cheapest(case: Case, context: float, acceptance: float, group: list[Layout]) -> Iterator[Point]:
    """The cheapest point of a group of layouts in each bin of time per token."""
    many = stacked(group)
    here = replace(case, layout=many)
    work = Workload((Kind(max(context - 0.5, 0.5), 1.0, 1.0),), "fixed context")
    batch = batches(Search(case.server, work, Targets(), resolution=_RESOLUTION), many)
    tokens = float(expected_tokens(acceptance, case.drafted))
    time = np.broadcast_to(pass_seconds(here, batch, context), batch.shape)
    tpot = time / tokens
    chips = case.server.machine.chips
    cost = case.price.value * chips / 3600.0 * tpot / (batch * many.replicas) * 1e6
    bins, costs = _bin(tpot).ravel(), cost.ravel()
    order = np.lexsort((costs, bins))
    for index in order[np.unique(bins[order], return_index=True)[1]]:
        row, column = np.unravel_index(index, cost.shape)
        yield Point(group[row], *(float(x[row, column]) for x in (batch, tpot, cost)))


def pass_seconds(case: Case, batch: np.ndarray, context: float) -> np.ndarray:
    """Seconds of a pass and of drafting for the next: each drafted token takes one layer's share of a decode."""
    time = np.asarray(case.step(batch, context).time)
    if not case.drafted:
        return time
    draft = replace(case, kind="decode", drafted=0.0).step(batch, context).time / case.server.model.depth
    return time + case.drafted * draft


def lecture_base(one: Service) -> Point | None:
    """The slowest standard from which 2.5 times the speed costs six times the price; None where none is so steep."""
    speed, price = LECTURE
    for point in reversed(one.points):
        quicker = one.within(point.tpot / speed)
        if quicker is None:
            return None
        if quicker.cost >= price * point.cost:
            return point
    return None
