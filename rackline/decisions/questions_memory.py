"""The questions about where time, memory and context cost: tiers, modes, context; their parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackline.decisions.declare import (
    CALIBRATION,
    CHIPS,
    CLOCK,
    CLOCKS,
    ENGINE,
    ENGINES,
    KV,
    MODEL,
    ON,
    PRICE,
    WEIGHTS,
    param,
)

if TYPE_CHECKING:
    from rackline.facts.machine import Machine
    from rackline.facts.model import Model
    from rackline.facts.traces import Trace
    from rackline.systems.layout import Layout


@dataclass(frozen=True, kw_only=True)
class Tiers:
    """rackline tiers: keep, offload or recompute a context's KV."""

    model: Model = param("model", MODEL, flag="MODEL")
    on: Machine = param("machine", ON)
    chips: int | None = param("count", CHIPS, default=None, most=1_000_000)
    context: float = param("tokens", "tokens whose KV waits", default=32768)
    tiers: tuple | None = param("priced_tiers", "memories behind the chips, per chip: names, "
                                '"host:256GB@63GB/s@0.15$/GB/month", or a file (by default the machine\'s own)',
                                default=None)
    hold: float | None = param("seconds", 'time until the next use, to compare at: 300 or "5 min"', default=None,
                               least=0)
    ttft: float | None = param("seconds", "most time of a return: slower ways are left out", default=None)
    trace: Trace | None = param("trace", "a request trace with prefix hashes, for the best mix of sizes: mooncake-conv",
                                default=None)
    layout: Layout | None = param("layout", "parallel sizes of the prefill (by default the cheapest that fits)",
                                  default=None)
    weights: str | None = param("format", WEIGHTS, default=None)
    kv: str | None = param("format", KV, default=None)
    price: float | None = param("dollars_per_hour", PRICE, default=None)


@dataclass(frozen=True, kw_only=True)
class Modes:
    """rackline modes: fast, standard and slow service."""

    model: Model = param("model", MODEL, flag="MODEL")
    on: Machine = param("machine", ON)
    chips: int | None = param("count", CHIPS, default=None, most=1_000_000)
    beside: tuple[Machine, ...] | None = param("machines", "other machines to compare: h200,tpu-v7", default=None)
    context: float = param("tokens", "tokens cached per sequence", default=8192)
    standard: float | None = param("seconds", 'most time per token of standard service: "20 ms" (by default the drain '
                                   "time of the chip's memory)", default=None)
    drafted: int = param("count", "tokens drafted a pass, to compare with none", default=3, least=0, most=100)
    acceptance: float | None = param("ratio", "chance that a drafted token is accepted: 0.8 or 80 %", default=None,
                                     least=0)
    weights: str | None = param("format", WEIGHTS, default=None)
    kv: str | None = param("format", KV, default=None)
    price: float | None = param("dollars_per_hour", PRICE, default=None)
    clock: str = param("choice", CLOCK, default="roofline", choices=CLOCKS)
    calibration: Any = param("path", CALIBRATION, default=None)
    engine: str | None = param("choice", ENGINE, default=None, choices=ENGINES)


@dataclass(frozen=True, kw_only=True)
class Context:
    """rackline context: what long contexts cost."""

    model: Model = param("model", MODEL, flag="MODEL")
    on: Machine = param("machine", ON)
    chips: int | None = param("count", CHIPS, default=None, most=1_000_000)
    beside: tuple[Model, ...] | None = param("models", "other models to compare: llama-3.1-405b,deepseek-v3.2",
                                             default=None)
    context: tuple[float, ...] | None = param("token_range", "tokens cached per sequence (by default 8k:100M)",
                                              default=None)
    weights: str | None = param("format", WEIGHTS, default=None)
    kv: str | None = param("format", KV, default=None)
    price: float | None = param("dollars_per_hour", PRICE, default=None)
    clock: str = param("choice", CLOCK, default="roofline", choices=CLOCKS)
    calibration: Any = param("path", CALIBRATION, default=None)
    engine: str | None = param("choice", ENGINE, default=None, choices=ENGINES)
