"""What a measured row was measured with, as records: model in its formats, machine, layout, load, what it is like."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from rackline.errors import BadInput
from rackline.facts.hardware import machine as named_machine
from rackline.facts.labels import counted
from rackline.facts.machine import Machine
from rackline.facts.measured_things import measured_machine, model_name
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.facts.models import model
from rackline.facts.spellings import engine_named, format_named
from rackline.systems.layout import Layout
from rackline.systems.memory import usable_bytes, weight_bytes

MEAN_LENGTH = 0.9  # InferenceX draws lengths evenly from 0.8 to 1 times the stated ones
# format -> that of weights which are quantised; None: as the configuration says
_WEIGHTS = {"": None, "fp8": "fp8", "fp4": "nvfp4", "int4": "int4", "bf16": "bf16", "fp16": "fp16", "int8": "int8",
            "mxfp4": "mxfp4"}
_APART = re.compile(r"\s*(pd[-_ ]?)?disagg", re.I)  # how notes of sizes begin where prompts have a pool of their own
_MOST = 1_000_000  # chips or workers of a pool: more is a slip
# a checkpoint in nvfp4 of these leaves attention in bf16 (hf_quant_config.json of NVIDIA's own)
_PLAIN_ATTENTION = ("deepseek", "kimi", "qwen3.5", "minimax")


INFERENCEX = ("InferenceX", "CSV export")
_SAID = (*INFERENCEX, "NVIDIA aiconfigurator")  # who measured, where notes of a collection say so


NO_HARDWARE = "hardware not stated"
STATE_IT = "add keys hardware, n_chips, tp to the file, as vllm bench serve --metadata hardware=H100-SXM tp=2 does"


class Refused(ValueError):
    """Why a row cannot be predicted."""


Made = TypeVar("Made")


def made_or_refused(rows: Iterable[Measured],
                    make: Callable[[Measured], Made]) -> tuple[list[Made], list[tuple[Measured, str]]]:
    """What is made of each row, and the rows of which nothing can be with the reason."""
    made: list[Made] = []
    refused: list[tuple[Measured, str]] = []
    for row in rows:
        try:
            made.append(make(row))
        except (Refused, BadInput) as reason:
            refused.append((row, str(reason)))
    return made, refused


@dataclass(frozen=True)
class Like:
    """What a row is like, for errors that rows of one kind share; `flag` names a suspect."""

    source: str
    model: str
    chip: str
    engine: str
    version: str
    precision: str
    mode: str  # together, apart, queued
    flag: str

    @property
    def series(self) -> tuple[str, ...]:
        """Rows of one model, chip, engine, precision and mode."""
        return (self.model, self.chip, self.engine, self.precision, self.mode, self.flag)


@dataclass(frozen=True)
class Setting:
    """A row of a serving engine: sequences of one replica at once, prompt and output tokens on average."""

    row: Measured
    like: Like
    model: Model
    machine: Machine
    layout: Layout
    prompts: Layout
    clients: float
    input: float
    output: float

    @property
    def queued(self) -> bool:
        """Whether all requests wait from the start and the engine takes as many as it can."""
        return self.clients == 0.0

    @property
    def bursts(self) -> bool:
        """Whether its clients are known to start all at once."""
        return self.like.source.startswith(INFERENCEX)


def setting(row: Measured) -> Setting:
    """A served row's setting; Refused with the reason where the row does not say enough."""
    served, machine = served_model(row), served_machine(row)
    load, notes = row.load, row.sizes.notes
    if not load.input or not load.output:
        raise Refused("prompt and output lengths not stated")
    mode = "apart" if _APART.match(notes) else "queued" if row.metric.startswith("output_tokens") else "together"
    like = like_of(row, served, machine, mode)
    scale = MEAN_LENGTH if like.source.startswith(INFERENCEX) else 1.0
    lengths = (load.input * scale, load.output * scale)
    if mode == "apart":
        layout, prompts, workers = _pools(row, served, machine)
        return Setting(row, like, served, machine, layout, prompts, _clients(row) / workers, *lengths)
    layout, replicas = _together(row, served)
    clients = 0.0 if _all_queued(row) else _clients(row) / replicas
    return Setting(row, like, served, machine, layout, layout, clients, *lengths)


def _all_queued(row: Measured) -> bool:
    """Whether a throughput is that of requests which never lack; Refused where an open loop's rate bounds it."""
    if not row.metric.startswith("output_tokens") or row.load.batch or row.load.concurrency:
        return False
    if row.load.rate or not re.search(r"max.load|queued|offline|max.throughput", row.notes, re.I):
        raise Refused("neither batch nor clients stated, nor that all requests were queued")
    return True


def _clients(row: Measured) -> float:
    clients = row.load.concurrency or row.load.batch
    if not clients:
        raise Refused(f"concurrency is no number: {row.load.text}" if row.load.text else "concurrency not stated")
    return float(clients)


# ---- model and machine


def known_model(row: Measured) -> str:
    """The bundled name of a row's model; Refused where there is none."""
    name = model_name(row)
    if name is None:
        raise Refused(f"no bundled model {row.model}" if row.model else "model not stated")
    return name


def _cache_format(row: Measured, weights: str) -> str:
    """The KV cache's number format where a row does not state it; empty: the model's own.

    TensorRT-LLM keeps the cache of quantised checkpoints in fp8. InferenceX asks the other engines for that too, but
    on H100: only then do as many sequences fit as its rows that queue for memory show to have run.
    """
    if weights not in ("fp8", "fp4"):
        return ""
    asked = published_by(row).startswith(INFERENCEX) and not row.hardware.startswith("H100")
    return "fp8" if engine_of(row)[0] == "tensorrt-llm" or asked else ""


def served_model(row: Measured) -> Model:
    """A row's model in its number formats; Refused where one of both is not known."""
    weights, kv = format_named(row.formats.weights), format_named(row.formats.kv)
    if weights not in _WEIGHTS:
        raise Refused(f"number format of the weights not known: {row.formats.weights}")
    if kv in ("", "auto"):
        kv = _cache_format(row, weights)
    if kv and kv not in _WEIGHTS:
        raise Refused(f"number format of the KV cache not known: {row.formats.kv}")
    return _in_formats(known_model(row), weights, _WEIGHTS[kv] if kv else None)


@cache
def _in_formats(name: str, weights: str, kv: str | None) -> Model:
    plain = model(name)
    wanted = _WEIGHTS[weights]
    if wanted is None or (plain.formats["experts"] == "mxfp4" and wanted in ("nvfp4", "mxfp4", "fp8")):
        return plain.with_formats(kv=kv)
    roles = ["dense", "experts", "shared", "attention"]
    if wanted == "nvfp4" and name.startswith(_PLAIN_ATTENTION):
        roles.remove("attention")
    if wanted == "int4":
        roles = ["experts"] if any(f.experts for f, _ in plain.feed_forwards()) else roles
    formats: dict[str, Any] = {**plain.formats, **dict.fromkeys(roles, wanted)}
    if wanted == "nvfp4" and "attention" not in roles:
        formats["attention"] = "bf16"
    return replace(plain, formats=MappingProxyType(formats)).with_formats(kv=kv)


def served_machine(row: Measured) -> Machine:
    """A row's machine with its chips; Refused where there is none."""
    try:
        found = measured_machine(row)
        return found or named_machine(row.hardware.lower(), row.chips)
    except BadInput:
        raise Refused(f"no bundled chip {row.hardware}" if row.hardware else NO_HARDWARE) from None


def engine_of(row: Measured) -> tuple[str, str]:
    """The engine's name and version."""
    return engine_named(row.engine)


def source_name(text: str) -> str:
    """Who published, without revision, place or how it was read: the same for every copy of a table."""
    return " ".join(re.split(r"[@;(]", text, maxsplit=1)[0].split()[:2])


def published_by(row: Measured) -> str:
    """Who measured a row, as far as it says."""
    said = re.split(r"[;(]", row.notes, maxsplit=1)[0].strip()
    return said if said.startswith(_SAID) else source_name(row.source)


def like_of(row: Measured, model: Model, machine: Machine, mode: str) -> Like:
    """What a row is like."""
    engine, version = engine_of(row)
    return Like(published_by(row), model.name, counted(row.hardware)[0] or machine.name, engine, version,
                row.formats.weights.lower() or "as configured", mode, row.flag)


# ---- layouts


def _together(row: Measured, served: Model) -> tuple[Layout, float]:
    """The layout as stated, and replicas; more clients than the batch stands for data ranks or replicas not stated."""
    sizes = row.sizes
    chips = row.chips or max(1, sizes.tensor or 1) * max(1, sizes.data or 1) * max(1, sizes.pipeline or 1)
    pipeline, data, expert = (max(1, size or 1) for size in (sizes.pipeline, sizes.data, sizes.expert))
    data, pipeline = min(data, chips), min(pipeline, chips)
    replicas = 1.0
    ratio = (row.load.concurrency or 0.0) / row.load.batch if row.load.batch else 1.0
    if ratio > 1 and data == 1 and ratio == int(ratio):
        routed = any(f.experts for f, _ in served.feed_forwards())
        data, replicas = (int(ratio), 1.0) if routed and chips % ratio == 0 else (1, ratio)
    stage = max(1, chips // pipeline)
    return Layout(max(1, stage // data), data, pipeline=pipeline, expert=min(expert, stage)), replicas


def _pools(row: Measured, served: Model, machine: Machine) -> tuple[Layout, Layout, float]:
    """Layouts of the decode and the prefill pool, and decode replicas; what is not stated is the least that fits."""
    found = re.search(r"prefill=(\{.*?\}); decode=(\{.*?\})", row.sizes.notes)
    try:
        prefill, decode = (json.loads(text) for text in found.groups()) if found else ({}, {})
    except ValueError:
        raise Refused("layout of the pools is no JSON") from None
    workers = float(_stated(decode, "num_workers"))
    pool = _pool(decode, stated=workers > 0)
    if workers == 0:
        pool, workers = _least(pool, served, machine), 1.0
    return pool, _least(_pool(prefill, stated=True), served, machine), workers


def _stated(given: dict[str, Any], name: str) -> int:
    """A whole number that a pool's JSON states, 0 where it does not; Refused for what is none."""
    value = given.get(name) or 0
    if not isinstance(value, int | float) or value != value // 1 or not 0 <= value <= _MOST:
        raise Refused(f"layout of the pools: {name} is no whole number: {value}")
    return int(value)


def _pool(given: dict[str, Any], stated: bool) -> Layout:
    tensor, data, expert = (max(1, _stated(given, name)) for name in ("tp_size", "attention_dp_size", "moe_ep_size"))
    if not stated and tensor > 8:  # a summary of chips: wide pools keep attention on data ranks
        tensor, data = 1, tensor
    return Layout(tensor, data, expert=min(max(expert, data if data > 8 else 1), tensor * data))


def _least(pool: Layout, served: Model, machine: Machine) -> Layout:
    """The pool, or the smallest wide one whose chips hold the weights."""
    while float(weight_bytes(served, pool)) > usable_bytes(machine) and pool.stage < 128:
        data = int(pool.data * 2)
        pool = Layout(pool.tensor, data, expert=int(pool.tensor * data))
    return pool
