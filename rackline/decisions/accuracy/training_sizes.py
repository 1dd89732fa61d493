"""Published figures that follow from sizes alone: bytes of activations and state, FLOPs and cached bytes a token."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rackline.decisions.accuracy.predicted import Predicted
from rackline.decisions.accuracy.settings import Like, Refused, engine_of, made_or_refused
from rackline.decisions.accuracy.training_settings import LENGTH, trained_model
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.physics import training as physics
from rackline.systems.training import token_flops

DERIVED = "derived"  # mode of figures that follow from sizes alone
ROUNDED = 0.02  # printed figures of memory and FLOPs leave out small parts: an interval of so much to both sides
_KILO = 1e3


def derived(rows: Sequence[Measured]) -> tuple[list[Predicted], list[tuple[Measured, str]]]:
    """Bytes of activations and state, FLOPs and cached bytes a token: figures that sizes alone give."""
    return made_or_refused(rows, _derived)


def _derived(row: Measured) -> Predicted:
    if row.from_memory:
        raise Refused("not read in a source")
    found = trained_model(row)
    value = DERIVED_METRICS[row.metric](row, found)
    if not row.value > 0.0:
        raise Refused("value is not above zero")
    engine, version = engine_of(row)
    like = Like(row.source[:40], found.name, row.hardware or "any", engine, version, "as configured", DERIVED, row.flag)
    measured = row if row.unit else replace(row, unit="bytes", value=row.value * _KILO)
    return Predicted(measured, like, measured.value, value, value * (1.0 - ROUNDED), value * (1.0 + ROUNDED), "unseen")


# ---- bytes


def _sizes(row: Measured, found: Model) -> tuple[float, float, float, float, float]:
    """Tokens of a micro-batch, length, heads, width, tensor cut; the equations assume feed-forwards of four widths."""
    attention, _ = next(iter(found.attentions()))
    length = row.load.input
    if not length or not row.sizes.tensor:
        raise Refused("length of a sequence or tensor cut not stated")
    micro = re.search(r"(?:MBS|micro_batch)=(\d+)", row.sizes.notes)
    tokens = length * (float(micro[1]) if micro else 1.0)
    return tokens, length, float(attention.heads), float(found.hidden), float(row.sizes.tensor)


def _layer_bytes(row: Measured, found: Model, said: str) -> float:
    """Bytes of one layer's activations under what is said of sequence parallelism and recompute."""
    tokens, length, heads, width, cut = _sizes(row, found)
    both = "both" in said
    if "full" in said:
        return float(physics.layer_input_bytes(tokens, width))
    shared = both or "seq" in said
    kept = physics.sequence_parallel_activation_bytes if shared else physics.activation_bytes
    saved = physics.scores_kept_bytes(tokens, length, heads, cut) if both or "sel" in said else 0.0
    return float(kept(tokens, length, heads, width, cut) - saved)


def _activations(row: Measured, found: Model) -> float:
    """All layers that the first stage holds; what is said stands in the metric's name, "none" is tensors alone."""
    pieces = re.search(r"(?:VP|interleave)=(\d+)", row.sizes.notes)
    held = physics.activations_held(found.depth, max(1, row.sizes.pipeline or 1), float(pieces[1]) if pieces else 1.0)
    return _layer_bytes(row, found, row.metric.removeprefix("activation_memory_")) * float(held)


def _share_of_plain(row: Measured, found: Model) -> float:
    return _layer_bytes(row, found, row.notes) / _layer_bytes(row, found, "none")


def _state(row: Measured, found: Model) -> float:
    """Weights, gradients and Adam's state of the layers, evenly over tensors and stages; embeddings not counted."""
    layers = found.total_parameters - found.embedding - (0 if found.tied else found.head.parameters)
    cut = max(1, row.sizes.tensor or 1) * max(1, row.sizes.pipeline or 1)
    return float(physics.state_bytes(layers, cut))


# ---- of a token


def _flops(row: Measured, found: Model) -> float:
    return sum(token_flops(replace(found, mtp=(), mtp_vectors=0), row.load.input or LENGTH))


def _cached(row: Measured, found: Model) -> float:
    return found.kv_bytes_per_token(row.formats.kv or None)


_ACTIVATIONS = tuple(f"activation_memory_{said}" for said in (
    "none", "seq", "seqpar", "sequence_parallel", "sel", "selective", "seqsel", "full"))
DERIVED_METRICS: Mapping[str, Callable[[Measured, Model], float]] = {
    **dict.fromkeys(_ACTIVATIONS, _activations), "activation_memory_pct_of_tp_baseline": _share_of_plain,
    "memory_params_optimizer": _state, "train_gflops_per_token": _flops, "kv_cache_per_token": _cached}
