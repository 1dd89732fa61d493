"""What attention reads and computes in a pass of `new` tokens after `past` cached ones, per sequence and layer.

A query attends to itself and to tokens before it. Counts are exact for whole numbers.
"""

from __future__ import annotations

import numpy as np

from rackline.physics import Number, over


def cached_read_full(past: Number) -> Number:
    """Cached tokens that a pass reads with full attention [1].

    Eq: n = past
    Ignores: blocks of queries that read the cache again, hidden while computing takes longer
    Source: lecture, linear in the context
    >>> cached_read_full(past=4096)
    """
    return past


def cached_read_window(past: Number, window: Number) -> Number:
    """Cached tokens that a pass reads with a sliding window that counts the query itself [1].

    Eq: n = Min(past, window - 1)
    Ignores: engines that round the window up to whole pages
    Source: Mistral 7B, sliding window
    >>> cached_read_window(past=131072, window=4096)
    """
    return np.minimum(past, window - 1)


def cached_read_top_k(past: Number, new: Number, top_k: Number) -> Number:
    """Distinct cached tokens that a pass reads when each query picks top_k of them, expected [1].

    Eq: n = Piecewise((past, past <= top_k), (past*(1 - (1 - top_k/past)**new), True))
    Ignores: that neighbouring queries pick alike (one reads top_k, many no less), and the indexer's small keys
    Source: DeepSeek-V3.2, top_k = 2,048
    >>> cached_read_top_k(past=131072, new=1, top_k=2048)
    """
    share = np.minimum(1.0, top_k / np.maximum(past, 1))
    return past * (1 - (1 - share) ** new)


def cached_read_root(past: Number) -> Number:
    """Cached tokens that a step reads by the lecture's rule for sparse attention [1].

    Eq: n = sqrt(past)
    Ignores: that published models read a fixed number instead (cached_read_top_k)
    Source: lecture, "a square root in this term"
    >>> cached_read_root(past=131072)
    """
    return np.sqrt(past)


def pairs_full(new: Number, past: Number) -> Number:
    """Pairs of a query and a key that it sees, causal; an indexer scores as many [1].

    Eq: n = new*past + new*(new + 1)/2
    Ignores: masked pairs inside a kernel's blocks, computed and thrown away
    Source: the sum of past + i for i from 1 to new
    >>> pairs_full(new=4096, past=0)
    """
    return new * past + new * (new + 1) / 2


def pairs_window(new: Number, past: Number, window: Number) -> Number:
    """Pairs of a query and a key when each query sees at most `window` keys; a top-k choice likewise [1].

    The first Min(new, Max(0, window − past)) queries see everything, the rest a full window.

    Eq: n = Piecewise((new*past + new*(new + 1)/2, past + new <= window), (new*window, past >= window),
        ((window - past)*(past + window + 1)/2 + (new - window + past)*window, True))
    Ignores: masked pairs inside a kernel's blocks
    Source: the sum of Min(past + i, window) for i from 1 to new
    >>> pairs_window(new=16384, past=0, window=4096)
    """
    short = np.minimum(new, np.maximum(0, window - past))
    return short * past + short * (short + 1) / 2 + (new - short) * window


def pairs_root(new: Number, past: Number) -> Number:
    """Pairs of a query and a key by the lecture's square root, each query seeing the root of its context [1].

    Eq: n = 2*new*(2*past + new + sqrt(past*(past + new)))/(3*(sqrt(past) + sqrt(past + new)))
    Ignores: the sum's steps (an integral stands for it): below 1/(4·past) of it
    Source: lecture; the integral of √x from past to past + new, in a form that does not cancel
    >>> pairs_root(new=1, past=131072)
    """
    total = past + new
    return 2 * new * (past + total + np.sqrt(past * total)) / (3 * (np.sqrt(past) + np.sqrt(total)))


def pair_flops(layers: Number, heads: Number, key_width: Number, value_width: Number) -> Number:
    """FLOPs of one (query, key) pair over all heads and layers: a score and a weighted sum [FLOP/cached].

    Eq: f = 2*layers*heads*(key_width + value_width)
    Ignores: softmax: about 5 FLOPs a head beside 512 at widths of 128
    Source: two matrix products; latent attention has widths 576 and 512 absorbed, 192 and 128 expanded
    >>> pair_flops(layers=126, heads=128, key_width=128, value_width=128)
    """
    return 2 * layers * heads * (key_width + value_width)


def decode_intensity(pair_flops: Number, kv: Number) -> Number:
    """FLOPs of decode's attention per byte of KV that it reads [FLOP/byte].

    Eq: i = pair_flops/kv
    Ignores: a query's own bytes
    Source: FlashMLA: 242 for DeepSeek-V3 absorbed; 16 for Llama-3.1-405B
    >>> decode_intensity(pair_flops=61 * 2 * 128 * (576 + 512), kv=70272)
    """
    return over(pair_flops, kv)


def prompt_intensity(new: Number, keys: Number, group: Number, number_bytes: Number) -> Number:
    """FLOPs per byte of attention of `new` queries over `keys` tokens, `group` query heads to a KV head [FLOP/byte].

    Eq: i = 2*new*keys*group/(number_bytes*(new*group + keys))
    Ignores: causality, which halves the FLOPs
    Source: jax-ml scaling book, transformers chapter
    >>> prompt_intensity(new=4096, keys=4096, group=8, number_bytes=2)
    """
    return 2 * new * keys * group / (number_bytes * (new * group + keys))


def equal_context(N_active: Number, pair_flops: Number) -> Number:
    """Context at which a token's attention costs as many FLOPs as its weights [cached/token].

    Eq: L = 2*N_active/pair_flops
    Ignores: sparse attention; a whole prompt reaches it at twice the length, its tokens seeing half on average
    Source: lecture, where the quadratic term "shows in the millions"
    >>> equal_context(N_active=405e9, pair_flops=126 * 2 * 128 * 256)
    >>> equal_context(N_active=37e9, pair_flops=61 * 2 * 128 * (576 + 512))
    """
    return over(2 * N_active, pair_flops)


def compute_time_with_attention(B: Number, L: Number, N_active: Number, pair_flops: Number, F: Number) -> Number:
    """Compute time of a decode step, attention's FLOPs included [s].

    Eq: t = B*(2*N_active + L*pair_flops)/F
    Ignores: that attention kernels reach another share of the peak than matrices
    Source: lecture, with the term that it leaves out
    >>> compute_time_with_attention(B=2400, L=4096, N_active=37e9, pair_flops=61 * 2 * 128 * (576 + 512), F=72 * 5e15)
    """
    return B * (2 * N_active + L * pair_flops) / F
