"""The readable loop: every sequence of every pass in plain Python. The oracle of the fast one."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from rackline.systems.simulation.book import MOST_ROWS, Book, Rows, log_of, new_book, pass_log, thinned
from rackline.systems.simulation.engine import NEVER, Engine, emit, fill
from rackline.systems.simulation.pages import Pages, Sequence
from rackline.systems.simulation.policies import ROUTES, departure
from rackline.systems.simulation.prepare import Prepared
from rackline.systems.simulation.records import Deployment, Log, Requests
from rackline.systems.simulation.tiers import tiers_of


@dataclass
class World:
    """Everything in a run: engines of each pool, arrivals to come as (time, request, pool), what is written down."""

    requests: Requests
    prepared: Prepared
    pools: list[list[Engine]]
    book: Book
    followers: dict[int, list[int]]
    arrivals: list[tuple[float, int, int]]
    route: str
    served: list[int]  # requests given out so far, by pool


def simulate_naive(requests: Requests, prepared: Prepared, deployment: Deployment, seed: int = 0,
                   book: Book | None = None) -> Log:
    """Serves all requests; interrupted, those that it came to once one has been served."""
    world = begin(requests, prepared, deployment, seed, book)
    try:
        while step(world):
            pass
    except KeyboardInterrupt:
        if np.isnan(world.book.finish).all():
            raise
    return end(world, deployment)


def begin(requests: Requests, prepared: Prepared, deployment: Deployment, seed: int, book: Book | None = None) -> World:
    """The world before the first arrival."""
    book = book or new_book(len(requests.input))
    pools = [_engines(i, prepared, deployment, book, seed, requests.block.size > 0)
             for i in range(len(prepared.pools))]
    followers: dict[int, list[int]] = {}
    for follower in np.flatnonzero(requests.after >= 0).tolist():
        followers.setdefault(int(requests.after[follower]), []).append(follower)
    arrivals = [(float(requests.arrival[i]), i, 0) for i in np.flatnonzero(requests.after < 0).tolist()]
    return World(requests, prepared, pools, book, followers, arrivals, deployment.routing, [0] * len(pools))


def _engines(index: int, prepared: Prepared, deployment: Deployment, book: Book, seed: int,
             hashed: bool) -> list[Engine]:
    pool, model = prepared.pools[index], deployment.model
    caching = pool.limits.prefix_caching and hashed
    block_bytes = pool.block_tokens * (model.kv_bytes_per_token() + model.index_bytes_per_token())
    engines = []
    for e in range(pool.engines):
        tiers = tiers_of(deployment.tiers, block_bytes, pool.pipeline) if caching and index == 0 else None
        pages = Pages(pool.blocks, pool.block_tokens, caching)
        if tiers is not None:
            pages.evicted = tiers.store
        engines.append(Engine(e, pool, pages, book, seed, tiers))
    return engines


def step(world: World) -> bool:
    """Everything that happens at the next moment: passes end, requests arrive, passes start. False: nothing is left."""
    engines = [e for pool in world.pools for e in pool]
    now = min([min(e.ends, e.wakes) for e in engines] + [a[0] for a in world.arrivals[:1]])
    if now == NEVER:
        return False
    for number, engine in [(i, e) for i, pool in enumerate(world.pools) for e in pool]:
        if engine.ends <= now:
            end_pass(world, number, engine, now)
    while world.arrivals and world.arrivals[0][0] <= now:
        arrive(world, *heapq.heappop(world.arrivals))
    for pool in world.pools:
        groups = pool[0].pool.groups
        for first in pool[:groups]:
            if first.ends == NEVER:
                start_together(pool[first.index::groups], world.book, now)
    return True


def start_together(ranks: list[Engine], book: Book, now: float) -> None:
    """Starts the passes of idle ranks that wait for one another: all end with the longest."""
    for engine in ranks:
        start_pass(engine, book, now)
    last = max((engine.ends for engine in ranks if engine.ends < NEVER), default=NEVER)
    if last < NEVER:
        for engine in ranks:
            engine.ends, engine.wakes = last, NEVER


def arrive(world: World, now: float, request: int, pool: int) -> None:
    """A request comes to a pool: an engine is chosen and it queues there."""
    r, engines = world.requests, world.pools[pool]
    hashes = r.block[r.block_start[request]:r.block_start[request + 1]].tolist()
    engine = engines[ROUTES[world.route](engines, hashes, world.served[pool])]
    world.served[pool] += 1
    prompt, output = int(r.input[request]), int(r.output[request])
    s = Sequence(request, prompt, output, hashes, prompt)
    if pool == 0:
        world.book.arrival[request] = now
    else:
        s.known, s.past, s.generated, s.decoding = prompt + 1, prompt, 1, True
    world.book.replica[request] = replica_of(world, pool, engine)
    engine.outstanding += prompt + output
    engine.waiting.append(s)


def replica_of(world: World, pool: int, engine: Engine) -> int:
    """The number of an engine's replica; a decode pool's come after the prefill pool's."""
    return sum(p.replicas for p in world.prepared.pools[:pool]) + engine.index % engine.pool.replicas


def start_pass(engine: Engine, book: Book, now: float) -> None:
    """Starts an idle engine's next pass, or notes when it may try again: with the next train, after a load."""
    limits = engine.pool.limits
    start = departure(now, limits.interval if limits.batching == "train" else 0.0)
    busy = engine.running or engine.waiting
    if start > now:
        engine.wakes = start if busy else NEVER
        return
    engine.scheduled = fill(engine, now)
    engine.wakes = NEVER
    if not engine.scheduled:
        engine.wakes = min((s.ready for s in engine.running if s.ready > now), default=NEVER)
        return
    for s, _ in engine.scheduled:
        if np.isnan(book.admitted[s.request]):
            book.admitted[s.request], book.cached[s.request] = now, s.past
    now = start
    seconds = engine.pool.pipeline * engine.pool.clock.seconds([piece(s, new) for s, new in engine.scheduled])
    engine.ends = now + seconds
    note(engine, now, seconds)


def piece(s: Sequence, new: int) -> tuple[int, int, int]:
    """A scheduled sequence as the clock sees it: new tokens, cached ones before, logits."""
    return new, s.past, max(0, s.past + new - s.known + 1)


def note(engine: Engine, now: float, seconds: float) -> None:
    """One row of the pass log."""
    decoding = sum(s.past + new >= s.known for s, new in engine.scheduled)
    prompts = sum(new for s, new in engine.scheduled if not s.decoding)
    engine.rows.append((now, seconds, decoding, prompts, len(engine.waiting), engine.pages.used))


def end_pass(world: World, pool: int, engine: Engine, now: float) -> None:
    """Books the tokens of the pass under way; finished requests leave."""
    for s, new in engine.scheduled:
        if emit(engine, s, new) == 0:
            continue
        if np.isnan(world.book.first_token[s.request]):
            world.book.first_token[s.request] = now
        if s.generated == s.output or pool + 1 < len(world.pools):
            leave(world, pool, engine, s, now)
    engine.scheduled, engine.ends = [], NEVER


def leave(world: World, pool: int, engine: Engine, s: Sequence, now: float) -> None:
    """A request leaves an engine: finished, and its followers may come, or on its way to the next pool."""
    engine.running.remove(s)
    engine.pages.release(s)
    engine.outstanding -= s.prompt + s.output
    if s.generated < s.output:
        assert world.prepared.transfer is not None
        heapq.heappush(world.arrivals, (now + float(world.prepared.transfer[s.request]), s.request, pool + 1))
        return
    world.book.finish[s.request] = now
    for follower in world.followers.get(s.request, ()):
        heapq.heappush(world.arrivals, (now + float(world.requests.delay[follower]), follower, 0))


def end(world: World, deployment: Deployment) -> Log:
    """The log of all engines."""
    numbered = [(replica_of(world, i, e), e) for i, pool in enumerate(world.pools) for e in pool]
    most = max(1, MOST_ROWS // len(numbered))
    rows = [thinned(Rows(replica, np.array([r[:2] for r in e.rows], dtype=float).reshape(-1, 2),
                         np.array([r[2:] for r in e.rows], dtype=np.int64).reshape(-1, 4)), most)
            for replica, e in numbered]
    tokens: dict[str, int] = {}
    for tier in (t for _, e in numbered if e.tiers for t in e.tiers.tiers):
        tokens[tier.kind.name] = tokens.get(tier.kind.name, 0) + tier.loaded * world.requests.block_tokens
    return log_of(world.book, pass_log(rows), tokens)
