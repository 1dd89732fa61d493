"""Rows of serving engines as samples: a decoding pass, a prompt, and what the load multiplies them by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.settings import Setting
from rackline.facts.fact import Fact
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.memory import USED, cache_bytes, state_bytes, weight_bytes
from rackline.systems.parts import PARTS, WORK, parts
from rackline.systems.passes import decode, prefill
from rackline.systems.shares import measured_shares

Number = Any
COLUMNS = (*PARTS, *WORK)  # of a sample's passes
MOST_SEQUENCES = 2048.0  # what TensorRT-LLM's benchmark runs at once by default


def of_servers(settings: Sequence[Setting]) -> list[Sample]:
    """Rows of one model on one machine are computed together."""
    groups: dict[tuple[int, str], list[Setting]] = {}
    for one in settings:
        groups.setdefault((id(one.model), one.machine.name), []).append(one)
    return [sample for group in groups.values() for sample in _group(group)]


def _column(group: Sequence[Setting], of: Callable[[Setting], float]) -> np.ndarray:
    return np.array([of(one) for one in group], dtype=float)


def _layouts(group: Sequence[Setting], of: Callable[[Setting], Layout]) -> Layout:
    sizes = ("tensor", "data", "context", "pipeline", "expert")
    return Layout(*(_column(group, lambda s, name=name: getattr(of(s), name)) for name in sizes))  # type: ignore[misc]


def _group(group: Sequence[Setting]) -> list[Sample]:
    model, machine = group[0].model, group[0].machine
    shares = measured_shares(machine, model.formats.values())
    layout, prompts = _layouts(group, lambda s: s.layout), _layouts(group, lambda s: s.prompts)
    length, output = _column(group, lambda s: s.input), _column(group, lambda s: s.output)
    clients = _column(group, lambda s: np.inf if s.queued else s.clients)
    reserved = length + output * _column(group, lambda s: RESERVED.get(s.like.engine, 0.5))
    batch = np.minimum(np.minimum(clients, np.where(np.isinf(clients), MOST_SEQUENCES * layout.data, np.inf)),
                       fitting(model, machine, layout, reserved))
    micro = np.maximum(batch / layout.pipeline, 1.0)
    steps = _stack(parts(ledger(model, layout, decode(micro, length + output / 2.0)), machine, shares), len(group))
    prompt = _stack(parts(ledger(model, prompts, prefill(prompts.data, length)), machine, shares), len(group))
    prompt = prompt / (prompts.data * np.ones(len(group)))[:, None]
    return [_sample(one, steps[i], prompt[i], (float(micro[i]), float(batch[i]))) for i, one in enumerate(group)]


# of the outputs, what an engine keeps memory for when it admits a request; the others hold half on average
RESERVED = {"tensorrt-llm": 1.0}
REPORTED = Fact(value=1.068, low=1.052, high=1.0737, unit="ratio", kind="assumed", date="2026-11-28",
                source="GB on datasheets are nearly GiB: a log of vLLM has 25,250,627,584 bytes for 24 GB (low); "
                       "what drivers report for 80 to 192 GB is from memory; high: a GiB over a GB",
                note="bytes that a device reports over the datasheet's")


def fitting(model: Model, machine: Machine, layout: Layout, tokens: Number) -> Number:
    """Sequences of so many tokens that a replica holds beside its weights, at least one a data rank.

    Ignores: what an engine was told to leave free: where weights fill the memory, half of the rest is the cache's.
    """
    whole, weights = machine.chip.memory_capacity.value, weight_bytes(model, layout)
    room = np.maximum(USED.value * whole - weights, (REPORTED.value * whole - weights) / 2.0)
    one = cache_bytes(model, layout, tokens) + state_bytes(model, layout)
    held = np.floor(np.maximum(room, 0.0) / one) * layout.data
    return np.maximum(held, layout.data * layout.pipeline)  # that the row exists shows that one sequence a rank fits


def _stack(found: dict[str, Any], n: int) -> np.ndarray:
    return np.stack([np.broadcast_to(np.asarray(found[name], dtype=float), (n,)) for name in COLUMNS], axis=1)


def _sample(s: Setting, step: np.ndarray, prompt: np.ndarray, batch: tuple[float, float]) -> Sample:
    micro, whole = batch
    row = s.row
    if row.metric in ("tpot", "ttft"):
        family, seconds = f"{row.metric} {s.like.mode}", row.value
    else:
        each = row.per == "GPU" or row.metric.endswith("_per_gpu")  # whatever its unit says
        rate = row.value * ((row.chips or 1) if each else 1)
        family, seconds = "queued", micro / rate
    sizes = s.layout
    clients = s.clients if not s.queued else whole
    place = np.log([clients, s.input, s.output, sizes.tensor * sizes.data * sizes.pipeline, 1.0, sizes.data])
    place[4] = float(sizes.expert > 1)
    others = (whole - 1.0) / whole if family != "queued" else 1.0  # a sequence meets the prompts of all but itself
    share = 0.0 if family == "tpot apart" else others * micro / s.output
    stored = s.model.formats["experts" if any(f.experts for f, _ in s.model.feed_forwards()) else "dense"]
    stages = 1.0 if family == "queued" else 1.0 * s.layout.pipeline  # one after the other, for a token and a prompt
    return Sample(row, s.like, family, seconds, stages * step, stages * prompt, share, clients, s.bursts, place,
                  running=whole, output=s.output, stored=stored)
