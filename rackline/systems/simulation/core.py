"""State of the compiled loop: decoding sequences advance in lock step, so a pass touches only those that change.

A decoding sequence's cached tokens are base + clock of its engine, so nothing is written for it while it decodes:
sums of cached tokens below each cap grow by the sequences still open under it; a ring of buckets by clock says who
finishes and who reaches a cap; a histogram of base modulo the page says how many need a page; a linked list in order
of admission says who is preempted. All arrays are flat over engines.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rackline.systems.simulation import columns as col
from rackline.systems.simulation.book import MOST_ROWS, Rows
from rackline.systems.simulation.features import FIRST, LATENT, PAIRS, Coefficients, Feature
from rackline.systems.simulation.prepare import Pool
from rackline.systems.simulation.records import Requests

ROUTES = ("round-robin", "least-loaded", "prefix-aware")


class Asked(NamedTuple):
    """What is asked, arrays over requests: arrival, prompt, output, followers as child lists, delay."""

    arrival: np.ndarray
    input: np.ndarray
    output: np.ndarray
    after: np.ndarray
    delay: np.ndarray
    weight: np.ndarray  # tokens that routers count
    child_start: np.ndarray  # (n + 1,) or empty: nobody follows anybody
    child: np.ndarray
    block_start: np.ndarray
    block: np.ndarray


class Core(NamedTuple):
    """State and constants of a pool; e engines of s slots, a ring of r clocks, c caps, k features."""

    limit: np.ndarray  # (LIMITS,) int64
    pace: np.ndarray  # (2,) pipeline, interval of trains
    feature: np.ndarray  # (features, 5): as Feature
    scale: np.ndarray  # (features, 3): of a decoding sequence: constant, per cached token below the cap; which cap
    cap: np.ndarray  # (c,) int64
    clock: Coefficients
    data: np.ndarray  # (1,) int64
    engine: np.ndarray  # (e, ENGINE_FIELDS) int64
    time: np.ndarray  # (e, 2)
    slot: np.ndarray  # (e·s, SLOT_FIELDS) int64
    joining: np.ndarray  # (e·s,) int64: slots whose prompt ends with the pass under way
    back: np.ndarray  # (e·s, 2) int64: preempted request and its generated tokens, last in first out
    bucket: np.ndarray  # (e·r, 2) int64: first and last slot that finishes at a clock
    closing: np.ndarray  # (e·r, c) int64: sequences that reach a cap at a clock
    below: np.ndarray  # (e, c) int64: sum of cached tokens, each at most the cap
    open: np.ndarray  # (e, c) int64: decoding sequences below the cap
    phase: np.ndarray  # (e, block) int64: decoding sequences by base modulo the page
    follow: np.ndarray  # (n,) int64: the next in a queue
    heap_time: np.ndarray
    heap_request: np.ndarray
    x: np.ndarray  # (k,)
    kept: np.ndarray  # (2 + h, 4): see fast._keep
    total: np.ndarray  # (k,)
    run: np.ndarray  # (3,) int64
    block: np.ndarray  # (e·hashes, 3) int64
    held: np.ndarray  # (b,) bool: blocks of asked.block whose page is one that others may share
    row_time: np.ndarray  # (e, rows, 2)
    row_count: np.ndarray  # (e, rows, 4)


def asked_of(requests: Requests) -> Asked:
    """The columns that the loop reads."""
    start = child = np.zeros(0, dtype=np.int64)
    if (requests.after >= 0).any():
        child = np.flatnonzero(requests.after >= 0)
        child = child[np.argsort(requests.after[child], kind="stable")]
        start = np.searchsorted(requests.after[child], np.arange(len(requests.after) + 1))
    whole = lambda column: np.ascontiguousarray(column, dtype=np.int64)  # noqa: E731
    real = lambda column: np.ascontiguousarray(column, dtype=np.float64)  # noqa: E731
    return Asked(real(requests.arrival), whole(requests.input), whole(requests.output), whole(requests.after),
                 real(requests.delay), whole(requests.input + requests.output), whole(start), whole(child),
                 whole(requests.block_start), whole(requests.block))


def core_of(pool: Pool, asked: Asked, routing: str, engines: int, handed: bool = False) -> Core:
    """Empty engines, of so many in all pools; handed: prompts come with their KV cache and first token."""
    e, n = pool.engines, len(asked.input)
    s = min(pool.limits.sequences, n)
    hashes = int(asked.block.max()) + 1 if pool.limits.prefix_caching and asked.block.size else 0
    ring = 1 << int(asked.output.max()).bit_length()
    caps, scale = lines_of(pool.clock.features)
    c, k, rows = len(caps), len(pool.clock.coefficients.linear), max(1, MOST_ROWS // engines)
    followers = n if asked.child.size else 1
    interval = pool.limits.interval if pool.limits.batching == "train" else 0.0
    core = Core(
        limit=np.array([s, pool.limits.tokens, pool.limits.admission == "whole", pool.block_tokens, ring, e,
                        pool.replicas, ROUTES.index(routing), rows, handed, hashes,
                        pool.limits.admission == "reserved", pool.groups]),
        pace=np.array([pool.pipeline, interval]), feature=np.array(pool.clock.features, dtype=float).reshape(-1, 5),
        scale=scale, cap=caps, clock=pool.clock.coefficients, data=np.array([pool.clock.data]),
        engine=_whole(e, col.ENGINE_FIELDS), time=np.full((e, 2), np.inf), slot=_whole(e * s, col.SLOT_FIELDS),
        joining=_whole(e * s), back=_whole(e * s, 2), bucket=np.full((e * ring, 2), -1), closing=_whole(e * ring, c),
        below=_whole(e, c), open=_whole(e, c), phase=_whole(e, pool.block_tokens), follow=_whole(n),
        heap_time=np.zeros(followers), heap_request=_whole(followers), x=np.ones(k),
        kept=np.zeros((2 + len(pool.clock.coefficients.floor), FIRST)), total=np.zeros(k), run=_whole(3),
        block=np.full((e * hashes, 3), -1), held=np.zeros(asked.block.size if hashes else 0, dtype=bool),
        row_time=np.zeros((e, rows, 2)), row_count=_whole(e, rows, 4))
    core.engine[:, [col.FREE, col.PAGES]] = pool.blocks
    core.engine[:, [col.OLDEST, col.YOUNGEST, col.HEAD, col.TAIL, col.PARTIAL, col.QUEUE_HEAD, col.QUEUE_TAIL]] = -1
    core.engine[:, col.SPARE] = np.arange(e) * s
    core.engine[:, col.EVERY] = 1
    core.slot[:, col.NEXT] = np.where(np.arange(e * s) % s == s - 1, -1, np.arange(1, e * s + 1))
    return core


def _whole(*shape: int) -> np.ndarray:
    return np.zeros(shape, dtype=np.int64)


def lines_of(features: tuple[Feature, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Caps on cached tokens, and each feature of a decoding sequence as a line in its cached tokens below a cap."""
    lines = []
    for f in features:
        slope = f.absorbed if f.kind == LATENT else 1.0
        seen = f.kind in (PAIRS, LATENT)  # pairs count the new token itself
        cap = col.NO_CAP if f.reach == 0 else f.reach - 1 if seen else f.reach
        lines.append((slope if seen else 0.0, slope, cap))
    caps = sorted({cap for _, _, cap in lines}) or [col.NO_CAP]
    scale = np.array([(constant, slope, caps.index(cap)) for constant, slope, cap in lines]).reshape(-1, 3)
    return np.array(caps, dtype=np.int64), scale


def absorbs(features: tuple[Feature, ...]) -> bool:
    """Whether latent attention's absorbed form is the cheaper one for every decoding sequence."""
    return all(f.absorbed * 2 <= f.expanded * 2 + f.expansion for f in features if f.kind == LATENT)


def rows_of(core: Core, e: int, first: int = 0) -> Rows:
    """Pass log of one engine; replicas are numbered from `first`."""
    kept = int(core.engine[e, col.ROWS])
    return Rows(first + e % int(core.limit[col.REPLICAS]), core.row_time[e, :kept], core.row_count[e, :kept],
                int(core.engine[e, col.EVERY]))
