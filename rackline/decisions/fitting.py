"""When a model fits nowhere on a machine: what would make it fit."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rackline import units
from rackline.facts.formats import number_format
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.systems.memory import USABLE, usable_bytes
from rackline.systems.placing import layouts, why_not

FEWER_BITS = ("fp8", "nvfp4", "int4")
MORE_CHIPS = (2, 4, 8, 16, 32, 64, 128, 256)


def what_would_fit(model: Model, machine: Machine, context: float, share: float = USABLE.value) -> tuple[str, ...]:
    """Changes, each alone, after which at least one layout holds the weights and one sequence of `context` tokens."""
    return tuple(_remedies(model, machine, context, share)) or (_by_memory_alone(model, machine, share),)


def _by_memory_alone(model: Model, machine: Machine, share: float) -> str:
    """What the weights ask for when no single change tried is enough."""
    needed = math.ceil(model.weight_bytes() / usable_bytes(machine, share))
    sizes = (f"{units.show(model.weight_bytes(), 'bytes')} of weights against "
             f"{units.show(usable_bytes(machine, share), 'bytes')} usable a chip")
    if needed <= machine.chips:
        return f"weights divided more finely than any layout here divides them: {sizes}"
    return f"at least {needed:,} such chips{'' if machine.scale_out else ', which nothing joins here'}: {sizes}"


def _remedies(model: Model, machine: Machine, context: float, share: float) -> Iterator[str]:
    for chips in sorted({machine.chips * factor for factor in MORE_CHIPS}):
        if chips > machine.domain and machine.scale_out is None:
            break
        if fits(model, machine.with_chips(chips), context, share):
            yield f"{chips} chips of this kind (--chips {chips})"
            break
    widest = max(number_format(model.formats[role]).bits for role in ("attention", "dense", "experts", "shared"))
    for name in FEWER_BITS:
        if number_format(name).bits < widest and fits(model.with_formats(weights=name), machine, context, share):
            yield f"weights in {name} (--weights {name})"
            break
    if number_format(model.kv_format).bits > 8 and fits(model.with_formats(kv="fp8"), machine, context, share):
        yield "KV cache in fp8 (--kv fp8)"
    if context > 1 and fits(model, machine, 1.0, share):
        yield "a shorter context: the weights alone fit"


def fits(model: Model, machine: Machine, context: float, share: float = USABLE.value) -> bool:
    """Whether any layout can hold the weights and one sequence of `context` tokens."""
    return any(not why_not(model, machine, layout, context, share) for layout in layouts(model, machine))
