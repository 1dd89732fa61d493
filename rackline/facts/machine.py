"""Records of hardware: a chip, the networks that join chips, a machine, memory tiers."""

from __future__ import annotations

from math import prod
from typing import Literal

from pydantic import model_validator

from rackline.errors import BadInput
from rackline.facts.fact import Fact, Record

MOST_CHIPS = 1_000_000


class Chip(Record):
    """One accelerator package: dense FLOP/s per number format, memory, power; every number a Fact."""

    name: str
    title: str
    vendor: str = ""
    machine: str | None = None  # the bundled machine that it usually sits in
    flops: dict[str, Fact]  # "bf16", "fp8", "fp4", "int8", "fp32": dense, two per multiply-add
    memory_capacity: Fact
    memory_bandwidth: Fact
    power: Fact | None = None
    announced: bool = False  # not yet shipping when the file was written
    note: str = ""

    @model_validator(mode="after")
    def _falls_back(self) -> Chip:
        if "bf16" not in self.flops:
            raise ValueError("flops must have bf16, the arithmetic that every format can fall back on")
        return self


class Network(Record):
    """A network that joins chips: byte/s one way per chip, seconds per message (torus: per hop)."""

    kind: Literal["switch", "torus", "mesh", "host"] = "switch"
    bandwidth: Fact
    latency: Fact
    axes: tuple[int, ...] = ()  # torus: chips along each axis of one domain
    pod: tuple[int, ...] = ()  # torus: the largest axes that can be had
    wraps: int = 1  # torus: an axis closes into a ring when its length is a multiple of this
    link: Fact | None = None  # torus: byte/s one way of one link; a chip has two an axis
    reduces: bool = False  # the switch itself adds up an all-reduce
    switches: Fact | None = None
    cables: Fact | None = None

    @model_validator(mode="after")
    def _shape(self) -> Network:
        if (self.kind == "torus") != bool(self.axes):
            raise ValueError("axes belong to a torus, and a torus needs them")
        sizes = (self.wraps, *self.axes, *self.pod)
        if len(self.axes) > 6 or not all(1 <= n <= MOST_CHIPS for n in sizes):
            raise ValueError("axes, pod and wraps must be at least 1, in at most six dimensions")
        if prod(self.pod) > MOST_CHIPS:
            raise ValueError(f"pod must have at most {MOST_CHIPS:,} chips")
        pairs = list(zip(self.axes, self.pod, strict=False))
        if self.pod and (len(self.pod) != len(self.axes) or any(a > p for a, p in pairs)):
            raise ValueError("axes must fit into pod")
        return self


    def with_axes(self, axes: tuple[int, ...]) -> Network:
        """This torus with other axes; links along an axis of one chip lead nowhere and carry nothing."""
        used = 2 * sum(n > 1 for n in axes)
        if self.link is None or used == 0:
            return self.model_copy(update={"axes": axes})
        link = self.link
        total = {key: used * end for key in ("value", "low", "high") if (end := getattr(link, key)) is not None}
        note = f"{used} links of the slice {' × '.join(map(str, axes))}"
        bandwidth = link.model_copy(update=total | {"kind": "derived", "note": note})
        return self.model_copy(update={"axes": axes, "bandwidth": bandwidth})


class Tier(Record):
    """A memory behind the chips: bytes and byte/s per chip, dollars per byte and hour where known."""

    name: str
    title: str
    capacity: Fact
    bandwidth: Fact
    price: Fact | None = None


class Machine(Record):
    """`chips` in all, in scale-up domains of `domain` joined by scale_up; the domains by scale_out."""

    name: str
    title: str
    chip: Chip
    chips: int
    domain: int
    node: int | None = None  # chips of one host, where it holds fewer than the domain
    scale_up: Network | None = None
    scale_out: Network | None = None
    tiers: tuple[Tier, ...] = ()
    price: Fact | None = None  # rental, dollars per chip-hour
    power: Fact | None = None  # watts of one whole domain
    weight: Fact | None = None  # kilograms of one whole domain
    note: str = ""

    @model_validator(mode="after")
    def _sizes(self) -> Machine:
        if not (1 <= self.chips <= MOST_CHIPS and 1 <= self.domain <= MOST_CHIPS):
            raise ValueError(f"chips and domain must be between 1 and {MOST_CHIPS:,}")
        if self.domain > 1 and self.scale_up is None:
            raise ValueError("a domain of several chips needs scale_up")
        if self.chips > self.domain and self.scale_out is None:
            raise ValueError("more chips than one domain need scale_out")
        if self.scale_up and self.scale_up.axes and prod(self.scale_up.axes) != self.domain:
            raise ValueError("the product of a torus's axes must be the domain")
        return self

    def with_chips(self, chips: int) -> Machine:
        """This kind of machine with another number of chips; a torus becomes a slice of that size.

        Errors: BadInput for a number out of range, beyond the networks, or that no slice of the torus has.
        """
        if not isinstance(chips, int) or isinstance(chips, bool) or not 1 <= chips <= MOST_CHIPS:
            raise BadInput("chips", f"must be a whole number between 1 and {MOST_CHIPS:,}", chips)
        sized = self._slice(chips) if self.scale_up and self.scale_up.pod else self
        if chips > sized.domain and self.scale_out is None:
            raise BadInput("chips", f"{self.title} has no network beyond {sized.domain} chips", chips,
                           "give a machine file with scale_out")
        return sized.model_copy(update={"chips": chips})

    def _slice(self, chips: int) -> Machine:
        assert self.scale_up is not None
        pod = self.scale_up.pod
        axes = pod if chips >= prod(pod) else slice_axes(pod, chips)
        return self.model_copy(update={"domain": prod(axes), "scale_up": self.scale_up.with_axes(axes)})


def slice_axes(pod: tuple[int, ...], chips: int) -> tuple[int, ...]:
    """The most cubic axes of a slice of so many chips that fits into a pod; BadInput if there is none."""
    shapes = _shapes(chips, pod)
    if not shapes:
        less = next(n for n in range(chips - 1, 0, -1) if _shapes(n, pod))
        torus = " × ".join(map(str, pod))
        raise BadInput("chips", f"must form a slice of a torus of {torus}", chips, f"{less} does")
    return min(shapes, key=lambda axes: (max(axes), axes))


def _shapes(chips: int, pod: tuple[int, ...]) -> list[tuple[int, ...]]:
    if len(pod) == 1:
        return [(chips,)] if chips <= pod[0] else []
    return [(first, *rest) for first in range(1, min(chips, pod[0]) + 1) if chips % first == 0
            for rest in _shapes(chips // first, pod[1:])]
