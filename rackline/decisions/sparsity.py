"""Sparsity against quality: fewer active parameters for more in all, at a quality held equal by a published point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.decisions import sparsity_view
from rackline.decisions.answer import Answer
from rackline.decisions.money import chip_price, dollars_per_million
from rackline.errors import BadInput
from rackline.facts.fact import Fact
from rackline.facts.machine import Machine
from rackline.facts.model import FeedForward, Model
from rackline.facts.scaling_laws import RoutedPoint, routed_point
from rackline.physics import blackboard, capacity, sparsity
from rackline.physics import experts as exact
from rackline.systems.memory import USABLE
from rackline.systems.symbols import Symbols, symbols

CONTEXT = 8192.0
EXPERTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
BATCHES = (64.0, 1024.0, 16384.0)
PROMPT_TOKENS = 65536.0  # of a pass of prompts, whose arithmetic limits it
GRAINS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Trade:
    """Models of one quality: experts for each one met; parameters, bytes, chips, balance batch; arrays of shape (n,).

    dollars: per million decoded tokens at each batch, shape (batches, n); prompts: per million prompt tokens, (n,);
    infinite where the model does not fit.
    """

    experts: np.ndarray
    active: np.ndarray
    total: np.ndarray
    bytes: np.ndarray
    chips: np.ndarray
    balance: np.ndarray
    dollars: np.ndarray
    prompts: np.ndarray


@dataclass(frozen=True)
class Grain:
    """The same parameters in finer experts: how many, chips a token reaches, bytes there and back, experts read."""

    factor: int
    experts: int
    k: int
    chips: float
    sent: float
    touched: float


@dataclass(frozen=True)
class Sparse:
    """What the answer shows."""

    question: Any
    model: Model
    machine: Machine
    moe: FeedForward | None
    price: Fact
    point: RoutedPoint
    context: float
    batches: np.ndarray
    expansion: float  # the model's own experts for each one met
    share: float  # part of its active parameters that is, or could be, routed
    a: float  # the exponent; at least, at most
    low: float
    high: float
    trade: Trade
    bounds: tuple[Trade, Trade]  # with the exponent at either end
    grains: tuple[Grain, ...]

    @property
    def symbols(self) -> Symbols:
        """The lecture's symbols on the whole machine."""
        return symbols(self.model, self.machine, self.machine.chips)

    @property
    def dense(self) -> float:
        """Parameters of the dense model as good as this one."""
        return float(sparsity.dense_equivalent(float(self.model.active_parameters), self.expansion, self.a))


def answer(q: Any) -> Answer:
    """The trades; BadInput for a context or numbers of experts that make no sense."""
    return sparsity_view.answer(gather(q))


def gather(q: Any) -> Sparse:
    """Everything that the answer shows."""
    model, point = q.model.with_formats(weights=q.weights, kv=q.kv), routed_point()
    limit = model.max_context
    context = min(CONTEXT, limit or CONTEXT) if q.context is None else float(q.context)
    if limit is not None and context > limit:
        raise BadInput("--context", f"the model reads at most {limit:,} tokens", f"{context:,.0f}")
    moe = next((f for f, _ in model.feed_forwards() if f.experts), None)
    a, low, high = exponents(point)
    batches = np.array(q.batch or BATCHES, dtype=float)
    experts = np.array(q.experts or EXPERTS, dtype=float)
    found = {"model": model, "machine": q.on, "price": chip_price(q.on, q.price), "context": context}
    kept = (1.0 if moe is None else moe.experts / moe.top_k, _share(model))
    trades = [_trade(found, experts, batches, kept, one) for one in (a, low, high)]
    return Sparse(q, model, q.on, moe, found["price"], point, context, batches, *kept, a, low, high, trades[0],
                  (trades[1], trades[2]), tuple(_grain(model, moe, q.on, f) for f in GRAINS) if moe else ())


def exponents(point: RoutedPoint) -> tuple[float, float, float]:
    """The exponent of the published point, at least and at most."""
    ends = [point.dense.value, point.dense.low, point.dense.high]
    found = [float(sparsity.exponent(end / point.active.value, point.experts.value)) for end in ends if end is not None]
    return found[0], min(found), max(found)


def _share(model: Model) -> float:
    """The part of the active parameters in routed experts; of a dense model, in feed-forwards."""
    routed = sum(count * f.top_k * f.expert_parameters for f, count in model.feed_forwards())
    dense = sum(count * sum(m.parameters for m in f.matrices) for f, count in model.feed_forwards())
    return (routed or dense) / model.active_parameters


def _trade(found: dict[str, Any], experts: np.ndarray, batches: np.ndarray, kept: tuple[float, float],
           a: float) -> Trade:
    model, machine = found["model"], found["machine"]
    expansion, share = kept
    s = symbols(model, machine, machine.chips)
    dense = sparsity.dense_equivalent(s.N_active, expansion, a)
    active = sparsity.active_for_equal_quality(dense, experts, a)
    total = sparsity.total_parameters(active, experts, share)
    chip = machine.chip.memory_capacity.value * USABLE.value
    balance = blackboard.balance_batch(s.F, s.W, s.w, total, active)
    family = (active, total, experts, share)
    per_batch = [_dollars(found, s, family, batch, found["context"]) for batch in batches]
    prompts = _dollars(found, s, family, PROMPT_TOKENS, 0.0)
    return Trade(experts, active, total, s.w * total, capacity.chips_needed(chip, 0.0, 0.0, s.w * total, 0.0), balance,
                 np.array(per_batch), prompts)


def _dollars(found: dict[str, Any], s: Symbols, family: tuple, batch: float, context: float) -> np.ndarray:
    """Dollars per million tokens of every model of the family at one batch on the whole machine."""
    active, total, experts, share = family
    machine = found["machine"]
    always, routed = s.w * active * (1.0 - share), s.w * active * share * experts
    read = exact.weights_read(always, routed, experts, 1.0, batch)
    time = blackboard.step_time(batch, context, active, read, s.kv, s.F, s.W)
    fits = s.w * total + batch * context * s.kv <= s.C * USABLE.value
    price = dollars_per_million(found["price"].value, machine.chips, 1.0)
    return np.where(fits, price * time / batch, np.inf)


def _grain(model: Model, moe: FeedForward, machine: Machine, factor: int) -> Grain:
    experts, k = moe.experts * factor, moe.top_k * factor
    chips = min(machine.domain, moe.experts)
    reached = float(exact.chips_hit(chips, experts, k))
    sent = exact.exchange_bytes(exact.copies_sent(reached, chips), model.hidden, 1.0, 2.0)
    return Grain(factor, experts, k, reached, float(sent), float(exact.touched(experts, k, 64.0)) / experts)
