"""Seconds that a collective takes on a machine's scale-up and scale-out networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from rackline.facts.machine import Machine, Network
from rackline.systems.work import Message

Number = Any


def message_time(machine: Machine, message: Message) -> Number:
    """Seconds of one Message, all its repetitions: wire time of the slowest tier and the latency of its steps.

    Ignores: contention of different collectives, switch congestion, and packet headers (a few per cent).
    """
    return message.count * _KINDS[message.kind](machine, message)


def _tier(network: Network | None) -> tuple[float, float]:
    """Byte/s and seconds per message of a tier; a machine without one never uses it."""
    return (network.bandwidth.value, network.latency.value) if network else (np.inf, 0.0)


def _inside(machine: Machine, group: Number) -> tuple[Number, Number]:
    """Members of a group within one domain, and the domains that the group spans."""
    return np.minimum(group, machine.domain), np.ceil(group / machine.domain)


def _all_reduce(machine: Machine, m: Message) -> Number:
    """Reduce-scatter and all-gather in the domain, an all-reduce of the shards between domains."""
    up, up_latency = _tier(machine.scale_up)
    out, out_latency = _tier(machine.scale_out)
    inside, domains = _inside(machine, m.group)
    shared = 2.0 * (1.0 - 1.0 / inside)
    if machine.scale_up is not None and machine.scale_up.reduces:
        shared = np.minimum(shared, 1.0)  # the switch adds: each chip sends and receives the payload once
    between = 2.0 * (1.0 - 1.0 / domains) / inside
    latency = 2.0 * up_latency * _hops(machine, inside) * (inside > 1) + 2.0 * out_latency * (domains > 1)
    return m.payload * (shared / up + between / out) + latency


def _all_gather(machine: Machine, m: Message) -> Number:
    up, up_latency = _tier(machine.scale_up)
    out, out_latency = _tier(machine.scale_out)
    inside, domains = _inside(machine, m.group)
    wire = m.payload * ((1.0 - 1.0 / inside) / up + (1.0 - 1.0 / domains) / inside / out)
    return wire + up_latency * _hops(machine, inside) * (inside > 1) + out_latency * (domains > 1)


def _all_to_all(machine: Machine, m: Message) -> Number:
    """Both tiers carry at once; a piece leaves the domain once for each other domain that wants it."""
    up, up_latency = _tier(machine.scale_up)
    out, out_latency = _tier(machine.scale_out)
    inside, domains = _inside(machine, m.group)
    reached = domains * (1.0 - (1.0 - 1.0 / domains) ** m.copies)
    leaving = np.minimum(reached, m.domains) * (1.0 - 1.0 / domains)
    within = m.copies * (1.0 - 1.0 / inside) * _detour(machine, inside)
    latency = np.maximum(up_latency * _hops(machine, inside) * (inside > 1), out_latency * (domains > 1))
    return np.maximum(m.payload * within / up, m.payload * leaving / out) + latency


def _send(machine: Machine, m: Message) -> Number:
    """To the next stage: across scale-out once the stages of a replica no longer share a domain."""
    up, up_latency = _tier(machine.scale_up)
    out, out_latency = _tier(machine.scale_out)
    crosses = m.span * m.group > machine.domain
    bandwidth, latency = np.where(crosses, out, up), np.where(crosses, out_latency, up_latency)
    return (m.payload / bandwidth + latency) * (m.count > 0)


def _axes(machine: Machine) -> int:
    return max(1, len([a for a in machine.scale_up.axes if a > 1])) if machine.scale_up else 1


def _hops(machine: Machine, group: Number) -> Number:
    """Steps that a message takes in a domain: one through a switch, half of every ring on a torus."""
    if machine.scale_up is None or machine.scale_up.kind == "switch":
        return 1.0
    axes = _axes(machine)
    return np.maximum(1.0, axes * group ** (1.0 / axes) / 2.0)


def _detour(machine: Machine, group: Number) -> Number:
    """Links that a byte of an all-to-all crosses: one through a switch, a quarter of every ring on a torus."""
    if machine.scale_up is None or machine.scale_up.kind == "switch":
        return 1.0
    axes = _axes(machine)
    return np.maximum(1.0, axes * group ** (1.0 / axes) / 4.0)


_KINDS = {"all-reduce": _all_reduce, "all-gather": _all_gather, "all-to-all": _all_to_all, "send": _send}
