"""The same model with its attention replaced by each kind, as published models have them."""

from __future__ import annotations

from dataclasses import replace

from rackline.facts.model import Attention, Layers, Model
from rackline.facts.models import model as read_model

# where each kind's cache and scores come from; weights, layers and query heads stay the model's own
FULL, WINDOWED, LATENT, SPARSE = "llama-3.1-405b", "gemma-3-27b", "deepseek-v3", "deepseek-v3.2"
HOW = {
    "full": "8 KV heads of 128 in every layer (Llama-3.1-405B)",
    "windowed": "the same, five layers of six with a window of 1,024 (Gemma 3)",
    "latent": "one latent of 576 numbers a layer (DeepSeek-V3)",
    "sparse": "the same latent, 2,048 tokens of it read as an indexer chooses (DeepSeek-V3.2)",
}


def variants(model: Model) -> dict[str, Model]:
    """The model under each kind of attention."""
    full, latent, sparse = (_main(read_model(name)) for name in (FULL, LATENT, SPARSE))
    gemma = read_model(WINDOWED)
    window = next(a.window for a, _ in gemma.attentions() if a.window)
    share = sum(n for a, n in gemma.attentions() if a.window) / sum(n for _, n in gemma.attentions())
    near = replace(full, kind="window", window=window)
    return {"full": _with(model, full), "windowed": _mixed(model, near, full, share),
            "latent": _with(model, latent), "sparse": _with(model, sparse)}


def _main(model: Model) -> Attention:
    return max(model.attentions(), key=lambda pair: pair[1])[0]


def _with(model: Model, kind: Attention) -> Model:
    return replace(model, layers=tuple(_layers(group, group.count, kind) for group in model.layers))


def _mixed(model: Model, near: Attention, far: Attention, share: float) -> Model:
    groups: list[Layers] = []
    for group in model.layers:
        own = round(share * group.count)
        groups += [_layers(group, n, kind) for n, kind in ((own, near), (group.count - own, far)) if n]
    return replace(model, layers=tuple(groups))


def _layers(group: Layers, count: int, kind: Attention) -> Layers:
    attention = group.attention and _like(group.attention, kind)
    return replace(group, count=count, attention=attention)


def _like(own: Attention, kind: Attention) -> Attention:
    """The own weights and query heads with another's cache and scores; an expansion grows with the heads.

    A layer without query heads (a recurrent one) takes the other's heads.
    """
    heads = own.heads or kind.heads
    return replace(own, kind=kind.kind, heads=heads, kv_heads=min(kind.kv_heads, heads), cache_width=kind.cache_width,
                   score_width=kind.score_width, expanded_width=kind.expanded_width,
                   expansion=round(kind.expansion * heads / kind.heads), window=kind.window, top_k=kind.top_k,
                   indexer=kind.indexer, borrows=False, state=0, state_work=0)
