"""Where a context's KV waits for its next use: kept in a memory at a price a second, or computed again.

n bytes of KV, C bytes and W byte/s of a memory, byte_price its dollars per byte and hour, hold seconds until the next
use; hold_near and hold_far dollars a second, retrieve_near and retrieve_far dollars once.
"""

from __future__ import annotations

import numpy as np

from rackline.physics import Number, over


def share_price(price: Number, C: Number) -> Number:
    """Price of a byte in a chip's own memory: the chip's rent by the share of its capacity [dollar/(byte*hour)].

    Eq: p = price/C
    Ignores: that weights leave only a part of the memory for KV, which makes a free byte that much dearer
    Source: lecture, "proportional to the fraction of the HBM I'm using"
    >>> share_price(price=3.3, C=186e9)
    """
    return price / C


def hold_cost(n: Number, hold: Number, byte_price: Number) -> Number:
    """Cost of n bytes kept for a time [dollar].

    Eq: c = n*hold*byte_price/3600
    Ignores: room that nobody fills, copies kept for safety
    Source: lecture, bytes per token over capacity times the device's price
    >>> hold_cost(n=2.3e9, hold=300, byte_price=0.15e-9 / 730)
    """
    return n * hold * byte_price / 3600


def retrieve_time(n: Number, W: Number) -> Number:
    """Time to bring n bytes into the chip's memory [s].

    Eq: t = n/W
    Ignores: the first byte's latency: microseconds of flash, 10 ms of a disk, 0.1 s of an object store
    Source: lecture
    >>> retrieve_time(n=2.3e9, W=63e9)
    """
    return over(n, W)


def retrieve_cost(n: Number, C: Number, W: Number, byte_price: Number) -> Number:
    """Cost of the whole device's time while it sends n bytes [dollar].

    Eq: c = n/W*C*byte_price/3600
    Ignores: writing them there once, which takes about as long again
    Source: lecture, bytes per token over bandwidth times the device's price
    >>> retrieve_cost(n=2.3e9, C=256e9, W=63e9, byte_price=0.15e-9 / 730)
    """
    return over(n, W) * C * byte_price / 3600


def break_even(retrieve_near: Number, retrieve_far: Number, hold_near: Number, hold_far: Number) -> Number:
    """Hold time beyond which the place that is dearer to return from is cheaper; recompute has hold_far = 0 [s].

    Against recompute it is the best time-to-live where the next use is unknown or comes at random (memoryless).

    Eq: t = Piecewise((Max(0, retrieve_far - retrieve_near)/(hold_near - hold_far), hold_near > hold_far), (oo, True))
    Ignores: moving from one place to the other on the way
    Source: lecture: two costs that cross, one rising with the hold time
    >>> break_even(retrieve_near=1e-6, retrieve_far=0.004, hold_near=1.3e-7, hold_far=0)
    """
    saved, dearer = np.maximum(0.0, retrieve_far - retrieve_near), hold_near - hold_far
    with np.errstate(over="ignore"):  # a difference next to nothing: never
        return np.where(dearer > 0, saved / np.where(dearer > 0, dearer, 1.0), np.inf)[()]


def time_to_live_cost(retrieve_near: Number, retrieve_far: Number, hold_near: Number, gap: Number,
                      ttl: Number) -> Number:
    """Mean cost of one use when KV is dropped after ttl seconds and the next use comes at random after `gap` [dollar].

    Least at an endless ttl if gap is below break_even, at zero otherwise: only a gap that is not memoryless wants
    another one.

    Eq: c = (retrieve_near + hold_near*gap)*(1 - exp(-ttl/gap)) + retrieve_far*exp(-ttl/gap)
    Ignores: contexts that never return
    Source: the mean over exponential gaps of what is held, and of retrieving or computing again
    >>> time_to_live_cost(retrieve_near=1e-6, retrieve_far=0.004, hold_near=1.3e-7, gap=600, ttl=3600)
    """
    late = np.exp(-ttl / gap)
    return (retrieve_near + hold_near * gap) * (1 - late) + retrieve_far * late


def worst_ratio(retrieve_near: Number, retrieve_far: Number, hold_near: Number, ttl: Number) -> Number:
    """Most that a time-to-live can cost over knowing the next use beforehand; least, below 2, at break_even [1].

    The worst use comes just after the drop, or at once where dropping was too soon.

    Eq: r = (hold_near*ttl + retrieve_far)/Min(retrieve_far, retrieve_near + hold_near*ttl)
    Ignores: contexts that never return
    Source: renting skis; 2 − retrieve_near/retrieve_far at break_even
    >>> worst_ratio(retrieve_near=1e-6, retrieve_far=0.004, hold_near=1.3e-7, ttl=3600)
    """
    return (hold_near * ttl + retrieve_far) / np.minimum(retrieve_far, retrieve_near + hold_near * ttl)


def price_at_markup(input_price: Number, cost: Number, recompute: Number) -> Number:
    """Price of a service that costs `cost` at the markup of a fresh input token [dollar/token].

    Eq: p = input_price*cost/recompute
    Ignores: that a provider may want another margin on storage than on computing
    Source: a fresh token is computed, "base means remat"
    >>> price_at_markup(input_price=5e-6, cost=1e-6, recompute=4e-3)
    """
    return input_price * cost / recompute


def hold_price(long_price: Number, short_price: Number, long: Number, short: Number, kv: Number) -> Number:
    """Price of a byte and hour behind two prices for writing a token that is kept long or short [dollar/(byte*hour)].

    Eq: p = 3600*(long_price - short_price)/((long - short)*kv)
    Ignores: the markup, that a hit starts the time again, and contexts dropped early
    Source: the lecture's 6.25 for five minutes and 10 for an hour, whatever is paid once taken out
    >>> hold_price(long_price=10e-6, short_price=6.25e-6, long=3600, short=300, kv=70272)
    """
    return 3600 * (long_price - short_price) / ((long - short) * kv)
