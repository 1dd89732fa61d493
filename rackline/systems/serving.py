"""Steady serving in closed form: from a workload and a layout to time per output token, first token and rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rackline.facts.fact import Fact
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.systems.calibrated import Calibrated, usable
from rackline.systems.clock import Clock, PassTime, Roofline, pass_time
from rackline.systems.layout import Layout
from rackline.systems.memory import cache_bytes
from rackline.systems.passes import Part, Pass

Number = Any

HEADROOM = Fact(value=0.8, unit="ratio", kind="assumed", low=0.6, high=0.95, date="2026-11-21",
                source="rule of queues: an M/D/1 server at 0.8 waits two service times on average",
                note="largest share of prefill's capacity that a plan uses")


@dataclass(frozen=True)
class Kind:
    """Requests of one make: prompt and output tokens, and their share of all requests."""

    input: float
    output: float
    share: float


@dataclass(frozen=True)
class Workload:
    """What users send, as a few kinds of requests."""

    kinds: tuple[Kind, ...]
    name: str = ""
    most: float = 0.0  # tokens of the longest request, where the kinds are averages of several

    @property
    def input(self) -> float:
        """Mean prompt tokens."""
        return sum(k.share * k.input for k in self.kinds)

    @property
    def output(self) -> float:
        """Mean output tokens."""
        return sum(k.share * k.output for k in self.kinds)

    @property
    def held(self) -> float:
        """Tokens that a decoding sequence reserves, averaged over those in flight: prompt and whole output."""
        return sum(k.share * k.output * (k.input + k.output) for k in self.kinds) / self.output

    @property
    def longest(self) -> float:
        """Tokens of the longest request."""
        return max(self.most, max(k.input + k.output for k in self.kinds))

    def decoding(self, batch: Number) -> Pass:
        """A decode pass of `batch` sequences in steady state: each kind in proportion to the time it stays."""
        return Pass(tuple(Part(batch * (k.share * k.output / self.output), 1.0, k.input + k.output / 2.0)
                          for k in self.kinds))

    def prompting(self, prompts: Number) -> Pass:
        """A pass over `prompts` whole prompts; fractions stand for chunks, a prompt's chunks adding up to it."""
        return Pass(tuple(Part(prompts * k.share, k.input, 0.0) for k in self.kinds))


@dataclass(frozen=True)
class Operating:
    """An operating point (arrays broadcast): seconds per output token and to the first, requests/s of one replica.

    `decode_share` is the part of the chips' time that output tokens take; the rest is the prompts'.
    """

    tpot: Number
    ttft: Number
    rate: Number
    decode_share: Number


@dataclass(frozen=True)
class Server:
    """A model on a machine under a clock; `edge` says which of a PassTime's seconds count: time, lower or upper."""

    model: Model
    machine: Machine
    clock: Clock = field(default_factory=Roofline)
    edge: Literal["time", "lower", "upper"] = "time"

    @property
    def prompt_factor(self) -> float:
        """How many times as long as its passes a prompt takes until its first token, where the clock knows it."""
        return getattr(self.clock, "prompt_factor", 1.0)

    @property
    def usable(self) -> float:
        """The share of a chip's memory that weights and caches may take."""
        return usable(self.clock, self.machine).value

    def waiting(self, step: Number, sequences: Number) -> Number | None:
        """Seconds that a request waits beside prompts until its first token, where the clock knows it."""
        return self.clock.waiting(step, sequences) if isinstance(self.clock, Calibrated) else None

    def passed(self, layout: Layout, pass_: Pass) -> PassTime:
        """One micro-batch on one stage."""
        return pass_time(self.model, self.machine, layout, pass_, self.clock)

    def stage_time(self, layout: Layout, pass_: Pass) -> Number:
        """Seconds of one micro-batch on one stage."""
        return getattr(self.passed(layout, pass_), self.edge)


def decode_time(server: Server, layout: Layout, work: Workload, batch: Number) -> Number:
    """Seconds per output token of `batch` decoding sequences a replica: every stage holds a micro-batch."""
    return layout.pipeline * server.stage_time(layout, work.decoding(batch / layout.pipeline))


def arriving_time(server: Server, layout: Layout, work: Workload, batch: Number) -> Number:
    """Seconds of a pass on a stage with one prompt and those that arrive meanwhile; endless: passes wait to be full.

    A bound fills passes to the last token; measured first tokens are of prompts that no others held up.
    """
    micro = batch / layout.pipeline
    if server.waiting(0.0, batch) is None:
        return np.inf
    return server.stage_time(layout, work.decoding(micro) + work.prompting(1.0 + micro / work.output))


def together(server: Server, layout: Layout, work: Workload, batch: Number, tokens: float, decode: Number,
             arriving: Number | None = None) -> Operating:
    """Prefill and decode on the same chips: passes decode `batch` sequences, some add `tokens` prompt tokens a rank.

    Eq: tpot = (1 - f)*decode + f*mixed, where f = prompt tokens needed a pass / prompt tokens possible a pass.
    Ignores: preemption, prompts that share a prefix; time to first token is a mean with Poisson arrivals (M/D/1).
    `decode` is decode_time at the same batch, `arriving` arriving_time (None: worked out here). Points with f above
    HEADROOM cannot be sustained: infinite times.
    """
    micro = batch / layout.pipeline
    prompts = tokens * layout.data / work.input
    mixed = server.stage_time(layout, work.decoding(micro) + work.prompting(prompts))
    filled = micro / work.output / prompts
    tpot = (1.0 - filled) * decode + filled * layout.pipeline * mixed
    chunks = np.maximum(1.0, work.input / tokens)
    wait = filled / (2.0 * np.maximum(1.0 - filled, 1e-9)) * chunks * mixed
    own = np.minimum(mixed, arriving_time(server, layout, work, batch) if arriving is None else arriving)
    waiting = server.waiting(decode, batch)
    ttft = (tpot / 2.0 if waiting is None else waiting) + server.prompt_factor * (
        wait + (chunks + layout.pipeline - 1.0) * own)
    sustained = filled <= HEADROOM.value
    blank = lambda values: np.where(sustained, values, np.inf)  # noqa: E731
    return Operating(blank(tpot), blank(ttft), np.where(sustained, batch / work.output / tpot, 0.0),
                     np.minimum(1.0, decode / tpot))


@dataclass(frozen=True)
class Prefilling:
    """A prefill pool's replica: seconds from arrival to the KV at the decode pool, prompts/s it can take."""

    ttft: Number
    rate: Number
    transfer: Number


def apart(server: Server, layout: Layout, work: Workload, prompts: Number) -> Prefilling:
    """Prefill on chips of its own, `prompts` prompts a data rank at once, at HEADROOM of its capacity; KV then travels.

    Ignores: sending layer by layer while later layers compute, which hides most of the transfer.
    """
    stage = server.stage_time(layout, work.prompting(prompts * layout.data))
    wait = HEADROOM.value / (2.0 * (1.0 - HEADROOM.value)) * stage
    moved = transfer_time(server, layout, work)
    first = server.prompt_factor * (wait + layout.pipeline * stage)
    return Prefilling(first + moved, HEADROOM.value * prompts * layout.data / stage, moved)


def transfer_time(server: Server, layout: Layout, work: Workload) -> Number:
    """Seconds to send one prompt's KV to the decode pool, every chip that holds a piece sending its own."""
    machine = server.machine
    inside = machine.chips <= machine.domain or machine.scale_out is None
    network = machine.scale_up if inside else machine.scale_out
    if network is None:
        return np.inf  # a single chip has no second pool
    return cache_bytes(server.model, layout, work.input) / network.bandwidth.value + network.latency.value
