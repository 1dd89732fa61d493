"""Requests that come to the compiled loop: a heap of those that follow others, and the engines' queues."""

from __future__ import annotations

from rackline.systems.simulation import columns as col
from rackline.systems.simulation.book import Book
from rackline.systems.simulation.core import Asked, Core
from rackline.systems.simulation.jit import compiled, inlined


@inlined
def comes_first(core: Core, asked: Asked, request: int) -> bool:
    if asked.arrival[request] == core.heap_time[0]:
        return request < core.heap_request[0]
    return asked.arrival[request] < core.heap_time[0]


@compiled
def push(core: Core, time: float, request: int, size: int) -> None:
    at = size
    while at > 0:
        up = (at - 1) // 2
        above = core.heap_time[up]
        if above < time or (above == time and core.heap_request[up] < request):
            break
        core.heap_time[at], core.heap_request[at] = above, core.heap_request[up]
        at = up
    core.heap_time[at], core.heap_request[at] = time, request


@compiled
def pop(core: Core, size: int) -> int:
    top, last = core.heap_request[0], size - 1
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


@inlined
def arrive(core: Core, asked: Asked, book: Book, request: int, now: float, served: int) -> None:
    e = served % core.limit[col.ENGINES]
    if core.limit[col.LEAST_LOADED]:
        e = 0
        for other in range(1, core.limit[col.ENGINES]):
            if core.engine[other, col.OUTSTANDING] < core.engine[e, col.OUTSTANDING]:
                e = other
    engine = core.engine
    book.arrival[request] = now
    book.replica[request] = e % core.limit[col.REPLICAS]
    engine[e, col.OUTSTANDING] += asked.input[request] + asked.output[request]
    if engine[e, col.QUEUED] == 0:
        engine[e, col.QUEUE_HEAD] = request
    else:
        core.follow[engine[e, col.QUEUE_TAIL]] = request
    engine[e, col.QUEUE_TAIL] = request
    engine[e, col.QUEUED] += 1
