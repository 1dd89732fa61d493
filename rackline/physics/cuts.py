"""Where to cut a layer over g chips: what each chip sends in a pass of so many tokens, and whether that pays.

width is the model dimension, wire bytes per number sent; tokens counts all tokens of the pass.
"""

from __future__ import annotations

import numpy as np

from rackline.physics import Number, over


def cut_by_heads_or_feed_forward(tokens: Number, width: Number, wire: Number, g: Number) -> Number:
    """Bytes that each chip sends when heads or feed-forward dimension are cut: every token gathered and added [byte].

    Eq: n = 2*tokens*width*wire*(g - 1)/g
    Ignores: switches that add, which halve it
    Source: Pope et al. 2022, one-dimensional weight-stationary: 2·tokens·width whatever g
    >>> cut_by_heads_or_feed_forward(tokens=256, width=7168, wire=2, g=8)
    """
    return 2 * tokens * width * wire * (g - 1) / g


def cut_by_both_dimensions(tokens: Number, width: Number, d_ff: Number, wire: Number, g: Number) -> Number:
    """Bytes that each chip sends when model and feed-forward dimension are both cut, in the best proportion [byte].

    Eq: n = 4*tokens*wire*sqrt(width*d_ff/g)
    Ignores: whole numbers of chips a side, a gated layer's third matrix
    Source: Pope et al. 2022, two-dimensional weight-stationary: 8·tokens·width/√g at d_ff = 4·width
    >>> cut_by_both_dimensions(tokens=256, width=8192, d_ff=32768, wire=2, g=64)
    """
    return 4 * tokens * wire * np.sqrt(width * d_ff / g)


def cut_by_experts(tokens: Number, copies: Number, width: Number, wire_out: Number, wire_back: Number,
                   g: Number) -> Number:
    """Bytes that each chip sends when whole experts are dealt out: its tokens to their experts and back [byte].

    Eq: n = tokens*copies*width*(wire_out + wire_back)*(g - 1)/g**2
    Ignores: uneven routing
    Source: lecture, all-to-all out and back
    >>> cut_by_experts(tokens=256, copies=8, width=7168, wire_out=1, wire_back=2, g=64)
    """
    return tokens * copies * width * (wire_out + wire_back) * (g - 1) / g**2


def cut_by_layers(tokens: Number, width: Number, wire: Number, stage: Number) -> Number:
    """Bytes that each chip of a stage sends to the next stage, once for all the stage's layers [byte].

    Eq: n = tokens*width*wire/stage
    Ignores: connections that reach back several layers
    Source: lecture, one send where the experts' layer has many
    >>> cut_by_layers(tokens=2000, width=7168, wire=2, stage=64)
    """
    return tokens * width * wire / stage


def cut_by_weights_gathered(layer_weights: Number, g: Number) -> Number:
    """Bytes that each chip sends when the batch is cut and every layer's weights are gathered before use [byte].

    Eq: n = layer_weights*(g - 1)/g
    Ignores: nothing; with the weights copied instead of cut nothing is sent and g times the memory taken
    Source: fully sharded data parallelism; Pope et al. 2022, weight-gathered
    >>> cut_by_weights_gathered(layer_weights=11.5e9, g=64)
    """
    return layer_weights * (g - 1) / g


def cut_by_context_decode(tokens: Number, heads: Number, value_width: Number, wire: Number, g: Number) -> Number:
    """Bytes that each chip sends when the cached tokens are cut: its partial sums, added on the heads' owners [byte].

    Eq: n = tokens*heads*value_width*wire*(g - 1)/g
    Ignores: two numbers a head for the softmax, and the queries' way there
    Source: flash decoding across chips
    >>> cut_by_context_decode(tokens=256, heads=128, value_width=512, wire=2, g=8)
    """
    return tokens * heads * value_width * wire * (g - 1) / g


def cut_by_context_prefill(tokens: Number, layer_kv: Number, g: Number) -> Number:
    """Bytes that each chip sends when a prompt is cut: all keys and values pass every chip [byte].

    Eq: n = tokens*layer_kv*(g - 1)/g
    Ignores: causality, which lets half of them be skipped
    Source: ring attention (Liu et al. 2023)
    >>> cut_by_context_prefill(tokens=131072, layer_kv=4096, g=8)
    """
    return tokens * layer_kv * (g - 1) / g


def cut_gain(t: Number, g: Number, n: Number, link: Number) -> Number:
    """Time that g chips save on work of t seconds over the time of the n bytes that each sends; below 1: a loss [1].

    Eq: r = t*(1 - 1/g)*link/n
    Ignores: latency, overlap of sending with work
    Source: the lecture's rule: a dimension is worth cutting once it is big enough
    >>> cut_gain(t=2 * 32 * 7168 * 2048 * 3 / 5e15, g=2, n=2 * 32 * 7168 * 2 / 2, link=9e11)
    """
    return over(t * (1 - 1 / g) * link, n)
