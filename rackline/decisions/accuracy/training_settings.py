"""What a measured training step was run with: model, machine, sizes, recompute; what is not stated, as is usual."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from rackline.decisions.accuracy.settings import Like, Refused, engine_of
from rackline.errors import BadInput
from rackline.facts.hardware import machine as named_machine
from rackline.facts.machine import Machine
from rackline.facts.measured_things import measured_machine, model_name
from rackline.facts.measurements import Measured
from rackline.facts.micro import micro_machine
from rackline.facts.model import Model
from rackline.facts.models import model, model_aliases, model_names, read_config
from rackline.systems.layout import Layout
from rackline.systems.memory import usable_bytes
from rackline.systems.training import Recipe, Recompute, chip_parameters, predictors

LENGTH = 4096.0  # tokens of a sequence where a row does not say
MICROS = 8.0  # micro-batches for each pipeline stage where a row gives no batch: the bubble is an eighth
PIECES = 2.0  # runs of layers that a stage holds where a row does not say: published runs of many stages interleave
NODE = 8  # chips that tensors are cut over at most where a row does not say: a node's
STATE_BYTES = 18.0  # bytes a parameter of weights, gradients and Adam's state in mixed precision (arXiv 2205.05198)
MPT_VOCABULARY = 50_368  # llm-foundry's: GPT-NeoX's tokens, padded
_LEAST = 8  # letters of a name that another may begin with
_GPT_VOCABULARY = 51_200  # GPT-2's tokens, padded as in Megatron


@dataclass(frozen=True)
class Training:
    """A measured step: what it is like, its recipe and its machine."""

    row: Measured
    like: Like
    recipe: Recipe
    machine: Machine


def training(row: Measured) -> Training:
    """A row's recipe and machine; Refused with the reason where the row does not name a model and a chip."""
    trained, machine = trained_model(row), _machine(row)
    notes = f"{row.sizes.notes}; {row.notes}"
    steps = re.search(r"(\d[\d,]*) sequences x (\d[\d,]*) tokens", notes)
    length = row.load.input or (float(steps[2].replace(",", "")) if steps else LENGTH)
    batch = float(row.load.batch or (float(steps[1].replace(",", "")) if steps else 0.0))
    micro = _number(row, "microbatch_per_gpu", r"(?:MBS|micro_batch)=(\d+)") or 1.0
    layout = _layout(row, trained, machine)
    ranks = layout.data * layout.replicas
    if not batch:
        batch = MICROS * layout.pipeline * micro * ranks
    micro = min(micro, max(1.0, batch / ranks))
    precision = _precision(row.formats.compute or trained.formats["dense"])
    recipe = Recipe(trained, layout, batch, length, micro, _pieces(row), _recompute(row, notes),
                    _sharded(row, notes), _ARITHMETIC[precision], "lora" in notes.lower())
    return Training(row, _like(row, trained, machine, precision), recipe, _sized(machine, int(layout.chips)))


def _sized(machine: Machine, chips: int) -> Machine:
    if machine.scale_up is None and machine.scale_out is None:
        return machine
    try:
        return machine.with_chips(chips)
    except BadInput as error:
        raise Refused(f"{chips} chips of {machine.title}: {error.rule}") from None


def _number(row: Measured, fact: str, pattern: str) -> float | None:
    """A number that the model's facts or the notes state."""
    found = re.search(pattern, f"{row.sizes.notes}; {row.notes}")
    text = str(row.facts.get(fact, found[1] if found else ""))
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) and float(text) > 0 else None


def _pieces(row: Measured) -> float:
    stated = "VP=" in row.sizes.notes
    return _number(row, "", r"(?:VP|interleave)=(\d+)") or (1.0 if stated else PIECES)


def _like(row: Measured, trained: Model, machine: Machine, precision: str) -> Like:
    engine, version = engine_of(row)
    variant = re.search(r"\(([^)]*)\)", row.model)
    kind = re.match(r"(SFT|LoRA)", row.notes)
    mode = " ".join(["training", *([kind[1].lower()] if kind else []), *([variant[1].lower()] if variant else [])])
    return Like(row.source[:40], trained.name, machine.chip.name, engine, version, precision, mode, row.flag)


# ---- formats, recompute


# precision as printed -> what is multiplied; the first that stands in the text
_PRINTED = (("nvfp4", "nvfp4"), ("fp4", "nvfp4"), ("fp8-mx", "mxfp8"), ("mxfp8", "mxfp8"), ("alt quant", "mxfp8"),
            ("fp8", "fp8"), ("int8", "int8"))
_ARITHMETIC = {"nvfp4": "nvfp4", "mxfp8": "fp8", "fp8": "fp8", "int8": "int8", "bf16": "bf16"}


def _precision(printed: str) -> str:
    return next((name for text, name in _PRINTED if text in printed.lower()), "bf16")


def _recompute(row: Measured, notes: str) -> Recompute:
    """As stated; else none, but all in fp16: in its years attention was not fused, and no chip held all scores."""
    if str(row.facts.get("act_ckpt")) == "True" or row.metric.endswith("_hw"):
        return "full"
    if re.search(r"full (activation )?recompute|incl\w*\.? activation recompute", notes):
        return "full"
    if "selective" in notes:
        return "selective"
    return "full" if row.formats.compute == "fp16" else "none"


def _sharded(row: Measured, notes: str) -> bool:
    return "FULL_SHARD" in notes or (_number(row, "", r"FSDP=(\d+)") or 0.0) > 1.0


# ---- sizes


def _layout(row: Measured, trained: Model, machine: Machine) -> Layout:
    """Sizes as stated; those that are not: tensors over a node at most, stages until the state of training fits."""
    sizes, chips = row.sizes, row.chips
    context = max(1, sizes.context or 1)
    tensor, pipeline = sizes.tensor, sizes.pipeline
    whole = _number(row, "model_parallel_total_tp_x_pp", r"\(tp\*pp\)=(\d+)")
    if tensor is None and sizes.data and sizes.data == chips:
        tensor, pipeline = 1, 1
    if tensor is None:
        tensor = 1 if _routed(trained) else int(min(NODE, whole or _holding(trained, machine, 1)))
    tensor = max(1, tensor)
    if pipeline is None and sizes.data and chips:
        pipeline = chips // (tensor * context * sizes.data)
    if pipeline is None:
        stage = tensor if whole or not _routed(trained) else NODE
        pipeline = int(whole or _holding(trained, machine, tensor)) // stage
    pipeline = max(1, min(pipeline, trained.depth))
    expert = sizes.expert or (NODE if _routed(trained) and sizes.tensor is None else 1)
    ranks = max(1, chips // (tensor * pipeline * context) if chips else sizes.data or expert // tensor)
    return _dealt(trained, tensor, context, pipeline, (ranks, expert))


def _routed(trained: Model) -> bool:
    return any(f.experts for f, _ in trained.feed_forwards())


def _holding(trained: Model, machine: Machine, tensor: int) -> int:
    """The smallest power of two of chips whose memory holds weights, gradients and the optimizer's state."""
    chips = tensor
    whole = chip_parameters(predictors(trained), Layout()) * STATE_BYTES
    while whole / chips > usable_bytes(machine) and chips < 4096:
        chips *= 2
    return chips


def _dealt(trained: Model, tensor: int, context: int, pipeline: int, given: tuple[int, int]) -> Layout:
    """Experts dealt over as many data ranks as stated; the rest are replicas."""
    ranks, expert = given
    routed = _routed(trained)
    data = min(ranks, max(1, expert // tensor)) if routed else 1
    while ranks % data:
        data -= 1
    return Layout(tensor, data, context, pipeline, max(1, min(expert, tensor * data)) if routed else 1, ranks // data)


# ---- model and machine


def trained_model(row: Measured) -> Model:
    """The bundled model of a row, or one made from the sizes that the row states; Refused where there is neither."""
    facts = row.facts
    count = _number(row, "n_params", r"n_params=(\d+)")
    if count and row.model.lower().startswith("mpt"):
        return _counted(row.model.lower(), int(count), int(row.load.input or LENGTH))
    name = model_name(row) or _named(_squash(row.model))
    if name:
        found = model(name)
        return replace(found, mtp=(), mtp_vectors=0) if "w/o mtp" in row.model.lower() else found
    if {"hidden", "layers"} <= set(facts):
        return _gpt(row.model.lower() or "gpt", _sizes(facts, row.load.input or LENGTH))
    raise Refused(f"no bundled model {row.model}" if row.model else "model not stated")


def _squash(text: str) -> str:
    """A name without what is in brackets, case and marks."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\(.*?\)", "", text.lower()).rpartition("/")[2])


def _named(squashed: str) -> str | None:
    """The bundled model of that name, or the longest name with which it begins ("DeepSeek-V3 MoE")."""
    known = _squashed()
    begins = [name for name in known if len(name) >= _LEAST and squashed.startswith(name)]
    return known.get(squashed) or (known[max(begins, key=len)] if begins else None)


@cache
def _squashed() -> Mapping[str, str]:
    aliases = {_squash(alias): name for alias, name in model_aliases().items()}
    return aliases | {_squash(name): name for name in model_names()}


def _sizes(facts: Mapping[str, Any], length: float) -> tuple[int, int, int, int, int, int]:
    """Width, layers, heads, width of the feed-forward, vocabulary, positions of a GPT as a row states them."""
    whole = lambda name, otherwise: int(re.sub(r"\D.*", "", str(facts.get(name, ""))) or otherwise)  # noqa: E731
    width, layers = whole("hidden", 0), whole("layers", 0)
    if not (0 < width <= 10**6 and 0 < layers <= 10**4):
        raise Refused("hidden and layers are no sizes of a model")
    return (width, layers, whole("heads", max(1, width // 128)), whole("ffn", 4 * width),
            whole("vocab", _GPT_VOCABULARY), int(length))


@cache
def _gpt(name: str, sizes: tuple[int, int, int, int, int, int]) -> Model:
    names = ("n_embd", "n_layer", "n_head", "n_inner", "vocab_size", "n_positions")
    heads = sizes[2] if sizes[0] % sizes[2] == 0 else 1
    config: dict[str, Any] = {"model_type": "gpt2", **dict(zip(names, sizes, strict=True)), "n_head": heads}
    return read_config(config, name, "sizes stated by the measurement")


@cache
def _counted(name: str, parameters: int, length: int) -> Model:
    """The GPT whose width (a multiple of 128) and layers give exactly so many parameters; Refused if none does.

    Eq: parameters = layers*(12*d² + 13*d) + (vocabulary + length + 2)*d
    """
    for width in range(128, 20_480, 128):
        layers, rest = divmod(parameters - (MPT_VOCABULARY + length + 2) * width, width * (12 * width + 13))
        if rest == 0 and layers > 0:
            return _gpt(name, (width, int(layers), max(1, width // 128), 4 * width, MPT_VOCABULARY, length))
    raise Refused("no width and depth give the stated parameters")


def _machine(row: Measured) -> Machine:
    try:
        found = measured_machine(row)
        return found or named_machine(row.hardware.partition("(")[0].strip())
    except BadInput:
        known = micro_machine(row.hardware)
    if known is None:
        raise Refused(f"no bundled chip {row.hardware}" if row.hardware else "hardware not stated")
    return known
