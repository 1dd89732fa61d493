"""What long contexts cost: output and prompt tokens from 8k to 100M, by model and kind of attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.decisions import contexts_view
from rackline.decisions.answer import Answer
from rackline.decisions.clocks import check_engine, clock_of, passed_down
from rackline.decisions.context_costs import Curve, curve
from rackline.decisions.context_kinds import variants
from rackline.decisions.fitting import what_would_fit
from rackline.decisions.money import chip_price
from rackline.facts.fact import Fact
from rackline.systems.calibrated import usable
from rackline.systems.serving import Server

SHORT, LONG = 8e3, 1e8  # tokens
_POINTS = 65


@dataclass(frozen=True)
class Contexts:
    """The model's own curve, those of other models, and those of the model with its attention replaced."""

    question: Any
    price: Fact
    own: Curve
    others: tuple[Curve, ...]
    kinds: tuple[Curve, ...]

    @property
    def all(self) -> tuple[Curve, ...]:
        """Every curve."""
        return (self.own, *self.others, *self.kinds)


def answer(q: Any) -> Answer:
    """The contexts; infeasible where the model does not fit with the shortest."""
    contexts = _contexts(q.context)
    price = chip_price(q.on, q.price)
    check_engine(q)
    clock = clock_of(q)
    model = q.model.with_formats(weights=q.weights, kv=q.kv)
    own = curve(model.name, Server(model, q.on, clock), price, contexts)
    if not np.isfinite(own.cost[0]):
        changes = what_would_fit(model, q.on, float(contexts[0]), usable(clock, q.on).value)
        return contexts_view.fits_nowhere(q, contexts[0], changes)
    others = tuple(curve(other.name, Server(other, q.on, clock), price, contexts)
                   for other in (beside.with_formats(weights=q.weights, kv=q.kv) for beside in q.beside or ()))
    kinds = tuple(curve(f"{model.name} with {kind}", Server(changed, q.on, clock), price, contexts)
                  for kind, changed in variants(model).items())
    return passed_down(contexts_view.answer(Contexts(q, price, own, others, kinds)), q, model)


def _contexts(given: tuple[float, ...] | None) -> np.ndarray:
    if given is None:
        return np.unique(np.concatenate([np.geomspace(SHORT, LONG, _POINTS).round(), contexts_view.NAMED]))
    return np.array(given, dtype=float)
