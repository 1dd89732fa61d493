"""Prefill against decode per token, and what API prices give away (symbols: blackboard)."""

from __future__ import annotations

import numpy as np

from rackline.physics import Number, over


def pass_token_time(T: Number, read: Number, N_active: Number, F: Number, W: Number) -> Number:
    """Time per token of a pass of T tokens that reads `read` bytes [s/token].

    Decode has T = batch, prefill T = batch × length.

    Eq: c = Max(2*N_active/F, read/(W*T))
    Ignores: attention's FLOPs, which grow with the length of a prompt
    Source: lecture, cost against length of the pass
    >>> pass_token_time(T=4096, read=671e9, N_active=37e9, F=72 * 5e15, W=72 * 8e12)
    """
    return np.maximum(2 * N_active / F, read / (W * T))


def crossing_length(B: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                    W: Number) -> Number:
    """Tokens per sequence from which a pass is bound by compute; of decode, memory time over compute time [1].

    Eq: p = (weights + B*L*kv)*F/(2*N_active*W*B)
    Ignores: attention's FLOPs
    Source: lecture: where the curves of memory and compute per token cross
    >>> crossing_length(B=256, L=4096, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return (weights + B * L * kv) * F / (2 * N_active * W * B)


def decode_over_prefill(B: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                        W: Number) -> Number:
    """Cost of an output token over that of an input token of a long prompt, on one kind of machine [1].

    Eq: r = Max(1, (weights + B*L*kv)*F/(2*N_active*W*B))
    Ignores: margins that differ, attention's FLOPs in prefill, speculative decoding
    Source: lecture, a fivefold output price
    >>> decode_over_prefill(B=1024, L=4096, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return np.maximum(1.0, crossing_length(B, L, N_active, weights, kv, F, W))


def decode_mfu_from_prices(input_price: Number, output_price: Number) -> Number:
    """Share of peak compute that decode uses, if prices follow costs and prefill is bound by compute [1].

    Eq: u = Min(1, input_price/output_price)
    Ignores: margins that differ between input and output: the error is their ratio
    Source: lecture: output at five times the input price is decode at a fifth of its compute
    >>> decode_mfu_from_prices(input_price=1, output_price=5)
    """
    return np.minimum(1.0, input_price / output_price)


def batch_at_price_ratio(r: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                         W: Number) -> Number:
    """Batch at which decode's memory time is r times its compute time, infinite where KV alone exceeds it [token].

    Eq: B = Piecewise((weights*F/(2*r*N_active*W - F*L*kv), 2*r*N_active*W > F*L*kv), (oo, True))
    Ignores: margins that differ; r = 1 is the balance batch
    Source: crossing_length solved for the batch
    >>> batch_at_price_ratio(r=5, L=4096, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return over(weights * F, np.maximum(2 * r * N_active * W - F * L * kv, 0.0))


def kv_from_price_step(w: Number, N_active: Number, R: Number, L0: Number) -> Number:
    """KV bytes per token, if a price step at L0 tokens is the balance context; R is machine_balance [byte/cached].

    Eq: kv = w*N_active/(R*L0)
    Ignores: the weights' reads, attention's FLOPs; the result scales with the assumed active parameters
    Source: lecture: 1e11/(300 × 2e5) = 1,667 at one byte per weight
    >>> kv_from_price_step(w=1, N_active=1e11, R=300, L0=2e5)
    """
    return w * N_active / (R * L0)


def premium_needed(L: Number, L0: Number) -> Number:
    """Price over the base price that covers linear KV reads at context L, when L0 is the balance context [1].

    Eq: r = Max(1, L/L0)
    Ignores: input tokens, whose cost grows with attention's FLOPs instead
    Source: the lecture's memory line past the crossover; five at 1M from 200k
    >>> premium_needed(L=1e6, L0=2e5)
    """
    return np.maximum(1.0, L / L0)


def premium_covers(L0: Number, premium: Number) -> Number:
    """Longest context whose linear KV reads a flat premium past L0 covers [cached/token].

    Eq: L = premium*L0
    Ignores: as premium_needed
    Source: premium_needed solved for L; half as much again from 200k covers 300k
    >>> premium_covers(L0=2e5, premium=1.5)
    """
    return premium * L0
