"""What every subject of a rack question starts from, and what each hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rackline.decisions.answer import Line, Plot, Source, Table
from rackline.decisions.money import chip_price
from rackline.errors import BadInput
from rackline.facts.fact import Fact
from rackline.facts.machine import Machine
from rackline.facts.model import FeedForward, Model
from rackline.systems.domains import with_domain
from rackline.systems.memory import usable_bytes

CONTEXT = 8192.0  # tokens, where the question names none
_ROOM = 0.9  # of what weights and KV may take, were both divided evenly
MOST_TOKENS = 32_768  # drawn at once; a larger batch is drawn in part


@dataclass(frozen=True)
class Case:
    """A question's model and machine, read: the routed layer (None for a dense model), the price of a chip-hour."""

    question: Any
    machine: Machine
    model: Model | None
    moe: FeedForward | None
    price: Fact
    context: float
    spread: int  # chips that the model is spread over: a domain, or all of them where it does not fit in one
    batch: int  # sequences a chip: as asked, or halved until they fit beside the weights

    @property
    def some_model(self) -> Model:
        """The model, where a subject cannot do without."""
        if self.model is None:
            raise BadInput("MODEL", f"must be given for --about {self.question.about}", "nothing",
                           "for example rackline rack deepseek-v3 --on gb200-nvl72")
        return self.model

    @property
    def one_domain(self) -> Machine:
        """The machine as a single domain."""
        return with_domain(self.machine, self.machine.domain, self.machine.domain)


@dataclass(frozen=True)
class Part:
    """What one subject found: a sentence, tables, plots, notes, equations, sources, data for --json."""

    sentence: str
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    notes: tuple[str, ...] = ()
    explain: tuple[Line, ...] = ()
    sources: tuple[Source, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    feasible: bool = True


def case_of(q: Any) -> Case:
    """The case of a question; BadInput for a context that the model cannot read."""
    model = None if q.model is None else q.model.with_formats(weights=q.weights, kv=q.kv)
    limit = model.max_context if model else None
    context = min(CONTEXT, limit or CONTEXT) if q.context is None else q.context
    if limit is not None and context > limit:
        raise BadInput("--context", f"the model reads at most {limit:,} tokens", f"{context:,.0f}")
    moe = None if model is None else next((f for f, _ in model.feed_forwards() if f.experts), None)
    spread = _spread(q.on, model)
    return Case(q, q.on, model, moe, chip_price(q.on, q.price), context, spread, _batch(q, model, context, spread))


def _spread(machine: Machine, model: Model | None) -> int:
    domain = min(machine.domain, machine.chips)
    held = 0.0 if model is None else model.weight_bytes() / domain
    return domain if held < _ROOM * usable_bytes(machine) else machine.chips


def _batch(q: Any, model: Model | None, context: float, spread: int) -> int:
    batch = int(q.batch)
    if model is None:
        return batch
    room = _ROOM * usable_bytes(q.on) - model.weight_bytes() / spread
    one = context * model.kv_bytes_per_token() + model.state_bytes()
    while batch > 1 and batch * one > room:
        batch //= 2
    return batch


def sourced(name: str, fact: Fact) -> Source:
    """A Fact as a source of the answer."""
    return Source(name, fact.shown(), fact.source, fact.date)
