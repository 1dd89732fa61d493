"""What a simulation runs: requests on a deployment, checked, with the layout that plan takes where none is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rackline.decisions.clocks import check_engine, clock_of
from rackline.decisions.money import chip_price
from rackline.decisions.offered import Offered, longest, offered
from rackline.decisions.planned import KINDS
from rackline.decisions.search import Search, Targets, ranked, search
from rackline.errors import BadInput
from rackline.facts.fact import Fact
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.facts.traces import Trace, quantiles
from rackline.systems.layout import Layout
from rackline.systems.memory import USABLE
from rackline.systems.placing import layouts, why_not
from rackline.systems.serving import Kind, Server, Workload
from rackline.systems.simulation.records import Deployment, Limits

RESOLUTION = 48  # batches tried a layout: the ranking needs no finer


@dataclass(frozen=True, eq=False)
class Case:
    """Requests on a deployment, the price of a chip-hour, the targets, and what to say about all this."""

    offered: Offered
    deployment: Deployment
    price: Fact
    targets: Targets
    notes: tuple[str, ...]

    @property
    def chips(self) -> int:
        """Chips in use, those for prompts included."""
        d = self.deployment
        return int(d.layout.chips) + (int(d.prefill.chips) if d.prefill is not None else 0)


@dataclass(frozen=True)
class NoRoom:
    """Why no deployment is there: the layouts asked about, each with its reasons."""

    model: Model
    machine: Machine
    reasons: tuple[tuple[Layout, tuple[str, ...]], ...]
    usable: float = USABLE.value  # share of the memory for weights and caches


def case(q: Any) -> Case | NoRoom:
    """The case of a question; BadInput for contradictory options; NoRoom where the model fits on no layout."""
    _check(q)
    check_engine(q)
    model = q.model.with_formats(weights=q.weights, kv=q.kv)
    given = offered(q)
    _check_context(model, given)
    targets = Targets(*(np.inf if x is None else float(x) for x in (q.ttft, q.tpot)))
    chosen = _layout(q, model, given, targets)
    if isinstance(chosen, NoRoom):
        return chosen
    layout, note = chosen
    deployment = _deployment(q, model, layout)
    return Case(given, deployment, chip_price(q.on, q.price), targets, (note, *_notes(q, given)))


def _check(q: Any) -> None:
    rules = [
        (q.batching == "train" and q.interval is None, "--interval", "must be given for --batching train"),
        (q.batching != "train" and q.interval is not None, "--interval", "belongs to --batching train"),
        (q.drafted > 0 and q.acceptance is None, "--acceptance", "must be given with --drafted"),
        (q.drafted == 0 and q.acceptance is not None, "--acceptance", "belongs to --drafted"),
        (bool(q.tiers) and not q.prefix_caching, "--tiers", "keep blocks of prompts: give --prefix-caching too"),
    ]
    for broken, what, rule in rules:
        if broken:
            given = getattr(q, what.strip("-"))
            raise BadInput(what, rule, ", ".join(t.name for t in given) if what == "--tiers" else given or "nothing")


def _check_context(model: Model, given: Offered) -> None:
    most = model.max_context
    if most is not None and longest(given.requests) > most:
        total = given.requests.input + given.requests.output
        at = int(np.argmax(total > most))
        more = int(np.sum(total > most)) - 1
        raise BadInput(f"request {at + 1}", f"must fit into {model.name}'s context of {most:,} tokens",
                       f"{given.requests.input[at]:,} + {given.requests.output[at]:,} tokens",
                       f"{more:,} more are too long" if more else "")


def _layout(q: Any, model: Model, given: Offered, targets: Targets) -> tuple[Layout, str] | NoRoom:
    """The layout asked for, or plan's best for these lengths, with a note that says which."""
    server = Server(model, q.on, clock_of(q))
    held = lambda x: why_not(model, q.on, x, 1.0, server.usable)  # noqa: E731
    if q.layout is not None:
        chosen, note = q.layout, ""
    else:
        fitting = [x for x in layouts(model, q.on) if not held(x)]
        if not fitting:
            return NoRoom(model, q.on, tuple((x, held(x)) for x in layouts(model, q.on)), server.usable)
        chosen, note = _planned(Search(server, workload(given.trace), targets, resolution=RESOLUTION), fitting)
    chosen = chosen if q.replicas is None else replace(chosen, replicas=q.replicas)
    used = [x for x in (chosen, q.prefill_layout) if x is not None]
    reasons = tuple((x, why) for x in used if (why := held(x)))
    if reasons:
        return NoRoom(model, q.on, reasons, server.usable)
    if sum(int(x.chips) for x in used) > q.on.chips:
        raise BadInput("--prefill-layout", f"must leave chips for --layout: {q.on.chips} in all",
                       f"{' and '.join(x.name() for x in used)}")
    return chosen, note


def _planned(question: Search, fitting: list[Layout]) -> tuple[Layout, str]:
    if len(fitting) == 1:
        return fitting[0], ""
    server = question.server
    fits = [x for x in fitting if not why_not(server.model, server.machine, x, question.work.longest, server.usable)]
    found = search(question, fits or fitting, ("together",))
    if not found.options:
        question = replace(question, targets=Targets())
        found = search(question, fits or fitting, ("together",))
    best = ranked(found.options, question.goal)
    layout = best[0].layout if best else (fits or fitting)[0]
    return layout, f"Layout {layout.name()}: the best of plan for these lengths with prompts and tokens together."


def workload(trace: Trace) -> Workload:
    """A trace's lengths as a few kinds of requests."""
    most = float((trace.input_tokens + trace.output_tokens).max())
    return Workload(tuple(Kind(*kind) for kind in quantiles(trace, KINDS)), trace.name, most)


def _deployment(q: Any, model: Model, layout: Layout) -> Deployment:
    limits = Limits(q.sequences, q.chunk, q.admission, q.prefix_caching, q.kv_blocks, q.batching, q.interval or 0.0,
                    q.ranks)
    return Deployment(model, q.on, layout, limits, clock_of(q), prefill=q.prefill_layout, routing=q.routing,
                      tiers=q.tiers or (), drafted=q.drafted, acceptance=q.acceptance or 0.0, imbalance=q.imbalance)


def _notes(q: Any, given: Offered) -> list[str]:
    said = [f"{given.trace.name}: {len(given.trace):,} requests, {given.how}"
            + (f", {given.rate:.3g} a second on average." if given.rate else ".")]
    if q.prefix_caching and not given.requests.block.size:
        said.append("The trace has no hashes of its prompts' blocks: prefix caching finds nothing to share.")
    return said
