"""Pope et al.'s table 1: the longest context whose KV cache fits, from each way of spreading the cache over chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackline.facts.formats import bytes_per_number
from rackline.facts.measured_things import measured_machine
from rackline.facts.measurements import Measured
from rackline.facts.models import model
from rackline.physics.capacity import kv_per_chip_by_heads, kv_per_chip_by_sequences, largest_context


@dataclass(frozen=True)
class Longest:
    """A published longest context beside ours, in tokens, with a chip's memory in GB and in GiB."""

    measured: Measured
    low: float
    high: float


def longest_contexts(rows: Sequence[Measured]) -> list[Longest]:
    """Every row of a longest context beside the equation's."""
    return [_longest(row) for row in rows if row.metric == "max_context_length"]


def _longest(row: Measured) -> Longest:
    machine, batch, facts = measured_machine(row), row.load.batch or 1, row.facts
    assert machine is not None
    heads = next(model("palm-540b").attentions())[0].heads if facts["layout"] == "multihead" else 1
    kv = 2.0 * facts["layers"] * heads * facts["head_dim"] * bytes_per_number("bf16")
    if "over batch" in facts["layout"]:
        token = kv_per_chip_by_sequences(batch, 1.0, kv, machine.chips)
    else:
        token = kv_per_chip_by_heads(batch, 1.0, kv, heads, machine.chips)
    memory, share = machine.chip.memory_capacity, facts["kv_mem_fraction"]
    sizes = (memory.value, memory.high or memory.value)
    low, high = (float(largest_context(size * share, 1.0, 0.0, token)) for size in sizes)
    return Longest(row, low, high)
