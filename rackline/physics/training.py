"""A training step: its arithmetic, the pipeline's bubble, the memory of activations and of the optimizer's state.

A token of a step is computed forward and backward; L is a sequence's length, d the width of the model.
"""

from __future__ import annotations

import numpy as np

from rackline.physics import Number


def training_flops(T: Number, N_active: Number) -> Number:
    """Arithmetic of T tokens in a training step, the scores of attention not counted [FLOP].

    Eq: f = 6*T*N_active
    Ignores: scores of attention (score_flops), embeddings that are looked up
    Source: forward once; backward once for the inputs' and once for the weights' gradients
    >>> training_flops(T=4e6, N_active=405e9)
    """
    return 6 * T * N_active


def score_flops(L: Number, layers: Number, width: Number) -> Number:
    """Arithmetic of attention's scores and values for a token of a training step, causal pairs alone [FLOP/token].

    width: heads times the head's size; the unit is that of a multiply-add's parameter.

    Eq: f = 6*L*layers*width
    Ignores: the pair of a token with itself, one part in L; papers that do not halve for causality say twice as much
    Source: two products of L/2 pairs a token, twice forward and four times backward
    >>> score_flops(L=8192, layers=80, width=8192)
    """
    return 6 * L * layers * width


def hardware_flops(f: Number, again: Number) -> Number:
    """Arithmetic that is done where a share of the forward pass is computed again [FLOP].

    Eq: F = f*(3 + again)/3
    Ignores: scores that a fused attention computes again in its own backward pass
    Source: Korthikanti et al., arXiv 2205.05198, section 5
    >>> hardware_flops(f=1e18, again=1)
    """
    return f * (3 + again) / 3


def bubble(stages: Number, micro: Number, pieces: Number) -> Number:
    """Time that a pipeline idles, as a share of the time that it works [1].

    Eq: s = (stages - 1)/(micro*pieces)
    Ignores: uneven stages; schedules that split the backward pass idle less
    Source: Narayanan et al., arXiv 2104.04473, section 2.2.2
    >>> bubble(stages=8, micro=64, pieces=3)
    """
    return (stages - 1) / (micro * pieces)


def activation_bytes(T: Number, L: Number, heads: Number, d: Number, g: Number) -> Number:
    """Bytes that one layer keeps of T tokens for its backward pass, cut g ways in tensors alone [byte].

    Eq: b = T*(10*d + 24*d/g + 5*heads*L/g)
    Ignores: buffers of a layer or two
    Source: Korthikanti et al., arXiv 2205.05198, equation 2 (16-bit numbers, dropout, two matrices of four widths)
    >>> activation_bytes(T=2048, L=2048, heads=96, d=12288, g=8)
    """
    return T * (10 * d + 24 * d / g + 5 * heads * L / g)


def sequence_parallel_activation_bytes(T: Number, L: Number, heads: Number, d: Number, g: Number) -> Number:
    """Bytes that one layer keeps of T tokens where norms and dropouts are cut g ways along the sequence too [byte].

    Eq: b = T*(34*d + 5*heads*L)/g
    Ignores: buffers of a layer or two
    Source: Korthikanti et al., arXiv 2205.05198, equation 4
    >>> sequence_parallel_activation_bytes(T=2048, L=2048, heads=96, d=12288, g=8)
    """
    return T * (34 * d + 5 * heads * L) / g


def scores_kept_bytes(T: Number, L: Number, heads: Number, g: Number) -> Number:
    """Bytes of scores, weights and dropout masks in one layer's activations: what selective recompute saves [byte].

    Eq: b = 5*T*heads*L/g
    Ignores: nothing of the published form
    Source: Korthikanti et al., arXiv 2205.05198, section 5
    >>> scores_kept_bytes(T=2048, L=2048, heads=96, g=8)
    """
    return 5 * T * heads * L / g


def layer_input_bytes(T: Number, d: Number) -> Number:
    """Bytes of one layer's inputs: all that full recompute keeps [byte].

    Eq: b = 2*T*d
    Ignores: what the layer that is computed again needs for that time
    Source: Korthikanti et al., arXiv 2205.05198, table 2 (16-bit numbers)
    >>> layer_input_bytes(T=2048, d=12288)
    """
    return 2 * T * d


def activations_held(layers: Number, stages: Number, pieces: Number) -> Number:
    """Layers whose activations the first stage holds at once, one micro-batch each [1].

    Eq: n = layers*Piecewise((1 + (stages - 1)/(stages*pieces), pieces > 1), (1, True))
    Ignores: fewer micro-batches than stages
    Source: Korthikanti et al., arXiv 2205.05198, section 4.2.3: one forward, one backward, interleaved
    >>> activations_held(layers=96, stages=8, pieces=3)
    """
    return layers * np.where(np.asarray(pieces) > 1, 1 + (stages - 1) / (stages * pieces), 1.0)[()]


def state_bytes(N_total: Number, g: Number) -> Number:
    """Bytes a chip keeps of parameters cut g ways, with gradients and Adam's state in mixed precision [byte].

    Eq: b = 18*N_total/g
    Ignores: what data ranks divide among themselves (ZeRO): this is without
    Source: weights in 16 and 32 bits, gradients in 32, two moments of 32: arXiv 2205.05198, figure 1
    >>> state_bytes(N_total=175e9, g=64)
    """
    return 18 * N_total / g


def optimizer_traffic(n: Number, ranks: Number) -> Number:
    """Bytes that Adam reads and writes to update n bytes of 16-bit parameters cut over so many ranks [byte].

    Eq: b = 15*n/ranks
    Ignores: casts, clipping and checks of the gradient
    Source: read and written: 32-bit weight, two moments; read: 32-bit gradient; written: 16-bit weight; 30 B for 2
    >>> optimizer_traffic(n=16e9, ranks=64)
    """
    return 15 * n / ranks
