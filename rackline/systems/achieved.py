"""What a chip's kernels and its networks' collectives achieve of the datasheet, as the micro-benchmarks show it.

Sizes are numbers or arrays that broadcast. A chip that was not measured gets what its family showed, or the kind, and
the wider interval that chips left out showed; `group` says whose coefficients they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.errors import unknown
from rackline.facts.formats import FORMATS, bytes_per_number, math_format
from rackline.facts.machine import Machine
from rackline.facts.micro import micro_format, micro_group, micro_levels
from rackline.physics import collectives
from rackline.systems.efficiency import FORMS, REFERENCE_GROUP, achieved_time

Number = Any
Stored = tuple[str, str, str, str]  # weights, activations, arithmetic, and the kind whose coefficients it has
TIMED_BY = "NCCL"  # kernels back to back; other benchmarks count up to 20 µs of launching with each
HOST, NEIGHBOUR = " through the host", " with a neighbour"  # two chips may share a root; more pass through the host
KINDS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")


@dataclass(frozen=True)
class Achieved:
    """Seconds of a kernel or collective with their 90 % interval, and those of its busiest part at datasheet rates."""

    seconds: Number
    low: Number
    high: Number
    rated: Number
    group: str  # whose coefficients
    seen: bool  # whether that chip was measured with that kind

    @property
    def share(self) -> Number:
        """The share of the datasheet's rate that the busiest part achieves."""
        return self.rated / self.seconds


def product(machine: Machine, stored: str, shape: tuple[Number, Number, Number], launch: bool = True,
            rounded: bool = False) -> Achieved:
    """A product of activations m × k by weights k × n in a stored format; shape is (m, n, k).

    launch: with the fixed time of starting the kernel. rounded: activations come in the product's format already.
    Errors: BadInput for an unknown format.
    """
    found = _format(stored)
    parts = product_parts(machine, found, shape)
    if rounded:
        parts["quantise"] = 0.0 * parts["quantise"]
    return _achieved("gemm", _levels("gemm", machine, found[3]), parts, launch)


def decode_attention(machine: Machine, stored: str, moved: Number, launch: bool = True) -> Achieved:
    """Attention of one new token a sequence over a cache of so many bytes in a stored format, all sequences at once."""
    parts = {"memory": moved / machine.chip.memory_bandwidth.value}
    levels = _levels("decode attention", machine, f"{_format(stored)[0]} cache")
    return _achieved("decode attention", levels, parts, launch)


def prefill_attention(machine: Machine, stored: str, prompt: tuple[Number, Number],
                      heads: tuple[Number, Number, Number], launch: bool = True) -> Achieved:
    """Causal attention over prompts of (sequences, tokens) with (heads, KV heads, width of a head)."""
    found = _format(stored)
    parts = prefill_parts(machine, found, prompt, heads)
    return _achieved("prefill attention", _levels("prefill attention", machine, f"{found[0]} cache"), parts, launch)


def collective(machine: Machine, kind: str, group: Number, payload: Number, launch: bool = True) -> Achieved:
    """A collective of a kind (KINDS) over so many chips; payload: bytes of the whole group's buffer.

    launch: with what it takes however few the bytes. A group of one takes no time. The name of the result's group is
    that of the largest group asked for.
    Errors: BadInput for an unknown kind.
    """
    if kind not in KINDS:
        raise unknown("kind of collective", kind, KINDS)
    sizes = [float(size) for size in np.unique(np.asarray(group, dtype=float))]
    each = [_of_size(machine, kind, size, payload, launch) for size in sizes]
    pick = lambda name: sum(np.where(np.equal(group, size) & (size > 1.0), getattr(one, name), 0.0)  # noqa: E731
                            for size, one in zip(sizes, each, strict=True))
    return Achieved(pick("seconds"), pick("low"), pick("high"), pick("rated"), each[-1].group,
                    all(one.seen for one in each))


def _of_size(machine: Machine, kind: str, size: float, payload: Number, launch: bool) -> Achieved:
    name, wire = collective_wire(machine, kind, payload, size)
    special, *general = _levels("collective", machine, name)
    levels = (f"{special}, timed by {TIMED_BY}", special, *general)
    return _achieved("collective", levels, {"wire": wire}, launch, size)


def _format(stored: str) -> Stored:
    """As the tables call it; a format without a table of its own is stored weights beside bf16 arithmetic."""
    found = micro_format(stored)
    if found is not None:
        return found
    if stored not in FORMATS:
        raise unknown("number format", stored, FORMATS)
    return stored, "bf16", "bf16", "weights in integers"


def _levels(what: str, machine: Machine, kind: str) -> tuple[str, ...]:
    return micro_levels(what, machine.chip.name, kind)


def _achieved(form: str, levels: tuple[str, ...], parts: Mapping[str, Number], launch: bool,
              size: float = REFERENCE_GROUP) -> Achieved:
    found = micro_group(levels)
    assert found is not None, levels  # every form has a group of all its points
    values = found.values if launch else {**found.values, "fixed": 0.0}
    seconds = achieved_time(FORMS[form], parts, values, size)
    low, high = (seconds * math.exp(end) for end in found.interval(size))
    rated = np.maximum.reduce([np.asarray(parts[name], dtype=float) + 0.0 * seconds
                               for name in ("compute", "memory", "wire") if name in parts])
    return Achieved(seconds, low, high, rated, found.name, found.name == levels[0])


# ---- seconds of the parts at the datasheet's rates


def product_parts(machine: Machine, formats: Stored, shape: tuple[Number, Number, Number],
                  groups: Number = 1.0) -> dict[str, Number]:
    """Seconds of a product's parts at the datasheet's rates, and its bytes; shape is (m, n, k).

    depth: k itself, which a unit steps along however small its tile is.
    """
    (m, n, k), (weights, activations, arithmetic, _) = shape, formats
    rate = machine.chip.flops[math_format(arithmetic, dict(machine.chip.flops))].value
    bandwidth = machine.chip.memory_bandwidth.value
    inputs = m * k * bytes_per_number(activations)
    moved = inputs + groups * n * k * bytes_per_number(weights) + 2.0 * m * n
    rounding = 0.0 * m if activations in ("bf16", "fp16") else (2.0 * m * k + inputs) / bandwidth
    return {"compute": 2.0 * m * n * k / rate, "memory": moved / bandwidth, "depth": k,
            "quantise": rounding, "output": 2.0 * m * n / bandwidth, "bytes": moved}


def prefill_parts(machine: Machine, stored: Stored, prompt: tuple[Number, Number],
                  heads: tuple[Number, Number, Number]) -> dict[str, Number]:
    """Seconds of causal attention over prompts of (sequences, tokens) with (heads, KV heads, width of a head).

    Scores count below the diagonal only. With an fp8 cache the products are at fp8's rate: with bf16's, the measured
    times of fp8 caches would be below the arithmetic. Memory: queries, keys and values are read and written once by
    the kernel that rotates them, then read by attention, and its output is written, in bf16.
    """
    (batch, tokens), (count, cached, head) = prompt, heads
    rate = machine.chip.flops[math_format(stored[0], dict(machine.chip.flops))].value
    flops = 4.0 * batch * count * head * tokens * (tokens + 1.0) / 2.0
    numbers = batch * tokens * head * (3.0 * (count + 2.0 * cached) + count)
    return {"compute": flops / rate, "memory": 2.0 * numbers / machine.chip.memory_bandwidth.value}


def collective_wire(machine: Machine, kind: str, payload: Number, group: float,
                    switch: bool = True) -> tuple[str, Number]:
    """The kind whose coefficients a collective has, and seconds on the wire at the datasheet's rate.

    switch: where a switch can add, NCCL lets it, for more than two chips, unless it is told not to (False).
    Over several boxes it works inside and across at once, in pieces: the slower of both networks counts.
    """
    inside = machine.scale_up.bandwidth.value if machine.scale_up else math.inf
    box = float(machine.domain)
    if group > box and machine.scale_out is not None:
        return f"{kind} over boxes", _across(kind, payload, group, (box, inside, machine.scale_out.bandwidth.value))
    network = machine.scale_up
    if switch and kind == "all_reduce" and network is not None and network.reduces and group > 2:
        return f"{kind} in the switch", collectives.all_reduce_in_switch_bytes(payload, group) / inside
    through = "" if network is None or network.kind != "host" else NEIGHBOUR if group == 2 else HOST
    return f"{kind}{through}", SENT[kind](payload, group) / inside


def _across(kind: str, payload: Number, group: float, networks: tuple[float, float, float]) -> Number:
    """Seconds of the slower network; networks: chips of a box, byte/s inside and outside."""
    box, inside, outside = networks
    own, boxes = min(group, box), math.ceil(group / box)
    if kind == "all_to_all":
        return collectives.two_level_all_to_all_time(payload, group, own, inside, outside)
    return np.maximum(SENT[kind](payload, own) / inside, SENT[kind](payload / own, boxes) / outside)


SENT = {"all_reduce": collectives.all_reduce_bytes, "all_gather": collectives.all_gather_bytes,
        "reduce_scatter": collectives.reduce_scatter_bytes, "all_to_all": collectives.all_gather_bytes}
