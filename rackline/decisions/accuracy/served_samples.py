"""Rows of serving engines as samples: a decoding pass, a prompt, and what the load multiplies them by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.settings import Setting
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.memory import largest_batch
from rackline.systems.parts import PARTS, parts
from rackline.systems.passes import decode, prefill

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
    layout, prompts = _layouts(group, lambda s: s.layout), _layouts(group, lambda s: s.prompts)
    length, output = _column(group, lambda s: s.input), _column(group, lambda s: s.output)
    context = length + output / 2.0
    fits = np.asarray(largest_batch(model, machine, layout, context)) + np.zeros(len(group))
    clients = _column(group, lambda s: np.inf if s.queued else s.clients)
    # that the row exists shows that one sequence a rank fits
    batch = np.minimum(np.minimum(clients, np.where(np.isinf(clients), MOST_SEQUENCES * layout.data, np.inf)),
                       np.maximum(fits, layout.data * layout.pipeline))
    micro = np.maximum(batch / layout.pipeline, 1.0)
    steps = _stack(parts(ledger(model, layout, decode(micro, context)), machine), len(group))
    prompt = _stack(parts(ledger(model, prompts, prefill(prompts.data, length)), machine), len(group))
    prompt = prompt / (prompts.data * np.ones(len(group)))[:, None]
    return [_sample(one, steps[i], prompt[i], (float(micro[i]), float(batch[i]))) for i, one in enumerate(group)]


def _stack(found: dict[str, Any], n: int) -> np.ndarray:
    return np.stack([np.broadcast_to(np.asarray(found[name], dtype=float), (n,)) for name in PARTS], axis=1)


def _sample(s: Setting, step: np.ndarray, prompt: np.ndarray, batch: tuple[float, float]) -> Sample:
    micro, whole = batch
    row = s.row
    if row.metric in ("tpot", "ttft"):
        family, seconds = f"{row.metric} {s.like.mode}", row.value
    else:
        rate = row.value * ((row.chips or 1) if row.per == "GPU" else 1)
        family, seconds = "queued", micro / rate
    sizes = s.layout
    clients = s.clients if not s.queued else whole
    place = np.log([clients, s.input, s.output, sizes.tensor * sizes.data * sizes.pipeline, 1.0, sizes.data])
    place[4] = float(sizes.expert > 1)
    apart = s.like.mode == "apart" and row.metric == "tpot"
    return Sample(row, s.like, family, seconds, step, prompt, 0.0 if apart else micro / s.output, clients,
                  s.bursts, place)
