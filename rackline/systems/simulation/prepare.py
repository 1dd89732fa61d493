"""From a deployment and its requests to pools of engines: pages, limits, clocks; and what cannot be served at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rackline import units
from rackline.errors import BadInput
from rackline.systems.calibrated import usable
from rackline.systems.layout import Layout
from rackline.systems.memory import cache_bytes, state_bytes, usable_bytes, weight_bytes
from rackline.systems.serving import Kind, Server, Workload, transfer_time
from rackline.systems.simulation.compiled import CompiledClock, compile_clock, of_one_rank
from rackline.systems.simulation.records import Deployment, Limits, Requests

FAR = 2.0**40  # tokens beyond every window
UNBOUNDED = 2**40  # pages where nothing is cached per token


@dataclass(frozen=True)
class Pool:
    """Replicas of one layout, each of `pipeline` engines: micro-batches that follow one another through the stages.

    A pass of an engine lasts pipeline × stage time, while the other engines' passes fill the other stages. Requests
    are dealt to engines; pages and sequences of a replica are cut evenly over its engines, so that these are
    independent. blocks, limits.sequences: of one engine. ranks: engines that start their passes together, when the
    longest pass of the last ones has ended.
    """

    clock: CompiledClock
    limits: Limits
    blocks: int
    replicas: int
    pipeline: int
    block_tokens: int
    drafted: int = 0
    acceptance: float = 0.0
    ranks: int = 1

    @property
    def groups(self) -> int:
        """Groups of engines that start together; engine e belongs to group e % groups."""
        return self.replicas * self.pipeline

    @property
    def engines(self) -> int:
        """Engines of all replicas; engine e belongs to replica e % replicas."""
        return self.groups * self.ranks


@dataclass(frozen=True)
class Prepared:
    """Pools in the order a request passes them (one, or prefill and decode), and the KV's way between, (n,) seconds."""

    pools: tuple[Pool, ...]
    transfer: np.ndarray | None = None


def prepare(requests: Requests, deployment: Deployment) -> Prepared:
    """Pools ready to run; BadInput for requests or limits that can never be served."""
    check_requests(requests)
    longest = requests.input + requests.output - 1 + deployment.drafted
    _check_context(requests, deployment)
    if deployment.tiers and deployment.limits.admission == "whole":
        raise BadInput("admission", "must be chunked or reserved where KV tiers load blocks back", "whole")
    if deployment.prefill is None:
        return Prepared((_pool(requests, deployment, deployment.layout, deployment.limits, longest),))
    early = deployment.prefill_limits or deployment.limits
    first = _pool(requests, replace(deployment, drafted=0), deployment.prefill, early, requests.input)
    second = _pool(requests, deployment, deployment.layout, deployment.limits, longest)
    return Prepared((first, second), _transfer(requests, deployment))


def _transfer(requests: Requests, deployment: Deployment) -> np.ndarray:
    assert deployment.prefill is not None
    server = Server(deployment.model, deployment.machine, deployment.clock)
    prompts = Workload((Kind(requests.input, 1.0, 1.0),))  # type: ignore[arg-type]
    return np.broadcast_to(transfer_time(server, deployment.prefill, prompts), requests.input.shape)


def _pool(requests: Requests, deployment: Deployment, layout: Layout, limits: Limits, longest: np.ndarray) -> Pool:
    check_limits(limits, deployment.drafted)
    pipeline, ranks = int(layout.pipeline), int(layout.data) if limits.ranks == "apart" else 1
    whole = all_ranks(limits, ranks)
    blocks, sequences = kv_memory(deployment, layout, whole, int(longest.max()), requests.block_tokens)
    parts = pipeline * ranks
    blocks, sequences = blocks // parts, max(1, min(whole.sequences, sequences) // parts)
    _check_fits(requests, longest, blocks)
    alone = int(longest.max()) + 1 if limits.admission == "whole" else 0
    most = max(alone, min(limits.tokens, int(longest.sum()) + len(longest) * (deployment.drafted + 1)))
    clock = compile_clock(deployment, most * ranks, layout)
    return Pool(clock if ranks == 1 else of_one_rank(clock), replace(limits, sequences=sequences), blocks,
                int(layout.replicas), pipeline, requests.block_tokens, deployment.drafted, deployment.acceptance, ranks)


def all_ranks(limits: Limits, ranks: int) -> Limits:
    """The limits of so many ranks together."""
    blocks = None if limits.kv_blocks is None else limits.kv_blocks * ranks
    return replace(limits, sequences=limits.sequences * ranks, kv_blocks=blocks)


def kv_memory(deployment: Deployment, layout: Layout, limits: Limits, longest: int, block: int) -> tuple[int, int]:
    """Pages of `block` tokens and most sequences of one replica.

    Layers that keep every token are paged; windows and recurrent state are set aside for each sequence that may run.
    Ignores: pages that data ranks lose to uneven shares.
    """
    model, machine = deployment.model, deployment.machine
    room = usable_bytes(machine, usable(deployment.clock, machine).value) - float(weight_bytes(model, layout))
    token = float(cache_bytes(model, layout, 2 * FAR) - cache_bytes(model, layout, FAR)) / FAR
    fixed = float(cache_bytes(model, layout, float(longest)) - token * longest + state_bytes(model, layout))
    fixed = max(fixed, 0.0)
    left = room - token * longest
    sequences = limits.sequences if left >= 0 else 0
    if left >= 0 and fixed * limits.sequences > left * layout.data:
        sequences = int(left / fixed) * int(layout.data)
    if sequences < 1:
        raise BadInput("deployment", f"must have room for weights and one request of {longest:,} tokens",
                       f"{units.show(max(room, 0.0), 'bytes')} left a chip by weights", "more chips or smaller formats")
    if limits.kv_blocks is not None:
        return limits.kv_blocks, sequences
    paged = room - fixed * np.ceil(sequences / layout.data)
    return (int(paged / (token * block)) * int(layout.data) if token > 0.0 else UNBOUNDED), sequences


# ---- what can never be served


def check_requests(requests: Requests) -> None:
    """BadInput for columns of unequal length, tokens below one, times out of order or not finite."""
    n = len(requests.input)
    if n == 0:
        raise BadInput("requests", "must hold at least one", "none")
    if {len(requests.arrival), len(requests.output), len(requests.after), len(requests.delay)} != {n}:
        raise BadInput("requests", "must have columns of one length", f"{n} rows of input")
    _all("request", "must have at least one token in and out", (requests.input >= 1) & (requests.output >= 1))
    _all("request", "must follow an earlier one", requests.after < np.arange(n))
    _all("request", "must have a delay of at least 0 seconds", (requests.delay >= 0) & np.isfinite(requests.delay))
    first = requests.after < 0
    _all("request", "must arrive at a finite time of at least 0", ~first | (
        np.isfinite(requests.arrival) & (requests.arrival >= 0)))
    times = requests.arrival[first]
    if np.any(np.diff(times) < 0):
        raise BadInput("requests", "must be in order of arrival", f"a step back at {np.argmax(np.diff(times) < 0) + 1}")


def _all(what: str, rule: str, fine: np.ndarray) -> None:
    if not fine.all():
        raise BadInput(what, rule, f"request {int(np.argmin(fine))}")


def check_limits(limits: Limits, drafted: int) -> None:
    """BadInput for limits under which nothing runs."""
    for name, least in (("sequences", 1), ("tokens", 1 + drafted)):
        if getattr(limits, name) < least:
            raise BadInput(name, f"must be at least {least}", getattr(limits, name))
    if limits.batching == "train" and not limits.interval > 0:
        raise BadInput("interval", "must be above 0 seconds", limits.interval)


def _check_context(requests: Requests, deployment: Deployment) -> None:
    most = deployment.model.max_context
    total = requests.input + requests.output
    if most is not None and total.max() > most:
        at = int(np.argmax(total))
        raise BadInput(f"request {at}", f"must fit into {deployment.model.name}'s context of {most:,} tokens",
                       f"{requests.input[at]:,} + {requests.output[at]:,} tokens")


def _check_fits(requests: Requests, longest: np.ndarray, blocks: int) -> None:
    at = int(np.argmax(longest))
    if -(-int(longest[at]) // requests.block_tokens) > blocks:
        raise BadInput(f"request {at}", f"must fit into the KV memory of {blocks * requests.block_tokens:,} tokens",
                       f"{requests.input[at]:,} + {requests.output[at]:,} tokens",
                       "more chips, fewer pipeline stages, or a smaller KV format")
