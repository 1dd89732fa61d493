"""How a simulation's numbers come about: its mean pass, and the arithmetic between log and table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rackline.decisions import clocks, simulated
from rackline.decisions.answer import Line, Source
from rackline.decisions.cite import cite
from rackline.decisions.simulate_data import Simulated
from rackline.facts.machine import Machine
from rackline.systems.clock import PassTime, pass_time
from rackline.systems.passes import Part, Pass
from rackline.systems.serving import Server


def mean_pass(found: Simulated) -> Pass:
    """A pass with the mean numbers of decoding sequences, prompt tokens and cached tokens of the log."""
    passes, requests = found.log.passes, found.case.offered.requests
    decoders = max(1.0, float(passes.decoding.mean()))
    prompt = float(passes.prompt_tokens.mean())
    held = float(passes.blocks.mean()) * requests.block_tokens / decoders
    decoding = Pass((Part(decoders, 1.0, held),))
    if prompt <= 0:
        return decoding
    length = float(requests.input.mean())
    return decoding + Pass((Part(prompt / length, length, 0.0),))


def explain(found: Simulated) -> Iterator[Line]:
    """The lines of --explain."""
    d, log, requests = found.case.deployment, found.log, found.case.offered.requests
    timed = _timed(found, d.machine)
    yield Line("a mean pass, kernel after kernel", "sum over terms of max(compute, memory) + network",
               f"{log.passes.decoding.mean():.3g} decoding, {log.passes.prompt_tokens.mean():.3g} prompt tokens",
               float(timed.time), "seconds")
    yield Line("the same, all overlapped", "max(compute, memory, network)",
               f"max({float(timed.compute):.4g}, {float(timed.memory):.4g}, {float(timed.network):.4g}) s",
               float(timed.lower), "seconds")
    yield from clocks.lines(Server(d.model, d.machine, d.clock), d.layout, mean_pass(found))
    span = simulated.makespan(log)
    yield Line("requests per second", "finished/makespan", f"{simulated.finished(log):,} / {span:,.4g} s",
               found.throughput["requests_per_second"], "count")
    yield Line("requests waiting on average", "sum(waits)/makespan",
               f"{np.nansum(simulated.queueing(log)):,.4g} s / {span:,.4g} s", simulated.mean_waiting(log), "count")
    used = found.use
    yield Line("busy share of the chips' time", "seconds in passes/(engines*makespan)",
               f"{log.passes.start.size:,} passes logged of {int(d.layout.replicas * d.layout.pipeline)} engines",
               used.busy, "ratio")
    output = int(requests.output.sum())
    yield Line("dollars per million output tokens, paying for all", "price*chips/3600*makespan/output*1e6",
               f"{found.case.price.value:g} $/h × {found.case.chips} / 3600 × {span:,.4g} s / {output:,}",
               found.dollars["output_paying_for_all"] or float("nan"), "dollars")


def _timed(found: Simulated, machine: Machine) -> PassTime:
    d = found.case.deployment
    return pass_time(d.model, machine, d.layout, mean_pass(found), d.clock)


def sources(found: Simulated) -> tuple[Source, ...]:
    """The facts of the machine, ranked by how far the time of a mean pass moves with each."""
    def seconds(machine: Machine) -> float:
        return float(_timed(found, machine).time)

    price, d = found.case.price, found.case.deployment
    coefficients = clocks.sources(Server(d.model, d.machine, d.clock), d.layout, mean_pass(found))
    return (*cite(seconds, d.machine), *coefficients,
            Source("price per chip-hour", price.shown(), price.source, price.date),
            Source("model configuration", d.model.name, d.model.source, ""),
            Source("request trace", found.case.offered.trace.name, found.case.offered.trace.source, ""))
