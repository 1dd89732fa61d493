"""What collectives put on the wire, and how long that takes.

n is a buffer's bytes, g the chips of the group. Bandwidths are one way; a full-duplex link carries as much back.
"""

from __future__ import annotations

import numpy as np

from rackline.physics import Number


def all_gather_bytes(n: Number, g: Number) -> Number:
    """Bytes that each chip sends to gather a buffer of n bytes, cut over g chips, on all of them [byte].

    Eq: b = n*(g - 1)/g
    Ignores: switches that copy (each chip would send n/g once, but still receive as much as this)
    Source: each chip lacks g − 1 parts of g
    >>> all_gather_bytes(n=64e6, g=8)
    """
    return n * (g - 1) / g


def reduce_scatter_bytes(n: Number, g: Number) -> Number:
    """Bytes that each chip sends to add up g buffers of n bytes and leave a part of the sum on each [byte].

    Eq: b = n*(g - 1)/g
    Ignores: switches that add
    Source: the reverse of an all-gather
    >>> reduce_scatter_bytes(n=64e6, g=8)
    """
    return n * (g - 1) / g


def all_reduce_bytes(n: Number, g: Number) -> Number:
    """Bytes that each chip sends to add up g buffers of n bytes and have the sum on all, no switch helping [byte].

    Eq: b = 2*n*(g - 1)/g
    Ignores: nothing: no algorithm of equal chips sends less
    Source: reduce-scatter and all-gather
    >>> all_reduce_bytes(n=64e6, g=8)
    """
    return 2 * n * (g - 1) / g


def all_reduce_in_switch_bytes(n: Number, g: Number) -> Number:
    """Bytes that each chip sends when the switch adds: its buffer once, nothing in a group of one [byte].

    Eq: b = n*Min(1, g - 1)
    Ignores: in NVLink's form each chip's own share also passes through the switch, n/g more
    Source: in-network reduction (SHARP): up once, down once
    >>> all_reduce_in_switch_bytes(n=64e6, g=8)
    """
    return n * np.minimum(1, g - 1)


def all_to_all_bytes(n: Number, g: Number) -> Number:
    """Bytes that each chip sends when it deals its n bytes out evenly over the group [byte].

    Eq: b = n*(g - 1)/g
    Ignores: uneven shares
    Source: its own part stays
    >>> all_to_all_bytes(n=64e6, g=8)
    """
    return n * (g - 1) / g


def ring_messages(g: Number) -> Number:
    """Messages in series of an all-gather, reduce-scatter or pairwise all-to-all over g chips [1].

    Eq: m = g - 1
    Ignores: all-to-alls that send to all at once, whose latencies overlap
    Source: one step per other chip
    >>> ring_messages(g=8)
    """
    return g - 1


def all_reduce_messages(g: Number) -> Number:
    """Messages in series of a ring all-reduce over g chips [1].

    Eq: m = 2*(g - 1)
    Ignores: trees, which need about twice log2(g)
    Source: reduce-scatter and all-gather
    >>> all_reduce_messages(g=8)
    """
    return 2 * (g - 1)


def in_switch_messages(g: Number) -> Number:
    """Messages in series of an all-reduce added up in the switch [1].

    Eq: m = 2*Min(1, g - 1)
    Ignores: several levels of switches
    Source: up once, down once
    >>> in_switch_messages(g=8)
    """
    return 2 * np.minimum(1, g - 1)


def wire_time(n: Number, bandwidth: Number, messages: Number, latency: Number) -> Number:
    """Time of n bytes on one chip's wire and of its messages in series [s].

    Eq: t = n/bandwidth + messages*latency
    Ignores: congestion; bytes in flight overlap with latency, at most a factor of two
    Source: the alpha-beta model (Hockney)
    >>> wire_time(n=56e6, bandwidth=450e9, messages=7, latency=2e-6)
    """
    return n / bandwidth + messages * latency


def all_gather_link_bytes(n: Number, g: Number, axes: Number, wraps: Number) -> Number:
    """Bytes on the busiest one-way link when a torus of g chips gathers n bytes over all its axes at once [byte].

    wraps is 1 where axes close to rings and 0 where they are lines: a line's end has one link to receive by.

    Eq: b = n*(g - 1)/(g*axes*(1 + wraps))
    Ignores: axes of unequal length, and a ring's odd chunk: at most 1/(g − 1)
    Source: jax-ml scaling book, sharding chapter
    >>> all_gather_link_bytes(n=64e6, g=16, axes=2, wraps=1)
    """
    return n * (g - 1) / (g * axes * (1 + wraps))


def all_reduce_link_bytes(n: Number, g: Number, axes: Number, wraps: Number) -> Number:
    """Bytes on the busiest one-way link when a torus of g chips adds up n bytes over all its axes at once [byte].

    Eq: b = 2*n*(g - 1)/(g*axes*(1 + wraps))
    Ignores: as all_gather_link_bytes
    Source: jax-ml scaling book, sharding chapter
    >>> all_reduce_link_bytes(n=64e6, g=16, axes=2, wraps=1)
    """
    return 2 * n * (g - 1) / (g * axes * (1 + wraps))


def all_to_all_link_bytes(n: Number, longest: Number, wraps: Number) -> Number:
    """Bytes on the busiest one-way link when each chip of a torus deals n bytes out, by its longest axis [byte].

    Half of an axis sends half of its bytes across the middle, which one link of a line crosses and two of a ring.

    Eq: b = n*longest/(4*(1 + wraps))
    Ignores: odd axes, which need 1/longest² less
    Source: bisection; jax-ml scaling book, sharding chapter, question 10
    >>> all_to_all_link_bytes(n=64e6, longest=4, wraps=1)
    """
    return n * longest / (4 * (1 + wraps))


def one_way_ring_all_to_all_bytes(n: Number, g: Number) -> Number:
    """Bytes on each link of a ring that sends one way only when each of g chips deals n bytes out [byte].

    Eq: b = n*(g - 1)/2
    Ignores: nothing
    Source: each byte travels (g − 1)/2 links on average, its own chip's share none
    >>> one_way_ring_all_to_all_bytes(n=64e6, g=4)
    """
    return n * (g - 1) / 2


def farthest_hops(g: Number, wraps: Number) -> Number:
    """Links to the farthest chip of an axis of g chips that closes to a ring (wraps = 1) or not (0) [1].

    Eq: m = wraps*floor(g/2) + (1 - wraps)*(g - 1)
    Ignores: nothing
    Source: geometry
    >>> farthest_hops(g=16, wraps=1)
    """
    return wraps * np.floor(g / 2) + (1 - wraps) * (g - 1)


def outside_fraction(racks: Number) -> Number:
    """Share of evenly spread messages that leave their rack [1].

    Eq: f = 1 - 1/racks
    Ignores: routers that prefer near experts
    Source: lecture, two racks: half leaves
    >>> outside_fraction(racks=2)
    """
    return 1 - 1 / racks


def rack_slowdown(racks: Number, ratio: Number) -> Number:
    """Time of an all-to-all over several racks over its time in one; ratio is scale-up over scale-out bandwidth [1].

    Eq: s = Max(1/racks, ratio*(1 - 1/racks))
    Ignores: latency, and that both networks may share the chip's ports
    Source: lecture, ½ × 8 = 4
    >>> rack_slowdown(racks=2, ratio=8)
    """
    return np.maximum(1 / racks, ratio * (1 - 1 / racks))


def two_level_all_to_all_time(n: Number, g: Number, domain: Number, inside: Number, outside: Number) -> Number:
    """Time for g chips to deal n bytes each over domains of so many chips, bandwidths inside and outside [s].

    Eq: t = Max(n*(domain - 1)/(g*inside), n*(g - domain)/(g*outside))
    Ignores: latency; both networks run at once
    Source: lecture; the slower level is the bottleneck
    >>> two_level_all_to_all_time(n=64e6, g=144, domain=72, inside=900e9, outside=100e9)
    """
    return np.maximum(n * (domain - 1) / (g * inside), n * (g - domain) / (g * outside))


def two_level_all_reduce_time(n: Number, domain: Number, racks: Number, inside: Number, outside: Number) -> Number:
    """Time to add up n bytes on racks of so many chips: scatter inside, add across, gather inside [s].

    Eq: t = 2*n*(domain - 1)/(domain*inside) + 2*n*(racks - 1)/(domain*racks*outside)
    Ignores: latency, overlap of the two levels, switches that add
    Source: jax-ml scaling book, hierarchical all-reduce
    >>> two_level_all_reduce_time(n=64e6, domain=8, racks=4, inside=450e9, outside=50e9)
    """
    return 2 * n * (domain - 1) / (domain * inside) + 2 * n * (racks - 1) / (domain * racks * outside)


def limited_exchange_time(copies: Number, nodes_hit: Number, n: Number, inside: Number, outside: Number) -> Number:
    """Time of a dispatch that sends one copy to each node hit and spreads it inside; n bytes are one copy [s].

    Eq: t = Max(n*nodes_hit/outside, n*copies/inside)
    Ignores: latency, and that a token's own node and chip need no sending: 1/nodes and 1/chips less
    Source: DeepSeek-V3 report, node-limited routing with one copy per node
    >>> limited_exchange_time(copies=8, nodes_hit=3.6, n=128 * 7168, inside=160e9, outside=50e9)
    """
    return np.maximum(n * nodes_hit / outside, n * copies / inside)


def stage_traffic_ratio(ratio: Number, k: Number, layers: Number) -> Number:
    """Time on the scale-up over time on the scale-out network of a pipeline whose stages are racks [1].

    At 1 or more the step between racks is not the bottleneck; ratio is scale-up over scale-out bandwidth.

    Eq: r = 2*k*layers/ratio
    Ignores: latency, formats that differ on the two ways, tokens whose expert is on their own chip
    Source: lecture; k = 8 and one layer: 2
    >>> stage_traffic_ratio(ratio=8, k=8, layers=1)
    """
    return 2 * k * layers / ratio


def hop_time(n: Number, links: Number, bandwidth: Number, latency: Number) -> Number:
    """Time of n bytes between two racks over so many parallel links, latency of the path included [s].

    Eq: t = n/(links*bandwidth) + latency
    Ignores: waiting behind others' traffic
    Source: lecture; 2,000 × 7,168 × 2 bytes over 64 × 50 GB/s are 9 µs of wire
    >>> hop_time(n=2000 * 7168 * 2, links=64, bandwidth=50e9, latency=0)
    """
    return n / (links * bandwidth) + latency


def path_latency(card: Number, switch: Number, switches: Number) -> Number:
    """Latency of a path from card to card through so many switches [s].

    Eq: t = 2*card + switches*switch
    Ignores: cables, 5 ns a metre; queues
    Source: lecture: network card, top-of-rack switch, perhaps a data-centre switch, and the same in reverse
    >>> path_latency(card=1e-6, switch=3e-7, switches=3)
    """
    return 2 * card + switches * switch


def decode_with_hops(t: Number, stages: Number, hop: Number) -> Number:
    """Time per token through a pipeline whose last stage feeds its first, so with a hop per stage in series [s].

    Eq: s = t + stages*hop
    Ignores: bubbles (none while micro-batches are as many as stages)
    Source: lecture, four stages: 20 to 30 ms
    >>> decode_with_hops(t=0.02, stages=4, hop=0.0025)
    """
    return t + stages * hop


def largest_tensor_cut(d_ff: Number, axes: Number, link: Number, wire: Number, F: Number) -> Number:
    """Chips that may share one feed-forward layer before its collectives take longer than its FLOPs [1].

    link is the byte/s of one axis, both ways together; small experts have a small d_ff, so cutting them does not pay.

    Eq: g = 2*d_ff*axes*link/(wire*F)
    Ignores: latency, a gated layer's third matrix, the factor (g - 1)/g
    Source: jax-ml scaling book: gather and scatter of d numbers a token against 4·d·d_ff/g FLOPs
    >>> largest_tensor_cut(d_ff=28672, axes=2, link=1.8e11, wire=2, F=4.59e14)
    >>> largest_tensor_cut(d_ff=2048, axes=1, link=1.8e12, wire=2, F=5e15)
    """
    return 2 * d_ff * axes * link / (wire * F)


def largest_decode_cut(B: Number, d_ff: Number, w: Number, link: Number, wire: Number, W: Number) -> Number:
    """Chips that may share one feed-forward layer before its collectives take longer than reading its weights [1].

    Eq: g = w*d_ff*link/(wire*B*W)
    Ignores: latency, a gated layer's third matrix, the factor (g - 1)/g
    Source: jax-ml scaling book: gather and scatter of B·d numbers against 2·d·d_ff/g weights
    >>> largest_decode_cut(B=64, d_ff=28672, w=2, link=9e10, wire=2, W=8.1e11)
    """
    return w * d_ff * link / (wire * B * W)
