"""Memories behind the KV cache: evicted blocks sink from one to the next, blocks asked for again are loaded back."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from rackline.systems.simulation.records import KvTier


@dataclass
class Tier:
    """One memory: room in blocks, seconds to load one, what it holds (next to leave first), and its queue."""

    kind: KvTier
    room: int
    seconds: float
    blocks: OrderedDict[int, None] = field(default_factory=OrderedDict)
    busy_until: float = 0.0
    loaded: int = 0  # blocks


@dataclass
class Tiers:
    """The memories of one engine, fastest first."""

    tiers: list[Tier]

    def store(self, key: int) -> None:
        """Takes a block evicted from above; a full tier passes on what its policy throws out."""
        for tier in self.tiers:
            if key in tier.blocks:
                return self._touch(tier, key)
            if tier.room == 0:
                continue
            tier.blocks[key] = None
            if len(tier.blocks) <= tier.room:
                return None
            key = tier.blocks.popitem(last=False)[0]
        return None

    def found(self, hashes: list[int], start: int) -> int:
        """Blocks in any tier, in a row from `start`."""
        rest = hashes[start:]
        return next((i for i, key in enumerate(rest) if not any(key in t.blocks for t in self.tiers)), len(rest))

    def load(self, hashes: list[int], now: float) -> float:
        """When all these blocks are in KV memory: each tier sends its own, one request after another."""
        ready = now
        for tier in self.tiers:
            mine = [key for key in hashes if key in tier.blocks]
            hashes = [key for key in hashes if key not in tier.blocks]
            if mine:
                tier.busy_until = max(now, tier.busy_until) + len(mine) * tier.seconds
                ready = max(ready, tier.busy_until + tier.kind.latency)
                tier.loaded += len(mine)
                for key in mine:
                    self._touch(tier, key)
        return ready

    @staticmethod
    def _touch(tier: Tier, key: int) -> None:
        if tier.kind.eviction == "lru":
            tier.blocks.move_to_end(key)


def tiers_of(kinds: tuple[KvTier, ...], block_bytes: float, parts: int) -> Tiers | None:
    """A part of a replica's tiers, whose pages take block_bytes each; None without tiers."""
    if not kinds:
        return None
    return Tiers([Tier(k, int(k.capacity / parts // block_bytes), block_bytes * parts / k.bandwidth) for k in kinds])
