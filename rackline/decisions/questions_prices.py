"""Questions of prices: what an API's list says of its model, and buying by the token against machines of one's own."""

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
    TRACE,
    WEIGHTS,
    param,
)

if TYPE_CHECKING:
    from rackline.facts.machine import Machine
    from rackline.facts.model import Model
    from rackline.facts.traces import Trace


@dataclass(frozen=True, kw_only=True)
class Prices:
    """rackline prices: what an API's prices imply for the model behind them."""

    offer: str | None = param("text", "PROVIDER/MODEL as sold: google/gemini-3.1-pro-preview (by default every offer)",
                              flag="OFFER", default=None)
    table: Any = param("path", "a price list of your own (CSV): provider, model, mode, above, window, speed, "
                               "input, cached_input, cache_write_5m, cache_write_1h, output, weights", default=None)
    show: str = param("choice", "what to show: the joint inference, each ratio alone, whether they hold at one point, "
                      "tiers that would cover every context, attention shapes", default="joint",
                      choices=("joint", "alone", "point", "tiers", "shapes", "all"))
    balance_of: Machine = param("machine", "a machine that the ratios alone are read on", default="gb200-nvl72")
    active: float = param("number", "active parameters that the ratios alone take for granted", default=1e11, most=1e15)
    context: float = param("tokens", "context of a typical request", default=3728, least=1)
    trace: Trace = param("trace", "whose lengths the tiers are designed for", default="mooncake-conv")
    margin: float = param("ratio", "margin over cost that each tier keeps: 0.5 or 50 %", default=0.5, least=0, most=100)
    markup: float = param("number", "markup over that of the sellers of open models", default=1.0, most=1e3)
    speed: float | None = param("number", "tokens/s that a user was measured to get", default=None, most=1e6)
    seed: int = param("int", "of all that is drawn", default=0, least=0, most=2**31)


@dataclass(frozen=True, kw_only=True)
class Buy:
    """rackline buy: by the token from a provider, or machines of one's own."""

    model: Model = param("model", MODEL, flag="MODEL")
    on: Machine = param("machine", ON)
    chips: int | None = param("count", CHIPS, default=None, most=1_000_000)
    trace: Trace = param("trace", TRACE, default="azure-conv")
    volume: float = param("number", "so many times the trace's traffic", default=1.0, most=1e9)
    provider: str | None = param("text", "a provider, or PROVIDER/MODEL (by default the cheapest that sells the model)",
                                 default=None)
    table: Any = param("path", "a price list of your own (CSV, as for prices)", default=None)
    price: float | None = param("dollars_per_hour", PRICE, default=None)
    purchase: float | None = param("number", "dollars of a chip with its share of the machine: to buy", default=None)
    years: float = param("number", "that a bought machine serves", default=4.0, most=100)
    energy: float = param("number", "dollars per kWh, cooling included", default=0.1, least=0, most=100)
    reached: float = param("ratio", "share of the bound that a real engine reaches", default=1.0)
    ttft: float | None = param("seconds", 'most time to the first token: 2 or "500 ms"', default=None)
    tpot: float | None = param("seconds", 'most time per output token: 0.05 or "50 ms"', default=None)
    weights: str | None = param("format", WEIGHTS, default=None)
    kv: str | None = param("format", KV, default=None)
    clock: str = param("choice", CLOCK, default="roofline", choices=CLOCKS)
    calibration: Any = param("path", CALIBRATION, default=None)
    engine: str | None = param("choice", ENGINE, default=None, choices=ENGINES)
