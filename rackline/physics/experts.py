"""Routed experts: which are touched, where they sit, what the routing sends; uniform and independent routing.

Real routers are uneven: fewer experts are touched than here and the busiest chip gets more.
"""

from __future__ import annotations

import numpy as np

from rackline.physics import Number


def touched(experts: Number, k: Number, tokens: Number) -> Number:
    """Distinct experts that so many tokens ask for, k each, expected [1].

    Eq: n = experts*(1 - (1 - k/experts)**tokens)
    Ignores: uneven routing, which touches fewer
    Source: each token misses an expert with probability 1 − k/experts
    >>> touched(experts=256, k=8, tokens=64)
    """
    return experts * (1 - (1 - k / experts) ** tokens)


def weights_read(always: Number, routed: Number, experts: Number, k: Number, tokens: Number) -> Number:
    """Weights that a pass reads: `always` for every pass, and of the `routed` ones those of the experts hit [byte].

    Eq: M = always + routed*(1 - (1 - k/experts)**tokens)
    Ignores: uneven routing; with few tokens a chip, that an expert is read whole on the one chip that has it
    Source: touched; all weights once tokens·k is some times the number of experts
    >>> weights_read(always=17.1e9, routed=653.9e9, experts=256, k=8, tokens=64)
    """
    return always + routed * (1 - (1 - k / experts) ** tokens)


def experts_on_busiest_chip(experts: Number, chips: Number) -> Number:
    """Experts on the fullest chip when they are dealt out evenly [1].

    Eq: n = ceiling(experts/chips)
    Ignores: copies of popular experts
    Source: lecture, 256 experts on 64 of 72 chips
    >>> experts_on_busiest_chip(experts=256, chips=64)
    >>> experts_on_busiest_chip(experts=256, chips=72)
    """
    return np.ceil(experts / chips)


def chips_that_suffice(experts: Number, chips: Number) -> Number:
    """Chips that hold all experts with no more on any of them than with all chips [1].

    Eq: n = ceiling(experts/ceiling(experts/chips))
    Ignores: the memory of the chips left over
    Source: lecture: 64 of 72 chips serve 256 experts as fast
    >>> chips_that_suffice(experts=256, chips=72)
    """
    return np.ceil(experts / np.ceil(experts / chips))


def deal_imbalance(experts: Number, chips: Number) -> Number:
    """Work of the fullest chip over the mean when experts do not divide evenly [1].

    Eq: r = ceiling(experts/chips)*chips/experts
    Ignores: uneven routing
    Source: experts_on_busiest_chip over experts/chips; 1.125 for 256 on 72
    >>> deal_imbalance(experts=256, chips=72)
    """
    return np.ceil(experts / chips) * chips / experts


def chips_hit(chips: Number, experts: Number, k: Number) -> Number:
    """Distinct chips that one token's k experts sit on, expected; works for nodes alike [1].

    Eq: n = chips*(1 - binomial(experts - experts/chips, k)/binomial(experts, k))
    Ignores: routers that prefer near experts
    Source: k different experts drawn at random miss a chip's experts/chips of them
    >>> chips_hit(chips=64, experts=256, k=8)
    >>> chips_hit(chips=8, experts=256, k=8)
    """
    return chips * (1 - _missed(experts, experts / chips, k))


def nodes_hit_limited(nodes: Number, limit: Number, experts: Number, k: Number) -> Number:
    """Distinct nodes that one token's k experts sit on when the router first picks `limit` of the nodes, expected [1].

    Eq: n = limit*(1 - binomial(limit*experts/nodes - experts/nodes, k)/binomial(limit*experts/nodes, k))
    Ignores: that the router picks the nodes by their best experts
    Source: DeepSeek-V3 report, node-limited routing, 4 of 8 nodes
    >>> nodes_hit_limited(nodes=8, limit=4, experts=256, k=8)
    """
    return limit * (1 - _missed(limit * experts / nodes, experts / nodes, k))


def _missed(drawn_from: Number, avoided: Number, k: Number) -> Number:
    # C(n − m, k)/C(n, k) as a product; clipped so that k > n − m gives 0 and a smaller k in an array stops early
    left: Number = 1.0
    for i in range(int(np.max(k))):
        left = left * np.where(i < k, np.maximum(drawn_from - avoided - i, 0) / np.maximum(drawn_from - i, 1), 1.0)
    return left[()] if isinstance(left, np.ndarray) else left


def copies_sent(destinations: Number, chips: Number) -> Number:
    """Copies of a token that leave its own chip, when it goes to so many of the chips [1].

    Eq: n = destinations*(1 - 1/chips)
    Ignores: routers that prefer near experts
    Source: one chip in `chips` is the token's own; destinations = k copies, or chips_hit where a chip gets one
    >>> copies_sent(destinations=8, chips=64)
    """
    return destinations * (1 - 1 / chips)


def dispatch_bytes(copies: Number, width: Number, wire: Number) -> Number:
    """Bytes that one token's copies take on their way to the experts; wire is bytes per number sent [byte].

    Eq: n = copies*width*wire
    Ignores: indices, gates and scales: below 4 % at a width of 7,168 in fp8 with a scale per 128
    Source: DeepSeek-V3 report: 7,168 numbers in fp8 to 8 experts
    >>> dispatch_bytes(copies=8, width=7168, wire=1)
    """
    return copies * width * wire


def exchange_bytes(copies: Number, width: Number, wire_out: Number, wire_back: Number) -> Number:
    """Bytes that one token's copies take to the experts and their results take back [byte].

    Eq: n = copies*width*(wire_out + wire_back)
    Ignores: as dispatch_bytes
    Source: DeepSeek-V3 report: out in fp8, back in bf16
    >>> exchange_bytes(copies=8, width=7168, wire_out=1, wire_back=2)
    """
    return copies * width * (wire_out + wire_back)
