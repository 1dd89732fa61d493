"""Which layouts there are on a machine, and every reason why one cannot run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rackline import units
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.systems.layout import Layout
from rackline.systems.memory import USABLE, largest_batch, usable_bytes, weight_bytes

PIPELINES = (1, 2, 3, 4, 6, 8, 12, 16)
POWERS = tuple(2**i for i in range(13))


def layouts(model: Model, machine: Machine) -> Iterator[Layout]:
    """Every layout worth asking about: replicas that divide the machine or are powers of two, and their factors.

    Sizes that leave chips idle (64 of 72) are layouts like any other; the idle chips are paid for.
    """
    for replica in replica_sizes(machine.chips):
        for pipeline in PIPELINES:
            if replica % pipeline == 0 and pipeline <= model.depth:
                yield from _stages(model, replica // pipeline, pipeline, machine.chips // replica)


def replica_sizes(chips: int) -> list[int]:
    """Divisors of the number of chips and powers of two below it."""
    divisors = {d for d in range(1, min(chips, 4096) + 1) if chips % d == 0}
    return sorted(divisors | {p for p in POWERS if p <= chips})


def _stages(model: Model, stage: int, pipeline: int, replicas: int) -> Iterator[Layout]:
    heads = max((a.heads for a, _ in model.attentions() if a.heads), default=POWERS[-1])  # none: cut by width
    cached = any(a.cached for a, _ in model.attentions())
    for tensor in (t for t in POWERS if t <= min(stage, heads) and stage % t == 0):
        for context in (1, 2, 4, 8) if cached else (1,):
            if stage % (tensor * context) == 0 and tensor * context <= heads:
                data = stage // (tensor * context)
                for expert in _expert_sizes(model, stage):
                    yield Layout(tensor, data, context, pipeline, expert, replicas)


def _expert_sizes(model: Model, stage: int) -> list[int]:
    experts = min((f.experts for f, _ in model.feed_forwards() if f.experts), default=0)
    return sorted({1, stage}) if 1 < stage <= experts else [1]


def why_not(model: Model, machine: Machine, layout: Layout, context: float,
            share: float = USABLE.value) -> tuple[str, ...]:
    """Every reason why a layout (of scalars) cannot serve sequences of `context` tokens here; empty: it can.

    share: of the memory that weights and caches may take.
    """
    reasons = _shape_reasons(model, machine, layout)
    weights, usable = float(weight_bytes(model, layout)), usable_bytes(machine, share)
    if weights > usable:
        reasons.append(f"weights take {units.show(weights, 'bytes')} a chip of {units.show(usable, 'bytes')} usable")
    elif float(largest_batch(model, machine, layout, context, share)) < 1:
        reasons.append(f"no room for one sequence of {context:,.0f} tokens beside "
                       f"{units.show(weights, 'bytes')} of weights a chip")
    return tuple(reasons)


def _shape_reasons(model: Model, machine: Machine, layout: Layout) -> list[str]:
    cut = layout.tensor * layout.context
    heads = [a.heads for a, _ in model.attentions() if a.heads]
    experts = [f.experts for f, _ in model.feed_forwards() if f.experts]
    checks = [
        (layout.chips > machine.chips, f"needs {layout.chips} chips of {machine.chips}"),
        (any(h % cut for h in heads), f"tensor × context of {cut} does not divide {min(heads, default=0)} heads"),
        (layout.pipeline > model.depth, f"{layout.pipeline} stages for {model.depth} layers"),
        (any(layout.expert > e for e in experts),
         f"{layout.expert} expert groups for {min(experts, default=0)} experts"),
        (layout.stage % layout.expert != 0, f"{layout.expert} expert groups do not divide {layout.stage} chips"),
        (layout.expert > 1 and not experts, "expert parallel without routed experts"),
        (layout.chips > machine.domain and machine.scale_out is None and layout.replica > machine.domain,
         f"a replica of {layout.replica} chips leaves the domain of {machine.domain}, and there is no other network"),
        (layout.context > 1 and not any(a.cached for a, _ in model.attentions()),
         "context parallel without a KV cache"),
    ]
    return [reason for broken, reason in checks if broken]


def stacked(group: list[Layout]) -> Layout:
    """Many layouts as one whose sizes are columns of shape (n, 1)."""
    column = lambda name: np.array([getattr(x, name) for x in group]).reshape(-1, 1)  # noqa: E731
    return Layout(*(column(n) for n in ("tensor", "data", "context", "pipeline", "expert", "replicas")))
