"""What a model is made of: matrices, attention kinds, feed-forward kinds, layers; and the counts that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Literal

from rackline.facts.formats import bytes_per_number

# which number format a weight is stored in; norms, biases and routers are always "small"
Role = Literal["attention", "dense", "experts", "shared", "embedding", "head", "small"]
# what tensor parallelism may cut a matrix along
Cut = Literal["heads", "kv_heads", "width", "vocab", "none"]


@dataclass(frozen=True)
class Matrix:
    """One weight matrix; a token multiplied by it costs 2·inputs·outputs FLOPs."""

    name: str
    inputs: int
    outputs: int
    role: Role
    cut: Cut = "width"
    bias: int = 0  # parameters added, not multiplied

    @property
    def size(self) -> int:
        """Numbers multiplied."""
        return self.inputs * self.outputs

    @property
    def parameters(self) -> int:
        """Numbers stored."""
        return self.size + self.bias


@dataclass(frozen=True)
class Indexer:
    """The scorer of sparse top-k attention: `heads` queries of `width` against one cached key a token.

    A layer that borrows another's choice has `shared=True`: no scoring, no key cache of its own.
    """

    heads: int
    width: int
    key_bytes: float = 1.0  # bytes per number of the cached key
    shared: bool = False


@dataclass(frozen=True)
class Attention:
    """How one layer mixes tokens; kinds differ only in these numbers.

    full: window, top_k and state unset. window: only the last `window` tokens are read and kept.
    latent: kv_heads = 1, `cache_width` = rank + rope, `expanded_width` the wider form used in prefill.
    sparse: `top_k` tokens read, chosen by `indexer`. linear: nothing cached per token, `state` numbers a sequence.
    """

    kind: Literal["full", "window", "latent", "sparse", "linear"]
    matrices: tuple[Matrix, ...]
    vectors: int = 0  # norms, sinks, decay parameters: stored and read, multiplied by nothing of weight
    heads: int = 0
    kv_heads: int = 0
    cache_width: int = 0  # numbers cached per token and KV head, keys and values together
    score_width: int = 0  # multiply-adds per query head and (query, key) pair: keys' width + values' width
    expanded_width: int = 0  # latent: the same, when keys and values are expanded from the cache
    expansion: int = 0  # latent: multiply-adds to expand one cached token
    window: int | None = None
    top_k: int | None = None
    indexer: Indexer | None = None
    borrows: bool = False  # reads the cache of an earlier layer and keeps none
    state: int = 0  # numbers of recurrent state per sequence
    state_bytes: float = 4.0  # bytes per number of that state
    state_work: int = 0  # multiply-adds per new token to read and update the state

    @property
    def parameters(self) -> int:
        """Numbers stored in one layer's attention."""
        return sum(m.parameters for m in self.matrices) + self.vectors

    @property
    def cached(self) -> int:
        """Numbers that one new token adds to this layer's cache (without the indexer's key)."""
        return 0 if self.borrows else self.kv_heads * self.cache_width


@dataclass(frozen=True)
class FeedForward:
    """Dense matrices (with shared experts and router) and, where routed, `experts` of which `top_k` see a token."""

    matrices: tuple[Matrix, ...]
    vectors: int = 0
    experts: int = 0
    top_k: int = 0
    expert_matrices: tuple[Matrix, ...] = ()
    groups: int = 1  # routing limited to `top_groups` of so many groups of experts
    top_groups: int = 1

    @property
    def expert_parameters(self) -> int:
        """Numbers stored in one routed expert."""
        return sum(m.parameters for m in self.expert_matrices)

    @property
    def parameters(self) -> int:
        """Numbers stored in one layer's feed-forward."""
        return sum(m.parameters for m in self.matrices) + self.vectors + self.experts * self.expert_parameters

    @property
    def active_parameters(self) -> int:
        """Numbers that one token meets."""
        return self.parameters - (self.experts - self.top_k) * self.expert_parameters


@dataclass(frozen=True)
class Layers:
    """So many layers of one make; `attention` or `feed_forward` may be missing (hybrids of single blocks)."""

    count: int
    attention: Attention | None = None
    feed_forward: FeedForward | None = None
    vectors: int = 0  # norms outside both

    @property
    def parameters(self) -> int:
        """Numbers stored in all of them."""
        return self.count * (self.vectors + sum(p.parameters for p in (self.attention, self.feed_forward) if p))

    @property
    def active_parameters(self) -> int:
        """Numbers that one token meets in all of them."""
        one = self.vectors + (self.attention.parameters if self.attention else 0)
        return self.count * (one + (self.feed_forward.active_parameters if self.feed_forward else 0))


_BF16: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("attention", "dense", "experts", "shared", "embedding", "head", "small"), "bf16"))


@dataclass(frozen=True)
class Model:
    """A language model as its configuration describes it; sizes in numbers, formats by role."""

    name: str
    family: str  # model_type of the configuration
    hidden: int
    vocab: int
    layers: tuple[Layers, ...]
    embedding: int  # parameters of token (and learned position) embeddings
    head: Matrix  # the output projection; tied: its parameters are the embedding's
    tied: bool = False
    vectors: int = 0  # final norm and the like
    mtp: tuple[Layers, ...] = ()  # multi-token-prediction modules, beside the model
    mtp_vectors: int = 0  # their norms and projections
    max_context: int | None = None
    formats: Mapping[str, str] = field(default_factory=lambda: _BF16)  # role -> number format
    kv_format: str = "bf16"
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def depth(self) -> int:
        """Layers in all."""
        return sum(group.count for group in self.layers)

    @property
    def total_parameters(self) -> int:
        """Numbers stored, without multi-token-prediction modules."""
        return self.embedding + (0 if self.tied else self.head.parameters) + self.vectors + sum(
            group.parameters for group in self.layers)

    @property
    def active_parameters(self) -> int:
        """Numbers that one token meets, embedding and head included."""
        return self.embedding + (0 if self.tied else self.head.parameters) + self.vectors + sum(
            group.active_parameters for group in self.layers)

    @property
    def mtp_parameters(self) -> int:
        """Numbers stored in multi-token-prediction modules."""
        return self.mtp_vectors + sum(group.parameters for group in self.mtp)

    def attentions(self) -> Iterator[tuple[Attention, int]]:
        """Each make of attention with its number of layers."""
        return iter(self._attentions)

    def feed_forwards(self) -> Iterator[tuple[FeedForward, int]]:
        """Each make of feed-forward with its number of layers."""
        return iter(self._feed_forwards)

    @cached_property  # merging compares whole makes of layers, and a plan asks ten thousand times
    def _attentions(self) -> list[tuple[Attention, int]]:
        return _merged((g.attention, g.count) for g in self.layers if g.attention)

    @cached_property
    def _feed_forwards(self) -> list[tuple[FeedForward, int]]:
        return _merged((g.feed_forward, g.count) for g in self.layers if g.feed_forward)

    def kv_bytes_per_token(self, kv_format: str | None = None, *, beyond_window: bool = False) -> float:
        """Bytes that one new token adds to the KV cache; beyond_window: to a context longer than every window.

        Ignores: the indexer's keys (index_bytes_per_token) and recurrent state (state_bytes).
        """
        numbers = sum(a.cached * n for a, n in self.attentions() if not (beyond_window and a.window))
        return numbers * bytes_per_number(kv_format or self.kv_format)

    def index_bytes_per_token(self) -> float:
        """Bytes that one new token adds to the key caches of sparse attention's indexers."""
        return sum(n * a.indexer.width * a.indexer.key_bytes for a, n in self.attentions()
                   if a.indexer and not a.indexer.shared)

    def state_bytes(self) -> float:
        """Bytes of recurrent state that one sequence keeps, whatever its length."""
        return sum(n * a.state * a.state_bytes for a, n in self.attentions())

    def weight_bytes(self) -> float:
        """Bytes of all stored weights in their formats, without multi-token-prediction modules."""
        return sum(size * bytes_per_number(self.formats[role]) for role, size in self.sizes_by_role())

    def with_formats(self, weights: str | None = None, kv: str | None = None) -> Model:
        """The same model with its quantisable weights (attention, feed-forward) or its KV cache in other formats."""
        formats = dict(self.formats)
        if weights is not None:
            bytes_per_number(weights)
            formats |= dict.fromkeys(("attention", "dense", "experts", "shared"), weights)
        if kv is not None:
            bytes_per_number(kv)
        return replace(self, formats=MappingProxyType(formats), kv_format=kv or self.kv_format)

    def sizes_by_role(self) -> Iterator[tuple[str, int]]:
        """Numbers stored under each role; a role may come more than once."""
        yield "embedding", self.embedding
        if not self.tied:
            yield "head", self.head.size
            yield "small", self.head.bias
        yield "small", self.vectors
        for group in self.layers:
            for role, size in _group_sizes(group):
                yield role, size * group.count


def _group_sizes(group: Layers) -> Iterator[tuple[str, int]]:
    yield "small", group.vectors
    for part in (group.attention, group.feed_forward):
        if part is None:
            continue
        yield "small", part.vectors
        for m in part.matrices:
            yield m.role, m.size
            yield "small", m.bias
    feed = group.feed_forward
    if feed is not None:
        yield "experts", feed.experts * sum(m.size for m in feed.expert_matrices)
        yield "small", feed.experts * sum(m.bias for m in feed.expert_matrices)


def _merged(pairs: Iterator[tuple]) -> list[tuple]:
    counts: dict = {}
    for part, count in pairs:
        counts[part] = counts.get(part, 0) + count
    return list(counts.items())
