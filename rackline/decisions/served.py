"""Serving engines beside the lower bound; what is not recorded is taken at its best.

Every weight in the stated format, KV cache in fp8, as many sequences as are sent, or as fit where that is less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from rackline.decisions.comparing import Case, Comparison, Step, Unpredicted, timed
from rackline.facts.machine import Machine
from rackline.facts.measured_things import measured_machine, model_name
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.facts.models import model
from rackline.systems.layout import Layout
from rackline.systems.memory import USABLE, cache_bytes, state_bytes, weight_bytes
from rackline.systems.passes import Part, Pass, decode, prefill

# printed format -> ours; empty: as the configuration says
_WEIGHTS = {"": None, "fp8": "fp8", "FP8": "fp8", "fp4": "nvfp4", "FP4": "nvfp4", "nvfp4": "nvfp4", "int4": "int4",
            "bf16": "bf16", "FP16": "fp16"}
_KV = {"": "fp8", "FP8": "fp8", "FP16": "fp16"}
# InferenceX draws lengths from 0.8 to 1 times the stated ones; whoever does not say is given the same, the easier
MEAN_LENGTH = 0.9


def predict(row: Measured) -> Comparison | Unpredicted:
    """A row of a serving engine beside the bound, or the reason why it has none."""
    name, machine = model_name(row), measured_machine(row)
    if name is None or machine is None:
        return Unpredicted(row, "no bundled model" if name is None else "no bundled chip")
    if row.sizes.notes.startswith("disagg"):
        return Unpredicted(row, "prefill and decode on separate chips")
    if row.formats.weights not in _WEIGHTS or row.formats.kv not in _KV:
        return Unpredicted(row, "number format not known")
    served, layout = _in_formats(name, row.formats.weights, row.formats.kv), layout_of(row)
    if layout.replica != machine.chips:
        return Unpredicted(row, "layout not stated")
    case = CASES[row.metric](row, served, machine, layout)
    return case if isinstance(case, Unpredicted) else timed(row, case, served, machine)


@cache
def _in_formats(name: str, weights: str, kv: str) -> Model:
    plain = model(name)
    if plain.formats["experts"] == "mxfp4":
        return plain.with_formats(kv=_KV[kv])
    return plain.with_formats(_WEIGHTS[weights], _KV[kv])


def layout_of(row: Measured) -> Layout:
    """The layout as stated: attention data parallel takes its share of the chips, tensor parallel the rest."""
    chips, sizes = row.chips or 1, row.sizes
    pipeline, data = max(1, sizes.pipeline or 1), max(1, sizes.data or 1)
    stage = chips // pipeline
    expert = max(1, sizes.expert or 1)
    return Layout(max(1, stage // data), data, pipeline=pipeline, expert=expert if stage % expert == 0 else 1)


def most_sequences(served: Model, machine: Machine, layout: Layout, context: float, share: float) -> float:
    """Sequences of so many tokens that fit beside the weights, if an engine has that share of the memory."""
    memory = machine.chip.memory_capacity
    room = (memory.high or memory.value) * share - float(weight_bytes(served, layout))
    one = float(cache_bytes(served, layout, context) + state_bytes(served, layout))
    return float(np.floor(max(0.0, room) / one)) * layout.data


def _token_time(row: Measured, served: Model, machine: Machine, layout: Layout) -> Case | Unpredicted:
    """A decode pass of the sequences sent at once, at most those that fit."""
    sent = row.load.batch if row.notes.startswith("NVIDIA") else row.load.concurrency
    if not sent:
        return Unpredicted(row, "concurrency not stated")
    context = MEAN_LENGTH * ((row.load.input or 0.0) + (row.load.output or 0.0) / 2.0)
    share = USABLE.low or USABLE.value  # fewer sequences are faster; that the row exists shows that one fits
    fits = max(1.0, most_sequences(served, machine, layout, context, share))
    return Case("time per output token", row.value, (Step(decode(min(sent, fits), context), layout),))


def _throughput(row: Measured, served: Model, machine: Machine, layout: Layout) -> Case | Unpredicted:
    """Static batches: a prompt pass and a pass a token. All requests queued: as many sequences as fit, new prompts
    joining as others end, one mixed pass a token and stage."""
    rate = row.value * (machine.chips if row.per == "GPU" else 1)
    start, output = row.load.input or 0.0, row.load.output or 1.0
    if row.load.batch:
        batch = float(row.load.batch)
        steps = (Step(prefill(batch, start), layout), Step(decode(batch, start + output / 2.0), layout, output - 1.0))
        return Case("throughput, static batch", batch * output / rate, steps)
    fits = most_sequences(served, machine, layout, start + output / 2.0, 1.0)  # more make more tokens
    if fits < 1:
        return Unpredicted(row, "does not fit as stated")
    micro = fits / layout.pipeline
    mixed = decode(micro, start + output / 2.0) + Pass((Part(micro / output, start, 0.0),))
    return Case("throughput, all queued", micro / rate, (Step(mixed, layout),))


def _first_token(row: Measured, served: Model, machine: Machine, layout: Layout) -> Case:
    return Case("time to first token", row.value, (Step(prefill(row.load.batch or 1, row.load.input or 0.0), layout),))


CASES: dict[str, Callable[[Measured, Model, Machine, Layout], Case | Unpredicted]] = {
    "tpot": _token_time, "output_tokens_per_s": _throughput, "output_tokens_per_s_per_gpu": _throughput,
    "first_token_latency": _first_token}
