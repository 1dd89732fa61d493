"""The decoding sequences of the compiled loop, which advance together: see core.py."""

from __future__ import annotations

from rackline.systems.simulation import columns as col
from rackline.systems.simulation.book import Book
from rackline.systems.simulation.core import Asked, Core
from rackline.systems.simulation.events import push
from rackline.systems.simulation.features import FIRST
from rackline.systems.simulation.jit import compiled, inlined
from rackline.systems.simulation.shared import release, take


@inlined
def decode(core: Core, asked: Asked, book: Book, e: int) -> bool:
    """Gives decoding sequences their pages and adds them up; whether pages ran out."""
    engine = core.engine
    engine[e, col.STEPS] = 1
    need = core.phase[e, engine[e, col.CROSSING]]
    crowded = need > engine[e, col.FREE] + engine[e, col.KEPT]
    if crowded:
        crowd(core, asked, book, e)
    else:
        take(core, e, need)
    count = engine[e, col.DECODING]
    core.total[1] += count
    core.total[2] += count
    core.total[3] += count
    for j in range(len(core.scale)):
        core.total[FIRST + j] += core.scale[j, 0] * count + core.scale[j, 1] * core.below[e, int(core.scale[j, 2])]
    return crowded


@compiled
def crowd(core: Core, asked: Asked, book: Book, e: int) -> None:
    """Pages in order of admission, the last admitted giving theirs up where none is left."""
    engine, slot, block = core.engine, core.slot, core.limit[col.BLOCK]
    s = engine[e, col.HEAD]
    while s >= 0:
        if (slot[s, col.BASE] + engine[e, col.CLOCK]) % block == 0:
            while engine[e, col.FREE] + engine[e, col.KEPT] == 0:
                last = engine[e, col.PARTIAL] if engine[e, col.PARTIAL] >= 0 else engine[e, col.TAIL]
                preempt(core, asked, book, e, last)
                if last == s:
                    return
            take(core, e, 1)
        s = slot[s, col.NEXT]


@compiled
def preempt(core: Core, asked: Asked, book: Book, e: int, s: int) -> None:
    """Puts a sequence, the last admitted, back to the front of the queue without its pages."""
    engine, slot, limit = core.engine, core.slot, core.limit
    clock, generated = engine[e, col.CLOCK], slot[s, col.GENERATED]
    past = slot[s, col.PAST]
    if s == engine[e, col.PARTIAL]:
        engine[e, col.PARTIAL] = -1
    else:
        past = slot[s, col.BASE] + clock
        generated += clock - (slot[s, col.KNOWN] - slot[s, col.BASE])
        for c in range(len(core.cap)):
            at = core.cap[c] - slot[s, col.BASE]
            if at > clock and at <= slot[s, col.LAST]:
                core.closing[e * limit[col.RING] + (at & (limit[col.RING] - 1)), c] -= 1
        leave_bucket(core, e, s)
        leave(core, e, s, past)
    release(core, asked, e, s, past)
    at = e * limit[col.SEQUENCES] + engine[e, col.BACK]
    core.back[at, 0], core.back[at, 1] = slot[s, col.REQUEST], generated
    engine[e, col.BACK] += 1
    book.preemptions[slot[s, col.REQUEST]] += 1
    slot[s, col.NEXT] = engine[e, col.SPARE]
    engine[e, col.SPARE] = s


@inlined
def leave_bucket(core: Core, e: int, s: int) -> None:
    slot, ring = core.slot, core.limit[col.RING]
    at = e * ring + (slot[s, col.LAST] & (ring - 1))
    before, after = slot[s, col.BUCKET_PREVIOUS], slot[s, col.BUCKET_NEXT]
    if before >= 0:
        slot[before, col.BUCKET_NEXT] = after
    else:
        core.bucket[at, 0] = after
    if after >= 0:
        slot[after, col.BUCKET_PREVIOUS] = before
    else:
        core.bucket[at, 1] = before


@inlined
def leave(core: Core, e: int, s: int, past: int) -> None:
    """Takes a decoding sequence out of the sums and the order of admission."""
    engine, slot = core.engine, core.slot
    for c in range(len(core.cap)):
        core.below[e, c] -= min(past, core.cap[c])
        core.open[e, c] -= past < core.cap[c]
    core.phase[e, slot[s, col.BASE] % core.limit[col.BLOCK]] -= 1
    before, after = slot[s, col.PREVIOUS], slot[s, col.NEXT]
    if before >= 0:
        slot[before, col.NEXT] = after
    else:
        engine[e, col.HEAD] = after
    if after >= 0:
        slot[after, col.PREVIOUS] = before
    else:
        engine[e, col.TAIL] = before
    engine[e, col.DECODING] -= 1


@inlined
def step(core: Core, asked: Asked, book: Book, e: int, now: float) -> None:
    """Every decoding sequence gets its token; those whose last it is leave."""
    engine, slot, ring = core.engine, core.slot, core.limit[col.RING]
    clock = engine[e, col.CLOCK] + 1
    engine[e, col.CLOCK] = clock
    engine[e, col.CROSSING] = (engine[e, col.CROSSING] if engine[e, col.CROSSING] else core.limit[col.BLOCK]) - 1
    at = e * ring + (clock & (ring - 1))
    for c in range(len(core.cap)):
        core.below[e, c] += core.open[e, c]
        core.open[e, c] -= core.closing[at, c]
        core.closing[at, c] = 0
    s = core.bucket[at, 0]
    core.bucket[at, 0], core.bucket[at, 1] = -1, -1
    while s >= 0:
        after = slot[s, col.BUCKET_NEXT]
        slot[s, col.PAST] = slot[s, col.BASE] + clock
        leave(core, e, s, slot[s, col.PAST])
        finish(core, asked, book, e, s, now)
        s = after


@inlined
def finish(core: Core, asked: Asked, book: Book, e: int, s: int, now: float) -> None:
    """A request has all its tokens: its pages are free, its followers may come."""
    engine, slot = core.engine, core.slot
    request = slot[s, col.REQUEST]
    book.finish[request] = now
    engine[e, col.OUTSTANDING] -= asked.weight[request]
    release(core, asked, e, s, slot[s, col.PAST])
    slot[s, col.NEXT] = engine[e, col.SPARE]
    engine[e, col.SPARE] = s
    if len(asked.child_start) > 0:
        for i in range(asked.child_start[request], asked.child_start[request + 1]):
            push(core, now + asked.delay[asked.child[i]], asked.child[i])


@inlined
def join(core: Core, e: int, s: int, output: int) -> None:
    """A sequence whose prompt is done starts to decode with the next pass."""
    engine, slot, ring = core.engine, core.slot, core.limit[col.RING]
    clock, past = engine[e, col.CLOCK], slot[s, col.KNOWN]
    slot[s, col.BASE], slot[s, col.LAST] = past - clock, clock + output - slot[s, col.GENERATED]
    for c in range(len(core.cap)):
        core.below[e, c] += min(past, core.cap[c])
        if past < core.cap[c]:
            core.open[e, c] += 1
            closes = core.cap[c] - slot[s, col.BASE]
            if closes <= slot[s, col.LAST]:
                core.closing[e * ring + (closes & (ring - 1)), c] += 1
    core.phase[e, slot[s, col.BASE] % core.limit[col.BLOCK]] += 1
    append(core, e, s, e * ring + (slot[s, col.LAST] & (ring - 1)))


@inlined
def append(core: Core, e: int, s: int, at: int) -> None:
    """To the end of the order of admission and of its bucket."""
    engine, slot = core.engine, core.slot
    slot[s, col.PREVIOUS], slot[s, col.NEXT] = engine[e, col.TAIL], -1
    if engine[e, col.TAIL] >= 0:
        slot[engine[e, col.TAIL], col.NEXT] = s
    else:
        engine[e, col.HEAD] = s
    engine[e, col.TAIL] = s
    engine[e, col.DECODING] += 1
    last = core.bucket[at, 1]
    slot[s, col.BUCKET_PREVIOUS], slot[s, col.BUCKET_NEXT] = last, -1
    if last >= 0:
        slot[last, col.BUCKET_NEXT] = s
    else:
        core.bucket[at, 0] = s
    core.bucket[at, 1] = s
