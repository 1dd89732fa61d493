"""Trains, and the operating point at which batch, interval, KV in memory and compute agree (symbols: blackboard)."""

from __future__ import annotations

import numpy as np

from rackline.physics import Number, over
from rackline.physics.blackboard import balance_batch_with_kv


def drain_time(C: Number, W: Number) -> Number:
    """Time to read a whole memory of C bytes once [s].

    Eq: t = C/W
    Ignores: that a memory is seldom full, so a step may be shorter
    Source: lecture, "20 milliseconds on many generations of HBM"
    >>> drain_time(C=288e9, W=20e12)
    """
    return C / W


def train_rate(B: Number, interval: Number) -> Number:
    """Tokens a second when a batch departs every interval; of the balance batch: the minimum efficient scale [token/s].

    Eq: r = B/interval
    Ignores: that the balance batch and a memory full of KV are not one operating point (operating_batch)
    Source: lecture, 2,000 × 64
    >>> train_rate(B=2000, interval=1 / 64)
    """
    return B / interval


def fleet_share(rate: Number, fleet: Number) -> Number:
    """Share that one system's token rate has in a fleet's [1].

    Eq: s = rate/fleet
    Ignores: input tokens, which announced totals may count
    Source: lecture; 128k of 128 M tokens/s is the lecture's one-thousandth
    >>> fleet_share(rate=128e3, fleet=128e6)
    """
    return rate / fleet


def worst_wait(interval: Number) -> Number:
    """Longest time from a request's arrival to the end of its first step, while trains have room [s].

    Eq: t = 2*interval
    Ignores: full trains: whom one leaves behind waits another interval
    Source: lecture, 20 ms to 40 ms
    >>> worst_wait(interval=0.02)
    """
    return 2 * interval


def mean_wait(interval: Number) -> Number:
    """Mean time from a request's arrival to the end of its first step, while trains have room [s].

    Eq: t = 3*interval/2
    Ignores: full trains
    Source: arrivals spread evenly over the lecture's interval wait half of it, then ride one
    >>> mean_wait(interval=0.02)
    """
    return 3 * interval / 2


def batch_within(t: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number, W: Number) -> Number:
    """Largest batch whose step takes at most t, zero below the latency floor [token].

    Eq: B = Min(F*t/(2*N_active), Max(0, (W*t - weights)/(L*kv)))
    Ignores: capacity
    Source: step_time solved for B
    >>> batch_within(t=0.02, L=4096, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return np.minimum(F * t / (2 * N_active), np.maximum(0.0, over(W * t - weights, L * kv)))


def token_time_within(t: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                      W: Number) -> Number:
    """Machine time per token when a step may take at most t: the price of speed, infinite below the floor [s/token].

    The ratio of two of them is the price multiple of a fast mode.

    Eq: c = Piecewise((t/Min(F*t/(2*N_active), (W*t - weights)/(L*kv)), W*t > weights), (oo, True))
    Ignores: capacity, and buying speed with more chips a token
    Source: the lecture's latency and cost curves, batch eliminated
    >>> token_time_within(t=0.002, L=4096, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return over(t, batch_within(t, L, N_active, weights, kv, F, W))


def operating_batch(C: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                    W: Number) -> Number:
    """Smallest batch of the highest throughput that a memory of C bytes allows; its step time is the interval [token].

    Beyond the balance batch a larger one only waits longer; below it every sequence that fits helps.

    Eq: B = Min(Max(0, (C - weights)/(L*kv)),
        Piecewise((weights*F/(2*N_active*W - F*L*kv), 2*N_active*W > F*L*kv), (oo, True)))
    Ignores: whole sequences, memory kept for activations (a tenth by vLLM's default)
    Source: the lecture's capacity and roofline lines, one operating point
    >>> operating_batch(C=72 * 186e9, L=1024, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    >>> operating_batch(C=72 * 186e9, L=131072, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    fits = np.maximum(0.0, over(C - weights, L * kv))
    return np.minimum(fits, balance_batch_with_kv(L, N_active, weights, kv, F, W))


def full_memory_step_time(C: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                          W: Number) -> Number:
    """Time of a step when KV fills what the weights leave: the drain time, or longer if compute needs longer [s].

    Eq: t = Max(C/W, 2*N_active*(C - weights)/(L*kv*F))
    Ignores: memory kept for activations
    Source: the lecture's train interval, compute counted
    >>> full_memory_step_time(C=72 * 186e9, L=1024, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return np.maximum(C / W, over(2 * N_active * (C - weights), L * kv * F))


def full_memory_context(C: Number, N_active: Number, weights: Number, kv: Number, F: Number, W: Number) -> Number:
    """Context at which a memory full of KV saturates compute in just the drain time [cached/token].

    Shorter contexts saturate compute before memory is full; longer ones fill it and leave compute idle.

    Eq: L = 2*N_active*(C - weights)*W/(kv*F*C)
    Ignores: memory kept for activations
    Source: full_memory_step_time with both terms equal
    >>> full_memory_context(C=72 * 186e9, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return over(2 * N_active * (C - weights) * W, kv * F * C)


def full_memory_batch(C: Number, N_active: Number, F: Number, W: Number) -> Number:
    """Batch at which compute takes just the drain time, so that full memory and full compute meet [token].

    Eq: B = C*F/(2*W*N_active)
    Ignores: whether KV is small enough for so many sequences (full_memory_context)
    Source: saturated rate × drain time; the lecture's 128k tokens/s are 7 % of that rate
    >>> full_memory_batch(C=72 * 186e9, N_active=1e11, F=72 * 5e15, W=72 * 8e12)
    """
    return C * F / (2 * W * N_active)
