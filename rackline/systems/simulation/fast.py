"""The compiled loop: what naive.py does, in time that does not grow with the sequences that only decode."""

from __future__ import annotations

from typing import Any

import numpy as np

from rackline.systems.simulation import columns as col
from rackline.systems.simulation import features, policies
from rackline.systems.simulation.book import Book
from rackline.systems.simulation.core import Asked, Core
from rackline.systems.simulation.events import arrive_until, next_arrival
from rackline.systems.simulation.features import FIRST, LATENT, PICKED, READ
from rackline.systems.simulation.jit import compiled, inlined
from rackline.systems.simulation.lockstep import decode, finish, join, preempt, step
from rackline.systems.simulation.shared import found, kept, offer, share, take

_pairs = inlined(features.pairs)
_picked = inlined(features.picked)
_rank_share = inlined(features.rank_share)
_departure = inlined(policies.departure)


@compiled
def run_fast(core: Core, asked: Asked, book: Book) -> None:
    """Serves all requests."""
    engines = core.limit[col.ENGINES]
    groups = core.limit[col.GROUPS]
    cruising = core.pace[1] <= 0.0 and (engines == 1 or (groups == engines and len(asked.child_start) == 0))
    coming = next_arrival(core, asked)
    while True:
        now = coming
        for e in range(engines):
            now = min(now, core.time[e, col.ENDS], core.time[e, col.WAKES])
        if now == np.inf:
            return
        for e in range(engines):
            if core.time[e, col.ENDS] <= now:
                _end_pass(core, asked, book, e, now)
        coming = arrive_until(core, asked, book, now)
        for e in range(groups):
            if core.time[e, col.ENDS] == np.inf:
                _start_group(core, asked, book, e, now)
                if cruising:
                    _cruise(core, e, coming)


@inlined
def _start_group(core: Core, asked: Asked, book: Book, group: int, now: float) -> None:
    """Starts the passes of idle ranks, which end with the longest of them, those without work too."""
    engines, groups, last = core.limit[col.ENGINES], core.limit[col.GROUPS], -1.0
    for e in range(group, engines, groups):
        _start_pass(core, asked, book, e, now)
        if core.time[e, col.ENDS] != np.inf:
            last = max(last, core.time[e, col.ENDS])
    if last < 0.0:
        return
    for e in range(group, engines, groups):
        if core.time[e, col.ENDS] == np.inf:
            core.engine[e, col.STEPS] = core.engine[e, col.JOINING] = 0
        core.time[e, col.ENDS] = last


@inlined
def _cruise(core: Core, e: int, until: float) -> None:
    """Passes that only decode, one after the other, until someone comes, finishes or lacks a free page.

    Engines know of one another by what comes only, so each goes ahead alone.
    """
    engine, scale, ring = core.engine, core.scale, core.limit[col.RING]
    count = engine[e, col.DECODING]
    if count == 0 or engine[e, col.PARTIAL] >= 0 or engine[e, col.JOINING] + engine[e, col.QUEUED] + engine[
            e, col.BACK] > 0:
        return
    now = core.time[e, col.ENDS]
    while now < until:
        clock = engine[e, col.CLOCK] + 1
        crossing = (engine[e, col.CROSSING] if engine[e, col.CROSSING] else core.limit[col.BLOCK]) - 1
        at = e * ring + (clock & (ring - 1))
        if core.bucket[at, 0] >= 0 or core.phase[e, crossing] > engine[e, col.FREE]:
            break
        engine[e, col.CLOCK], engine[e, col.CROSSING] = clock, crossing
        engine[e, col.FREE] -= core.phase[e, crossing]
        for c in range(len(core.cap)):
            core.below[e, c] += core.open[e, c]
            core.open[e, c] -= core.closing[at, c]
            core.closing[at, c] = 0
        for j in range(len(scale)):
            core.total[FIRST + j] = scale[j, 0] * count + scale[j, 1] * core.below[e, int(scale[j, 2])]
        seconds = _seconds(core, e)
        _note(core, e, now, seconds)
        now += seconds
    core.time[e, col.ENDS] = now


@inlined
def _start_pass(core: Core, asked: Asked, book: Book, e: int, now: float) -> None:
    engine = core.engine
    if engine[e, col.DECODING] + engine[e, col.QUEUED] + engine[e, col.BACK] == 0 and engine[e, col.PARTIAL] < 0:
        core.time[e, col.WAKES] = np.inf
        return
    start = _departure(now, core.pace[1])
    if start > now:
        core.time[e, col.WAKES] = start
        return
    core.time[e, col.WAKES] = np.inf
    for j in range(len(core.total)):
        core.total[j] = 0.0
    engine[e, col.JOINING] = engine[e, col.TAKEN] = 0
    left, crowded = core.limit[col.TOKENS], False
    engine[e, col.STEPS] = 0
    if not core.limit[col.WHOLE]:
        crowded = decode(core, asked, book, e)
        left -= engine[e, col.DECODING]
        if engine[e, col.PARTIAL] >= 0:
            left, crowded = _go_on(core, asked, book, e, left)
    if not crowded:
        _admit(core, asked, book, e, now, left)
    if core.limit[col.WHOLE] and engine[e, col.JOINING] == 0:
        decode(core, asked, book, e)
    seconds = _seconds(core, e)
    core.time[e, col.ENDS] = start + seconds
    _note(core, e, start, seconds)


@inlined
def _go_on(core: Core, asked: Asked, book: Book, e: int, left: int) -> tuple[int, bool]:
    """The next chunk of the prompt that was cut: tokens left, whether pages ran out."""
    engine, slot, block = core.engine, core.slot, core.limit[col.BLOCK]
    s = engine[e, col.PARTIAL]
    past = slot[s, col.PAST]
    new = min(slot[s, col.KNOWN] - past, left)
    lacking = (past + new + block - 1) // block - (past + block - 1) // block
    if lacking > engine[e, col.FREE] + engine[e, col.KEPT]:
        preempt(core, asked, book, e, s)
        return left, True
    take(core, e, lacking)
    if core.limit[col.HASHES]:
        offer(core, asked, e, s, past + new)
    _chunk(core, e, s, new)
    return left - new, False


@inlined
def _admit(core: Core, asked: Asked, book: Book, e: int, now: float, left: int) -> None:
    """Preempted requests, last first, then the queue, while sequences, tokens and pages allow."""
    engine, slot, limit = core.engine, core.slot, core.limit
    while engine[e, col.SPARE] >= 0 and left > 0 and engine[e, col.BACK] + engine[e, col.QUEUED] > 0:
        request, generated, past, blocks = _head(core, asked, e)
        known = asked.input[request] + generated
        new = known - past if limit[col.WHOLE] else min(known - past, left)
        pages = (past + new + limit[col.BLOCK] - 1) // limit[col.BLOCK] - blocks
        room = engine[e, col.FREE] + engine[e, col.KEPT] - (kept(core, asked, e, request, blocks) if blocks else 0)
        asks = pages
        if limit[col.RESERVED]:
            asks = (known + limit[col.BLOCK] - 1) // limit[col.BLOCK] - blocks
        if (new > left and engine[e, col.JOINING] > 0) or asks > room:
            return
        if engine[e, col.BACK] > 0:
            engine[e, col.BACK] -= 1
        else:
            engine[e, col.QUEUED] -= 1
            engine[e, col.QUEUE_HEAD] = core.follow[request]
            book.admitted[request], book.cached[request] = now, past
            engine[e, col.TAKEN] += limit[col.HANDED]
        s = engine[e, col.SPARE]
        engine[e, col.SPARE] = slot[s, col.NEXT]
        slot[s, col.REQUEST], slot[s, col.GENERATED] = request, generated
        slot[s, col.KNOWN], slot[s, col.PAST] = known, past
        if limit[col.HASHES]:
            share(core, asked, e, s, blocks)
        take(core, e, pages)
        if limit[col.HASHES]:
            offer(core, asked, e, s, past + new)
        _chunk(core, e, s, new)
        left -= new


@inlined
def _head(core: Core, asked: Asked, e: int) -> tuple[int, int, int, int]:
    """Who is next: tokens generated, tokens already in KV memory (sent, or shared), blocks to share."""
    engine = core.engine
    request, generated = engine[e, col.QUEUE_HEAD], core.limit[col.HANDED]
    if engine[e, col.BACK] > 0:
        at = e * core.limit[col.SEQUENCES] + engine[e, col.BACK] - 1
        request, generated = core.back[at, 0], core.back[at, 1]
    elif core.limit[col.HANDED]:
        return request, generated, asked.input[request], 0
    if core.limit[col.HASHES] == 0:
        return request, generated, 0, 0
    prompt, block, blocks = asked.input[request], core.limit[col.BLOCK], found(core, asked, e, request)
    return request, generated, min(blocks * block, prompt, prompt + generated - 1), min(blocks, prompt // block)


@inlined
def _chunk(core: Core, e: int, s: int, new: int) -> None:
    """Adds a piece of a prompt to the pass."""
    engine, slot, total = core.engine, core.slot, core.total
    past = slot[s, col.PAST]
    slot[s, col.NEW] = new
    ends = past + new == slot[s, col.KNOWN]
    total[1] += 1
    total[2] += new
    for j in range(len(core.feature)):
        total[FIRST + j] += _amount(core.feature, j, new, past)
    if ends:
        total[3] += 1
        core.joining[e * core.limit[col.SEQUENCES] + engine[e, col.JOINING]] = s
        engine[e, col.JOINING] += 1
        engine[e, col.PARTIAL] = -1
    else:
        engine[e, col.PARTIAL] = s


@inlined
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


@inlined
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


@compiled
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


@inlined
def _note(core: Core, e: int, now: float, seconds: float) -> None:
    """A row of the pass log; when it is full, every second row goes."""
    engine = core.engine
    passes = engine[e, col.PASSES]
    engine[e, col.PASSES] += 1
    if passes & (engine[e, col.EVERY] - 1):
        return
    if engine[e, col.ROWS] == core.limit[col.MOST]:
        _thin(core, e)
        if passes & (engine[e, col.EVERY] - 1):
            return
    row = engine[e, col.ROWS]
    engine[e, col.ROWS] += 1
    core.row_time[e, row, 0], core.row_time[e, row, 1] = now, seconds
    core.row_count[e, row, 0] = core.total[3]
    core.row_count[e, row, 1] = core.total[2] - engine[e, col.STEPS] * engine[e, col.DECODING] - engine[e, col.TAKEN]
    core.row_count[e, row, 2] = engine[e, col.QUEUED] + engine[e, col.BACK]
    core.row_count[e, row, 3] = engine[e, col.PAGES] - engine[e, col.FREE] - engine[e, col.KEPT]


@compiled
def _thin(core: Core, e: int) -> None:
    rows = (core.engine[e, col.ROWS] + 1) // 2
    for row in range(rows):
        for j in range(2):
            core.row_time[e, row, j] = core.row_time[e, 2 * row, j]
        for j in range(4):
            core.row_count[e, row, j] = core.row_count[e, 2 * row, j]
    core.engine[e, col.ROWS] = rows
    core.engine[e, col.EVERY] *= 2


@inlined
def _end_pass(core: Core, asked: Asked, book: Book, e: int, now: float) -> None:
    """Books the pass under way; finished requests leave."""
    core.time[e, col.ENDS] = np.inf
    if core.engine[e, col.STEPS]:
        step(core, asked, book, e, now)
    slot = core.slot
    for i in range(core.engine[e, col.JOINING]):
        s = core.joining[e * core.limit[col.SEQUENCES] + i]
        request = slot[s, col.REQUEST]
        slot[s, col.GENERATED] += 1
        if np.isnan(book.first_token[request]):
            book.first_token[request] = now
        if slot[s, col.GENERATED] == asked.output[request]:
            slot[s, col.PAST] = slot[s, col.KNOWN]
            finish(core, asked, book, e, s, now)
        else:
            join(core, e, s, asked.output[request])
    s = core.engine[e, col.PARTIAL]
    if s >= 0:
        slot[s, col.PAST] += slot[s, col.NEW]
