"""The same machine with its chips joined otherwise: other domain sizes, a torus, and how many hops a network takes."""

from __future__ import annotations

from math import prod

from rackline.errors import BadInput
from rackline.facts.machine import Machine, Network, slice_axes
from rackline.physics import collectives

_LARGEST_AXIS = 4096


def with_domain(machine: Machine, domain: int, chips: int) -> Machine:
    """The machine with so many chips in domains of so many, each chip's networks as fast as before.

    Errors: BadInput for several domains without a network between them.
    Ignores: that larger domains need longer cables or another level of switches
    """
    network = machine.scale_up if domain > 1 else None
    if network is not None and network.axes:
        axes = slice_axes((_LARGEST_AXIS,) * len(network.axes), domain)
        pod = tuple(map(max, axes, network.pod)) if network.pod else ()
        network = network.model_copy(update={"pod": pod}).with_axes(axes)
    if chips > domain and machine.scale_out is None:
        raise BadInput("domain", f"{machine.title} has no network beyond one domain", f"{chips} chips")
    return machine.model_copy(update={"domain": domain, "chips": chips, "scale_up": network})


def as_torus(machine: Machine, dimensions: int = 3) -> Machine:
    """The machine's domain as a closed torus whose links together carry what the switch carried; one hop a latency."""
    network = machine.scale_up
    assert network is not None
    axes = slice_axes((_LARGEST_AXIS,) * dimensions, machine.domain)
    share = {end: value / (2 * dimensions) for end in ("value", "low", "high")
             if (value := getattr(network.bandwidth, end)) is not None}
    link = network.bandwidth.model_copy(update=share | {"kind": "derived"})
    torus = network.model_copy(update={"kind": "torus", "axes": axes, "wraps": 1, "link": link, "reduces": False})
    return machine.model_copy(update={"scale_up": torus.with_axes(axes)})


def hops(network: Network) -> tuple[float, float]:
    """Links from a chip to another of its domain, the farthest and on average: two through a switch."""
    if not network.axes:
        return 2.0, 2.0
    far, mean = 0.0, 0.0
    for n in network.axes:
        wraps = 1.0 if n % network.wraps == 0 else 0.0
        far += float(collectives.farthest_hops(n, wraps)) if n > 1 else 0.0
        mean += sum(min(i, n - i) if wraps else abs(i - j) for i in range(n) for j in (range(n) if not wraps else (0,))
                    ) / (n if wraps else n * n)
    total = prod(network.axes)
    return far, mean * total / max(total - 1, 1)


def bisection(machine: Machine) -> float:
    """Byte/s one way from one half of a domain to the other."""
    network = machine.scale_up
    if network is None:
        return 0.0
    if not network.axes or network.link is None:
        return network.bandwidth.value * machine.domain / 2.0
    longest = max(network.axes)
    across = machine.domain / longest * (2.0 if longest % network.wraps == 0 else 1.0)
    return network.link.value * across
