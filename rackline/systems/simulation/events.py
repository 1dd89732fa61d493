"""Requests that come to the compiled loop: a heap of those that follow others, and the engines' queues."""

from __future__ import annotations

import numpy as np

from rackline.systems.simulation import columns as col
from rackline.systems.simulation.book import Book
from rackline.systems.simulation.core import Asked, Core
from rackline.systems.simulation.jit import compiled, inlined
from rackline.systems.simulation.shared import found


@inlined
def _comes_first(core: Core, asked: Asked, request: int) -> bool:
    if asked.arrival[request] == core.heap_time[0]:
        return request < core.heap_request[0]
    return asked.arrival[request] < core.heap_time[0]


@compiled
def push(core: Core, time: float, request: int) -> None:
    """Notes a follower's arrival."""
    at = core.run[col.FOLLOWERS]
    core.run[col.FOLLOWERS] += 1
    while at > 0:
        up = (at - 1) // 2
        above = core.heap_time[up]
        if above < time or (above == time and core.heap_request[up] < request):
            break
        core.heap_time[at], core.heap_request[at] = above, core.heap_request[up]
        at = up
    core.heap_time[at], core.heap_request[at] = time, request


@compiled
def _pop(core: Core) -> int:
    core.run[col.FOLLOWERS] -= 1
    top, last = core.heap_request[0], core.run[col.FOLLOWERS]
    time, request, at = core.heap_time[last], core.heap_request[last], 0
    while 2 * at + 1 < last:
        down = 2 * at + 1
        if down + 1 < last and (core.heap_time[down + 1] < core.heap_time[down] or (
                core.heap_time[down + 1] == core.heap_time[down]
                and core.heap_request[down + 1] < core.heap_request[down])):
            down += 1
        if time < core.heap_time[down] or (time == core.heap_time[down] and request < core.heap_request[down]):
            break
        core.heap_time[at], core.heap_request[at] = core.heap_time[down], core.heap_request[down]
        at = down
    core.heap_time[at], core.heap_request[at] = time, request
    return top


@compiled
def _chosen(core: Core, asked: Asked, request: int) -> int:
    """The longest prefix in memory where routed by it, then the fewest outstanding tokens, then the first engine."""
    best, longest = 0, -1
    for e in range(core.limit[col.ENGINES]):
        blocks = found(core, asked, e, request) if core.limit[col.ROUTE] == 2 and core.limit[col.HASHES] else 0
        lighter = core.engine[e, col.OUTSTANDING] < core.engine[best, col.OUTSTANDING]
        if blocks > longest or (blocks == longest and lighter):
            best, longest = e, blocks
    return best


@inlined
def _arrive(core: Core, asked: Asked, book: Book, request: int, now: float) -> None:
    e = core.run[col.SERVED] % core.limit[col.ENGINES]
    core.run[col.SERVED] += 1
    if core.limit[col.ROUTE]:
        e = _chosen(core, asked, request)
    engine = core.engine
    book.arrival[request] = now
    book.replica[request] = e % core.limit[col.REPLICAS]
    engine[e, col.OUTSTANDING] += asked.weight[request]
    if engine[e, col.QUEUED] == 0:
        engine[e, col.QUEUE_HEAD] = request
    else:
        core.follow[engine[e, col.QUEUE_TAIL]] = request
    engine[e, col.QUEUE_TAIL] = request
    engine[e, col.QUEUED] += 1


@inlined
def next_arrival(core: Core, asked: Asked) -> float:
    """When the next request comes; infinity: none is known."""
    n, now = len(asked.input), np.inf
    while core.run[col.UPCOMING] < n and asked.after[core.run[col.UPCOMING]] >= 0:
        core.run[col.UPCOMING] += 1
    if core.run[col.UPCOMING] < n:
        now = asked.arrival[core.run[col.UPCOMING]]
    return min(now, core.heap_time[0]) if core.run[col.FOLLOWERS] > 0 else now


@inlined
def arrive_until(core: Core, asked: Asked, book: Book, now: float) -> float:
    """Every request that comes up to now, in order of time, then of number; when the next one comes."""
    coming = next_arrival(core, asked)
    while coming <= now:
        request = core.run[col.UPCOMING]
        known = request < len(asked.input) and asked.arrival[request] <= now
        if core.run[col.FOLLOWERS] > 0 and core.heap_time[0] <= now and not (
                known and _comes_first(core, asked, request)):
            request = _pop(core)
        else:
            core.run[col.UPCOMING] += 1
        _arrive(core, asked, book, request, now)
        coming = next_arrival(core, asked)
    return coming
