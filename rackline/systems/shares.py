"""Shares of a chip's datasheet rates that kernels and collectives were measured to reach at large sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rackline.facts.machine import Machine
from rackline.systems.achieved import collective, decode_attention, prefill_attention, product

Number = Any
_LARGE = (8192, 8192, 8192)  # a product that fills the chip: a prompt's piece by a wide layer
_THIN = (16, 8192, 8192)  # a product that reads weights for few tokens
_WIRE = 64e6  # bytes of a collective whose latency no longer counts
_STORED_ONLY = ("nvfp4", "mxfp4", "int4")  # formats whose thin products were timed with the rounding of activations


@dataclass(frozen=True)
class Shares:
    """Shares of the datasheet's rates: arithmetic and memory of products by stored format, attention, network."""

    compute: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    scores: float = 1.0  # arithmetic of attention
    cache: float = 1.0
    network: float = 1.0

    def work(self, term: str, stored: str | None) -> float:
        """The share of a format's rate that the arithmetic of a ledger's term reaches."""
        return self.scores if term.endswith(ATTENDS) else 1.0 if stored is None else self.compute.get(stored, 1.0)

    def flops(self, term: str, given: Mapping[str, Number]) -> dict[str, Number]:
        """FLOPs of a ledger's term as the datasheet's rate would do them in that time."""
        return {stored: flops / self.work(term, stored) for stored, flops in given.items()}

    def bytes(self, term: str, stored: str | None) -> float:
        """The share of the memory's bandwidth that a term reaches; routed experts count at the datasheet's.

        No micro-benchmark here times the grouped products of experts.
        """
        if term.endswith(ATTENDS):
            return self.cache
        return 1.0 if term.startswith("experts.") or stored is None else self.weights.get(stored, 1.0)


ATTENDS = ("scores", ".state")
DATASHEET = Shares()


def measured_shares(machine: Machine, formats: Iterable[str]) -> Shares:
    """What the micro-benchmarks show for a machine and number formats of weights; of kin where it was not measured.

    Over a host's bus messages count at the datasheet's rate: whether chips may write to each other's memory makes five
    times the difference there, and is seldom said.
    Source: docs/micro.md
    """
    stored = sorted(set(formats))
    group = min(8, max(2, machine.domain))
    rate = lambda f, shape: float(product(machine, f, shape, launch=False).share)  # noqa: E731
    return Shares({f: rate(f, _LARGE) for f in stored},
                  {f: rate("bf16" if f in _STORED_ONLY else f, _THIN) for f in stored},
                  float(prefill_attention(machine, "bf16", (1, 8192), (32, 8, 128), launch=False).share),
                  float(decode_attention(machine, "bf16", 1e9, launch=False).share),
                  float(collective(machine, "all_reduce", group, _WIRE, launch=False).share)
                  if machine.scale_up and machine.scale_up.kind != "host" else 1.0)
