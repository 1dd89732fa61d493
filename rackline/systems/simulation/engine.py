"""One engine of the readable loop: what it holds, how it fills a pass, what a pass leaves behind."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rackline.systems.simulation.book import Book
from rackline.systems.simulation.pages import Pages, Sequence
from rackline.systems.simulation.policies import accepted, uniform
from rackline.systems.simulation.prepare import Pool
from rackline.systems.simulation.tiers import Tiers

NEVER = float("inf")
Scheduled = list[tuple[Sequence, int]]  # sequences in a pass with their new tokens


@dataclass
class Engine:
    """State of one engine between two events."""

    index: int
    pool: Pool
    pages: Pages
    book: Book
    seed: int
    tiers: Tiers | None = None
    waiting: deque[Sequence] = field(default_factory=deque)
    running: list[Sequence] = field(default_factory=list)  # in order of admission
    scheduled: Scheduled = field(default_factory=list)  # the pass under way
    ends: float = NEVER
    wakes: float = NEVER  # when it may start a pass though nothing else happens
    outstanding: int = 0  # prompt and output tokens of its unfinished requests
    rows: list[tuple[float, float, int, int, int, int]] = field(default_factory=list)  # as PassLog, without replica


def fill(engine: Engine, now: float) -> Scheduled:
    """The next pass: sequences with the tokens they add; empty where nothing can run now."""
    if engine.pool.limits.admission == "whole":
        return admit(engine, now, engine.pool.limits.tokens) or advance(engine, now)[0]
    scheduled, left, crowded = advance(engine, now)
    return scheduled if crowded else scheduled + admit(engine, now, left)


def advance(engine: Engine, now: float) -> tuple[Scheduled, int, bool]:
    """Running sequences in order of admission: a token each, or the rest of the prompt; then whether pages ran out."""
    scheduled: Scheduled = []
    left, crowded, at = engine.pool.limits.tokens, False, 0
    while at < len(engine.running) and left > 0:
        s = engine.running[at]
        new = min(wanted(engine, s), left)
        if s.ready > now or new < least(engine, s):
            at += 1
            continue
        while not engine.pages.grow(s, s.past + new):
            crowded = True
            if preempt_last(engine) is s:
                return scheduled, left, crowded
        engine.pages.offer(s, s.past + new)
        scheduled.append((s, new))
        left, at = left - new, at + 1
    return scheduled, left, crowded


def wanted(engine: Engine, s: Sequence) -> int:
    """Tokens a sequence would add: what is not in KV memory yet, and drafted ones when it decodes."""
    return s.known - s.past + (engine.pool.drafted if s.decoding else 0)


def least(engine: Engine, s: Sequence) -> int:
    """Tokens it must add at least: prompts may be cut, a verification not."""
    return wanted(engine, s) if s.decoding else 1


def preempt_last(engine: Engine) -> Sequence:
    """The sequence admitted last gives its pages back and waits at the front; it will compute all its tokens again."""
    s = engine.running.pop()
    engine.pages.release(s)
    engine.book.preemptions[s.request] += 1
    s.past, s.decoding = 0, False
    engine.waiting.appendleft(s)
    return s


def admit(engine: Engine, now: float, left: int) -> Scheduled:
    """Waiting requests in order, while sequences, tokens and pages allow."""
    limits = engine.pool.limits
    scheduled: Scheduled = []
    whole = limits.admission == "whole"
    while engine.waiting and len(engine.running) < limits.sequences and left > 0:
        s = engine.waiting[0]
        new = enter(engine, s, now, left, whole and not scheduled)
        if new is None:
            break
        engine.running.append(engine.waiting.popleft())
        if s.ready <= now:
            engine.pages.offer(s, s.past + new)
            scheduled.append((s, new))
            left -= new
    return scheduled


def enter(engine: Engine, s: Sequence, now: float, left: int, alone: bool) -> int | None:
    """Gives a waiting sequence its cached blocks and pages for its first tokens; None where it must wait.

    alone: a whole prompt above the limit of tokens may run by itself.
    """
    pages, block = engine.pages, engine.pool.block_tokens
    found = pages.found(s.hashes) if s.past == 0 else 0
    lower = engine.tiers.found(s.hashes, found) if engine.tiers and s.past == 0 else 0
    past = s.past or min((found + lower) * block, s.prompt, s.known - 1)
    rest = s.known - past
    verifies = engine.pool.drafted if s.decoding else 0
    new = rest + verifies if verifies or engine.pool.limits.admission == "whole" else min(rest, left)
    if new > left and not alone:
        return None
    shared = min(found, s.prompt // block)
    kept = sum(key in pages.kept for key in s.hashes[:shared])
    asks = past + max(rest, new) if engine.pool.limits.admission == "reserved" else past + new
    if -(-asks // block) - shared > pages.free + len(pages.kept) - kept:
        return None
    pages.share(s, shared)
    pages.grow(s, past + new)
    s.past = past
    if lower and engine.tiers:
        s.ready = engine.tiers.load(s.hashes[found:found + lower], now)
    return new


def emit(engine: Engine, s: Sequence, new: int) -> int:
    """Books a sequence's part of a pass that has ended; the output tokens that it brought."""
    if s.past + new < s.known:
        s.past += new
        return 0
    drafted = s.past + new - s.known
    lucky = accepted(engine.pool.acceptance, drafted, uniform(engine.seed, s.request, s.generated)) if drafted else 0
    tokens = min(1 + lucky, s.output - s.generated)
    s.past = s.known + tokens - 1
    s.known += tokens
    s.generated += tokens
    s.decoding = True
    return tokens
