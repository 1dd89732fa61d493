"""`rackline facts MODEL`: what a model stores, reads and caches, with the arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackline import units
from rackline.decisions.answer import Answer, Column, Line, Source, Table
from rackline.facts.formats import bytes_per_number
from rackline.facts.model import Attention, FeedForward, Layers, Model

_MATRIX = Column("parameters", "parameters")


def model_answer(model: Model) -> Answer:
    """Parameters, cache, state and weight bytes of one model, each with its arithmetic."""
    return Answer(
        question="facts", headline=_headline(model), badge="derived",
        tables=(_parts(model), _kinds(model), _memory(model), _weights(model)),
        notes=model.notes, explain=tuple(_explain(model)), data=_data(model),
        sources=(Source(model.name, f"{model.total_parameters:,} parameters", model.source or "the user's file", ""),))


def _headline(model: Model) -> str:
    total, active = model.total_parameters, model.active_parameters
    sees = "" if active == total else f", of which a token meets {units.show(active, 'parameters')}"
    kv = f"{model.kv_bytes_per_token('bf16'):,.0f} bytes of bf16 KV cache a token"
    window = model.kv_bytes_per_token("bf16", beyond_window=True)
    beyond = "" if window == model.kv_bytes_per_token("bf16") else f" ({window:,.0f} beyond its windows)"
    state = f" and keeps {units.show(model.state_bytes(), 'bytes')} of state a sequence" if model.state_bytes() else ""
    return (f"{model.name} stores {units.show(total, 'parameters')} parameters{sees}; it writes {kv}{beyond}{state}; "
            f"its weights take {units.show(model.weight_bytes(), 'bytes')}.")


def _data(model: Model) -> dict[str, Any]:
    return {
        "name": model.name, "family": model.family, "total_parameters": model.total_parameters,
        "active_parameters": model.active_parameters, "mtp_parameters": model.mtp_parameters,
        "kv_bytes_per_token": model.kv_bytes_per_token("bf16"),
        "kv_bytes_per_token_beyond_window": model.kv_bytes_per_token("bf16", beyond_window=True),
        "kv_bytes_per_token_stored": model.kv_bytes_per_token(), "kv_format": model.kv_format,
        "index_bytes_per_token": model.index_bytes_per_token(), "state_bytes": model.state_bytes(),
        "weight_bytes": model.weight_bytes(), "layers": model.depth, "hidden": model.hidden, "vocab": model.vocab,
        "max_context": model.max_context, "formats": dict(model.formats), "source": model.source}


def _parts(model: Model) -> Table:
    """Parameters by part: stored, and met by one token."""
    rows: list[tuple[str, int, int]] = [("embedding", model.embedding, model.embedding)]
    head = 0 if model.tied else model.head.parameters
    rows.append(("output head, tied to the embedding" if model.tied else "output head", head, head))
    for group in model.layers:
        rows += _group_rows(group)
    rows.append(("final norm and the like", model.vectors, model.vectors))
    rows.append(("total", model.total_parameters, model.active_parameters))
    if model.mtp_parameters:
        rows.append(("beside it: multi-token prediction", model.mtp_parameters, 0))
    return Table("Parameters by part", (Column("part"), _MATRIX, Column("met by a token", "parameters")), tuple(rows))


def _group_rows(group: Layers) -> Iterator[tuple[str, int, int]]:
    if group.attention:
        size = group.count * group.attention.parameters
        yield f"{group.count} × attention, {attention_name(group.attention)}", size, size
    if group.feed_forward:
        feed = group.feed_forward
        yield f"{group.count} × feed-forward, {feed_name(feed)}", group.count * feed.parameters, (
            group.count * feed.active_parameters)
    if group.vectors:
        yield f"{group.count} × norms", group.count * group.vectors, group.count * group.vectors


def attention_name(attention: Attention) -> str:
    """The kind in words with its sizes."""
    sizes = f"{attention.heads} heads, {attention.kv_heads} of keys and values"
    if attention.kind == "linear":
        return f"recurrent, state of {attention.state:,} numbers" if attention.state else "replaced by a matrix"
    if attention.kind in ("latent", "sparse"):
        sizes = f"{attention.heads} heads on a latent of {attention.cache_width}"
    text = {"full": "full", "window": f"window of {attention.window}", "latent": "latent",
            "sparse": f"sparse top {attention.top_k}"}[attention.kind]
    shared = ", index borrowed" if attention.indexer and attention.indexer.shared else ""
    return f"{text}, {sizes}{shared}" + (", cache borrowed" if attention.borrows else "")


def feed_name(feed: FeedForward) -> str:
    """Dense, or so many of so many experts."""
    return f"{feed.top_k} of {feed.experts} experts" if feed.experts else "dense"


def _kinds(model: Model) -> Table:
    rows = [(count, attention_name(a), "", a.cached, a.state) for a, count in model.attentions()]
    rows += [(count, "", feed_name(f), 0, 0) for f, count in model.feed_forwards()]
    return Table("Layers by kind", (Column("layers", "count"), Column("attention"), Column("feed-forward"),
                                    Column("numbers cached a token", "count"), Column("numbers of state", "count")),
                 tuple(rows))


def _memory(model: Model) -> Table:
    rows = [("KV cache in bf16, every caching layer", model.kv_bytes_per_token("bf16")),
            ("KV cache in bf16, beyond every window", model.kv_bytes_per_token("bf16", beyond_window=True)),
            (f"KV cache in {model.kv_format}, as published", model.kv_bytes_per_token()),
            ("keys of the indexer", model.index_bytes_per_token())]
    return Table("Bytes a token; state a sequence",
                 (Column("what"), Column("size", "bytes")),
                 (*rows, ("recurrent state a sequence", model.state_bytes())))


def _weights(model: Model) -> Table:
    """Bytes of stored weights by role and format."""
    sizes: dict[str, int] = {}
    for role, size in model.sizes_by_role():
        sizes[role] = sizes.get(role, 0) + size
    rows = tuple((role, model.formats[role], size, size * bytes_per_number(model.formats[role]))
                 for role, size in sizes.items() if size)
    total = ("total", "", model.total_parameters, model.weight_bytes())
    columns = (Column("role"), Column("format"), _MATRIX, Column("size", "bytes"))
    return Table("Weights by format", columns, (*rows, total))


def _explain(model: Model) -> Iterator[Line]:
    parts = [f"{count} × {name} {size:,}" for name, count, size in _group_sizes(model)]
    head = "0 (tied)" if model.tied else f"{model.head.parameters:,}"
    yield Line("total parameters", "embedding + head + final norm + Σ layers × (attention + feed-forward + norms)",
               f"{model.embedding:,} + {head} + {model.vectors:,} + " + " + ".join(parts), model.total_parameters,
               "parameters")
    yield from _active_lines(model)
    yield from _cache_lines(model)
    yield from _weight_lines(model)


def _group_sizes(model: Model) -> Iterator[tuple[str, int, int]]:
    for group in model.layers:
        yield "layer of", group.count, group.parameters // group.count


def _active_lines(model: Model) -> Iterator[Line]:
    routed = [(feed, count) for feed, count in model.feed_forwards() if feed.experts]
    if not routed:
        return
    idle = " − ".join(f"{count} × ({f.experts} − {f.top_k}) × {f.expert_parameters:,}" for f, count in routed)
    yield Line("active parameters", "total − layers × (experts − chosen) × expert",
               f"{model.total_parameters:,} − {idle}", model.active_parameters, "parameters")


def _cache_lines(model: Model) -> Iterator[Line]:
    caching = [(a, n) for a, n in model.attentions() if a.cached]
    if caching:
        text = " + ".join(f"{n} × {_cached_text(a)} × 2 B" for a, n in caching)
        yield Line("KV bytes a token", "layers × KV heads × (key + value width) × bytes", text,
                   model.kv_bytes_per_token("bf16"), "bytes")
    indexing = [(a, n) for a, n in model.attentions() if a.indexer and not a.indexer.shared]
    for a, n in indexing:
        yield Line("index bytes a token", "layers × key width × bytes",
                   f"{n} × {a.indexer.width} × {a.indexer.key_bytes:g} B",  # type: ignore[union-attr]
                   model.index_bytes_per_token(), "bytes")
    for a, n in model.attentions():
        if a.state:
            yield Line("state bytes a sequence", "layers × numbers of state × bytes",
                       f"{n} × {a.state:,} × {a.state_bytes:.4g} B", n * a.state * a.state_bytes, "bytes")


def _cached_text(attention: Attention) -> str:
    """KV heads × (key + value), or 1 × (rank + rope) where both come from one latent."""
    if attention.kind in ("latent", "sparse") and attention.expanded_width:
        rank = attention.score_width - attention.cache_width
        return f"1 × ({rank} + {attention.cache_width - rank})"
    half = attention.cache_width // 2
    return f"{attention.kv_heads} × ({half} + {half})"


def _weight_lines(model: Model) -> Iterator[Line]:
    sizes: dict[str, int] = {}
    for role, size in model.sizes_by_role():
        sizes[model.formats[role]] = sizes.get(model.formats[role], 0) + size
    text = " + ".join(f"{size:,} × {bytes_per_number(name):g} B ({name})" for name, size in sizes.items() if size)
    yield Line("weight bytes", "Σ numbers × bytes of their format", text, model.weight_bytes(), "bytes")
