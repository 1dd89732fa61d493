"""The questions about racks and what is put on them: rack, sparsity; their parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackline.decisions.declare import CHIPS, KV, MODEL, ON, PRICE, WEIGHTS, param

if TYPE_CHECKING:
    from rackline.facts.machine import Machine
    from rackline.facts.model import Model


@dataclass(frozen=True, kw_only=True)
class Rack:
    """rackline rack: a machine as an object, and a model on it."""

    model: Model | None = param("model", MODEL, flag="MODEL", default=None)
    on: Machine = param("machine", ON)
    chips: int | None = param("count", CHIPS, default=None, most=1_000_000)
    about: str | None = param("choice", "one subject, or all (by default those of a model: experts, networks, domain, "
                              "cuts)", default=None,
                              choices=("all", "machine", "experts", "networks", "domain", "cuts", "memory", "chip",
                                       "history"))
    context: float | None = param("tokens", "tokens cached per sequence (by default 8,192)", default=None)
    batch: int = param("count", "sequences a chip that decode together", default=128, most=1_000_000)
    routing: Any = param("routing", "how tokens choose experts: uniform, zipf:S, or a file of counts, one row a layer",
                         default="uniform")
    replicate: int = param("count", "slots for copies of the busiest experts", default=0, least=0, most=10_000)
    over: int | None = param("count", "chips that the experts are dealt over (by default one domain, or all chips "
                             "where it is too small)", default=None, most=10_000)
    domain: tuple[float, ...] | None = param("count_range", "domain sizes to compare, in packages: 8,72,576 or 8:576",
                                             default=None)
    tpot: float = param("seconds", 'most time per output token where one is wanted: "20 ms"', default=0.01)
    memory_price: float | None = param("dollars_per_byte", 'what memory of a chip costs: "15 $/GB"', default=None)
    chip_cost: float | None = param("dollars", "what a chip costs to buy, its share of rack and network included",
                                    default=None)
    weights: str | None = param("format", WEIGHTS, default=None)
    kv: str | None = param("format", KV, default=None)
    price: float | None = param("dollars_per_hour", PRICE, default=None)
    seed: int = param("int", "of the tokens that are drawn", default=0, least=0, most=2**31)


@dataclass(frozen=True, kw_only=True)
class Sparsity:
    """rackline sparsity: active, total, batch, memory and dollars at equal quality."""

    model: Model = param("model", MODEL, flag="MODEL")
    on: Machine = param("machine", ON)
    chips: int | None = param("count", CHIPS, default=None, most=1_000_000)
    experts: tuple[float, ...] | None = param("count_range", "experts for each one that a token meets: 1,8,64 or 1:512",
                                              default=None)
    batch: tuple[float, ...] | None = param("count_range", "sequences that share a pass, to compare at", default=None)
    context: float | None = param("tokens", "tokens cached per sequence (by default 8,192)", default=None)
    weights: str | None = param("format", WEIGHTS, default=None)
    kv: str | None = param("format", KV, default=None)
    price: float | None = param("dollars_per_hour", PRICE, default=None)
