"""The search behind `plan`: every layout × chunk × batch that fits, timed at once in arrays, the best of each kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from rackline import units
from rackline.decisions.pools import GROUP, PROMPTS, Pool, Split, prefill_pools, split
from rackline.systems.layout import Layout
from rackline.systems.memory import largest_batch
from rackline.systems.placing import stacked
from rackline.systems.serving import Operating, Server, Workload, arriving_time, decode_time, together

CHUNKS = (512.0, 2048.0, 8192.0)  # prompt tokens a rank adds to a pass: small keeps tokens steady, large fills faster
BINS = 240  # of log time per output token, for the frontier
FASTEST, SLOWEST = 1e-5, 1e2  # seconds per token that the bins span


@dataclass(frozen=True)
class Targets:
    """Seconds that a mean request may take to its first token and per later token, and the largest batch allowed."""

    ttft: float = np.inf
    tpot: float = np.inf
    batch: float = np.inf


@dataclass(frozen=True)
class Option:
    """One way to serve, timed: layout(s), batch a replica, seconds, requests/s of the whole machine."""

    mode: str  # together, apart, decode
    layout: Layout
    batch: float
    tpot: float
    ttft: float
    rate: float
    chips: int  # in use; the machine's others idle
    decode_share: float
    chunk: float = 0.0
    prefill: Layout | None = None
    prompts: float = 0.0

    @property
    def speed(self) -> float:
        """Tokens/s that one user sees."""
        return 1.0 / self.tpot


@dataclass(frozen=True)
class Sample:
    """A point of the frontier: requests/s a chip of the machine, batch a replica, seconds."""

    mode: str
    layout: Layout
    chunk: float
    rate: float
    batch: float
    tpot: float
    ttft: float


@dataclass(frozen=True)
class Missed:
    """A layout that fits but not within the targets: why, and how many times it overshoots where it comes nearest."""

    layout: Layout
    why: str
    over: float


@dataclass
class Found:
    """What a search gathers: the best option of each layout, the frontier's points, and how many points were timed."""

    options: list[Option] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)  # fits, but not within the targets
    points: int = 0
    by_goal: dict[str, Option] = field(default_factory=dict)  # the best of all layouts and batches under each goal
    best: np.ndarray = field(default_factory=lambda: np.zeros(BINS))  # requests/s a machine chip, by bin of tpot
    at: dict[int, Sample] = field(default_factory=dict)  # the point that holds each bin


@dataclass(frozen=True)
class Tried:
    """One mode of a group of layouts, timed at every batch: arrays of shape (layouts, batches)."""

    mode: str
    chunk: float
    group: list[Layout]
    batch: np.ndarray
    point: Operating  # of one replica
    total: np.ndarray  # requests/s of the whole machine
    split: Split | None = None  # apart: which pool, and how many of it


@dataclass(frozen=True)
class Search:
    """What is searched: a server, a workload, targets, a goal, and batches tried per layout."""

    server: Server
    work: Workload
    targets: Targets
    goal: str = "price"
    resolution: int = 448

    @property
    def chips(self) -> int:
        """Chips of the machine."""
        return self.server.machine.chips


def search(question: Search, candidates: Sequence[Layout], modes: Sequence[str]) -> Found:
    """Times every candidate at every batch in every mode; candidates must fit (placing.why_not is empty)."""
    found = Found()
    server, work = question.server, question.work
    pools = prefill_pools(server, work, candidates, question.targets.ttft) if "apart" in modes else []
    found.points += len(candidates) * len(PROMPTS) * ("apart" in modes)
    for start in range(0, len(candidates), GROUP):
        for tried in _timed(question, list(candidates[start : start + GROUP]), pools, modes):
            found.points += tried.batch.size
            _keep_best(question, found, tried, pools)
            _keep_frontier(question, found, tried)
    return found


def batches(question: Search, layout: Layout) -> np.ndarray:
    """Batches to try, shape (layouts, resolution): powers of two below one sequence a rank, then its multiples."""
    most = largest_batch(question.server.model, question.server.machine, layout, question.work.held,
                         question.server.usable)
    most = np.maximum(np.minimum(most, question.targets.batch), 1.0)
    unit = (layout.data * layout.pipeline).astype(float)
    steps = np.geomspace(1.0, np.maximum(most / unit, 1.0).ravel(), question.resolution).T
    grid = np.minimum(np.round(steps) * unit, np.maximum(np.floor(most / unit) * unit, np.minimum(unit, most)))
    few = 2.0 ** np.arange(8)
    grid[:, : few.size] = np.where(few < unit, np.minimum(few, most), grid[:, : few.size])
    return grid


def _timed(question: Search, group: list[Layout], pools: list[Pool], modes: Sequence[str]) -> Iterator[Tried]:
    """A group of layouts in each mode."""
    layout = stacked(group)
    batch = batches(question, layout)
    decode = decode_time(question.server, layout, question.work, batch)
    if "together" in modes:
        arriving = arriving_time(question.server, layout, question.work, batch)
        for chunk in CHUNKS:
            point = together(question.server, layout, question.work, batch, chunk, decode, arriving)
            yield Tried("together", chunk, group, batch, point, point.rate * layout.replicas)
    rate, ones = batch / question.work.output / decode, np.ones_like(decode)
    if "apart" in modes and pools:
        both = split(pools, question.chips, layout.replica, rate, question.targets.ttft - decode)
        first = np.array([pool.ttft for pool in pools])[both.pool] + decode
        point = Operating(decode, np.where(both.total > 0, first, np.inf), rate, ones)
        yield Tried("apart", 0.0, group, batch, point, both.total, both)
    if "decode" in modes:
        yield Tried("decode", 0.0, group, batch, Operating(decode, 0.0 * ones, rate, ones), rate * layout.replicas)


def _allowed(question: Search, point: Operating) -> np.ndarray:
    within = (point.tpot <= question.targets.tpot) & (point.ttft <= question.targets.ttft)
    return within & np.isfinite(point.tpot) & np.isfinite(point.ttft)  # without a target, what cannot run is infinite


def _keep_best(question: Search, found: Found, tried: Tried, pools: list[Pool]) -> None:
    """The best batch of each layout under the goal, or why none is within the targets."""
    allowed = _allowed(question, tried.point)
    for goal, score in _scores(tried).items():
        score = np.where(allowed, score, -np.inf)
        row, column = (int(i) for i in np.unravel_index(int(np.argmax(score)), score.shape))
        if np.isfinite(score[row, column]):
            _keep_goal(found, goal, _option(question, tried, pools, row, column))
        if goal == question.goal:
            columns = np.argmax(score, axis=1)
            hits = np.isfinite(score[np.arange(len(tried.group)), columns])
            found.options += [_option(question, tried, pools, int(r), int(columns[r])) for r in np.flatnonzero(hits)]
            found.missed += [_missed(question, tried, int(r)) for r in np.flatnonzero(~hits)]


def _scores(tried: Tried) -> dict[str, np.ndarray]:
    """What each goal wants most of: requests/s of the machine, of a chip in use, few seconds."""
    used = 1.0 if tried.split else np.array([[x.chips] for x in tried.group], dtype=float)
    return {"price": tried.total, "throughput": tried.total / used, "tpot": -tried.point.tpot,
            "ttft": -tried.point.ttft}


# the order of options under a goal: dollars (all chips paid), tokens/s per chip in use, seconds
ORDER: dict[str, Callable[[Option], tuple[float, float]]] = {
    "price": lambda o: (-o.rate, o.tpot),
    "throughput": lambda o: (-o.rate / o.chips, o.tpot),
    "tpot": lambda o: (o.tpot, -o.rate),
    "ttft": lambda o: (o.ttft, -o.rate),
}


def ranked(options: Sequence[Option], goal: str) -> list[Option]:
    """Options in the order of a goal, one per layout and mode; of equal ones the least context parallel."""
    ordered = sorted(options, key=lambda o: (*(round_off(x) for x in ORDER[goal](o)), o.layout.context))
    layouts: dict[tuple, Option] = {}
    for option in ordered:
        layouts.setdefault((option.mode, option.layout), option)
    unlike: dict[tuple, Option] = {}
    for o in layouts.values():
        unlike.setdefault((o.mode, o.chips, *(round_off(x) for x in (o.rate, o.tpot, o.ttft))), o)
    return list(unlike.values())


def round_off(value: float) -> float:
    """The number to nine digits, so that sums in another order count as equal."""
    return float(f"{value:.9g}")


def _keep_goal(found: Found, goal: str, option: Option) -> None:
    held = found.by_goal.get(goal)
    if held is None or ORDER[goal](option) < ORDER[goal](held):
        found.by_goal[goal] = option


def _missed(question: Search, tried: Tried, row: int) -> Missed:
    """A layout that no batch brings within the targets, and how many times it overshoots at its nearest batch."""
    point, targets = tried.point, question.targets
    with np.errstate(invalid="ignore"):  # what cannot run is endless, and so is a target that was not set
        over = np.maximum(point.tpot[row] / targets.tpot, point.ttft[row] / targets.ttft)
    return Missed(tried.group[row], _why_missed(question, tried, row), float(np.nan_to_num(over, nan=np.inf).min()))


def _why_missed(question: Search, tried: Tried, row: int) -> str:
    shown = partial(units.show, dimension="seconds")
    name = f"{tried.mode} (chunk {tried.chunk:,.0f})" if tried.chunk else tried.mode
    tpot, ttft = float(np.min(tried.point.tpot[row])), float(np.min(tried.point.ttft[row]))
    if not np.isfinite(tpot):
        return f"{name}: prefill cannot keep up at any batch"
    reasons = []
    if tpot > question.targets.tpot:
        reasons.append(f"at best {shown(tpot)} a token, target {shown(question.targets.tpot)}")
    if not np.isfinite(ttft):
        reasons.append("no room for a prefill pool beside it"
                       + " that meets the target" * bool(np.isfinite(question.targets.ttft)))
    elif ttft > question.targets.ttft:
        reasons.append(f"at best {shown(ttft)} to the first token, target {shown(question.targets.ttft)}")
    return f"{name}: " + ("; ".join(reasons) or "no batch meets both targets at once")


def _option(question: Search, tried: Tried, pools: list[Pool], row: int, column: int) -> Option:
    """One point of the arrays as an option; apart: with its pool and the replicas of both."""
    layout = tried.group[row]
    p = tried.point
    batch, tpot, ttft, share, total = (float(x[row, column]) for x in
                                       (tried.batch, p.tpot, p.ttft, p.decode_share, tried.total))
    if tried.split is None:
        return Option(tried.mode, layout, batch, tpot, ttft, total, int(layout.chips), share, tried.chunk)
    pool, count = pools[int(tried.split.pool[row, column])], int(tried.split.count[row, column])
    first = replace(pool.layout, replicas=count)
    later = replace(layout, replicas=(question.chips - first.chips) // layout.replica)
    chips = first.chips + later.chips
    return Option("apart", later, batch, tpot, ttft, total, chips, later.chips / chips, prefill=first,
                  prompts=pool.prompts)


def _keep_frontier(question: Search, found: Found, tried: Tried) -> None:
    """The most requests/s a machine chip in each bin of time per token, time to first token permitting."""
    point = tried.point
    rate = np.where(point.ttft <= question.targets.ttft, tried.total / question.chips, 0.0).ravel()
    scale = (BINS - 1) / np.log(SLOWEST / FASTEST)
    bins = (np.log(np.clip(point.tpot, FASTEST, SLOWEST) / FASTEST) * scale).astype(int).ravel()
    best = found.best.copy()
    np.maximum.at(best, bins, rate)
    winners = np.flatnonzero((rate > found.best[bins]) & (rate == best[bins]))
    for index in winners:
        row, column = np.unravel_index(index, point.tpot.shape)
        values = (float(x[row, column]) for x in (tried.batch, point.tpot, point.ttft))
        found.at[int(bins[index])] = Sample(tried.mode, tried.group[row], tried.chunk, float(rate[index]), *values)
    found.best = best
