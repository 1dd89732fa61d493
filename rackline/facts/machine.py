"""Records of hardware: a chip, the networks that join chips, a machine, memory tiers."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from rackline.errors import BadInput
from rackline.facts.fact import Fact, Record


class Chip(Record):
    """One accelerator package: dense FLOP/s per number format, memory, power; every number a Fact."""

    name: str
    title: str
    vendor: str = ""
    flops: dict[str, Fact]  # "bf16", "fp8", "fp4", "int8", "fp32": dense, two per multiply-add
    memory_capacity: Fact
    memory_bandwidth: Fact
    power: Fact | None = None
    announced: bool = False  # not yet shipping when the file was written
    note: str = ""


class Network(Record):
    """A network that joins chips: byte/s one way per chip, seconds per message end to end."""

    kind: Literal["switch", "torus", "mesh", "host"] = "switch"
    bandwidth: Fact
    latency: Fact
    axes: tuple[int, ...] = ()  # torus: chips along each axis of one domain
    reduces: bool = False  # the switch itself adds up an all-reduce
    switches: Fact | None = None
    cables: Fact | None = None


class Tier(Record):
    """A memory behind the chips: bytes and byte/s per chip, dollars per byte and hour where known."""

    name: str
    title: str
    capacity: Fact
    bandwidth: Fact
    price: Fact | None = None


class Machine(Record):
    """Chips in scale-up domains: `chips` in all, `domain` of them joined by scale_up, the rest by scale_out."""

    name: str
    title: str
    chip: Chip
    chips: int
    domain: int
    scale_up: Network | None = None
    scale_out: Network | None = None
    tiers: tuple[Tier, ...] = ()
    price: Fact | None = None  # rental, dollars per chip-hour
    power: Fact | None = None  # watts of the whole machine
    weight: Fact | None = None
    note: str = ""

    @model_validator(mode="after")
    def _sizes(self) -> Machine:
        if self.chips < 1 or not self.domain >= 1:
            raise ValueError("chips and domain must be at least 1")
        if self.domain > 1 and self.scale_up is None:
            raise ValueError("a domain of several chips needs scale_up")
        return self

    def with_chips(self, chips: int) -> Machine:
        """This kind of machine with another number of chips; more than one domain needs scale_out."""
        if not 1 <= chips <= 1_000_000:
            raise BadInput("chips", "must be between 1 and 1,000,000", chips)
        if chips > self.domain and self.scale_out is None:
            raise BadInput("chips", f"{self.title} has no network beyond {self.domain} chips", chips,
                           "give a machine file with scale_out")
        return self.model_copy(update={"chips": chips})
