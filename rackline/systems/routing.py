"""Tokens routed to experts on chips: how likely, drawn and counted; where experts and copies of hot ones sit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from rackline.errors import BadInput

_SURE = 1.0 - 1e-12  # the largest chance, so that rounding never picks an expert twice


@dataclass(frozen=True)
class Placement:
    """Experts on chips: expert of each slot, shape (chips, slots), -1 for an empty one."""

    slots: np.ndarray

    @property
    def chips(self) -> int:
        """Chips that hold them."""
        return int(self.slots.shape[0])

    def copies(self, experts: int) -> np.ndarray:
        """Copies of each expert, shape (experts,)."""
        return np.bincount(self.slots[self.slots >= 0], minlength=experts)


def chances(popularity: np.ndarray, k: int) -> np.ndarray:
    """The chance of each expert to be among a token's k different ones, shape (experts,), summing to k.

    Eq: p = min(1, c·popularity) with c so that the chances add up to k
    Errors: BadInput for fewer than k experts that are ever asked for.
    """
    asked = np.asarray(popularity, dtype=float)
    if np.count_nonzero(asked) < k:
        raise BadInput("routing", f"must ask for at least {k} experts", int(np.count_nonzero(asked)))
    full = np.zeros(asked.shape, dtype=bool)
    while True:
        scale = (k - full.sum()) / asked[~full].sum()
        more = ~full & (asked * scale > 1.0)
        if not more.any():
            return np.where(full, 1.0, asked * scale)
        full |= more


def drawn(rng: Generator, chance: np.ndarray, tokens: int) -> np.ndarray:
    """Which experts each of so many tokens asks for, shape (tokens, experts): exactly k each, with these chances.

    Source: systematic sampling, the experts in an order of their own for every token
    """
    k = round(float(chance.sum()))
    order = rng.permuted(np.broadcast_to(np.arange(chance.size), (tokens, chance.size)), axis=1)
    ends = np.cumsum(np.minimum(chance, _SURE)[order], axis=1)
    ends[:, -1] = k
    steps = np.floor(ends - rng.random((tokens, 1)))
    picked = np.diff(steps, axis=1, prepend=-1.0) > 0
    found = np.zeros(picked.shape, dtype=bool)
    np.put_along_axis(found, order, picked, axis=1)
    return found


def dealt(experts: int, chips: int) -> Placement:
    """Experts dealt out in their order, neighbours together, as evenly as whole experts allow."""
    return _filled(np.array_split(np.arange(experts), chips))


def replicated(load: np.ndarray, chips: int, extra: int = 0) -> Placement:
    """The busiest experts copied into `extra` more slots, then each copy put on the least busy chip with room.

    Source: the idea of EPLB (DeepSeek): greedy copies, greedy packing
    """
    copies = np.ones(load.size, dtype=int)
    for _ in range(extra):
        copies[np.argmax(load / copies)] += 1
    each = np.repeat(np.arange(load.size), copies)
    share = (load / copies)[each]
    room = -(-each.size // chips)
    held: list[list[int]] = [[] for _ in range(chips)]
    busy = np.zeros(chips)
    for i in np.argsort(-share, kind="stable"):
        free = [c for c in range(chips) if len(held[c]) < room]
        apart = [c for c in free if each[i] not in held[c]] or free
        chip = min(apart, key=lambda c: busy[c])
        held[chip].append(int(each[i]))
        busy[chip] += share[i]
    return _filled(held)


def _filled(held: list) -> Placement:
    slots = np.full((len(held), max(len(one) for one in held)), -1)
    for chip, one in enumerate(held):
        slots[chip, : len(one)] = one
    return Placement(slots)


def expected_load(chance: np.ndarray, placement: Placement) -> np.ndarray:
    """Visits of experts that one token brings to each chip, expected, shape (chips,)."""
    share = chance / np.maximum(placement.copies(chance.size), 1)
    return np.where(placement.slots >= 0, share[placement.slots], 0.0).sum(axis=1)


def imbalance(load: np.ndarray) -> float:
    """The load of the busiest chip over the mean."""
    return float(load.max() / load.mean())


def visits(hits: np.ndarray, placement: Placement) -> np.ndarray:
    """Visits of every token to every slot, shape (tokens, chips, slots); tokens take the copies in turn."""
    tokens, experts = hits.shape
    copies, seen = placement.copies(experts), np.zeros(experts, dtype=int)
    found = np.zeros((tokens, *placement.slots.shape), dtype=bool)
    turn = np.arange(tokens)
    for (chip, slot), expert in np.ndenumerate(placement.slots):
        if expert >= 0:
            found[:, chip, slot] = hits[:, expert] & (turn % copies[expert] == seen[expert])
            seen[expert] += 1
    return found


def traffic(visited: np.ndarray, group: int = 1) -> np.ndarray:
    """Copies of tokens sent from chip to chip (or node to node of `group` chips), one a destination, shape (g, g).

    The tokens start spread evenly over the chips, neighbours together; the diagonal is what stays.
    """
    there = np.asarray(visited.any(axis=2))
    chips = there.shape[1]
    at = np.arange(0, chips, group)
    reached = np.logical_or.reduceat(there, at, axis=1)
    tokens = there.shape[0]
    source = (np.arange(tokens) * chips // tokens) // group
    return np.stack([reached[source == node].sum(axis=0) for node in range(len(at))])
