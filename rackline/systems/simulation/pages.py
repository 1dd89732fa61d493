"""The pages of KV memory of one engine: free, used, or kept for the next request with the same prefix."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Sequence:
    """A request inside an engine. known: tokens of prompt and output so far; past: those of them in KV memory."""

    request: int
    prompt: int
    output: int
    hashes: list[int]
    known: int
    past: int = 0
    generated: int = 0
    pages: int = 0
    held: list[int] = field(default_factory=list)  # hashes of its pages that others may share
    hashed: int = 0  # leading prompt blocks already offered to the cache
    decoding: bool = False  # whether only its latest output token is not in KV memory
    ready: float = 0.0  # not in passes before: its blocks are on their way from a lower tier


@dataclass
class Pages:
    """Pages by state; free + private + referenced + kept = total at all times."""

    total: int
    block: int  # tokens
    caching: bool
    evicted: Callable[[int], None] = lambda _: None  # told each hash that leaves
    free: int = field(init=False)
    kept: OrderedDict[int, None] = field(default_factory=OrderedDict)  # unreferenced, oldest first
    references: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.free = self.total

    @property
    def used(self) -> int:
        """Pages that sequences hold."""
        return self.total - self.free - len(self.kept)

    def has(self, key: int) -> bool:
        """Whether a block with this hash is in memory."""
        return key in self.references or key in self.kept

    def found(self, hashes: list[int]) -> int:
        """Leading blocks in memory."""
        if not self.caching:
            return 0
        return next((i for i, key in enumerate(hashes) if not self.has(key)), len(hashes))

    def grow(self, s: Sequence, tokens: int) -> bool:
        """Gives a sequence the pages it lacks for so many tokens; False, and nothing, where they are not there."""
        lacking = max(0, -(-tokens // self.block) - s.pages)
        if lacking > self.free + len(self.kept):
            return False
        for _ in range(lacking - self.free):
            self.evicted(self.kept.popitem(last=False)[0])
            self.free += 1
        self.free -= lacking
        s.pages += lacking
        return True

    def share(self, s: Sequence, blocks: int) -> None:
        """Gives a sequence its first blocks, all of them in memory."""
        for key in s.hashes[:blocks]:
            self.kept.pop(key, None)
            self.references[key] = self.references.get(key, 0) + 1
        s.held = s.hashes[:blocks]
        s.pages = s.hashed = blocks

    def offer(self, s: Sequence, tokens: int) -> None:
        """Lets others find the prompt blocks that lie within a sequence's first `tokens` tokens.

        A block that another sequence has computed meanwhile stays this one's own copy.
        """
        if not self.caching:
            return
        whole = len(s.hashes) if tokens >= s.prompt else min(tokens // self.block, len(s.hashes))
        for key in s.hashes[s.hashed:whole]:
            if not self.has(key):
                self.references[key] = 1
                s.held.append(key)
        s.hashed = max(s.hashed, whole)

    def release(self, s: Sequence) -> None:
        """Takes a sequence's pages back; shared ones without another holder are kept, the prompt's end oldest."""
        self.free += s.pages - len(s.held)
        for key in reversed(s.held):
            self.references[key] -= 1
            if self.references[key] == 0:
                del self.references[key]
                self.kept[key] = None
        s.held, s.pages, s.hashed = [], 0, 0
