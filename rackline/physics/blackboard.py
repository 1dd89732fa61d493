"""One decode step on the blackboard: time, cost and balance against batch and context.

B sequences in the batch, L cached tokens that each one reads, N_total and N_active parameters, w bytes per weight,
weights bytes of all weights, kv bytes of KV cache per token, F FLOP/s, W byte/s of memory; F and W of all chips.
"""

from __future__ import annotations

import numpy as np

from rackline.physics import Number, over


def weight_bytes(w: Number, N_total: Number) -> Number:
    """Memory that all weights take [byte].

    Eq: M = w*N_total
    Ignores: that embeddings often keep a wider format: 0.3 % of DeepSeek-V3's bytes
    Source: lecture, where w is one byte and left unwritten
    >>> weight_bytes(w=1, N_total=671e9)
    """
    return w * N_total


def compute_time(B: Number, N_active: Number, F: Number) -> Number:
    """Time to multiply a batch by every active parameter [s].

    Eq: t = 2*B*N_active/F
    Ignores: attention's own FLOPs, equal to these at 98k cached tokens in Llama-3.1-405B (attention.equal_context)
    Source: lecture; the 2 counts the multiply and the add, as data sheets do
    >>> compute_time(B=5667, N_active=37e9, F=72 * 5e15)
    """
    return 2 * B * N_active / F


def weight_time(weights: Number, W: Number) -> Number:
    """Time to read all weights once, whatever the batch [s].

    Eq: t = weights/W
    Ignores: that a small batch touches few experts: 18 times less at batch 1 in DeepSeek-V3 (experts.weights_read)
    Source: lecture
    >>> weight_time(weights=671e9, W=72 * 8e12)
    """
    return weights / W


def kv_time(B: Number, L: Number, kv: Number, W: Number) -> Number:
    """Time to read the KV cache of a batch once [s].

    Eq: t = B*L*kv/W
    Ignores: sparse and windowed attention, which read fewer than L tokens (attention.cached_read_window)
    Source: lecture
    >>> kv_time(B=2400, L=4096, kv=35136, W=72 * 8e12)
    """
    return B * L * kv / W


def memory_time(B: Number, L: Number, weights: Number, kv: Number, W: Number) -> Number:
    """Time to read the weights and the batch's KV cache once [s].

    Eq: t = (weights + B*L*kv)/W
    Ignores: writes of new KV (one part in L) and activations, which stay on the chip
    Source: lecture
    >>> memory_time(B=2400, L=4096, weights=671e9, kv=35136, W=72 * 8e12)
    """
    return (weights + B * L * kv) / W


def step_time(B: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number, W: Number) -> Number:
    """Least time of one decode step, compute and memory wholly overlapped [s].

    Eq: t = Max(2*B*N_active/F, (weights + B*L*kv)/W)
    Ignores: communication, launch overheads and imperfect overlap; without any overlap it is at most twice as long
    Source: lecture
    >>> step_time(B=2400, L=4096, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return np.maximum(2 * N_active / F * B, weights / W + L * kv / W * B)


def step_time_serial(B: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                     W: Number) -> Number:
    """Time of one decode step when compute waits for memory [s].

    Eq: t = 2*B*N_active/F + (weights + B*L*kv)/W
    Ignores: communication and launch overheads
    Source: jax-ml scaling book, roofline chapter: the truth lies between the larger and the sum
    >>> step_time_serial(B=2400, L=4096, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return 2 * B * N_active / F + (weights + B * L * kv) / W


def step_time_kv_apart(B: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                       W: Number) -> Number:
    """Time of one decode step when attention follows the matrices and only these overlap with their weights [s].

    Eq: t = B*L*kv/W + Max(2*B*N_active/F, weights/W)
    Ignores: communication and launch overheads
    Source: jax-ml scaling book, inference chapter, general step time
    >>> step_time_kv_apart(B=256, L=8192, N_active=30e9, weights=30e9, kv=1e5, F=16 * 1.97e14, W=16 * 8.1e11)
    """
    return B * L * kv / W + np.maximum(2 * B * N_active / F, weights / W)


def latency_floor(w: Number, N_total: Number, W: Number) -> Number:
    """Least time of a step at any batch: every weight is read once [s].

    Eq: t = w*N_total/W
    Ignores: experts that nobody asked for: below some hundred tokens a step the floor of a routed model is lower
    Source: lecture
    >>> latency_floor(w=1, N_total=671e9, W=72 * 8e12)
    """
    return w * N_total / W


def token_time(B: Number, t: Number) -> Number:
    """Machine time that one token costs: a step shared by its batch [s/token].

    Eq: c = t/B
    Ignores: steps that depart less than full
    Source: lecture
    >>> token_time(B=2400, t=0.02)
    """
    return t / B


def token_time_floor(L: Number, N_active: Number, kv: Number, F: Number, W: Number) -> Number:
    """Machine time per token of an endless batch: what no sharing removes [s/token].

    Eq: c = Max(2*N_active/F, L*kv/W)
    Ignores: that no memory holds an endless batch (operating.operating_batch)
    Source: lecture, the floor of the cost curve
    >>> token_time_floor(L=4096, N_active=37e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return np.maximum(2 * N_active / F, L * kv / W)


def cost_per_token(B: Number, t: Number, chips: Number, price: Number) -> Number:
    """Rent of the chips during a step over its tokens; price is per chip and hour [dollar/token].

    Eq: c = t*chips*price/(3600*B)
    Ignores: idle hours, hosts not in the rent, prefill
    Source: lecture, two dollars an hour
    >>> cost_per_token(B=2400, t=0.02, chips=72, price=2)
    """
    return t * chips * price / (3600 * B)


def batch_one_penalty(L: Number, N_active: Number, weights_read: Number, kv: Number, F: Number, W: Number) -> Number:
    """Cost of a token at batch 1 over the cost of an endless batch; weights_read is what that one token reads [1].

    All weights give the lecture's "thousand times worse", the weights of the experts hit give about 300.

    Eq: r = Max(2*N_active/F, (weights_read + L*kv)/W)/Max(2*N_active/F, L*kv/W)
    Ignores: communication and overheads, which weigh most at batch 1
    Source: lecture
    >>> batch_one_penalty(L=0, N_active=37e9, weights_read=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    >>> batch_one_penalty(L=0, N_active=37e9, weights_read=37e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    alone = np.maximum(2 * N_active / F, (weights_read + L * kv) / W)
    return alone / token_time_floor(L, N_active, kv, F, W)


def machine_balance(F: Number, W: Number, w: Number) -> Number:
    """Tokens that must share a weight before computing takes as long as reading it: the lecture's 300 [token].

    Eq: R = F*w/(2*W)
    Ignores: that neither peak is reached in practice, which moves it either way
    Source: lecture; 295 for H100 in fp8
    >>> machine_balance(F=1.979e15, W=3.35e12, w=1)
    """
    return F * w / (2 * W)


def ridge(F: Number, W: Number) -> Number:
    """FLOPs per byte below which memory, or any other channel of W byte/s, is the bottleneck [FLOP/byte].

    Eq: i = F/W
    Ignores: that neither peak is reached in practice
    Source: Williams, Waterman, Patterson 2009, roofline
    >>> ridge(F=989e12, W=3.35e12)
    """
    return F / W


def sparsity(N_total: Number, N_active: Number) -> Number:
    """Parameters stored over parameters that one token meets [1].

    Eq: s = N_total/N_active
    Ignores: nothing
    Source: lecture, where it is 8; DeepSeek-V3's configuration gives 18.1
    >>> sparsity(N_total=671e9, N_active=37e9)
    """
    return N_total / N_active


def balance_batch(F: Number, W: Number, w: Number, N_total: Number, N_active: Number) -> Number:
    """Batch at which reading all weights takes as long as computing with them [token].

    Eq: B = F*w/(2*W)*(N_total/N_active)
    Ignores: the KV cache (balance_batch_with_kv) and the practice of running 2 to 3 times above
    Source: lecture, 300 times sparsity
    >>> balance_batch(F=1.979e15, W=3.35e12, w=1, N_total=671e9, N_active=37e9)
    """
    return F * w / (2 * W) * (N_total / N_active)


def balance_batch_with_kv(L: Number, N_active: Number, weights: Number, kv: Number, F: Number, W: Number) -> Number:
    """Batch at which all memory reads take as long as compute; infinite from the balance context on [token].

    Eq: B = Piecewise((weights*F/(2*N_active*W - F*L*kv), 2*N_active*W > F*L*kv), (oo, True))
    Ignores: capacity: the batch may not fit (operating.operating_batch)
    Source: lecture, "the optimal batch size should grow larger"
    >>> balance_batch_with_kv(L=1024, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return over(weights * F, np.maximum(2 * N_active * W - F * L * kv, 0.0))


def balance_context(N_active: Number, kv: Number, F: Number, W: Number) -> Number:
    """Context at which reading a sequence's KV takes as long as computing its token, in a large batch [cached/token].

    Eq: L = 2*N_active*W/(F*kv)
    Ignores: the weights, which only lower it (balance_context_at_batch), and attention's FLOPs
    Source: lecture, the "Goldilocks zone"
    >>> balance_context(N_active=37e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return over(2 * N_active * W, F * kv)


def balance_context_at_batch(B: Number, N_active: Number, weights: Number, kv: Number, F: Number, W: Number) -> Number:
    """Context at which memory and compute balance at a given batch; zero below the balance batch [cached/token].

    Eq: L = Max(0, (2*B*N_active*W/F - weights)/(B*kv))
    Ignores: attention's FLOPs
    Source: lecture
    >>> balance_context_at_batch(B=8192, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    return np.maximum(0.0, over(2 * B * N_active * W / F - weights, B * kv))


def mfu(B: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number, W: Number) -> Number:
    """Share of the peak FLOP/s that a step uses, never above 1 [1].

    Eq: u = 2*B*N_active/F/Max(2*B*N_active/F, (weights + B*L*kv)/W)
    Ignores: attention's FLOPs, which count neither as work nor as time
    Source: lecture
    >>> mfu(B=8192, L=4096, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    compute = 2 * B * N_active / F
    return compute / np.maximum(compute, (weights + B * L * kv) / W)


def mfu_large_batch(L: Number, L_balance: Number) -> Number:
    """Share of the peak FLOP/s that a step of an endless batch uses: half at twice the balance context [1].

    Eq: u = Min(1, L_balance/L)
    Ignores: the weights, so it is an upper limit at any real batch
    Source: lecture
    >>> mfu_large_batch(L=200e3, L_balance=100e3)
    """
    return np.minimum(1.0, over(L_balance, L))


def memory_utilisation(B: Number, L: Number, N_active: Number, weights: Number, kv: Number, F: Number,
                       W: Number) -> Number:
    """Share of the memory bandwidth that a step uses, never above 1 [1].

    Eq: u = (weights + B*L*kv)/W/Max(2*B*N_active/F, (weights + B*L*kv)/W)
    Ignores: weights of experts that no token of the batch asked for count as read
    Source: lecture
    >>> memory_utilisation(B=8192, L=4096, N_active=37e9, weights=671e9, kv=35136, F=72 * 5e15, W=72 * 8e12)
    """
    memory = (weights + B * L * kv) / W
    return memory / np.maximum(2 * B * N_active / F, memory)


def saturated_rate(F: Number, N_active: Number) -> Number:
    """Rate at which compute saturates, whatever the sparsity and the batch [token/s].

    Eq: r = F/(2*N_active)
    Ignores: attention's FLOPs
    Source: the lecture's compute line; 1.8 million tokens/s for 1e11 active parameters on 72 GB200 in fp8
    >>> saturated_rate(F=72 * 5e15, N_active=1e11)
    """
    return F / (2 * N_active)
