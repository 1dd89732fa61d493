"""What a chip's memory is of its price, and what a leaner chip would cost (C, bytes of memory of one chip)."""

from __future__ import annotations

from rackline.physics import Number


def memory_share(C: Number, memory_price: Number, cost: Number) -> Number:
    """The part of a chip's price that its memory is [1].

    Eq: r = C*memory_price/cost
    Ignores: memory of hosts, and what a maker adds to what the memory cost him
    Source: the share of a sum
    >>> memory_share(C=186e9, memory_price=15e-9, cost=60e3)
    """
    return C * memory_price / cost


def memory_price_at_share(share: Number, cost: Number, C: Number) -> Number:
    """The price of memory at which it is so large a part of a chip's price [dollar/byte].

    Eq: p = share*cost/C
    Ignores: as memory_share
    Source: memory_share solved; the lecture: half of capital spending goes to memory
    >>> memory_price_at_share(share=0.5, cost=60e3, C=186e9)
    """
    return share * cost / C


def slimmed_cost(cost: Number, C: Number, C_needed: Number, memory_price: Number) -> Number:
    """The price of the same chip with only the memory that is needed [dollar].

    Eq: c = cost - (C - C_needed)*memory_price
    Ignores: that stacks of memory come whole and bring bandwidth with them
    Source: linear prices
    >>> slimmed_cost(cost=60e3, C=186e9, C_needed=60e9, memory_price=15e-9)
    """
    return cost - (C - C_needed) * memory_price
