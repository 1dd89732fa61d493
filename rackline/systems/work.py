"""What a pass asks of one chip: arithmetic, memory traffic, messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Number = Any  # a number or an array; everything broadcasts
Collective = Literal["all-reduce", "all-to-all", "send"]


@dataclass(frozen=True)
class Message:
    """One collective: its kind, the chips that take part, payload bytes per chip, and how often it happens in the pass.

    all-reduce: bytes of the whole result. all-to-all: bytes that a chip hands out, those that
    stay on it included; `copies` of each piece go to different chips of a domain and `domains` of them to
    different domains. send: bytes of one chip to the next stage; `span` chips lie between.
    """

    kind: Collective
    group: Number
    payload: Number
    count: Number = 1.0
    span: Number = 1.0
    copies: Number = 1.0
    domains: Number = 1.0


@dataclass(frozen=True)
class Work:
    """FLOPs by stored number format, bytes read or written in memory, messages; of the busiest chip of a stage.

    `layers` that tokens walk through and experts that each token picks, summed over the layers: what starts kernels.
    `sequences` that get a token: what an engine schedules and samples.
    """

    flops: Mapping[str, Number] = field(default_factory=dict)
    bytes: Number = 0.0
    messages: tuple[Message, ...] = ()
    layers: Number = 0.0
    picks: Number = 0.0
    sequences: Number = 0.0

    def __add__(self, other: Work) -> Work:
        flops = dict(self.flops)
        for name, value in other.flops.items():
            flops[name] = flops.get(name, 0.0) + value
        return Work(flops, self.bytes + other.bytes, self.messages + other.messages,
                    self.layers + other.layers, self.picks + other.picks, self.sequences + other.sequences)

    @property
    def total_flops(self) -> Number:
        """FLOPs in every format together."""
        return sum(self.flops.values(), start=0.0)


def total(ledger: Mapping[str, Work]) -> Work:
    """The sum of a ledger's terms."""
    return sum(ledger.values(), start=Work())
