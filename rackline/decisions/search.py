"""The search behind `plan`: every layout × chunk × batch that fits, timed at once in arrays, the best of each kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from rackline.systems.layout import Layout
from rackline.systems.memory import largest_batch
from rackline.systems.placing import stacked
from rackline.systems.serving import Operating, Server, Workload, apart, decode_time, together

CHUNKS = (512.0, 2048.0, 8192.0)  # prompt tokens a rank adds to a pass: small keeps tokens steady, large fills faster
PROMPTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # whole prompts a rank of a prefill pool takes at once
GROUP = 24  # layouts timed together: their arrays stay in cache
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


@dataclass
class Found:
    """What a search gathers: the best option of each layout, the frontier's points, and how many points were timed."""

    options: list[Option] = field(default_factory=list)
    missed: list[tuple[Layout, str]] = field(default_factory=list)  # fits, but not within the targets
    points: int = 0
    by_goal: dict[str, Option] = field(default_factory=dict)  # the best of all layouts and batches under each goal
    best: np.ndarray = field(default_factory=lambda: np.zeros(BINS))  # requests/s a machine chip, by bin of tpot
    at: dict[int, Sample] = field(default_factory=dict)  # the point that holds each bin


@dataclass(frozen=True)
class Pool:
    """A prefill pool's replica that meets the target: its layout, prompts at once, time to first token, prompts/s."""

    layout: Layout
    prompts: float
    ttft: float
    rate: float


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
    pools = prefill_pools(question, candidates) if "apart" in modes else []
    found.points += len(candidates) * len(PROMPTS) * ("apart" in modes)
    for group in _groups(candidates):
        layout = stacked(group)
        batch = batches(question, layout)
        with np.errstate(over="ignore"):
            decode = decode_time(question.server, layout, question.work, batch)
        for mode, chunk, point in _operating(question, layout, batch, decode, pools, modes):
            found.points += batch.size
            _keep_best(question, found, (mode, chunk, group, batch, point), pools)
            _keep_frontier(question, found, (mode, chunk, group, batch, point), pools)
    return found


def _groups(candidates: Sequence[Layout]) -> Iterator[list[Layout]]:
    for start in range(0, len(candidates), GROUP):
        yield list(candidates[start : start + GROUP])


def batches(question: Search, layout: Layout) -> np.ndarray:
    """Batches to try, shape (layouts, resolution): powers of two below one sequence a rank, then its multiples."""
    most = largest_batch(question.server.model, question.server.machine, layout, question.work.held)
    most = np.maximum(np.minimum(most, question.targets.batch), 1.0)
    unit = (layout.data * layout.pipeline).astype(float)
    steps = np.geomspace(1.0, np.maximum(most / unit, 1.0).ravel(), question.resolution).T
    grid = np.minimum(np.round(steps) * unit, np.maximum(np.floor(most / unit) * unit, np.minimum(unit, most)))
    few = 2.0 ** np.arange(8)
    grid[:, : few.size] = np.where(few < unit, np.minimum(few, most), grid[:, : few.size])
    return grid


def _operating(question: Search, layout: Layout, batch: np.ndarray, decode: np.ndarray, pools: list[Pool],
               modes: Sequence[str]) -> Iterator[tuple[str, float, Operating]]:
    """The operating points of one group of layouts, mode by mode."""
    work = question.work
    if "together" in modes:
        for chunk in CHUNKS:
            yield "together", chunk, together(question.server, layout, work, batch, chunk, decode)
    rate = batch / work.output / decode
    if "apart" in modes and pools:
        yield "apart", 0.0, Operating(decode, _best_pool(pools).ttft + decode, rate, np.ones_like(decode))
    if "decode" in modes:
        yield "decode", 0.0, Operating(decode, np.zeros_like(decode), rate, np.ones_like(decode))


def _allowed(question: Search, point: Operating) -> np.ndarray:
    return (point.tpot <= question.targets.tpot) & (point.ttft <= question.targets.ttft)


def _keep_best(question: Search, found: Found, tried: tuple, pools: list[Pool]) -> None:
    """The best batch of each layout under the goal, or why none is within the targets."""
    mode, chunk, group, batch, point = tried
    allowed = _allowed(question, point)

    def option(row: int, column: int) -> Option | None:
        values = [float(x[row, column]) for x in (batch, point.tpot, point.ttft, point.rate, point.decode_share)]
        return (_paired(question, group[row], values, pools) if mode == "apart" else
                _alone(mode, group[row], values, chunk))

    for goal, score in _scores(point, group).items():
        score = np.where(allowed, score, -np.inf)
        row, column = np.unravel_index(int(np.argmax(score)), score.shape)
        if np.isfinite(score[row, column]):
            _keep_goal(found, goal, option(int(row), int(column)))
        if goal == question.goal:
            columns = np.argmax(score, axis=1)
            hits = np.isfinite(score[np.arange(len(group)), columns])
            kept = (option(int(r), int(columns[r])) for r in np.flatnonzero(hits))
            found.options += [o for o in kept if o]
            found.missed += [(group[r], _why_missed(question, point, int(r), mode, chunk))
                             for r in np.flatnonzero(~hits)]


def _scores(point: Operating, group: list[Layout]) -> dict[str, np.ndarray]:
    """What each goal wants most of: requests/s of the machine, of a chip in use, few seconds."""
    replicas = np.array([[x.replicas] for x in group], dtype=float)
    used = np.array([[x.chips] for x in group], dtype=float)
    total = point.rate * replicas
    return {"price": total, "throughput": total / used, "tpot": -point.tpot, "ttft": -point.ttft}


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


def _keep_goal(found: Found, goal: str, option: Option | None) -> None:
    held = found.by_goal.get(goal)
    if option and (held is None or ORDER[goal](option) < ORDER[goal](held)):
        found.by_goal[goal] = option


def _why_missed(question: Search, point: Operating, row: int, mode: str, chunk: float) -> str:
    name = f"{mode} (chunk {chunk:,.0f})" if chunk else mode
    tpot, ttft = float(np.min(point.tpot[row])), float(np.min(point.ttft[row]))
    if not np.isfinite(tpot):
        return f"{name}: prefill cannot keep up at any batch"
    reasons = []
    if tpot > question.targets.tpot:
        reasons.append(f"at best {1e3 * tpot:.3g} ms a token, target {1e3 * question.targets.tpot:.3g} ms")
    if ttft > question.targets.ttft:
        reasons.append(f"at best {ttft:.3g} s to the first token, target {question.targets.ttft:.3g} s")
    return f"{name}: " + ("; ".join(reasons) or "no batch meets both targets at once")


def _alone(mode: str, layout: Layout, values: list[float], chunk: float) -> Option:
    batch, tpot, ttft, rate, share = values
    return Option(mode, layout, batch, tpot, ttft, rate * layout.replicas, int(layout.chips), share, chunk)


def _paired(question: Search, layout: Layout, values: list[float], pools: list[Pool]) -> Option | None:
    """The decode layout with the prefill pool and the split of the chips that carry the most requests."""
    batch, tpot, _, rate, _ = values
    best: Option | None = None
    for pool in pools:
        if pool.ttft + tpot > question.targets.ttft:
            continue
        small, large = pool.layout.replica, layout.replica
        share = question.chips / (small * rate + large * pool.rate) * rate  # prefill replicas at balance
        for count in {max(1, int(share)), max(1, int(share) + 1)}:
            decoders = (question.chips - count * small) // large
            total = min(count * pool.rate, decoders * rate)
            if decoders >= 1 and (best is None or total > best.rate):
                best = Option("apart", _replicated(layout, decoders), batch, tpot, pool.ttft + tpot, total,
                              count * small + decoders * large, decoders * large / (count * small + decoders * large),
                              prefill=_replicated(pool.layout, count), prompts=pool.prompts)
    return best


def _replicated(layout: Layout, replicas: int) -> Layout:
    return Layout(layout.tensor, layout.data, layout.context, layout.pipeline, layout.expert, replicas)


def _keep_frontier(question: Search, found: Found, tried: tuple, pools: list[Pool]) -> None:
    """The most requests/s a machine chip in each bin of time per token, time to first token permitting."""
    mode, chunk, group, batch, point = tried
    rate = np.where(point.ttft <= question.targets.ttft, _per_chip(question, mode, group, point, pools), 0.0).ravel()
    scale = (BINS - 1) / np.log(SLOWEST / FASTEST)
    bins = (np.log(np.clip(point.tpot, FASTEST, SLOWEST) / FASTEST) * scale).astype(int).ravel()
    best = found.best.copy()
    np.maximum.at(best, bins, rate)
    winners = np.flatnonzero((rate > found.best[bins]) & (rate == best[bins]))
    for index in winners:
        row, column = np.unravel_index(index, point.tpot.shape)
        values = (float(x[row, column]) for x in (batch, point.tpot, point.ttft))
        found.at[int(bins[index])] = Sample(mode, group[row], chunk, float(rate[index]), *values)
    found.best = best


def _per_chip(question: Search, mode: str, group: list[Layout], point: Operating, pools: list[Pool]) -> np.ndarray:
    """Requests/s a chip of the machine; apart: with the chips that the best pool needs for the same requests."""
    if mode != "apart":
        return point.rate * np.array([[x.replicas] for x in group]) / question.chips
    pool = _best_pool(pools)
    sizes = np.array([[x.replica] for x in group])
    own = point.rate / sizes
    both = own / (1.0 + own * pool.layout.replica / pool.rate)
    return np.where(sizes + pool.layout.replica <= question.chips, both, 0.0)


def _best_pool(pools: list[Pool]) -> Pool:
    return max(pools, key=lambda p: p.rate / p.layout.replica)


def prefill_pools(question: Search, candidates: Sequence[Layout]) -> list[Pool]:
    """For each replica size the prefill layout of most prompts/s a chip that meets the time to first token."""
    best: dict[int, Pool] = {}
    for group in _groups([c for c in candidates if c.context == 1]):
        layout = stacked(group)
        for prompts in PROMPTS:
            result = apart(question.server, layout, question.work, prompts)
            ttft, rate = (np.broadcast_to(x, (len(group), 1)).ravel() for x in (result.ttft, result.rate))
            for one, first, per_s in zip(group, ttft, rate, strict=True):
                held = best.get(one.replica)
                if first <= question.targets.ttft and np.isfinite(first) and (held is None or per_s > held.rate):
                    best[one.replica] = Pool(one, prompts, float(first), float(per_s))
    return list(best.values())
