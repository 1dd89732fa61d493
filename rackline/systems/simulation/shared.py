"""Pages of the compiled loop, with blocks that requests share: what pages.py does, on arrays.

A block's references are −1 where it is not in memory, 0 where it is kept for later; kept ones form a list, oldest first.
"""

from __future__ import annotations

from rackline.systems.simulation import columns as col
from rackline.systems.simulation.core import Asked, Core
from rackline.systems.simulation.jit import compiled, inlined


@inlined
def take(core: Core, e: int, pages: int) -> None:
    """Takes pages that are there, forgetting the oldest kept blocks where no others are free."""
    engine = core.engine
    while pages > engine[e, col.FREE]:
        at = engine[e, col.OLDEST]
        _unlink(core, e, at)
        core.block[at, col.REFERENCES] = -1
        engine[e, col.FREE] += 1
    engine[e, col.FREE] -= pages


@compiled
def _unlink(core: Core, e: int, at: int) -> None:
    engine, block = core.engine, core.block
    before, after = block[at, col.OLDER], block[at, col.YOUNGER]
    if before >= 0:
        block[before, col.YOUNGER] = after
    else:
        engine[e, col.OLDEST] = after
    if after >= 0:
        block[after, col.OLDER] = before
    else:
        engine[e, col.YOUNGEST] = before
    engine[e, col.KEPT] -= 1


@compiled
def found(core: Core, asked: Asked, e: int, request: int) -> int:
    """Leading blocks of a prompt in memory."""
    start, end = asked.block_start[request], asked.block_start[request + 1]
    at = start
    while at < end and core.block[e * core.limit[col.HASHES] + asked.block[at], col.REFERENCES] >= 0:
        at += 1
    return at - start


@compiled
def kept(core: Core, asked: Asked, e: int, request: int, blocks: int) -> int:
    """How many of a prompt's first blocks nobody refers to."""
    count, start = 0, asked.block_start[request]
    for at in range(start, start + blocks):
        count += core.block[e * core.limit[col.HASHES] + asked.block[at], col.REFERENCES] == 0
    return count


@compiled
def share(core: Core, asked: Asked, e: int, s: int, blocks: int) -> None:
    """Gives a sequence its first blocks, all of them in memory."""
    start = asked.block_start[core.slot[s, col.REQUEST]]
    for at in range(start, start + blocks):
        b = e * core.limit[col.HASHES] + asked.block[at]
        if core.block[b, col.REFERENCES] == 0:
            _unlink(core, e, b)
        core.block[b, col.REFERENCES] += 1
        core.held[at] = True
    core.slot[s, col.HELD] = core.slot[s, col.HASHED] = blocks


@compiled
def offer(core: Core, asked: Asked, e: int, s: int, tokens: int) -> None:
    """Lets others find the prompt blocks that lie within a sequence's first `tokens` tokens."""
    slot = core.slot
    request = slot[s, col.REQUEST]
    start, whole = asked.block_start[request], asked.block_start[request + 1] - asked.block_start[request]
    if tokens < asked.input[request]:
        whole = min(whole, tokens // core.limit[col.BLOCK])
    for at in range(start + slot[s, col.HASHED], start + whole):
        b = e * core.limit[col.HASHES] + asked.block[at]
        if core.block[b, col.REFERENCES] < 0:
            core.block[b, col.REFERENCES] = 1
            core.held[at] = True
            slot[s, col.HELD] += 1
    slot[s, col.HASHED] = max(slot[s, col.HASHED], whole)


@inlined
def release(core: Core, asked: Asked, e: int, s: int, tokens: int) -> None:
    """Takes back the pages of a sequence with so many tokens in memory; its last shared block is the oldest kept."""
    engine, slot = core.engine, core.slot
    engine[e, col.FREE] += (tokens + core.limit[col.BLOCK] - 1) // core.limit[col.BLOCK] - slot[s, col.HELD]
    if slot[s, col.HASHED] > 0:
        _give_back(core, asked, e, s)


@compiled
def _give_back(core: Core, asked: Asked, e: int, s: int) -> None:
    engine, block = core.engine, core.block
    start = asked.block_start[core.slot[s, col.REQUEST]]
    for at in range(start + core.slot[s, col.HASHED] - 1, start - 1, -1):
        if not core.held[at]:
            continue
        core.held[at] = False
        b = e * core.limit[col.HASHES] + asked.block[at]
        block[b, col.REFERENCES] -= 1
        if block[b, col.REFERENCES] == 0:
            block[b, col.OLDER], block[b, col.YOUNGER] = engine[e, col.YOUNGEST], -1
            if engine[e, col.YOUNGEST] >= 0:
                block[engine[e, col.YOUNGEST], col.YOUNGER] = b
            else:
                engine[e, col.OLDEST] = b
            engine[e, col.YOUNGEST] = b
            engine[e, col.KEPT] += 1
    core.slot[s, col.HELD] = core.slot[s, col.HASHED] = 0
