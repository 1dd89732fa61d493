"""A pass as a few kinds of seconds, which a clock fitted to measurements weighs one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rackline.facts.machine import Machine
from rackline.systems.clock import compute_time
from rackline.systems.network import message_time
from rackline.systems.work import Work

Number = Any
MICRO = 1e-6  # a count that costs time of its own is given in microseconds: its coefficient is microseconds each
PARTS = ("weights", "experts", "cache", "compute", "network", "message", "hop", "layer", "pick", "token")
PHYSICAL = PARTS[:5]  # a datasheet says how long these take at least
_CACHE = ("scores", ".state")


def memory_part(term: str) -> str:
    """The part that a ledger's term belongs to where memory limits it."""
    return "experts" if term.startswith("experts.") else "cache" if term.endswith(_CACHE) else "weights"


def parts(ledger: Mapping[str, Work], machine: Machine) -> dict[str, Number]:
    """Seconds of a pass on one stage by part, at the datasheet's rates; every term counts where its limit is.

    weights, experts, cache: terms that memory limits. compute: those that arithmetic limits. network: messages as
    the datasheet has them. Counts in microseconds: message and hop (doublings of the group's size), layer, pick
    (experts that each token picks). token: reading and writing the new tokens' activations once a layer.
    """
    found: dict[str, Number] = dict.fromkeys(PARTS, 0.0)
    chip = machine.chip
    rates, bandwidth = {name: fact.value for name, fact in chip.flops.items()}, chip.memory_bandwidth.value
    for term, work in ledger.items():
        compute, memory = compute_time(work, rates, chip), work.bytes / bandwidth
        part = memory_part(term)
        found[part] = found[part] + np.where(memory >= compute, memory, 0.0)
        found["compute"] = found["compute"] + np.where(memory >= compute, 0.0, compute)
        _add_counts(found, work, machine)
    embedding = ledger["embedding"].bytes if "embedding" in ledger else 0.0
    found["token"] = embedding / bandwidth * found["layer"] / MICRO
    return found


def _add_counts(found: dict[str, Number], work: Work, machine: Machine) -> None:
    for message in work.messages:
        found["network"] = found["network"] + message_time(machine, message)
        found["message"] = found["message"] + MICRO * message.count * (np.asarray(message.group) > 1)
        found["hop"] = found["hop"] + MICRO * message.count * np.log2(np.maximum(message.group, 1))
    found["layer"] = found["layer"] + MICRO * work.layers
    found["pick"] = found["pick"] + MICRO * work.picks
