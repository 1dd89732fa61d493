"""What the chips did meanwhile, by cause, and whose tokens it was for: passes of the log through the ledger again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rackline.decisions.simulated import finished, makespan
from rackline.systems.clock import PassTime, pass_time
from rackline.systems.layout import Layout
from rackline.systems.passes import Part, Pass
from rackline.systems.simulation.records import Deployment, Log, PassLog, Requests

CAUSES = ("compute", "memory", "network", "other")
ROUNDING = 1e-9  # of a pass: a rest below it is no cause


@dataclass(frozen=True)
class Use:
    """Shares of all engines' time, by what limited each term of each pass; they sum to 1 with `idle`.

    arithmetic, bandwidth: the share of all time in which arithmetic and memory ran at their rates. prompts: the share
    of busy time that prompts take, the rest are output tokens'.
    """

    compute: float
    memory: float
    network: float
    other: float
    idle: float
    arithmetic: float
    bandwidth: float
    prompts: float

    @property
    def busy(self) -> float:
        """Share of the time in passes."""
        return 1.0 - self.idle


def use(log: Log, requests: Requests, deployment: Deployment) -> Use:
    """How the time of the chips was spent, chips of both pools counted.

    Ignores: which prompt a chunk came from. The log has a pass's decoding sequences, prompt tokens and pages in use;
    cached tokens are taken as the pages' and chunks as pieces of the mean prompt. Each pass keeps its own seconds.
    """
    chips = float(sum(layout.chips for layout, _ in pools(deployment, log.passes)))
    total = np.zeros(len(CAUSES) + 3)
    for layout, passes in pools(deployment, log.passes):
        if passes.start.size:
            engines = float(layout.replicas * layout.pipeline) * deployment.ranks
            busy = min(1.0, float(passes.seconds.sum()) * passes.every / (engines * makespan(log)))
            total += busy * float(layout.chips) / chips * _causes(passes, log, requests, deployment, layout)
    compute, memory, network, other, arithmetic, bandwidth, prompts = (float(x) for x in total)
    busy = compute + memory + network + other
    return Use(compute, memory, network, other, 1.0 - busy, arithmetic, bandwidth, prompts / busy if busy else 0.0)


def pools(deployment: Deployment, passes: PassLog) -> Iterator[tuple[Layout, PassLog]]:
    """Layouts with their passes; replicas of a prefill pool are numbered first."""
    first = 0 if deployment.prefill is None else int(deployment.prefill.replicas)
    if deployment.prefill is not None:
        yield deployment.prefill, _rows(passes, np.flatnonzero(passes.replica < first))
    yield deployment.layout, _rows(passes, np.flatnonzero(passes.replica >= first)) if first else passes


def _rows(passes: PassLog, rows: np.ndarray) -> PassLog:
    columns = ("replica", "start", "seconds", "decoding", "prompt_tokens", "waiting", "blocks")
    return replace(passes, **{name: getattr(passes, name)[rows] for name in columns})


def _causes(passes: PassLog, log: Log, requests: Requests, deployment: Deployment, layout: Layout) -> np.ndarray:
    """Shares of the passes' seconds: by cause, arithmetic and memory in use, prompts'; shape (7,)."""
    tokens, chunk = _parts(passes, log, requests, deployment)
    whole = _through(deployment, Pass((tokens, chunk)), layout)
    alone = [np.where(part.sequences > 0, _through(deployment, Pass((_some(part),)), layout).time, 0.0)
             for part in (chunk, tokens)]
    columns = [*_shares(whole), alone[0] / np.maximum(alone[0] + alone[1], 1e-30)]
    return np.array([np.sum(passes.seconds * column) for column in columns]) / passes.seconds.sum()


def _some(part: Part) -> Part:
    return replace(part, sequences=np.maximum(part.sequences, 1.0))


def _parts(passes: PassLog, log: Log, requests: Requests, deployment: Deployment) -> tuple[Part, Part]:
    """Decoding sequences and pieces of prompts of each pass, arrays of shape (passes,).

    Ranks with passes of their own are beside others as full.
    """
    prompt = passes.prompt_tokens.astype(float)
    cached = float(log.cached.mean())
    fresh = max(float(requests.input.mean()) - cached, 1.0)
    prompts = np.where(prompt > 0, np.maximum(1.0, np.ceil(prompt / fresh)), 0.0)
    new = np.where(prompts > 0, prompt / np.maximum(prompts, 1.0), 1.0)
    past = cached + (fresh - np.minimum(new, fresh)) / 2.0
    # a prompt that ends is among those that got a token
    decoders = np.maximum(passes.decoding - prompt / fresh, 0.0)
    decoders = np.where((decoders < 1) & (prompts == 0), 1.0, decoders)
    held = np.maximum(passes.blocks * float(requests.block_tokens) - prompts * (past + new), 0.0)
    checked, ranks = 1.0 + deployment.drafted, float(deployment.ranks)
    return (Part(decoders * ranks, checked, held / np.maximum(decoders, 1.0), checked),
            Part(prompts * ranks, new, past))


def _through(deployment: Deployment, pass_: Pass, layout: Layout) -> PassTime:
    return pass_time(deployment.model, deployment.machine, layout, pass_, deployment.clock)


def _shares(timed: PassTime) -> list[np.ndarray]:
    """Of each pass's time: terms that arithmetic limits, that memory limits, messages, the rest; then both in use."""
    terms = [(np.asarray(t.compute), np.asarray(t.memory), np.asarray(t.network)) for t in timed.terms.values()]
    time = np.asarray(timed.time)
    compute = sum(np.where(c >= m, c, 0.0) for c, m, _ in terms)
    memory = sum(np.where(m > c, m, 0.0) for c, m, _ in terms)
    network = sum(n for *_, n in terms)
    rest = time - compute - memory - network
    other = np.where(rest > ROUNDING * time, rest, 0.0)
    total = compute + memory + network + other
    return [np.broadcast_to(x / total, time.shape) for x in (compute, memory, network, other, timed.compute,
                                                             timed.memory)]


def dollars(log: Log, requests: Requests, deployment: Deployment, chip_hour: float, used: Use
            ) -> dict[str, float | None]:
    """Dollars per million tokens; input, cached and output ones together pay for all chips from first to last.

    Busy time is split between prompts and output tokens as the ledger times each alone; a cached token pays for what
    attending to it adds to its request's prompt. Idle time is shared out in proportion.
    Ignores: loads from tiers, which run beside the passes.
    """
    layouts = [x for x in (deployment.layout, deployment.prefill) if x is not None]
    total = chip_hour * sum(int(x.chips) for x in layouts) / 3600.0 * makespan(log)
    done = ~np.isnan(log.finish)
    cached = float(log.cached.sum(where=done))
    fresh = float(requests.input.sum(where=done)) - cached
    output = float(requests.output.sum(where=done))
    for_cached = used.prompts * _cached_share(fresh, cached, finished(log), deployment)
    return {"input": _each(total * (used.prompts - for_cached), fresh), "cached": _each(total * for_cached, cached),
            "output": _each(total * (1.0 - used.prompts), output), "output_paying_for_all": _each(total, output),
            "total": total}


def _each(dollars: float, tokens: float) -> float | None:
    return dollars / tokens * 1e6 if tokens > 0 else None


def _cached_share(fresh: float, cached: float, count: int, deployment: Deployment) -> float:
    """The part of a mean prompt's time that is there for its cached tokens."""
    if cached <= 0:
        return 0.0
    layout = deployment.prefill or deployment.layout
    new = max(fresh / count, 1.0)
    chunk = new / max(1.0, new / float(deployment.limits.tokens))
    after, at_once = (float(_through(deployment, Pass((Part(1.0, chunk, past),)), layout).time)
                      for past in (cached / count, 0.0))
    return 1.0 - at_once / after
