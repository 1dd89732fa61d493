"""A training step as parts of seconds: forward and backward passes of micro-batches, the exchange of gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from rackline.facts.formats import math_format
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.physics import collectives as wire
from rackline.physics import training as physics
from rackline.systems.layout import Layout
from rackline.systems.ledger import ACTIVATION_BYTES, ledger
from rackline.systems.network import message_time
from rackline.systems.parts import MICRO
from rackline.systems.passes import Part, Pass
from rackline.systems.work import Message, Work

Number = Any
Recompute = Literal["none", "selective", "full"]
# forward work that is done again, of matrices and of attention's scores
AGAIN: Mapping[str, tuple[float, float]] = {"none": (0.0, 0.0), "selective": (0.0, 1.0), "full": (1.0, 1.0)}
SCORES_BACK = 2.5  # fused attention computes the scores again: five products where forward has two
GRADIENT_BYTES = 4.0  # gradients are added up in 32 bits
LOGIT_BYTES = 4.0
STEP_PARTS = ("matrix 16", "matrix 8", "matrix 4", "experts", "scores", "token", "copies", "logits", "weights",
              "optimizer", "tensor", "context", "exchange", "send", "reduce", "shards", "layer", "routing", "expert",
              "step")
MILLI = 1e-3
WORKING = ("matrix 16", "matrix 8", "matrix 4", "experts", "scores")


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: `batch` sequences of `length` tokens a step, `micro` of them at once on a data rank.

    layout: `data` ranks between which experts are dealt, `replicas` of these; `pieces` of layers that a pipeline
    stage holds (1: one run of layers). sharded: parameters and gradients are cut over all data ranks and gathered for
    every micro-batch (FSDP, ZeRO-3). arithmetic: number format of matrix products. frozen: no gradients of weights.
    """

    model: Model
    layout: Layout
    batch: float
    length: float
    micro: float = 1.0
    pieces: float = 1.0
    recompute: Recompute = "none"
    sharded: bool = False
    arithmetic: str = "bf16"
    frozen: bool = False

    @property
    def ranks(self) -> float:
        """Data ranks in all: each trains on its own sequences."""
        return float(self.layout.data * self.layout.replicas)

    @property
    def micros(self) -> float:
        """Micro-batches that each data rank runs in a step."""
        return max(1.0, self.batch / (self.ranks * self.micro))

    @property
    def turns(self) -> float:
        """Micro-batches that take as long as a step does on one stage, the pipeline's bubble included."""
        return self.micros * (1.0 + float(physics.bubble(self.layout.pipeline, self.micros, self.pieces)))


def predictors(model: Model) -> Model:
    """The model with its multi-token-prediction modules as further layers, as it is trained."""
    return replace(model, layers=model.layers + model.mtp, mtp=()) if model.mtp else model


def token_flops(model: Model, length: float, causal: bool = True) -> tuple[float, float]:
    """FLOPs that a token of a step is counted with: matrices and head, and scores of attention."""
    modules = sum(g.count for g in model.mtp if g.attention)  # each predicts one more token, with a head of its own
    model = predictors(model)
    matrices = sum(n * sum(m.size for m in a.matrices) for a, n in model.attentions())
    matrices += sum(n * (sum(m.size for m in f.matrices) + f.top_k * sum(m.size for m in f.expert_matrices))
                    for f, n in model.feed_forwards())
    width = sum(n * a.heads * (a.expanded_width or a.score_width) / 2.0 * min(1.0, (a.window or length) / length)
                for a, n in model.attentions() if a.kv_heads)
    state = sum(n * a.state_work for a, n in model.attentions())
    heads = model.head.size * (1 + modules)
    scores = float(physics.score_flops(length, 1, width)) * (1.0 if causal else 2.0)
    return float(physics.training_flops(1.0, matrices + heads + state)), scores


# ---- seconds


def step_parts(recipe: Recipe, machine: Machine) -> dict[str, float]:
    """Seconds of one step by part, at the datasheet's rates.

    matrix 16, 8, 4: products by bits of their arithmetic; experts: those of routed experts; scores: attention.
    token, copies, logits: activations written and read once a layer, once for each expert picked, 32-bit logits.
    weights: weights and gradients read and written each micro-batch; optimizer: its state. Messages: tensor
    (all-reduces of a layer), context (keys and values), exchange (experts), send (between stages), reduce (gradients
    and weights once a step, beyond the work of one micro-batch, which hides them), shards (the same every micro-batch).
    Counts in microseconds every micro-batch: layer, routing (a routed layer), expert (on this chip); step in
    milliseconds.
    Ignores: uneven stages, data loading, checkpoints, overlap: coefficients below one say what is hidden.
    """
    found = dict.fromkeys(STEP_PARTS, 0.0)
    micro = _micro_parts(recipe, machine)
    for name, seconds in micro.items():
        found[name] += recipe.turns * seconds
    for name, seconds in _once(recipe, machine, sum(micro[name] for name in WORKING)).items():
        found[name] += seconds
    return found


def _share(recipe: Recipe) -> float:
    """Of the model's work on a micro-batch, what a chip does of it beyond the cut by tensors and experts."""
    return 1.0 / (recipe.layout.pipeline * recipe.layout.context)


def _micro_parts(r: Recipe, machine: Machine) -> dict[str, float]:
    found = dict.fromkeys(STEP_PARTS, 0.0)
    model, layout = _in_arithmetic(predictors(r.model), r.arithmetic), r.layout
    inner = Layout(layout.tensor, layout.data, 1, 1, layout.expert)
    pass_ = Pass((Part(r.micro * layout.data, r.length, 0.0, r.length),))
    for term, work in ledger(model, inner, pass_).items():
        _add_term(found, term, work, r, machine)
    _add_traffic(found, model, r, machine)
    _add_messages(found, model, r, machine)
    chip_layers = model.depth / layout.pipeline
    routed = [(n, np.ceil(f.experts / layout.expert)) for f, n in model.feed_forwards() if f.experts]
    found["layer"] = MICRO * chip_layers
    found["routing"] = MICRO * float(sum(n for n, _ in routed)) / layout.pipeline
    found["expert"] = MICRO * float(sum(n * experts for n, experts in routed)) / layout.pipeline
    return found


def _in_arithmetic(model: Model, arithmetic: str) -> Model:
    plain = dict.fromkeys(model.formats, "bf16")
    wide = dict.fromkeys(("attention", "dense", "experts", "shared"), arithmetic)
    return replace(model, formats=MappingProxyType(plain | wide), kv_format="bf16")


def _add_term(found: dict[str, float], term: str, work: Work, r: Recipe, machine: Machine) -> None:
    again, scores_again = AGAIN[r.recompute]
    rates = {name: fact.value for name, fact in machine.chip.flops.items()}
    for stored, flops in work.flops.items():
        arithmetic = math_format(stored, machine.chip.flops)
        seconds = float(flops) / rates[arithmetic] * _share(r)
        if term.endswith(("scores", ".state")):
            found["scores"] += seconds * (1.0 + SCORES_BACK + scores_again)
        elif term.startswith("experts."):
            found["experts"] += seconds * (1.0 + again + (1.0 if r.frozen else 2.0))
        else:
            found[_matrix_part(arithmetic)] += seconds * (1.0 + again + (1.0 if r.frozen else 2.0))
    for message in work.messages:
        part = "exchange" if message.kind == "all-to-all" else "tensor"
        cut = replace(message, payload=message.payload / r.layout.context)
        found[part] += float(message_time(machine, cut)) * (2.0 + again) / r.layout.pipeline


def _matrix_part(arithmetic: str) -> str:
    return {"fp8": "matrix 8", "fp4": "matrix 4", "int8": "matrix 8"}.get(arithmetic, "matrix 16")


def _add_traffic(found: dict[str, float], model: Model, r: Recipe, machine: Machine) -> None:
    bandwidth = machine.chip.memory_bandwidth.value
    tokens = r.micro * r.length * _share(r) / r.layout.tensor
    moved = tokens * ACTIVATION_BYTES * (1.0 + AGAIN[r.recompute][0] / 2.0) / bandwidth
    picked = sum(n * f.top_k * (f.expert_matrices[0].inputs if f.expert_matrices else 0)
                 for f, n in model.feed_forwards())
    found["token"] = moved * model.hidden * model.depth
    found["copies"] = moved * picked
    found["logits"] = tokens * model.head.outputs * LOGIT_BYTES / bandwidth
    found["weights"] = chip_parameters(model, r.layout) * (ACTIVATION_BYTES + GRADIENT_BYTES) / bandwidth


def chip_parameters(model: Model, layout: Layout) -> float:
    """Parameters that a chip computes with: cut by tensors, stages and experts, not by data ranks."""
    experts = sum(n * f.experts * f.expert_parameters for f, n in model.feed_forwards())
    dense = model.total_parameters - experts
    return float((dense / layout.tensor + experts / layout.stage) / layout.pipeline)


def _add_messages(found: dict[str, float], model: Model, r: Recipe, machine: Machine) -> None:
    layout = r.layout
    tokens = r.micro * r.length / layout.context / layout.tensor
    if layout.pipeline > 1:
        payload = tokens * model.hidden * ACTIVATION_BYTES
        send = Message("send", 2, payload, 1.0, span=layout.stage * layout.replicas)
        found["send"] = float(message_time(machine, send)) * 2.0 * r.pieces
    if layout.context > 1:
        kept = sum(n * a.kv_heads * a.cache_width for a, n in model.attentions())
        whole = r.micro * r.length * kept * ACTIVATION_BYTES / layout.tensor / layout.pipeline
        found["context"] = 3.0 * gather_time(machine, whole, layout.context, layout.tensor)
    if r.sharded:
        found["shards"] = _data_bytes_time(model, r, machine, 3.0)


def _once(r: Recipe, machine: Machine, working: float) -> dict[str, float]:
    model = predictors(r.model)
    mine = chip_parameters(model, r.layout)
    if r.frozen:
        return {"step": MILLI}
    reduce = 0.0 if r.sharded else _data_bytes_time(model, r, machine, 1.0 + GRADIENT_BYTES / ACTIVATION_BYTES)
    shards = r.ranks * r.layout.context
    traffic = float(physics.optimizer_traffic(mine * ACTIVATION_BYTES, shards))
    reduce = max(0.0, reduce - working)
    return {"reduce": reduce, "optimizer": traffic / machine.chip.memory_bandwidth.value, "step": MILLI}


def _data_bytes_time(model: Model, r: Recipe, machine: Machine, times: float) -> float:
    """Seconds to gather a chip's 16-bit parameters from its data ranks, so many times."""
    layout = r.layout
    experts = sum(n * f.experts * f.expert_parameters for f, n in model.feed_forwards())
    dense = (model.total_parameters - experts) / (layout.tensor * layout.pipeline) * ACTIVATION_BYTES
    routed = experts / (layout.stage * layout.pipeline) * ACTIVATION_BYTES
    seconds = gather_time(machine, dense, r.ranks * layout.context, layout.tensor)
    return times * (seconds + gather_time(machine, routed, layout.replicas, layout.stage))


def gather_time(machine: Machine, n: float, ranks: float, span: float) -> float:
    """Seconds to gather n bytes on each of `ranks` chips that lie `span` chips apart, or to reduce and scatter them.

    Ignores: rails that are shared, stragglers.
    """
    if ranks <= 1 or n <= 0:
        return 0.0
    inside = float(np.clip(machine.domain // span, 1, ranks))
    domains = float(np.ceil(ranks / inside))
    seconds = 0.0
    if inside > 1 and machine.scale_up:
        seconds += float(wire.all_gather_bytes(n, inside)) / machine.scale_up.bandwidth.value
    if domains > 1 and machine.scale_out:
        seconds += float(wire.all_gather_bytes(n / inside, domains)) / machine.scale_out.bandwidth.value
    return seconds
