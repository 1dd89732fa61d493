"""One forward pass of a model under one layout, split into what the lecture's curves are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rackline.decisions.intervals import Around, around_pass
from rackline.decisions.money import dollars_per_million
from rackline.facts.fact import Fact
from rackline.systems.calibrated import FAMILY, FIRST, Calibrated
from rackline.systems.clock import RESOURCES, PassTime, TermTime, in_turn, overlapped
from rackline.systems.layout import Layout
from rackline.systems.memory import largest_batch, largest_context
from rackline.systems.passes import Pass, decode, prefill, verify
from rackline.systems.serving import Server
from rackline.systems.symbols import Symbols, symbols

Number = Any
CACHE_TERMS = ("scores", ".state")  # the ledger's terms whose bytes belong to sequences, not to weights


@dataclass(frozen=True)
class Step:
    """Seconds of one pass through every pipeline stage, by resource; memory apart for weights and for the cache.

    lower: all overlap. time: terms in sequence, each overlapping its arithmetic and memory. upper: none overlaps.
    """

    compute: Number
    weights: Number
    cache: Number
    network: Number
    time: Number
    terms: Mapping[str, TermTime]
    overhead: Number = 0.0

    @property
    def memory(self) -> Number:
        """Seconds of reading and writing memory."""
        return self.weights + self.cache

    @property
    def lower(self) -> Number:
        """Seconds when compute, memory and network all overlap."""
        return overlapped(self.compute, self.memory, self.network, self.overhead)

    @property
    def upper(self) -> Number:
        """Seconds when nothing overlaps."""
        return in_turn(self.compute, self.memory, self.network, self.overhead)

    @property
    def limiter(self) -> str:
        """The resource that is busy longest (of scalars)."""
        return max(RESOURCES, key=lambda name: float(getattr(self, name)))


@dataclass(frozen=True)
class Case:
    """A pass of one kind on a server under a layout, and the price of a chip-hour."""

    server: Server
    layout: Layout
    kind: str  # decode, prefill, verify
    drafted: float
    price: Fact

    @property
    def unit(self) -> Number:
        """Sequences that give every data rank of every stage one."""
        return self.layout.data * self.layout.pipeline

    @property
    def timing(self) -> Server:
        """The server with the clock of this kind of pass: prompts until their first token take longer."""
        clock = self.server.clock
        if self.kind != "prefill" or not isinstance(clock, Calibrated):
            return self.server
        return replace(self.server, clock=clock.prompts)

    @property
    def symbols(self) -> Symbols:
        """The lecture's symbols for one replica."""
        return symbols(self.server.model, self.server.machine, self.layout.replica)

    def decoding(self) -> Case:
        """The same case with output tokens: a prefill becomes a decode."""
        return replace(self, kind="decode") if self.kind == "prefill" else self

    def prompting(self) -> Case:
        """The same case with whole prompts."""
        return replace(self, kind="prefill")

    def micro(self, batch: Number, context: Number) -> Pass:
        """The pass of one micro-batch when `batch` sequences fill the pipeline."""
        part = batch / self.layout.pipeline
        if self.kind == "prefill":
            return prefill(part, context)
        return verify(part, context, self.drafted) if self.kind == "verify" else decode(part, context)

    def step(self, batch: Number, context: Number) -> Step:
        """Seconds of a whole pass of `batch` sequences; arrays broadcast."""
        timed = self.timing.passed(self.layout, self.micro(batch, context))
        return split(timed, self.layout.pipeline)

    def around(self, batch: Number, context: Number) -> Around | None:
        """What may move the seconds of a pass; None where they are a bound."""
        family = FIRST if self.kind == "prefill" else FAMILY
        return around_pass(self.timing, self.layout, self.micro(batch, context), family)

    def tokens(self, batch: Number, context: Number) -> Number:
        """Tokens that a pass of one replica handles: of output, of prompts, or checked."""
        return batch * {"prefill": context, "verify": self.drafted + 1.0}.get(self.kind, 1.0)

    def cost(self, seconds: Number, batch: Number, context: Number) -> Number:
        """Dollars per million tokens of the pass when it takes so many seconds; idle chips are paid for."""
        tokens = self.layout.replicas * self.tokens(batch, context)
        return dollars_per_million(self.price.value, self.server.machine.chips, 1.0) * seconds / tokens

    def largest_batch(self, context: Number) -> Number:
        """Most sequences of `context` tokens that fit in one replica."""
        return largest_batch(self.server.model, self.server.machine, self.layout, context,
                             self.server.usable)

    def largest_context(self, batch: Number) -> Number:
        """Most tokens a sequence that fit with `batch` sequences in one replica."""
        return largest_context(self.server.model, self.server.machine, self.layout, batch, self.server.usable)


def split(timed: PassTime, stages: Number) -> Step:
    """A stage's time as a Step through so many stages."""
    weights, cache = (
        sum((t.memory for name, t in timed.terms.items() if name.endswith(CACHE_TERMS) == own), start=0.0)
        for own in (False, True))
    parts = (timed.compute, weights, cache, timed.network, timed.time, timed.overhead)
    compute, weights, cache, network, time, overhead = (
        x[()] for x in np.broadcast_arrays(*(part * stages for part in parts)))
    return Step(compute, weights, cache, network, time,
                {name: TermTime(*(getattr(t, r) * stages for r in RESOURCES)) for name, t in timed.terms.items()},
                overhead)
