"""What limits an option, and what change of machine or model would help it most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rackline.decisions.search import Option
from rackline.facts.fact import Fact
from rackline.facts.formats import number_format
from rackline.facts.machine import Machine, Network
from rackline.facts.model import Model
from rackline.systems.clock import PassTime
from rackline.systems.serving import Operating, Server, Workload, apart, decode_time, together


@dataclass(frozen=True)
class Lever:
    """A change and the time per output token after it over the time before, at the same layout and batch."""

    change: str
    factor: float


def evaluate(server: Server, work: Workload, option: Option) -> Operating:
    """The operating point of one option, timed again (on a changed machine, at a bound, …)."""
    decode = decode_time(server, option.layout, work, option.batch)
    if option.mode == "together":
        return together(server, option.layout, work, option.batch, option.chunk, decode)
    rate = option.batch / work.output / decode
    first = 0.0
    if option.prefill is not None:
        pool = apart(server, option.prefill, work, option.prompts)
        first, rate = pool.ttft + decode, min(pool.rate * option.prefill.replicas, rate * option.layout.replicas)
        rate /= option.layout.replicas
    return Operating(decode, first, rate, option.decode_share)


def average_pass(server: Server, work: Workload, option: Option) -> PassTime:
    """The pass that a chip runs on average: decode, with its share of prompt tokens when prefill shares the chips."""
    micro = option.batch / option.layout.pipeline
    mixed = work.decoding(micro)
    if option.mode == "together":
        mixed = mixed + work.prompting(micro / work.output)
    return server.passed(option.layout, mixed)


def levers(server: Server, work: Workload, option: Option) -> list[Lever]:
    """Changes that could be made, most helpful first."""
    before = float(evaluate(server, work, option).tpot)
    tried = [Lever(name, float(evaluate(changed, work, option).tpot) / before) for name, changed in changes(server)]
    return sorted(tried, key=lambda lever: lever.factor)


def changes(server: Server) -> Iterator[tuple[str, Server]]:
    """Each change by name, with the server that has it."""
    machine, model = server.machine, server.model
    yield "twice the memory bandwidth", replace(server, machine=_chip(machine, "memory_bandwidth", 2.0))
    yield "twice the arithmetic", replace(server, machine=_arithmetic(machine, 2.0))
    for tier in ("scale_up", "scale_out"):
        if getattr(machine, tier) is not None:
            name = tier.replace("_", "-")
            yield f"twice the {name} bandwidth", replace(server, machine=_network(machine, tier, "bandwidth", 2.0))
            yield f"half the {name} latency", replace(server, machine=_network(machine, tier, "latency", 0.5))
    for name, changed in _lighter(model, machine):
        yield name, replace(server, model=changed)


def _lighter(model: Model, machine: Machine) -> Iterator[tuple[str, Model]]:
    if number_format(model.kv_format).bits > 8:
        yield "KV cache in fp8", model.with_formats(kv="fp8")
    widest = max(number_format(model.formats[role]).bits for role in ("attention", "dense", "experts", "shared"))
    if widest > 8 and "fp8" in machine.chip.flops:
        yield "weights in fp8", model.with_formats(weights="fp8")
    if widest > 4.5 and "fp4" in machine.chip.flops:
        yield "weights in nvfp4", model.with_formats(weights="nvfp4")


def _scaled(fact: Fact, factor: float) -> Fact:
    return fact.model_copy(update={"value": fact.value * factor})


def _chip(machine: Machine, name: str, factor: float) -> Machine:
    changed = machine.chip.model_copy(update={name: _scaled(getattr(machine.chip, name), factor)})
    return machine.model_copy(update={"chip": changed})


def _arithmetic(machine: Machine, factor: float) -> Machine:
    rates = {name: _scaled(fact, factor) for name, fact in machine.chip.flops.items()}
    return machine.model_copy(update={"chip": machine.chip.model_copy(update={"flops": rates})})


def _network(machine: Machine, tier: str, name: str, factor: float) -> Machine:
    network: Network = getattr(machine, tier)
    changed = network.model_copy(update={name: _scaled(getattr(network, name), factor)})
    return machine.model_copy(update={tier: changed})


