"""The ledger: what one forward pass asks of the busiest chip of a pipeline stage, term by term."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rackline.facts.formats import bytes_per_number
from rackline.facts.model import Attention, FeedForward, Matrix, Model
from rackline.physics import attention as pairs_and_reads
from rackline.physics.experts import chips_hit, touched
from rackline.systems.layout import Layout
from rackline.systems.memory import head_share, matrix_bytes
from rackline.systems.passes import Part, Pass
from rackline.systems.work import Message, Work

Number = Any
ACTIVATION_BYTES = 2.0  # activations travel in bf16
Term = tuple[str, Work]


@dataclass(frozen=True)
class _Stage:
    """What every term needs to know: the model, the layout, the share of the pass that the busiest rank holds."""

    model: Model
    layout: Layout
    pass_: Pass
    share: Number  # of the pass's sequences, on the busiest data rank
    layers: Number  # share of the layers, on the busiest stage

    @property
    def cut(self) -> Number:
        return self.layout.tensor * self.layout.context

    @property
    def tokens(self) -> Number:
        return self.pass_.tokens * self.share


def ledger(model: Model, layout: Layout, pass_: Pass) -> dict[str, Work]:
    """Work of one micro-batch on the busiest chip of the busiest stage, by term; arrays broadcast.

    Ignores: activations written and read between kernels (about 10·hidden bytes a token and layer: under 2 % of
    memory time in decode, up to a tenth of prefill), the sampling of logits, norms' arithmetic, and skewed routing:
    experts are drawn uniformly.
    """
    stage = _Stage(model, layout, pass_, _rank_share(pass_.sequences, layout.data),
                   _ceil_share(model.depth, layout.pipeline))
    terms: dict[str, Work] = {}
    for name, work in _all_terms(stage):
        terms[name] = terms[name] + work if name in terms else work
    return terms


def _all_terms(stage: _Stage) -> Iterator[Term]:
    attentions, forwards = list(stage.model.attentions()), list(stage.model.feed_forwards())
    for attention, count in attentions:
        name = "attention" if len(attentions) == 1 else f"{attention.kind} attention"
        yield from _attention(stage, attention, name, count * stage.layers)
    for forward, count in forwards:
        yield from _feed_forward(stage, forward, count * stage.layers)
    yield from _ends(stage)


def _rank_share(sequences: Number, data: Number) -> Number:
    return np.ceil(sequences / data) / sequences


def _ceil_share(pieces: Number, ways: Number) -> Number:
    """The share of `pieces` whole things that the busiest of `ways` holders has."""
    return np.ceil(pieces / ways) / pieces


def _product(stage: _Stage, matrix: Matrix, tokens: Number, count: Number, cut: Number) -> Work:
    stored = stage.model.formats[matrix.role]
    work = 2.0 * matrix.size * cut * count
    return Work({stored: work * tokens}, matrix_bytes(stage.model, matrix) * cut * count)


# ---- attention


def _attention(stage: _Stage, a: Attention, name: str, count: Number) -> Iterator[Term]:
    for matrix in a.matrices:
        yield f"{name}.{matrix.name}", _product(stage, matrix, stage.tokens, count, head_share(a, matrix, stage.cut))
    small = bytes_per_number(stage.model.formats["small"])
    yield "norms", Work({}, a.vectors * count * small, layers=count)
    parts = [_scaled(part, stage.share) for part in stage.pass_.parts]
    if a.kv_heads:
        yield f"{name}.scores", _sum(_scores(stage, a, part, count) for part in parts)
    if a.indexer and not a.indexer.shared:
        yield f"{name}.indexer scores", _sum(_indexing(stage, a, part, count) for part in parts)
    if a.state:
        yield f"{name}.state", _sum(_state(stage, a, part, count) for part in parts)
    if a.matrices:
        yield f"{name}.all-reduce", _all_reduce(stage, count)


def _scaled(part: Part, share: Number) -> Part:
    return Part(part.sequences * share, part.new, part.past, part.logits)


def _sum(works: Iterator[Work]) -> Work:
    return sum(works, start=Work())


def _scores(stage: _Stage, a: Attention, part: Part, count: Number) -> Work:
    """Queries against keys, weights against values; the cache read once, the new tokens written."""
    layout, kv_format = stage.layout, stage.model.kv_format
    pairs = _pairs(a, part)
    multiplies = pairs * (a.score_width * a.heads)
    if a.expanded_width:
        expanded = pairs * (a.expanded_width * a.heads) + part.past * float(a.expansion)
        multiplies = np.minimum(multiplies, expanded)
    heads = _ceil_share(a.heads, layout.tensor) / layout.context
    kept = _ceil_share(a.kv_heads, layout.tensor) / layout.context
    read = _read(a, part)
    written = 0.0 if a.borrows else part.new
    moved = (read + written) * (a.kv_heads * a.cache_width * bytes_per_number(kv_format)) * kept
    scale = part.sequences * count
    return Work({kv_format: 2.0 * multiplies * heads * scale}, moved * scale)


def _pairs(a: Attention, part: Part) -> Number:
    seen = a.top_k or a.window
    return (pairs_and_reads.pairs_window(part.new, part.past, seen) if seen
            else pairs_and_reads.pairs_full(part.new, part.past))


def _read(a: Attention, part: Part) -> Number:
    if a.top_k:
        return pairs_and_reads.cached_read_top_k(part.past, part.new, a.top_k)
    if a.window:
        return pairs_and_reads.cached_read_window(part.past, a.window)
    return pairs_and_reads.cached_read_full(part.past)


def _indexing(stage: _Stage, a: Attention, part: Part, count: Number) -> Work:
    """Every cached key scored by every index head; one key a token, on every tensor rank."""
    index = a.indexer
    assert index is not None
    pairs = pairs_and_reads.pairs_full(part.new, part.past)
    scale = part.sequences * count / stage.layout.context
    stored = "fp8" if index.key_bytes <= 1 else "bf16"
    moved = (part.past + part.new) * (index.width * index.key_bytes)
    return Work({stored: 2.0 * pairs * (index.heads * index.width) * scale}, moved * scale)


def _state(stage: _Stage, a: Attention, part: Part, count: Number) -> Work:
    """The recurrent state read and written once, updated by every new token."""
    scale = part.sequences * count / stage.cut
    return Work({"bf16": 2.0 * a.state_work * part.new * scale}, 2.0 * a.state * a.state_bytes * scale)


def _all_reduce(stage: _Stage, count: Number) -> Work:
    payload = stage.tokens * (stage.model.hidden * ACTIVATION_BYTES)
    return Work(messages=(Message("all-reduce", stage.cut, payload, count),))


# ---- feed-forward


def _feed_forward(stage: _Stage, f: FeedForward, count: Number) -> Iterator[Term]:
    kind = "moe" if f.experts else "dense"
    for matrix in f.matrices:
        cut = 1.0 if matrix.cut == "none" else 1.0 / stage.cut
        yield f"{kind}.{matrix.name}", _product(stage, matrix, stage.tokens, count, cut)
    yield "norms", Work({}, f.vectors * count * bytes_per_number(stage.model.formats["small"]), picks=f.top_k * count)
    if f.experts:
        yield from _experts(stage, f, count)
    yield f"{kind}.all-reduce", _all_reduce(stage, count)


def _experts(stage: _Stage, f: FeedForward, count: Number) -> Iterator[Term]:
    layout = stage.layout
    routed = stage.tokens * layout.data  # every rank as full as the busiest: their experts see that many tokens
    dealt = _ceil_share(f.experts, layout.expert)  # of the experts, on the busiest group
    cut = layout.expert / layout.stage  # each expert's share on a chip of its group
    asked = touched(f.experts, f.top_k, np.maximum(1.0, stage.pass_.tokens))
    stored = stage.model.formats["experts"]
    # one expert is whole: however few the tokens, some group reads one and works for one token
    visits = np.maximum(dealt * f.top_k * routed, 1.0) * cut * count
    reads = np.maximum(dealt * asked, 1.0) * cut * count
    for matrix in f.expert_matrices:
        flops = 2.0 * matrix.size * visits
        read = matrix_bytes(stage.model, matrix) * reads
        yield f"experts.{matrix.name}", Work({stored: flops}, read)
    yield from _exchange(stage, f, count)


def _exchange(stage: _Stage, f: FeedForward, count: Number) -> Iterator[Term]:
    """Dispatch and combine between data ranks; with one data rank every chip already has every token."""
    layout = stage.layout
    if np.all(np.asarray(layout.data) == 1):
        return
    width = f.expert_matrices[0].inputs
    quantised = min(ACTIVATION_BYTES, max(1.0, bytes_per_number(stage.model.formats["experts"])))
    pieces = stage.tokens / stage.cut  # tokens that a chip hands out
    times = count * (np.asarray(layout.data) > 1)
    copies = chips_hit(layout.expert, f.experts, f.top_k) * (layout.stage / layout.expert)
    limit = f.top_groups if f.groups > 1 else f.top_k
    for name, size in (("dispatch", quantised), ("combine", ACTIVATION_BYTES)):
        message = Message("all-to-all", layout.stage, pieces * (width * size), times, copies=copies, domains=limit)
        yield f"experts.{name}", Work(messages=(message,))


# ---- ends


def _ends(stage: _Stage) -> Iterator[Term]:
    model, formats = stage.model, stage.model.formats
    row = model.hidden * bytes_per_number(formats["embedding"])
    yield "embedding", Work({}, stage.tokens * row)
    logits = stage.pass_.logits * stage.share
    yield "head", replace(_product(stage, model.head, logits, 1.0, 1.0 / stage.cut), sequences=logits)
    norms = model.vectors + sum(g.vectors * g.count for g in model.layers) * stage.layers
    yield "norms", Work({}, norms * bytes_per_number(formats["small"]))
    if np.any(np.asarray(stage.layout.pipeline) > 1):
        payload = stage.tokens * (model.hidden * ACTIVATION_BYTES) / stage.cut
        moves = np.asarray(stage.layout.pipeline) > 1
        yield "stage to stage", Work(messages=(Message("send", 2, payload, moves * 1.0, span=stage.layout.stage),))
