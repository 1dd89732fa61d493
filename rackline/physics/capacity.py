"""What fits: memory per chip, KV cut over chips, the domain's bandwidth, cables (symbols: blackboard).

C is bytes of memory; b the micro-batch of one pipeline stage, E the chips of a stage, P the stages.
"""

from __future__ import annotations

import numpy as np

from rackline.physics import Number, over


def memory_per_chip(b: Number, L: Number, weights: Number, kv: Number, E: Number, P: Number) -> Number:
    """Memory per chip with P·b sequences in flight: the weights shrink with P, the KV cache does not [byte].

    Eq: m = weights/(E*P) + b*L*kv/E
    Ignores: activations, uneven layers per stage, KV that must be duplicated (kv_per_chip_by_heads)
    Source: lecture, (N + B·L·kv)/(E·P) with B = P·b
    >>> memory_per_chip(b=2000, L=4096, weights=671e9, kv=35136, E=64, P=4)
    """
    return weights / (E * P) + b * L * kv / E


def weights_per_chip(weights: Number, E: Number, P: Number) -> Number:
    """Weights that one chip of a pipeline holds [byte].

    Eq: m = weights/(E*P)
    Ignores: weights that are copied, not cut (attention under data parallelism)
    Source: lecture
    >>> weights_per_chip(weights=671e9, E=64, P=4)
    """
    return weights / (E * P)


def largest_batch(C: Number, L: Number, weights: Number, kv: Number) -> Number:
    """Whole sequences whose KV fits beside the weights [token].

    Eq: B = floor(Max(0, (C - weights)/(L*kv)))
    Ignores: memory kept for activations, pages partly filled
    Source: lecture, capacity
    >>> largest_batch(C=72 * 186e9, L=4096, weights=671e9, kv=35136)
    """
    return np.floor(np.maximum(0.0, over(C - weights, L * kv)))


def largest_context(C: Number, B: Number, weights: Number, kv: Number) -> Number:
    """Longest context of B sequences whose KV fits beside the weights [cached/token].

    Eq: L = Max(0, (C - weights)/(B*kv))
    Ignores: memory kept for activations, pages partly filled
    Source: lecture, capacity
    >>> largest_context(C=72 * 186e9, B=2000, weights=671e9, kv=35136)
    """
    return np.maximum(0.0, over(C - weights, B * kv))


def chips_needed(C: Number, B: Number, L: Number, weights: Number, kv: Number) -> Number:
    """Chips of C bytes that hold the weights and a batch's KV [1].

    Eq: n = ceiling((weights + B*L*kv)/C)
    Ignores: shapes in which chips are sold, duplication
    Source: lecture, capacity
    >>> chips_needed(C=80e9, B=0, L=0, weights=671e9, kv=35136)
    """
    return np.ceil((weights + B * L * kv) / C)


def largest_model(C: Number, w: Number, B: Number, L: Number, kv: Number) -> Number:
    """Total parameters that fit beside a batch's KV: a domain's capacity bounds them [param].

    Eq: N = Max(0, C - B*L*kv)/w
    Ignores: memory kept for activations
    Source: lecture, 640 GB of eight H100; 10 to 20 TB hold 5T parameters with KV
    >>> largest_model(C=72 * 186e9, w=1, B=2000, L=100e3, kv=2000)
    """
    return np.maximum(0.0, C - B * L * kv) / w


def largest_active(F: Number, rate: Number) -> Number:
    """Active parameters that compute allows at so many tokens a second: a domain's compute bounds them [param].

    Eq: N = F/(2*rate)
    Ignores: attention's FLOPs
    Source: lecture
    >>> largest_active(F=72 * 5e15, rate=1.8e6)
    """
    return F / (2 * rate)


def domain_capacity(chips: Number, chip_capacity: Number) -> Number:
    """Memory of a scale-up domain [byte].

    Eq: C = chips*chip_capacity
    Ignores: hosts' memory
    Source: lecture, 8 × 80 GB = 640 GB
    >>> domain_capacity(chips=8, chip_capacity=80e9)
    """
    return chips * chip_capacity


def domain_weight_time(weights: Number, E: Number, chip_bandwidth: Number) -> Number:
    """Time to read all weights with all chips of a domain at once [s].

    Eq: t = weights/(E*chip_bandwidth)
    Ignores: pipeline stages, which read in turn and so do not help
    Source: lecture: scale-up size times bandwidth per chip
    >>> domain_weight_time(weights=671e9, E=8, chip_bandwidth=3.35e12)
    >>> domain_weight_time(weights=671e9, E=72, chip_bandwidth=8e12)
    """
    return weights / (E * chip_bandwidth)


def domain_speedup(E: Number, chip_bandwidth: Number, E_before: Number, chip_bandwidth_before: Number) -> Number:
    """How much faster a domain reads weights and KV than an earlier one [1].

    Eq: s = E*chip_bandwidth/(E_before*chip_bandwidth_before)
    Ignores: communication
    Source: lecture, a factor of 8 by 64 chips for 8; 9 by 72, 21 with the chips' own bandwidth
    >>> domain_speedup(E=72, chip_bandwidth=8e12, E_before=8, chip_bandwidth_before=3.35e12)
    """
    return E * chip_bandwidth / (E_before * chip_bandwidth_before)


def kv_per_chip_by_heads(B: Number, L: Number, kv: Number, kv_heads: Number, g: Number) -> Number:
    """KV on the fullest of g chips that each keep whole heads of every sequence [byte].

    Beyond kv_heads chips each keeps a copy; multi-query and latent attention have one head, so every chip keeps all.

    Eq: m = B*L*kv*ceiling(kv_heads/g)/kv_heads
    Ignores: nothing
    Source: Pope et al. 2022, attention sharded over heads
    >>> kv_per_chip_by_heads(B=64, L=4096, kv=70272, kv_heads=1, g=8)
    >>> kv_per_chip_by_heads(B=64, L=4096, kv=327680, kv_heads=8, g=8)
    """
    return B * L * kv * np.ceil(kv_heads / g) / kv_heads


def kv_per_chip_by_sequences(B: Number, L: Number, kv: Number, g: Number) -> Number:
    """KV on the fullest of g chips that each keep whole sequences [byte].

    Eq: m = ceiling(B/g)*L*kv
    Ignores: sequences of unequal length
    Source: Pope et al. 2022, attention sharded over batch
    >>> kv_per_chip_by_sequences(B=64, L=4096, kv=70272, g=8)
    """
    return np.ceil(B / g) * L * kv


def kv_per_chip_by_context(B: Number, L: Number, kv: Number, g: Number) -> Number:
    """KV on the fullest of g chips that each keep a part of every sequence's context [byte].

    Eq: m = B*ceiling(L/g)*kv
    Ignores: pages
    Source: context parallelism
    >>> kv_per_chip_by_context(B=64, L=4096, kv=70272, g=8)
    """
    return B * np.ceil(L / g) * kv


def head_duplication(kv_heads: Number, g: Number) -> Number:
    """KV stored over KV needed when g chips each keep whole heads [1].

    Eq: r = g*ceiling(kv_heads/g)/kv_heads
    Ignores: nothing
    Source: kv_per_chip_by_heads × g over the batch's KV
    >>> head_duplication(kv_heads=1, g=8)
    """
    return g * np.ceil(kv_heads / g) / kv_heads


def cables(chips: Number, links: Number, wires: Number) -> Number:
    """Cables between the chips of a rack and its switches: twice the chips, twice the cables in the same rack [1].

    Eq: n = chips*links*wires
    Ignores: cables for power, cooling and the scale-out network
    Source: lecture; a GB200 NVL72 has 18 links a chip of 4 wire pairs, 5,184 in all ("over 5,000 cables")
    >>> cables(chips=72, links=18, wires=4)
    """
    return chips * links * wires
