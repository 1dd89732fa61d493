"""Parameters and KV bytes of a plain transformer in closed form; facts.model counts real ones exactly."""

from __future__ import annotations

from rackline.physics import Number


def attention_parameters(d: Number, heads: Number, kv_heads: Number, head_dim: Number) -> Number:
    """Parameters of one attention layer: queries and output for every head, keys and values for every KV head [param].

    Eq: N = 2*d*head_dim*(heads + kv_heads)
    Ignores: biases and norms
    Source: Llama 3
    >>> attention_parameters(d=8192, heads=64, kv_heads=8, head_dim=128)
    """
    return 2 * d * head_dim * (heads + kv_heads)


def feed_forward_parameters(d: Number, d_ff: Number) -> Number:
    """Parameters of one gated feed-forward layer, or of one expert [param].

    Eq: N = 3*d*d_ff
    Ignores: biases and norms
    Source: Llama 3: gate, up, down
    >>> feed_forward_parameters(d=8192, d_ff=28672)
    """
    return 3 * d * d_ff


def vocabulary_parameters(d: Number, vocab: Number) -> Number:
    """Parameters of an embedding and a separate output head [param].

    Eq: N = 2*d*vocab
    Ignores: models that tie the two
    Source: Llama 3
    >>> vocabulary_parameters(d=8192, vocab=128256)
    """
    return 2 * d * vocab


def dense_parameters(layers: Number, d: Number, d_ff: Number, heads: Number, kv_heads: Number, head_dim: Number,
                     vocab: Number) -> Number:
    """Parameters of a dense gated transformer [param].

    Eq: N = layers*(2*d*head_dim*(heads + kv_heads) + 3*d*d_ff) + 2*d*vocab
    Ignores: biases and norms: 1.3 million in Llama-3-70B
    Source: Llama 3
    >>> dense_parameters(layers=80, d=8192, d_ff=28672, heads=64, kv_heads=8, head_dim=128, vocab=128256)
    """
    layer = attention_parameters(d, heads, kv_heads, head_dim) + feed_forward_parameters(d, d_ff)
    return layers * layer + vocabulary_parameters(d, vocab)


def kv_bytes(layers: Number, kv_heads: Number, head_dim: Number, number_bytes: Number) -> Number:
    """KV cache that a token takes: a key and a value per KV head and layer [byte/cached].

    Eq: kv = 2*layers*kv_heads*head_dim*number_bytes
    Ignores: layers with a window or a shared cache
    Source: lecture: 1 × 2 × 128 × 8 = 2,048
    >>> kv_bytes(layers=1, kv_heads=8, head_dim=128, number_bytes=1)
    """
    return 2 * layers * kv_heads * head_dim * number_bytes


def latent_kv_bytes(layers: Number, rank: Number, rope: Number, number_bytes: Number) -> Number:
    """KV cache of a token with latent attention: one compressed vector and one rotary key a layer [byte/cached].

    Eq: kv = layers*(rank + rope)*number_bytes
    Ignores: nothing
    Source: DeepSeek-V2 report; 70,272 bytes in DeepSeek-V3
    >>> latent_kv_bytes(layers=61, rank=512, rope=64, number_bytes=2)
    """
    return layers * (rank + rope) * number_bytes
