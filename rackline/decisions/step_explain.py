"""How a step's numbers come about: equations with numbers put in, notes, and the facts that move the headline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackline import units
from rackline.decisions import clocks
from rackline.decisions.answer import Line, Source
from rackline.decisions.balance import ENDLESS, weights_read_by_one
from rackline.decisions.cite import cite
from rackline.decisions.equations import line
from rackline.decisions.joint import FLEET
from rackline.decisions.stepped import Stepped
from rackline.facts.formats import math_format
from rackline.facts.machine import Machine
from rackline.physics import blackboard, operating, passes_and_prices
from rackline.systems.calibrated import usable
from rackline.systems.ledger import ledger
from rackline.systems.work import total

LECTURE_DRAIN = 0.02  # seconds: the lecture's "20 milliseconds on many generations of HBM"


def explain(stepped: Stepped) -> Iterator[Line]:
    """The lines of --explain: the ledger's pass, then the lecture's equations at the same point."""
    yield from _ledger_lines(stepped)
    yield from _lecture_lines(stepped)
    yield from _joint_lines(stepped)


def _ledger_lines(stepped: Stepped) -> Iterator[Line]:
    case, step = stepped.case, stepped.step
    chip, stages = case.server.machine.chip, case.layout.pipeline
    work = total(ledger(case.server.model, case.layout, case.micro(stepped.batch, stepped.context)))
    for stored, flops in work.flops.items():
        name = math_format(stored, chip.flops)
        done, rate = float(flops * stages), chip.flops[name].value
        yield Line(f"arithmetic of the busiest chip on numbers stored as {stored}", "t = FLOPs/F",
                   f"{done:.4g} FLOP / {rate:.4g} FLOP/s ({name})", done / rate, "seconds")
    bandwidth = chip.memory_bandwidth.value
    if stepped.around is not None:
        yield from clocks.lines(case.timing, case.layout, case.micro(stepped.batch, stepped.context))
        yield from _cost_line(stepped)
        return
    for what, seconds in (("weights", step.weights), ("KV cache", step.cache)):
        yield Line(f"memory of the busiest chip: {what}", "t = bytes/W",
                   f"{float(seconds) * bandwidth:.4g} B / {bandwidth:.4g} B/s", float(seconds), "seconds")
    yield Line("messages", "t = sum of bytes/bandwidth + latency", f"{len(work.messages)} kinds of collective",
               float(step.network), "seconds")
    parts = f"{float(step.compute):.4g}, {float(step.memory):.4g}, {float(step.network):.4g}"
    yield Line("pass, all overlapped", "max(compute, memory, network)", f"max({parts})", float(step.lower), "seconds")
    yield Line("pass, terms in sequence", "sum over terms of max(compute, memory) + network",
               f"{len(step.terms)} terms", float(step.time), "seconds")
    yield Line("pass, nothing overlapped", "compute + memory + network", parts.replace(",", " +"), float(step.upper),
               "seconds")
    yield from _cost_line(stepped)


def _cost_line(stepped: Stepped) -> Iterator[Line]:
    case = stepped.case
    tokens = float(case.tokens(stepped.batch, stepped.context)) * case.layout.replicas
    chips = case.server.machine.chips
    yield Line("cost of a million tokens", "price*chips/3600*time/tokens*1e6",
               f"{case.price.value:g} × {chips} / 3600 × {float(stepped.step.time):.4g} / {tokens:,.0f} × 1e6",
               stepped.numbers["cost"], "dollars")


def _lecture_lines(stepped: Stepped) -> Iterator[Line]:
    """The lecture's equations with the symbols of this model and machine."""
    case, n = stepped.case.decoding(), stepped.numbers
    s, b, c = case.symbols, stepped.batch, max(stepped.context, 1.0)
    if stepped.case.kind == "prefill":
        b = n["operating_point"]["batch"]
    hot, machine = s.of("N_active", "F"), s.of("N_active", "kv", "F", "W")
    yield line("lecture: compute of a decode step", blackboard.compute_time, "seconds", B=b, **hot)
    yield line("lecture: memory of a decode step", blackboard.memory_time, "seconds", B=b, L=c, weights=s.weights,
               **s.of("kv", "W"))
    yield line("lecture: least time of a decode step", blackboard.step_time, "seconds", B=b, L=c, weights=s.weights,
               **machine)
    yield line("lecture: latency floor", blackboard.latency_floor, "seconds", **s.of("w", "N_total", "W"))
    yield line("lecture: balance batch, no KV", blackboard.balance_batch, "count",
               **s.of("F", "W", "w", "N_total", "N_active"))
    yield line("lecture: balance batch, KV counted", blackboard.balance_batch_with_kv, "count", L=c, weights=s.weights,
               **machine)
    if s.kv:
        yield line("lecture: balance context", blackboard.balance_context, "tokens", **machine)
    for what, read in (("all weights", s.weights), ("only the experts hit", weights_read_by_one(case))):
        yield line(f"lecture: batch 1 over endless, no KV, {what}", blackboard.batch_one_penalty, "count", L=0.0,
                   weights_read=read, **machine)
    yield line("drain time", operating.drain_time, "seconds", **s.of("C", "W"))
    yield line("minimum efficient scale", operating.train_rate, "tokens/s", B=n["balance_batch_lecture"],
               interval=n["drain_time"])
    yield line("compute saturates", blackboard.saturated_rate, "tokens/s", **s.of("F", "N_active"))
    yield line("decode over prefill per token", passes_and_prices.decode_over_prefill, "count", B=b, L=c,
               weights=s.weights, **machine)


def _joint_lines(stepped: Stepped) -> Iterator[Line]:
    n, s = stepped.numbers, stepped.case.symbols
    joint, context = n["operating_point"], max(stepped.context, 1.0)
    yield Line("ledger: balance batch", "compute(B) = memory(B), solved on the pass",
               "whole sequences a rank, straight lines between", n["balance_batch"], "count")
    yield Line("ledger: balance context", "compute(L) = memory(L) in an endless batch, solved on the pass",
               f"{ENDLESS:.3g} sequences a rank", n["balance_context"], "tokens")
    yield Line("joint operating batch", "min(largest that fits, balance batch)",
               f"min({joint['largest_batch']:,.0f}, {units.show(joint['balance_batch'])})", joint["batch"], "count")
    if s.kv:
        yield line("lecture: joint operating batch", operating.operating_batch, "count", L=context, weights=s.weights,
                   **s.of("C", "N_active", "kv", "F", "W"))


def notes(stepped: Stepped) -> Iterator[str]:
    """What the numbers rest on, and where the lecture's own do not agree with one another."""
    case, n = stepped.case, stepped.numbers
    yield stepped.rule
    if stepped.around is None:
        yield ("A bound, not a forecast: datasheet rates, no overhead but network latency. The pass: terms in "
               "sequence, each overlapping its own arithmetic and memory; lower: all overlap; upper: nothing does.")
    yield f"Chip-hour at {case.price.shown()}: {case.price.source}. Idle chips are paid for."
    if case.kind == "verify":
        yield "Cost counts every checked token; those that are rejected make the accepted ones dearer."
    limit = case.server.model.max_context
    if limit and stepped.context > limit:
        yield f"The model is published for at most {limit:,} tokens of context."
    if any(a.window or a.top_k for a, _ in case.server.model.attentions()):
        yield "The lecture's equations charge every cached token; the ledger reads only windows and the chosen tokens."
    yield from _balance_notes(stepped)
    yield from _difference_notes(stepped)
    yield (f"One replica at its least efficient scale makes {units.show(n['share_of_fleet'], 'ratio')} of a fleet's "
           f"{FLEET.shown()}, and {units.show(n['share_of_saturation'], 'ratio')} of where its compute saturates.")


def _balance_notes(stepped: Stepped) -> Iterator[str]:
    n = stepped.numbers
    copies = n["floor_layout"] / n["floor"]
    if copies > 1.1:
        yield (f"This layout takes {copies:.3g} times the lecture's floor to read its weights: copies on data ranks, "
               "and stages that read in turn; that moves the ledger's balance batch by as much.")
    if n["balance_batch_reason"]:
        yield f"No batch balances at {stepped.context:,.0f} tokens: {n['balance_batch_reason']}."
    if n["balance_context_reason"]:
        yield f"No balance context: {n['balance_context_reason']}."
    elif n["balance_context"] > 1.2 * n["balance_context_lecture"]:
        yield (f"The ledger's balance context is {n['balance_context'] / n['balance_context_lecture']:.3g} times the "
               "lecture's: attention's own arithmetic, which the lecture leaves out, grows with the context like KV.")


def _difference_notes(stepped: Stepped) -> Iterator[str]:
    n = stepped.numbers
    p, drain = n["operating_point"], n["drain_time"]
    at, full = p["at_balance"], p["at_capacity"]
    joint = f"{full['batch']:,.0f} sequences fill the memory and take {units.show(full['interval'], 'seconds')}"
    if at is None:
        yield f"B* and a memory full of KV (difference 5): here there is no B*; {joint}."
    else:
        yield (f"B* and a memory full of KV are two points (difference 5): B* of {at['batch']:,.0f} takes "
               f"{units.show(at['interval'], 'seconds')} with {units.show(at['memory_share'], 'ratio')} of the memory; "
               f"{joint}.")
    yield (f"Joint operating point: batch {p['batch']:,.0f} every {units.show(p['interval'], 'seconds')}, compute "
           f"{units.show(p['compute_utilisation'], 'ratio')} busy, limited by {p['limited_by']}.")
    yield (f"The memory drains in {units.show(drain, 'seconds')}, {drain / LECTURE_DRAIN:.3g} times the lecture's "
           f"20 ms (difference 7); a pass of {p['drain_batch']:,.0f} sequences takes so long.")
    ratio = n["prefill"]["decode_over_prefill"]
    yield (f"An output token costs {ratio:.3g} times an input token here; five times, and a balance context of 200k, "
           "do not hold at once (difference 13): below that context a large batch makes output as cheap as input.")


def sources(stepped: Stepped) -> tuple[Source, ...]:
    """The machine's facts that move the pass's time, the strongest first; then those that other numbers read."""
    case, server = stepped.case, stepped.case.server

    def time(machine: Machine) -> float:
        changed = replace(case, server=replace(server, machine=machine))
        return float(changed.step(stepped.batch, stepped.context).time)

    moved = tuple(x for x in cite(time, server.machine) if x.elasticity or x.name == "chip.memory_capacity")
    held = usable(server.clock, server.machine)
    facts = (("price per chip-hour", case.price), ("usable share of memory", held), ("tokens/s of a fleet", FLEET))
    pass_ = case.micro(stepped.batch, stepped.context)
    return (*moved, *clocks.sources(case.timing, case.layout, pass_),
            *(Source(name, f.shown(), f.source, f.date) for name, f in facts),
            Source("model configuration", server.model.name, server.model.source, ""))
