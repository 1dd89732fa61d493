"""Bytes on the busiest chip, and the largest batch or context that fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.facts.fact import Fact
from rackline.facts.formats import bytes_per_number
from rackline.facts.machine import Machine
from rackline.facts.model import Attention, Matrix, Model
from rackline.systems.layout import Layout

Number = Any

USABLE = Fact(value=0.9, unit="ratio", kind="assumed", low=0.85, high=0.95, date="2026-11-21",
              source="defaults of engines: vLLM gpu-memory-utilization 0.92, TensorRT-LLM 0.9 of what is free",
              note="the rest holds activations, graphs and the engine itself")
USED = Fact(value=0.952, low=0.911, high=0.977, unit="ratio", kind="derived", date="2026-11-28",
            source="bundled InferenceX rows whose clients queue for memory (decisions/accuracy/memory_used.py): "
                   "weights, and caches of the sequences that ran, N = clients/(1 + ttft/(tpot*output))",
            note="of the datasheet's bytes: engines take 0.9 of what a device reports, which is up to 1.07 times those")


@dataclass(frozen=True)
class Memory:
    """Bytes on the busiest chip: weights, KV cache of its sequences, recurrent state, and what may be used."""

    weights: Number
    cache: Number
    state: Number
    usable: Number

    @property
    def total(self) -> Number:
        """Bytes asked for."""
        return self.weights + self.cache + self.state

    @property
    def fits(self) -> Number:
        """Whether it fits."""
        return self.total <= self.usable


def memory(model: Model, machine: Machine, layout: Layout, batch: Number, context: Number,
           share: float = USABLE.value) -> Memory:
    """Bytes on the busiest chip for `batch` sequences of `context` tokens in each replica; share: that may be used."""
    sequences = np.ceil(batch / layout.data)
    return Memory(weight_bytes(model, layout), sequences * cache_bytes(model, layout, context),
                  sequences * state_bytes(model, layout), usable_bytes(machine, share))


def usable_bytes(machine: Machine, share: float = USABLE.value) -> float:
    """Bytes of a chip's memory that weights and KV cache may take, so large a share of the datasheet's."""
    return machine.chip.memory_capacity.value * share


def weight_bytes(model: Model, layout: Layout) -> Number:
    """Bytes of weights on the busiest chip of a stage; embedding and head are on one stage."""
    cut = layout.tensor * layout.context
    size = lambda m, share: matrix_bytes(model, m) * share  # noqa: E731
    layered: Number = sum(g.vectors * g.count for g in model.layers) * bytes_per_number(model.formats["small"])
    for a, count in model.attentions():
        layered = layered + count * sum(size(m, head_share(a, m, cut)) for m in a.matrices)
    for f, count in model.feed_forwards():
        layered = layered + count * sum(size(m, 1.0 if m.cut == "none" else 1.0 / cut) for m in f.matrices)
        dealt = np.ceil(f.experts / layout.expert) * (layout.expert / layout.stage)
        layered = layered + count * sum(size(m, dealt) for m in f.expert_matrices)
    ends = model.embedding * bytes_per_number(model.formats["embedding"])
    ends += 0.0 if model.tied else size(model.head, 1.0)
    return layered * layer_share(model, layout) + ends / cut


def matrix_bytes(model: Model, matrix: Matrix) -> float:
    """Bytes of one matrix: its numbers in its role's format, its bias in the format of small parts."""
    formats = model.formats
    return matrix.size * bytes_per_number(formats[matrix.role]) + matrix.bias * bytes_per_number(formats["small"])


def head_share(a: Attention, matrix: Matrix, cut: Number) -> Number:
    """The share of an attention matrix on the busiest of `cut` chips: heads are whole, repeated once they run out."""
    heads = {"heads": a.heads, "kv_heads": a.kv_heads}.get(matrix.cut, 0)
    if matrix.cut == "none":
        return 1.0
    return np.ceil(heads / cut) / heads if heads else 1.0 / cut


def layer_share(model: Model, layout: Layout) -> Number:
    """The share of the layers on the busiest stage."""
    return np.ceil(model.depth / layout.pipeline) / model.depth


def cache_bytes(model: Model, layout: Layout, context: Number) -> Number:
    """Bytes of one sequence's KV cache on the busiest chip that holds it.

    Heads are whole: beyond the number of KV heads (one for latent attention) tensor ranks keep copies.
    """
    per_number = bytes_per_number(model.kv_format)
    kept: Number = 0.0
    for a, count in model.attentions():
        tokens = context if a.window is None else np.minimum(context, a.window)
        if a.cached:
            copies = np.ceil(a.kv_heads / layout.tensor) / a.kv_heads
            kept = kept + count * a.cached * per_number * tokens * copies
        if a.indexer and not a.indexer.shared:
            kept = kept + count * a.indexer.width * a.indexer.key_bytes * context
    return kept / layout.context * layer_share(model, layout)


def state_bytes(model: Model, layout: Layout) -> Number:
    """Bytes of one sequence's recurrent state on a chip."""
    return model.state_bytes() / (layout.tensor * layout.context) * layer_share(model, layout)


def largest_batch(model: Model, machine: Machine, layout: Layout, context: Number,
                  share: float = USABLE.value) -> Number:
    """Most sequences of `context` tokens that fit in one replica; 0 where the weights leave no room."""
    room = usable_bytes(machine, share) - weight_bytes(model, layout)
    one = cache_bytes(model, layout, context) + state_bytes(model, layout)
    return np.floor(np.maximum(room, 0.0) / np.maximum(one, 1e-9)) * layout.data


def largest_context(model: Model, machine: Machine, layout: Layout, batch: Number,
                    share: float = USABLE.value, *, most: float = 2.0**40) -> Number:
    """Most tokens a sequence that fit with `batch` sequences in one replica, by bisection; 0 where none does."""
    low = np.zeros(np.broadcast(layout.chips, batch).shape)
    high = np.full(low.shape, most)
    for _ in range(int(np.ceil(np.log2(most)))):
        middle = np.floor((low + high) / 2.0)
        fits = memory(model, machine, layout, batch, middle, share).fits
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return low
