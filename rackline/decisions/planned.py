"""What a plan found: the record behind its answer, the workload it serves, and the order of its options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions.money import dollars_per_million
from rackline.decisions.search import Found, Option, Search
from rackline.errors import BadInput
from rackline.facts.fact import Fact
from rackline.facts.traces import Trace, quantiles
from rackline.systems.layout import Layout
from rackline.systems.memory import largest_batch, largest_context
from rackline.systems.placing import stacked
from rackline.systems.serving import Kind, Workload

KINDS = 8  # kinds of requests that stand for a trace
CONFIRMED = 5000  # requests of a trace on which options are simulated


@dataclass(frozen=True)
class Confirmed:
    """An option simulated on the trace: spreads in seconds, requests/s that it sustains, dollars then, or why not."""

    option: Option
    ttft: dict[str, float] = field(default_factory=dict)
    tpot: dict[str, float] = field(default_factory=dict)
    sustained: float = 0.0
    cost: float = float("inf")
    meets: bool = False
    preemptions: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Planned:
    """Everything that a plan found, for its tables: the question, options ranked, infeasible layouts, what fits."""

    request: Any
    question: Search
    price: Fact
    fitting: list[Layout]
    infeasible: list[tuple[Layout, tuple[str, ...]]]
    found: Found
    ranked: list[Option]
    confirmed: tuple[Confirmed, ...] = ()  # the first of them, simulated

    @property
    def best(self) -> Option:
        """The first under the goal."""
        return self.ranked[0]

    def cost(self, option: Option) -> float:
        """Dollars per million output tokens, prompts and idle chips included."""
        return dollars_per_million(self.price.value, self.question.chips, option.rate * self.question.work.output)


def decode_only(q: Any) -> bool:
    """Whether only a context is asked for, so that there is no prefill to plan."""
    return q.context is not None and q.input is None and q.trace is None


def workload(q: Any) -> Workload:
    """What users send: a trace's own lengths, prompt and output lengths, or decoding at a fixed context."""
    trace: Trace | None = q.trace
    if trace is not None:
        if (q.input, q.output, q.context) != (None, None, None):
            raise BadInput("--trace", "brings its own lengths: give no --input, --output or --context", trace.name)
        longest = float((trace.input_tokens + trace.output_tokens).max())
        return Workload(tuple(Kind(*kind) for kind in quantiles(trace, KINDS)), trace.name, longest)
    if decode_only(q):
        return Workload((Kind(float(q.context) - 0.5, 1.0, 1.0),), "fixed context")
    if q.input is None:
        raise BadInput("plan", "needs what users send", "no --input, --context or --trace",
                       "for example --input 4000 --output 500, or --trace azure-conv")
    if q.context is not None:
        raise BadInput("--context", "is for decoding alone; --input and --output imply the context", q.context)
    return Workload((Kind(float(q.input), float(q.output or 500), 1.0),), "fixed lengths")


def limits(planned: Planned) -> dict[str, Any]:
    """The largest number of sequences and the longest context that any fitting layout can hold."""
    server, work = planned.question.server, planned.question.work
    grid = stacked(planned.fitting)
    batch = (largest_batch(server.model, server.machine, grid, work.held, server.usable) * grid.replicas).ravel()
    context = largest_context(server.model, server.machine, grid, 1.0, server.usable).ravel()
    most, longest = int(np.argmax(batch)), int(np.argmax(context))
    limit = server.model.max_context
    return {
        "largest_batch": float(batch[most]), "largest_batch_layout": planned.fitting[most].name(),
        "largest_context": float(context[longest]), "largest_context_layout": planned.fitting[longest].name(),
        "model_max_context": limit,
        "context_note": f"the model itself reads at most {units.show(limit, 'tokens')} tokens" if limit else "",
    }
