"""How a plan's numbers come about: each equation with its numbers put in, and the facts that move the headline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackline.decisions import clocks
from rackline.decisions.answer import Line, Source
from rackline.decisions.cite import cite
from rackline.decisions.levers import average_pass, evaluate
from rackline.decisions.planned import Planned
from rackline.facts.formats import math_format
from rackline.facts.machine import Machine
from rackline.systems.calibrated import Calibrated
from rackline.systems.ledger import ledger
from rackline.systems.memory import cache_bytes, weight_bytes
from rackline.systems.work import total


def explain(planned: Planned) -> tuple[Line, ...]:
    """The lines of --explain for the best option."""
    return (*_memory_lines(planned), *_pass_lines(planned), *_serving_lines(planned))


def _memory_lines(planned: Planned) -> Iterator[Line]:
    q, best = planned.question, planned.best
    model = q.server.model
    weights = float(weight_bytes(model, best.layout))
    one = float(cache_bytes(model, best.layout, q.work.held))
    ranks = best.batch / best.layout.data
    yield Line("weights on the busiest chip", "sum over matrices of parameters*bytes/cut",
               f"{model.total_parameters:,} parameters in {dict(model.formats)} over {best.layout.name()}", weights,
               "bytes")
    yield Line("KV cache of one sequence on a chip", "sum over layers of width*bytes*tokens*copies/context/pipeline",
               f"{model.kv_bytes_per_token():,.0f} B a token in {model.kv_format} × {q.work.held:,.0f} tokens", one,
               "bytes")
    yield Line("memory in use", "weights + sequences per rank*cache", f"{weights:.4g} + {ranks:,.2f} × {one:.4g}",
               weights + ranks * one, "bytes")


def _pass_lines(planned: Planned) -> Iterator[Line]:
    q, best = planned.question, planned.best
    chip = q.server.machine.chip
    decode = q.work.decoding(best.batch / best.layout.pipeline)
    work = total(ledger(q.server.model, best.layout, decode))
    timed = q.server.passed(best.layout, decode)
    for stored, flops in work.flops.items():
        name = math_format(stored, chip.flops)
        rate = chip.flops[name].value
        yield Line(f"arithmetic of a decode pass on numbers stored as {stored}", "t = FLOPs/F",
                   f"{float(flops):.4g} FLOP / {rate:.4g} FLOP/s ({name})", float(flops) / rate, "seconds")
    bandwidth = chip.memory_bandwidth.value
    yield Line("memory of a decode pass", "t = bytes/W", f"{float(work.bytes):.4g} B / {bandwidth:.4g} B/s",
               float(work.bytes) / bandwidth, "seconds")
    yield Line("messages of a decode pass", "t = sum of bytes/bandwidth + latency",
               f"{len(work.messages)} kinds of collective", float(timed.network), "seconds")
    if isinstance(q.server.clock, Calibrated):
        yield from clocks.lines(q.server, best.layout, decode)
        return
    yield Line("decode pass, all overlapped", "max(compute, memory, network)",
               f"max({float(timed.compute):.4g}, {float(timed.memory):.4g}, {float(timed.network):.4g}) s",
               float(timed.lower), "seconds")
    yield Line("decode pass, kernel after kernel", "sum over terms of max(compute, memory) + network",
               f"{len(timed.terms)} terms", float(timed.time), "seconds")


def _serving_lines(planned: Planned) -> Iterator[Line]:
    q, best, work = planned.question, planned.best, planned.question.work
    share = "" if best.mode != "together" else f", {100 * (1 - best.decode_share):.3g} % of it for prompts"
    yield Line("time per output token", "pipeline*stage time, averaged over passes with and without prompt tokens",
               f"{best.layout.pipeline} stages{share}", best.tpot, "seconds")
    yield Line("output tokens a second of the machine", "replicas*batch/tpot (apart: the slower of the two pools)",
               f"{best.layout.replicas} × {best.batch:,.0f} / {best.tpot:.4g} s", best.rate * work.output, "tokens/s")
    yield Line("price of a million output tokens", "price*chips/3600/tokens_per_second*1e6",
               f"{planned.price.value:g} $/h × {q.chips} / 3600 / {best.rate * work.output:,.0f}",
               planned.cost(best), "dollars")
    timed = average_pass(q.server, work, best)
    yield Line("arithmetic in use (MFU)", "compute/time", f"{float(timed.compute):.4g} / {float(timed.time):.4g} s",
               float(timed.compute / timed.time), "ratio")


def sources(planned: Planned) -> tuple[Source, ...]:
    """The facts of the machine that the plan read, ranked by how far time per output token moves with each."""
    q, best = planned.question, planned.best

    def tpot(machine: Machine) -> float:
        return float(evaluate(replace(q.server, machine=machine), q.work, best).tpot)

    price = planned.price
    decode = q.work.decoding(best.batch / best.layout.pipeline)
    return (*cite(tpot, q.server.machine), *clocks.sources(q.server, best.layout, decode),
            Source("price per chip-hour", price.shown(), price.source, price.date),
            Source("model configuration", q.server.model.name, q.server.model.source, ""))
