"""Seconds that a collective takes on a machine's scale-up and scale-out networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.facts.machine import Machine, Network
from rackline.physics import collectives as wire
from rackline.systems.work import Message

Number = Any


@dataclass(frozen=True)
class _Reach:
    """A group of chips on a machine's two networks: members within a domain, domains, rates, a torus's shape."""

    inside: Number
    domains: Number
    up: float  # byte/s one way of a chip
    out: float
    up_latency: Number  # seconds of one message across the domain
    out_latency: float
    network: Network | None
    axes: int
    longest: Number
    wraps: Number


def message_time(machine: Machine, message: Message) -> Number:
    """Seconds of one Message, all its repetitions: wire time of the slowest tier and the latency of its steps.

    Ignores: contention of different collectives, switch congestion, and packet headers (a few per cent).
    """
    return message.count * _KINDS[message.kind](_reach(machine, message.group), message, machine)


def _tier(network: Network | None) -> tuple[float, float]:
    """Byte/s and seconds per message of a tier; a machine without one never uses it."""
    return (network.bandwidth.value, network.latency.value) if network else (np.inf, 0.0)


def _reach(machine: Machine, group: Number) -> _Reach:
    network = machine.scale_up
    up, hop = _tier(network)
    out, out_latency = _tier(machine.scale_out)
    inside, domains = np.minimum(group, machine.domain), np.ceil(group / machine.domain)
    if network is None or not network.axes:
        return _Reach(inside, domains, up, out, hop, out_latency, network, 0, 1.0, 1.0)
    axes = max(1, sum(n > 1 for n in network.axes))
    longest = np.ceil(inside ** (1.0 / axes) - 1e-9)  # the group lies as a cube in the torus
    wraps = np.where(longest % network.wraps == 0, 1.0, 0.0)
    steps = np.maximum(1.0, axes * wire.farthest_hops(longest, wraps))
    return _Reach(inside, domains, up, out, hop * steps, out_latency, network, axes, longest, wraps)


def _all_reduce(r: _Reach, m: Message, machine: Machine) -> Number:
    """Reduce-scatter and all-gather in the domain, an all-reduce of the shards between domains."""
    own = wire.all_reduce_bytes(m.payload, r.inside) / r.up
    if r.axes:
        own = wire.all_reduce_link_bytes(m.payload, r.inside, r.axes, r.wraps) * (2.0 * r.axes) / r.up
    elif r.network is not None and r.network.reduces:
        own = np.minimum(own, wire.all_reduce_in_switch_bytes(m.payload, r.inside) / r.up)
    between = wire.all_reduce_bytes(m.payload / r.inside, r.domains) / r.out
    latency = 2.0 * r.up_latency * (r.inside > 1) + 2.0 * r.out_latency * (r.domains > 1)
    return own + between + latency


def _all_to_all(r: _Reach, m: Message, machine: Machine) -> Number:
    """Both tiers carry at once; a piece leaves the domain once for each other domain that wants it."""
    reached = r.domains * (1.0 - (1.0 - 1.0 / r.domains) ** m.copies)
    leaving = np.minimum(reached, m.domains) * wire.outside_fraction(r.domains)
    within = m.payload * m.copies * (1.0 - 1.0 / r.inside) / r.up
    if r.axes:
        link = wire.all_to_all_link_bytes(m.payload * m.copies, r.longest, r.wraps)
        within = np.maximum(within, link * (2.0 * r.axes) / r.up)
    latency = np.maximum(r.up_latency * (r.inside > 1), r.out_latency * (r.domains > 1))
    return np.maximum(within, m.payload * leaving / r.out) + latency


def _send(r: _Reach, m: Message, machine: Machine) -> Number:
    """To the next stage: across scale-out once two stages do not fit into one domain."""
    crosses = m.span * m.group > machine.domain
    up_latency = machine.scale_up.latency.value if machine.scale_up else 0.0
    seconds = np.where(crosses, m.payload / r.out + r.out_latency, m.payload / r.up + up_latency)
    return seconds * (m.count > 0)


_KINDS: dict[str, Callable[[_Reach, Message, Machine], Number]] = {
    "all-reduce": _all_reduce, "all-to-all": _all_to_all, "send": _send}
