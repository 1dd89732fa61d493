"""What one forward pass does: decode, prefill, chunk, verification and their mixtures are one type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Number = Any  # a number or an array; everything broadcasts


@dataclass(frozen=True)
class Part:
    """`sequences` sequences that each add `new` tokens to `past` cached ones, and need `logits` outputs each."""

    sequences: Number
    new: Number
    past: Number
    logits: Number = 1.0


@dataclass(frozen=True)
class Pass:
    """A forward pass of one micro-batch as a sum of parts."""

    parts: tuple[Part, ...]

    def __add__(self, other: Pass) -> Pass:
        return Pass(self.parts + other.parts)

    @property
    def tokens(self) -> Number:
        """New tokens in the pass."""
        return sum(p.sequences * p.new for p in self.parts)

    @property
    def sequences(self) -> Number:
        """Sequences in the pass."""
        return sum(p.sequences for p in self.parts)

    @property
    def logits(self) -> Number:
        """Tokens that need an output distribution."""
        return sum(p.sequences * p.logits for p in self.parts)


def decode(batch: Number, context: Number) -> Pass:
    """One new token for each of `batch` sequences with `context` tokens cached before it."""
    return Pass((Part(batch, 1.0, context),))


def prefill(sequences: Number, length: Number) -> Pass:
    """Whole prompts of `length` tokens."""
    return Pass((Part(sequences, length, 0.0),))


def chunk(tokens: Number, past: Number, sequences: Number = 1.0) -> Pass:
    """A piece of `tokens` tokens of each of `sequences` prompts, `past` of them cached before; no output yet."""
    return Pass((Part(sequences, tokens, past, 0.0),))


def verify(batch: Number, context: Number, drafted: Number) -> Pass:
    """A check of `drafted` drafted tokens and one more for each of `batch` sequences."""
    return Pass((Part(batch, drafted + 1.0, context, drafted + 1.0),))
