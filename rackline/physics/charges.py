"""What a token costs on rented chips, what providers' ratios imply, and prices that cover every context."""

from __future__ import annotations

import numpy as np

from rackline.physics import Number, over


def shared_kv_bytes(layers: Number, kv_heads: Number, head_dim: Number, number_bytes: Number, sharing: Number,
                    sparse: Number) -> Number:
    """KV cache that a step reads per cached token: layers may share one cache, attention may read a part [byte/cached].

    Eq: kv = 2*layers*kv_heads*head_dim*number_bytes/(sharing*sparse)
    Ignores: windows, and the indexer that chooses what sparse attention reads
    Source: lecture: 1 × 2 × 128 × 8 = 2,048, "or via sparse attention, with a 1/sparsity term"
    >>> shared_kv_bytes(layers=32, kv_heads=8, head_dim=128, number_bytes=1, sharing=32, sparse=1)
    """
    return 2 * layers * kv_heads * head_dim * number_bytes / (sharing * sparse)


def prompt_chip_time(N_active: Number, F: Number) -> Number:
    """Time of a chip at its peak for one token of a long prompt; F is a chip's [s/token].

    Eq: t = 2*N_active/F
    Ignores: attention's FLOPs, the peak that is not reached
    Source: lecture, prefill bound by compute
    >>> prompt_chip_time(N_active=37e9, F=1.979e15)
    """
    return 2 * N_active / F


def decode_chip_time(B: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                     W: Number) -> Number:
    """Time of a chip at its peak for one token of a decode step; F and W are a chip's, B shares all weights [s/token].

    Eq: t = Max(2*N_active/F, (weights/B + L*kv)/W)
    Ignores: communication, attention's FLOPs, the peak that is not reached
    Source: lecture, cost against batch
    >>> decode_chip_time(B=512, L=4096, N_active=37e9, weights=671e9, kv=35136, F=1.979e15, W=3.35e12)
    """
    return np.maximum(2 * N_active / F, (weights / B + L * kv) / W)


def hit_chip_time(kv: Number, bandwidth: Number) -> Number:
    """Time of a chip while one cached token's KV is copied back to it [s/cached].

    Eq: t = kv/bandwidth
    Ignores: copying while other work runs, which makes it free; the rent of the memory that held it
    Source: lecture, cost to retrieve
    >>> hit_chip_time(kv=35136, bandwidth=50e9)
    """
    return kv / bandwidth


def rent(t: Number, price: Number) -> Number:
    """What a chip costs for some time; price is per hour [dollar].

    Eq: c = t*price/3600
    Ignores: idle hours, margin
    Source: lecture, two dollars an hour
    >>> rent(t=37.4e-6, price=2)
    """
    return t * price / 3600


def tier_bandwidth(r: Number, kv: Number, N_active: Number, F: Number) -> Number:
    """Bandwidth a chip at which copying KV back costs r of computing it [token*byte/cached/s].

    Eq: b = kv*F/(2*N_active*r)
    Ignores: margins that differ, copying while other work runs
    Source: lecture: the cost ratio of a hit is that of retrieving to recomputing
    >>> tier_bandwidth(r=0.1, kv=35136, N_active=37e9, F=1.979e15)
    """
    return kv * F / (2 * N_active * r)


def holding_price(dearer: Number, cheaper: Number, kv: Number, longer: Number, shorter: Number) -> Number:
    """What two prices of a cache write that differ in time say of a byte's rent [dollar*cached/token/byte/s].

    Eq: h = (dearer - cheaper)/(kv*(longer - shorter))
    Ignores: margins, and that the longer time may be held in a cheaper tier
    Source: lecture, writes for five minutes and one hour
    >>> holding_price(dearer=10e-6, cheaper=6.25e-6, kv=1667, longer=3600, shorter=300)
    """
    return (dearer - cheaper) / (kv * (longer - shorter))


def weights_share_of_step(m: Number, s: Number) -> Number:
    """Share of a standard step that reads weights, if a fast mode s times as fast costs m times as much [1].

    A step of time t/s holds the batch whose KV is read in what the weights leave; the fastest possible is 1/x.

    Eq: x = (m - 1)/(m*s - 1)
    Ignores: speculative decoding and more chips a token, the other ways to be fast; compute-bound standard steps
    Source: operating.token_time_within, both multiples known; the lecture's 6× for 2.5× is 36 %
    >>> weights_share_of_step(m=6, s=2.5)
    """
    return (m - 1) / (m * s - 1)


def fast_price_multiple(x: Number, s: Number) -> Number:
    """Price multiple of steps s times as fast, when reading weights takes a share x of the standard step [1].

    Eq: m = Piecewise(((1 - x)/(1 - s*x), s*x < 1), (oo, True))
    Ignores: as weights_share_of_step, which it inverts
    Source: the lecture's hyperbola of cost against latency
    >>> fast_price_multiple(x=0.357, s=2.5)
    """
    return over(1 - x, np.maximum(1 - s * x, 0.0))


def balance_behind_ratio(L: Number, r: Number) -> Number:
    """Balance context if a large batch of context L makes output r times as dear as input [cached/token].

    Eq: L0 = L/r
    Ignores: the weights, which a large batch shares; margins that differ
    Source: passes_and_prices.premium_needed solved for the balance
    >>> balance_behind_ratio(L=10e3, r=5)
    """
    return L / r


def batch_below_balance(R: Number, s: Number, r: Number, L: Number, L0: Number) -> Number:
    """Batch at which output costs r times input, if KV balances compute at L0; s is N_total/N_active [token].

    Eq: B = Piecewise((R*s/(r - L/L0), r > L/L0), (oo, True))
    Ignores: margins that differ, attention's FLOPs
    Source: passes_and_prices.batch_at_price_ratio with kv_from_price_step put in
    >>> batch_below_balance(R=300, s=8, r=5, L=10e3, L0=2e5)
    """
    return over(R * s, np.maximum(r - L / L0, 0.0))


def context_charge(L: Number, L0: Number, base: Number) -> Number:
    """Cost of a token at context L, when KV takes over from compute at L0 [dollar/token].

    Eq: c = base*Max(1, L/L0)
    Ignores: the weights and attention's FLOPs
    Source: lecture, cost against context length
    >>> context_charge(L=1e6, L0=2e5, base=1e-6)
    """
    return base * np.maximum(1.0, L / L0)


def purchase_per_hour(capital: Number, years: Number, power: Number, energy_price: Number) -> Number:
    """Cost of a bought chip per hour: its price spread over its life, and the power it takes [dollar/hour].

    Eq: c = capital/(8760*years) + power*energy_price/1000
    Ignores: interest, staff, space, resale; power is watts with its cooling, energy_price per kWh
    Source: straight-line depreciation
    >>> purchase_per_hour(capital=30e3, years=4, power=1300, energy_price=0.08)
    """
    return capital / (8760 * years) + power * energy_price / 1000


def lasting_volume(own: Number, bought: Number, capacity: Number) -> Number:
    """Volume from which whole machines stay cheaper than paying per volume, infinite if a full one never is [1].

    A machine costs `own` and carries `capacity` volumes, a volume bought costs `bought`. From own/bought on one machine
    is cheaper; the last of the steps at which a further machine undoes that is passed here.

    Eq: v = Piecewise(((ceiling(capacity/(capacity - own/bought)) - 1)*own/bought, capacity > own/bought), (oo, True))
    Ignores: machines smaller than the one counted
    Source: n machines suffice for volumes up to n*capacity and beat the price from n*own/bought on
    >>> lasting_volume(own=100, bought=40, capacity=3)
    """
    turns = own / bought
    spare = np.maximum(capacity - turns, 0.0)
    steps = np.ceil(over(capacity, spare)) - 1
    return np.where(spare > 0, steps * turns, np.inf)[()]
