"""A pass as a few kinds of seconds, which a clock fitted to measurements weighs one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rackline.facts.machine import Machine
from rackline.systems.clock import compute_time
from rackline.systems.network import message_time
from rackline.systems.shares import ATTENDS, DATASHEET, Shares
from rackline.systems.work import Work

Number = Any
MICRO = 1e-6  # a count that costs time of its own is given in microseconds: its coefficient is microseconds each
PARTS = ("weights", "experts", "cache", "compute", "network", "message", "hop", "layer", "pick", "token", "routed",
         "sequence")
WORK = ("product work", "expert work", "score work")  # arithmetic, whether it limits a pass or not
PHYSICAL = PARTS[:5]  # a datasheet says how long these take at least
_CACHE = ATTENDS


def memory_part(term: str) -> str:
    """The part that a ledger's term belongs to where memory limits it."""
    return "experts" if term.startswith("experts.") else "cache" if term.endswith(_CACHE) else "weights"


def parts(ledger: Mapping[str, Work], machine: Machine, shares: Shares = DATASHEET) -> dict[str, Number]:
    """Seconds of a pass on one stage by part, at shares of the datasheet's rates; every term counts where its limit is.

    weights, experts, cache: terms that memory limits. compute: those that arithmetic limits. network: messages.
    Counts in microseconds: message and hop (doublings of the group's size), layer, pick (experts that each token
    picks), sequence (those that get a token). token: reading and writing the new tokens' activations once a layer;
    routed: once for every expert picked. Beside them WORK: the arithmetic of products, of experts and of attention.
    """
    found: dict[str, Number] = dict.fromkeys((*PARTS, *WORK), 0.0)
    chip, bandwidth = machine.chip, machine.chip.memory_bandwidth.value
    rates = {name: fact.value for name, fact in chip.flops.items()}
    for term, work in ledger.items():
        compute, memory = term_times(term, work, machine, (rates, bandwidth), shares)
        part = memory_part(term)
        found[part] = found[part] + np.where(memory >= compute, memory, 0.0)
        found["compute"] = found["compute"] + np.where(memory >= compute, 0.0, compute)
        kind = {"experts": "expert work", "cache": "score work"}.get(part, "product work")
        found[kind] = found[kind] + compute
        _add_counts(found, work, machine, shares)
    embedding = ledger["embedding"].bytes if "embedding" in ledger else 0.0
    found["token"] = embedding / bandwidth * found["layer"] / MICRO
    found["routed"] = embedding / bandwidth * found["pick"] / MICRO
    return found


def term_times(term: str, work: Work, machine: Machine, rates: tuple[Mapping[str, float], float],
               shares: Shares) -> tuple[Number, Number]:
    """Seconds of a term's arithmetic and memory at shares of the datasheet's rates (FLOP/s by format, byte/s)."""
    flops, bandwidth = rates
    stored = next(iter(work.flops), None)
    return (compute_time(Work(shares.flops(term, work.flops)), flops, machine.chip),
            work.bytes / (bandwidth * shares.bytes(term, stored)))


def _add_counts(found: dict[str, Number], work: Work, machine: Machine, shares: Shares) -> None:
    for message in work.messages:
        found["network"] = found["network"] + message_time(machine, message) / shares.network
        found["message"] = found["message"] + MICRO * message.count * (np.asarray(message.group) > 1)
        found["hop"] = found["hop"] + MICRO * message.count * np.log2(np.maximum(message.group, 1))
    found["layer"] = found["layer"] + MICRO * work.layers
    found["pick"] = found["pick"] + MICRO * work.picks
    found["sequence"] = found["sequence"] + MICRO * work.sequences
