"""The compiled loop: what naive.py does, in time that does not grow with the sequences that only decode."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from rackline.systems.simulation import features, policies
from rackline.systems.simulation.book import Book
from rackline.systems.simulation.core import (
    BACK,
    BASE,
    BLOCK,
    BUCKET_NEXT,
    BUCKET_PREVIOUS,
    CLOCK,
    CROSSING,
    DECODING,
    ENDS,
    ENGINES,
    EVERY,
    FREE,
    GENERATED,
    HEAD,
    JOINING,
    KNOWN,
    LAST,
    LEAST_LOADED,
    MOST,
    NEW,
    NEXT,
    OUTSTANDING,
    PAGES,
    PARTIAL,
    PASSES,
    PAST,
    PREVIOUS,
    QUEUE_HEAD,
    QUEUE_TAIL,
    QUEUED,
    REPLICAS,
    REQUEST,
    RING,
    ROWS,
    SEQUENCES,
    SPARE,
    STEPS,
    TAIL,
    TOKENS,
    WAKES,
    WHOLE,
    Asked,
    Core,
)
from rackline.systems.simulation.features import FIRST, LATENT, PICKED, READ

_compiled = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
_inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True, _nrt=False)
_pairs = _inlined(features.pairs)
_rank_share = _inlined(features.rank_share)
_departure = _inlined(policies.departure)


@_compiled
def run_fast(core: Core, asked: Asked, book: Book) -> None:
    """Serves all requests."""
    upcoming, served, waiting, n = 0, 0, 0, len(asked.input)
    while True:
        while upcoming < n and asked.after[upcoming] >= 0:
            upcoming += 1
        now = asked.arrival[upcoming] if upcoming < n else np.inf
        if waiting and core.heap_time[0] < now:
            now = core.heap_time[0]
        for e in range(core.limit[ENGINES]):
            now = min(now, core.time[e, ENDS], core.time[e, WAKES])
        if now == np.inf:
            return
        for e in range(core.limit[ENGINES]):
            if core.time[e, ENDS] <= now:
                waiting = _end_pass(core, asked, book, e, now, waiting)
        while True:
            while upcoming < n and asked.after[upcoming] >= 0:
                upcoming += 1
            first = upcoming < n and asked.arrival[upcoming] <= now
            if waiting and core.heap_time[0] <= now and not (first and _comes_first(core, asked, upcoming)):
                request, waiting = _pop(core, waiting), waiting - 1
            elif first:
                request, upcoming = upcoming, upcoming + 1
            else:
                break
            _arrive(core, asked, book, request, now, served)
            served += 1
        for e in range(core.limit[ENGINES]):
            if core.time[e, ENDS] == np.inf:
                _start_pass(core, asked, book, e, now)


@_inlined
def _comes_first(core: Core, asked: Asked, request: int) -> bool:
    if asked.arrival[request] == core.heap_time[0]:
        return request < core.heap_request[0]
    return asked.arrival[request] < core.heap_time[0]


@_compiled
def _push(core: Core, time: float, request: int, size: int) -> None:
    at = size
    while at > 0:
        up = (at - 1) // 2
        above = core.heap_time[up]
        if above < time or (above == time and core.heap_request[up] < request):
            break
        core.heap_time[at], core.heap_request[at] = above, core.heap_request[up]
        at = up
    core.heap_time[at], core.heap_request[at] = time, request


@_compiled
def _pop(core: Core, size: int) -> int:
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


@_inlined
def _arrive(core: Core, asked: Asked, book: Book, request: int, now: float, served: int) -> None:
    e = served % core.limit[ENGINES]
    if core.limit[LEAST_LOADED]:
        e = 0
        for other in range(1, core.limit[ENGINES]):
            if core.engine[other, OUTSTANDING] < core.engine[e, OUTSTANDING]:
                e = other
    engine = core.engine
    book.arrival[request] = now
    book.replica[request] = e % core.limit[REPLICAS]
    engine[e, OUTSTANDING] += asked.input[request] + asked.output[request]
    if engine[e, QUEUED] == 0:
        engine[e, QUEUE_HEAD] = request
    else:
        core.follow[engine[e, QUEUE_TAIL]] = request
    engine[e, QUEUE_TAIL] = request
    engine[e, QUEUED] += 1


# ---- a pass starts


@_inlined
def _start_pass(core: Core, asked: Asked, book: Book, e: int, now: float) -> None:
    engine = core.engine
    if engine[e, DECODING] + engine[e, QUEUED] + engine[e, BACK] == 0 and engine[e, PARTIAL] < 0:
        core.time[e, WAKES] = np.inf
        return
    start = _departure(now, core.pace[1])
    if start > now:
        core.time[e, WAKES] = start
        return
    core.time[e, WAKES] = np.inf
    for j in range(len(core.total)):
        core.total[j] = 0.0
    engine[e, JOINING] = 0
    left, crowded = core.limit[TOKENS], False
    if core.limit[WHOLE]:
        _admit(core, asked, book, e, now, left)
    if core.limit[WHOLE] and engine[e, JOINING] > 0:
        engine[e, STEPS] = 0
    else:
        crowded = _decode(core, book, e)
        left -= engine[e, DECODING]
        if engine[e, PARTIAL] >= 0:
            left, crowded = _go_on(core, book, e, left)
        if not crowded and not core.limit[WHOLE]:
            _admit(core, asked, book, e, now, left)
    seconds = _seconds(core, e)
    core.time[e, ENDS] = start + seconds
    _note(core, e, start, seconds)


@_inlined
def _decode(core: Core, book: Book, e: int) -> bool:
    """Gives decoding sequences their pages and adds them up; whether pages ran out."""
    engine = core.engine
    engine[e, STEPS] = 1
    need = core.phase[e, engine[e, CROSSING]]
    crowded = need > engine[e, FREE]
    if crowded:
        _crowd(core, book, e)
    else:
        engine[e, FREE] -= need
    count = engine[e, DECODING]
    core.total[1] += count
    core.total[2] += count
    core.total[3] += count
    for j in range(len(core.scale)):
        core.total[FIRST + j] += core.scale[j, 0] * count + core.scale[j, 1] * core.below[e, int(core.scale[j, 2])]
    return crowded


@_compiled
def _crowd(core: Core, book: Book, e: int) -> None:
    """Pages in order of admission, the last admitted giving theirs up where none is left."""
    engine, slot, block = core.engine, core.slot, core.limit[BLOCK]
    s = engine[e, HEAD]
    while s >= 0:
        if (slot[s, BASE] + engine[e, CLOCK]) % block == 0:
            while engine[e, FREE] == 0:
                last = engine[e, PARTIAL] if engine[e, PARTIAL] >= 0 else engine[e, TAIL]
                _preempt(core, book, e, last)
                if last == s:
                    return
            engine[e, FREE] -= 1
        s = slot[s, NEXT]


@_compiled
def _preempt(core: Core, book: Book, e: int, s: int) -> None:
    """Puts a sequence, the last admitted, back to the front of the queue without its pages."""
    engine, slot, limit = core.engine, core.slot, core.limit
    clock, generated = engine[e, CLOCK], slot[s, GENERATED]
    past = slot[s, PAST]
    if s == engine[e, PARTIAL]:
        engine[e, PARTIAL] = -1
    else:
        past = slot[s, BASE] + clock
        generated += clock - (slot[s, KNOWN] - slot[s, BASE])
        for c in range(len(core.cap)):
            at = core.cap[c] - slot[s, BASE]
            if at > clock and at <= slot[s, LAST]:
                core.closing[e * limit[RING] + (at & (limit[RING] - 1)), c] -= 1
        _leave_bucket(core, e, s)
        _leave(core, e, s, past)
    engine[e, FREE] += (past + limit[BLOCK] - 1) // limit[BLOCK]
    at = e * limit[SEQUENCES] + engine[e, BACK]
    core.back[at, 0], core.back[at, 1] = slot[s, REQUEST], generated
    engine[e, BACK] += 1
    book.preemptions[slot[s, REQUEST]] += 1
    slot[s, NEXT] = engine[e, SPARE]
    engine[e, SPARE] = s


@_inlined
def _leave_bucket(core: Core, e: int, s: int) -> None:
    slot, ring = core.slot, core.limit[RING]
    at = e * ring + (slot[s, LAST] & (ring - 1))
    before, after = slot[s, BUCKET_PREVIOUS], slot[s, BUCKET_NEXT]
    if before >= 0:
        slot[before, BUCKET_NEXT] = after
    else:
        core.bucket[at, 0] = after
    if after >= 0:
        slot[after, BUCKET_PREVIOUS] = before
    else:
        core.bucket[at, 1] = before


@_inlined
def _leave(core: Core, e: int, s: int, past: int) -> None:
    """Takes a decoding sequence out of the sums and the order of admission."""
    engine, slot = core.engine, core.slot
    for c in range(len(core.cap)):
        core.below[e, c] -= min(past, core.cap[c])
        core.open[e, c] -= past < core.cap[c]
    core.phase[e, slot[s, BASE] % core.limit[BLOCK]] -= 1
    before, after = slot[s, PREVIOUS], slot[s, NEXT]
    if before >= 0:
        slot[before, NEXT] = after
    else:
        engine[e, HEAD] = after
    if after >= 0:
        slot[after, PREVIOUS] = before
    else:
        engine[e, TAIL] = before
    engine[e, DECODING] -= 1


@_inlined
def _go_on(core: Core, book: Book, e: int, left: int) -> tuple[int, bool]:
    """The next chunk of the prompt that was cut: tokens left, whether pages ran out."""
    engine, slot, block = core.engine, core.slot, core.limit[BLOCK]
    s = engine[e, PARTIAL]
    past = slot[s, PAST]
    new = min(slot[s, KNOWN] - past, left)
    lacking = (past + new + block - 1) // block - (past + block - 1) // block
    if lacking > engine[e, FREE]:
        _preempt(core, book, e, s)
        return left, True
    engine[e, FREE] -= lacking
    _chunk(core, e, s, new)
    return left - new, False


@_inlined
def _admit(core: Core, asked: Asked, book: Book, e: int, now: float, left: int) -> None:
    """Preempted requests, last first, then the queue, while sequences, tokens and pages allow."""
    engine, slot, limit = core.engine, core.slot, core.limit
    while engine[e, SPARE] >= 0 and left > 0 and engine[e, BACK] + engine[e, QUEUED] > 0:
        known, generated, request = np.int64(0), np.int64(0), engine[e, QUEUE_HEAD]
        if engine[e, BACK] > 0:
            at = e * limit[SEQUENCES] + engine[e, BACK] - 1
            request, generated = core.back[at, 0], core.back[at, 1]
        known = asked.input[request] + generated
        new = known if limit[WHOLE] else min(known, left)
        pages = (new + limit[BLOCK] - 1) // limit[BLOCK]
        if (new > left and engine[e, JOINING] > 0) or pages > engine[e, FREE]:
            return
        if engine[e, BACK] > 0:
            engine[e, BACK] -= 1
        else:
            engine[e, QUEUED] -= 1
            engine[e, QUEUE_HEAD] = core.follow[request]
            book.admitted[request] = now if np.isnan(book.admitted[request]) else book.admitted[request]
        engine[e, FREE] -= pages
        s = engine[e, SPARE]
        engine[e, SPARE] = slot[s, NEXT]
        slot[s, REQUEST], slot[s, GENERATED], slot[s, KNOWN], slot[s, PAST] = request, generated, known, 0
        _chunk(core, e, s, new)
        left -= new


@_inlined
def _chunk(core: Core, e: int, s: int, new: int) -> None:
    """Adds a piece of a prompt to the pass."""
    engine, slot, total = core.engine, core.slot, core.total
    past = slot[s, PAST]
    slot[s, NEW] = new
    ends = past + new == slot[s, KNOWN]
    total[1] += 1
    total[2] += new
    for j in range(len(core.feature)):
        total[FIRST + j] += _amount(core.feature, j, new, past)
    if ends:
        total[3] += 1
        core.joining[e * core.limit[SEQUENCES] + engine[e, JOINING]] = s
        engine[e, JOINING] += 1
        engine[e, PARTIAL] = -1
    else:
        engine[e, PARTIAL] = s


_picked = _inlined(features.picked)


@_inlined
def _amount(feature: Any, j: int, new: int, past: int) -> float:
    kind, reach = int(feature[j, 0]), int(feature[j, 1])
    if kind == READ:
        return float(past if reach == 0 else min(past, reach))
    if kind == PICKED:
        return _picked(reach, new, past)
    seen = _pairs(reach, new, past)
    if kind == LATENT:
        return min(seen * feature[j, 2], seen * feature[j, 3] + past * feature[j, 4])
    return seen


@_inlined
def _seconds(core: Core, e: int) -> float:
    """As features.pass_seconds; the sums over sequences, tokens and logits are kept while these stay the same."""
    c, total, kept = core.clock, core.total, core.kept
    if kept[0, 1] != total[1] or kept[0, 2] != total[2] or kept[0, 3] != total[3]:
        _keep(core)
    share, seconds = kept[0, 0], kept[1, 0]
    for j in range(FIRST, len(c.linear)):
        core.x[j] = share * total[j]
        seconds += c.linear[j] * core.x[j]
    for i in range(len(c.floor)):
        compute, memory = kept[2 + i, 0], kept[2 + i, 1]
        for j in range(FIRST, len(c.linear)):
            compute += c.compute[i, j] * core.x[j]
            memory += c.memory[i, j] * core.x[j]
        if c.which[i] >= 0:
            memory += c.table[c.which[i], int(total[2])]
        seconds += max(compute, memory, c.floor[i])
    return core.pace[0] * seconds


@_compiled
def _keep(core: Core) -> None:
    """First sums of every term: kept[0] share and what they belong to, kept[1] the linear part, then the terms."""
    c, total, kept, x = core.clock, core.total, core.kept, core.x
    kept[0, 0] = _rank_share(total[1], core.data[0])
    for j in range(1, FIRST):
        kept[0, j] = total[j]
        x[j] = kept[0, 0] * total[j]
    kept[1:, :] = 0.0
    for j in range(FIRST):
        kept[1, 0] += c.linear[j] * x[j]
        for i in range(len(c.floor)):
            kept[2 + i, 0] += c.compute[i, j] * x[j]
            kept[2 + i, 1] += c.memory[i, j] * x[j]


@_inlined
def _note(core: Core, e: int, now: float, seconds: float) -> None:
    """A row of the pass log; when it is full, every second row goes."""
    engine = core.engine
    passes = engine[e, PASSES]
    engine[e, PASSES] += 1
    if passes & (engine[e, EVERY] - 1):
        return
    if engine[e, ROWS] == core.limit[MOST]:
        _thin(core, e)
        if passes & (engine[e, EVERY] - 1):
            return
    row = engine[e, ROWS]
    engine[e, ROWS] += 1
    core.row_time[e, row, 0], core.row_time[e, row, 1] = now, seconds
    core.row_count[e, row, 0] = core.total[3]
    core.row_count[e, row, 1] = core.total[2] - engine[e, STEPS] * engine[e, DECODING]
    core.row_count[e, row, 2] = engine[e, QUEUED] + engine[e, BACK]
    core.row_count[e, row, 3] = engine[e, PAGES] - engine[e, FREE]


@_compiled
def _thin(core: Core, e: int) -> None:
    rows = (core.engine[e, ROWS] + 1) // 2
    for row in range(rows):
        for j in range(2):
            core.row_time[e, row, j] = core.row_time[e, 2 * row, j]
        for j in range(4):
            core.row_count[e, row, j] = core.row_count[e, 2 * row, j]
    core.engine[e, ROWS] = rows
    core.engine[e, EVERY] *= 2


# ---- a pass ends


@_inlined
def _end_pass(core: Core, asked: Asked, book: Book, e: int, now: float, waiting: int) -> int:
    """Books the pass under way; finished requests leave. The size of the heap of followers."""
    core.time[e, ENDS] = np.inf
    if core.engine[e, STEPS]:
        waiting = _step(core, asked, book, e, now, waiting)
    slot = core.slot
    for i in range(core.engine[e, JOINING]):
        s = core.joining[e * core.limit[SEQUENCES] + i]
        request = slot[s, REQUEST]
        slot[s, GENERATED] += 1
        if np.isnan(book.first_token[request]):
            book.first_token[request] = now
        if slot[s, GENERATED] == asked.output[request]:
            slot[s, PAST] = slot[s, KNOWN]
            waiting = _finish(core, asked, book, e, s, now, waiting)
        else:
            _join(core, e, s, asked.output[request])
    s = core.engine[e, PARTIAL]
    if s >= 0:
        slot[s, PAST] += slot[s, NEW]
    return waiting


@_inlined
def _step(core: Core, asked: Asked, book: Book, e: int, now: float, waiting: int) -> int:
    """Every decoding sequence gets its token; those whose last it is leave."""
    engine, slot, ring = core.engine, core.slot, core.limit[RING]
    clock = engine[e, CLOCK] + 1
    engine[e, CLOCK] = clock
    engine[e, CROSSING] = (engine[e, CROSSING] if engine[e, CROSSING] else core.limit[BLOCK]) - 1
    at = e * ring + (clock & (ring - 1))
    for c in range(len(core.cap)):
        core.below[e, c] += core.open[e, c]
        core.open[e, c] -= core.closing[at, c]
        core.closing[at, c] = 0
    s = core.bucket[at, 0]
    core.bucket[at, 0], core.bucket[at, 1] = -1, -1
    while s >= 0:
        after = slot[s, BUCKET_NEXT]
        slot[s, PAST] = slot[s, BASE] + clock
        _leave(core, e, s, slot[s, PAST])
        waiting = _finish(core, asked, book, e, s, now, waiting)
        s = after
    return waiting


@_inlined
def _finish(core: Core, asked: Asked, book: Book, e: int, s: int, now: float, waiting: int) -> int:
    """A request has all its tokens: its pages are free, its followers may come."""
    engine, slot, block = core.engine, core.slot, core.limit[BLOCK]
    request = slot[s, REQUEST]
    book.finish[request] = now
    engine[e, OUTSTANDING] -= asked.input[request] + asked.output[request]
    engine[e, FREE] += (slot[s, PAST] + block - 1) // block
    slot[s, NEXT] = engine[e, SPARE]
    engine[e, SPARE] = s
    if len(asked.child_start) > 0:
        for i in range(asked.child_start[request], asked.child_start[request + 1]):
            _push(core, now + asked.delay[asked.child[i]], asked.child[i], waiting)
            waiting += 1
    return waiting


@_inlined
def _join(core: Core, e: int, s: int, output: int) -> None:
    """A sequence whose prompt is done starts to decode with the next pass."""
    engine, slot, ring = core.engine, core.slot, core.limit[RING]
    clock, past = engine[e, CLOCK], slot[s, KNOWN]
    slot[s, BASE], slot[s, LAST] = past - clock, clock + output - slot[s, GENERATED]
    for c in range(len(core.cap)):
        core.below[e, c] += min(past, core.cap[c])
        if past < core.cap[c]:
            core.open[e, c] += 1
            closes = core.cap[c] - slot[s, BASE]
            if closes <= slot[s, LAST]:
                core.closing[e * ring + (closes & (ring - 1)), c] += 1
    core.phase[e, slot[s, BASE] % core.limit[BLOCK]] += 1
    _append(core, e, s, e * ring + (slot[s, LAST] & (ring - 1)))


@_inlined
def _append(core: Core, e: int, s: int, at: int) -> None:
    """To the end of the order of admission and of its bucket."""
    engine, slot = core.engine, core.slot
    slot[s, PREVIOUS], slot[s, NEXT] = engine[e, TAIL], -1
    if engine[e, TAIL] >= 0:
        slot[engine[e, TAIL], NEXT] = s
    else:
        engine[e, HEAD] = s
    engine[e, TAIL] = s
    engine[e, DECODING] += 1
    last = core.bucket[at, 1]
    slot[s, BUCKET_PREVIOUS], slot[s, BUCKET_NEXT] = last, -1
    if last >= 0:
        slot[last, BUCKET_NEXT] = s
    else:
        core.bucket[at, 0] = s
    core.bucket[at, 1] = s
