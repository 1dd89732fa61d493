"""The lecture's own pictures with real numbers: latency and cost against batch, time per token against context."""

from __future__ import annotations

import numpy as np

from rackline.decisions.answer import Axis, Plot, Series
from rackline.decisions.lecture_bench import Bench
from rackline.decisions.money import chip_price
from rackline.physics import blackboard

MODEL, RACK = "deepseek-v3", "gb200-nvl72"
CONTEXT = 1024.0  # below the balance context, so that the lines cross as they do on the board
POINTS = 65


def latency(bench: Bench) -> Plot:
    """Step time against batch: compute, weights, KV, and the larger of compute and memory."""
    batch = np.geomspace(256.0, 2.0**16, POINTS)
    parts = _parts(bench, batch, CONTEXT)
    return Plot(f"Latency against batch: DeepSeek-V3 on a GB200 NVL72, {CONTEXT:,.0f} cached tokens",
                Axis("batch", log=True), Axis("seconds a step", "seconds", log=True), _series(batch, parts),
                ((_balance(bench), "B* with KV"),))


def cost(bench: Bench) -> Plot:
    """Dollars per million tokens against batch: the same curves over the batch."""
    machine = bench.machine(RACK)
    price = chip_price(machine).value
    batch = np.geomspace(1.0, 2.0**16, POINTS)
    parts = {name: 1e6 * blackboard.cost_per_token(batch, time, machine.chips, price)
             for name, time in _parts(bench, batch, CONTEXT).items()}
    return Plot(f"Cost against batch, at ${price:g} a chip-hour", Axis("batch", log=True),
                Axis("$ per million tokens", "dollars", log=True), _series(batch, parts), ((_balance(bench), "B* "
                            "with KV"),))


def context(bench: Bench) -> Plot:
    """Machine time per token against context in an endless batch: flat compute, rising KV."""
    s = bench.on(MODEL, RACK)
    length = np.geomspace(128.0, 2.0**17, POINTS)
    parts = {"compute": np.broadcast_to(blackboard.compute_time(1.0, s.N_active, s.F), length.shape),
             "KV": blackboard.kv_time(1.0, length, s.kv, s.W),
             "the larger": blackboard.token_time_floor(length, s.N_active, s.kv, s.F, s.W)}
    balance = blackboard.balance_context(s.N_active, s.kv, s.F, s.W)
    return Plot("Time per token against context, endless batch", Axis("cached tokens", "tokens", log=True),
                Axis("seconds of the rack a token", "seconds", log=True), _series(length, parts), ((balance, "L*"),))


def _parts(bench: Bench, batch: np.ndarray, length: float) -> dict[str, np.ndarray]:
    s = bench.on(MODEL, RACK)
    return {"compute": blackboard.compute_time(batch, s.N_active, s.F),
            "weights": np.broadcast_to(blackboard.weight_time(s.weights, s.W), batch.shape),
            "KV": blackboard.kv_time(batch, length, s.kv, s.W),
            "step": blackboard.step_time(batch, length, s.N_active, s.weights, s.kv, s.F, s.W)}


def _series(x: np.ndarray, parts: dict[str, np.ndarray]) -> tuple[Series, ...]:
    return tuple(Series(name, [*map(float, x)], [*map(float, y)]) for name, y in parts.items())


def _balance(bench: Bench) -> float:
    s = bench.on(MODEL, RACK)
    return float(blackboard.balance_batch_with_kv(CONTEXT, s.N_active, s.weights, s.kv, s.F, s.W))


PLOTS = {"latency": latency, "cost": cost, "context": context}
