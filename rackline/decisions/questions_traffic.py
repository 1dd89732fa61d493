"""The questions about traffic: traces, simulation, capacity, sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackline.decisions.declare import CALIBRATION as _CALIBRATION
from rackline.decisions.declare import CHIPS as _CHIPS
from rackline.decisions.declare import CLOCK as _CLOCK
from rackline.decisions.declare import CLOCKS as _CLOCKS
from rackline.decisions.declare import ENGINE as _ENGINE
from rackline.decisions.declare import ENGINES as _ENGINES
from rackline.decisions.declare import KV as _KV
from rackline.decisions.declare import MODEL as _MODEL
from rackline.decisions.declare import ON as _ON
from rackline.decisions.declare import PRICE as _PRICE
from rackline.decisions.declare import TRACE as _TRACE
from rackline.decisions.declare import WEIGHTS as _WEIGHTS
from rackline.decisions.declare import param

if TYPE_CHECKING:

    from rackline.facts.machine import Machine
    from rackline.facts.model import Model
    from rackline.facts.traces import Trace
    from rackline.facts.traces.servegen import Population
    from rackline.systems.layout import Layout

_TRAFFIC = _TRACE + ", or ServeGen's client files (a folder, FILE or FILE:SERVICE) to draw requests from"
_RATE = "requests a second on average: scales the trace's time, or draws arrivals where it has none"
_ARRIVALS = "trace (as recorded), poisson, or gamma:CV with the gaps' coefficient of variation"
_SEQUENCES = "sequences that a replica runs at once"
_CHUNK = "new tokens of one pass of a replica, decoding ones included"
_CACHING = "keep prompt blocks for later requests that share them"
_ROUTING = ("round-robin", "least-loaded", "prefix-aware")


@dataclass(frozen=True, kw_only=True)
class Simulate:
    """rackline simulate: a request trace on a deployment."""

    model: Model = param("model", _MODEL, flag="MODEL")
    on: Machine = param("machine", _ON)
    chips: int | None = param("count", _CHIPS, default=None, most=1_000_000)
    trace: Trace | Population | None = param("traffic", _TRAFFIC, default=None)
    input: float | None = param("tokens", "tokens of every prompt, instead of a trace", default=None)
    output: float | None = param("tokens", "tokens of every reply, instead of a trace", default=None)
    rate: float | None = param("number", _RATE, default=None, most=1e7)
    arrivals: str = param("text", _ARRIVALS, default="trace")
    clients: int | None = param("count", "clients that each wait for their answer, instead of arrivals", default=None)
    turns: str = param("choice", "turns of a session at their recorded times, or after the answer before them",
                       default="recorded", choices=("recorded", "chained"))
    requests: int | None = param("count", "so many requests: the trace cut, or repeated with a seed", default=None,
                                 most=50_000_000)
    duration: float | None = param("seconds", "so much of the trace's time", default=None)
    layout: Layout | None = param("layout", "parallel sizes, as tp8,dp9,ep72,x2 (by default plan's best together)",
                                  default=None)
    prefill_layout: Layout | None = param("layout", "prompts on chips of their own, with these sizes", default=None)
    replicas: int | None = param("count", "replicas of the layout behind the router", default=None, most=100_000)
    routing: str = param("choice", "how the router deals requests to replicas", default="round-robin", choices=_ROUTING)
    sequences: int = param("count", _SEQUENCES, default=256, most=1_000_000)
    chunk: int = param("count", _CHUNK, default=2048, most=10_000_000)
    admission: str = param("choice", "prompts cut into chunks beside decoding (reserved: once there is memory for all "
                           "of one), or whole in passes of their own", default="chunked",
                           choices=("chunked", "reserved", "whole"))
    ranks: str = param("choice", "data ranks fill one pass together, or each its own (with these limits each) and wait "
                       "for one another", default="together", choices=("together", "apart"))
    batching: str = param("choice", "a pass starts when the last ends, or departs at fixed intervals",
                          default="continuous", choices=("continuous", "train"))
    interval: float | None = param("seconds", 'time between departures of a train: "20 ms"', default=None)
    prefix_caching: bool = param("flag", _CACHING, default=False)
    kv_blocks: int | None = param("count", "pages of KV memory of a replica (by default what memory leaves)",
                                  default=None)
    tiers: tuple | None = param("tiers", 'memories behind it: "host:64GB@50GB/s,flash:1TB@6GB/s"',
                                default=None)
    drafted: int = param("count", "tokens drafted a pass and sequence (speculative decoding)", default=0, least=0,
                         most=1000)
    acceptance: float | None = param("ratio", "chance that a drafted token is accepted: 0.7 or 70 %", default=None,
                                     least=0)
    imbalance: float = param("number", "work of the busiest expert group over the mean", default=1.0, least=1, most=1e4)
    ttft: float | None = param("seconds", 'target for the first token, for goodput: 2 or "500 ms"', default=None)
    tpot: float | None = param("seconds", 'target per output token, for goodput: 0.05 or "50 ms"', default=None)
    weights: str | None = param("format", _WEIGHTS, default=None)
    kv: str | None = param("format", _KV, default=None)
    price: float | None = param("dollars_per_hour", _PRICE, default=None)
    clock: str = param("choice", _CLOCK, default="roofline", choices=_CLOCKS)
    calibration: Any = param("path", _CALIBRATION, default=None)
    engine: str | None = param("choice", _ENGINE, default=None, choices=_ENGINES)
    seed: int = param("int", "of all that is drawn", default=0, least=0, most=2**31)
    log: str | None = param("new_file", "also write every request's times: .parquet or .csv", default=None)
    perfetto: str | None = param("new_file", "also write the passes for ui.perfetto.dev: .json", default=None)


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """rackline capacity: replicas for a trace under targets."""

    model: Model = param("model", _MODEL, flag="MODEL")
    on: Machine = param("machine", _ON)
    chips: int | None = param("count", _CHIPS, default=None, most=1_000_000)
    trace: Trace | Population | None = param("traffic", _TRAFFIC, default=None)
    input: float | None = param("tokens", "tokens of every prompt, instead of a trace", default=None)
    output: float | None = param("tokens", "tokens of every reply, instead of a trace", default=None)
    rate: float | None = param("number", _RATE, default=None, most=1e7)
    arrivals: str = param("text", _ARRIVALS, default="trace")
    requests: int | None = param("count", "so many requests: the trace cut, or repeated with a seed", default=None,
                                 most=50_000_000)
    duration: float | None = param("seconds", "so much of the trace's time", default=None)
    ttft: float | None = param("seconds", 'most time to the first token: 2 or "500 ms"', default=None)
    tpot: float | None = param("seconds", 'most time per output token: 0.05 or "50 ms"', default=None)
    percentile: float = param("number", "share of requests within the targets, in percent", default=99.0, most=99.99)
    layout: Layout | None = param("layout", "parallel sizes of one replica (by default plan's best)", default=None)
    routing: str = param("choice", "how the router deals requests to replicas", default="least-loaded",
                         choices=_ROUTING)
    sequences: int = param("count", _SEQUENCES, default=256, most=1_000_000)
    chunk: int = param("count", _CHUNK, default=2048, most=10_000_000)
    prefix_caching: bool = param("flag", _CACHING, default=False)
    weights: str | None = param("format", _WEIGHTS, default=None)
    kv: str | None = param("format", _KV, default=None)
    price: float | None = param("dollars_per_hour", _PRICE, default=None)
    clock: str = param("choice", _CLOCK, default="roofline", choices=_CLOCKS)
    calibration: Any = param("path", _CALIBRATION, default=None)
    engine: str | None = param("choice", _ENGINE, default=None, choices=_ENGINES)
    seed: int = param("int", "of all that is drawn", default=0, least=0, most=2**31)


@dataclass(frozen=True, kw_only=True)
class TraceSummary:
    """rackline trace: what is in a request trace."""

    file: Trace | Population = param("traffic", _TRAFFIC, flag="FILE")
    rate: float | None = param("number", "requests a second on average: scales the trace's time, or all its clients",
                               default=None, most=1e7)
    duration: float | None = param("seconds", "so much of its time", default=None)
    seed: int = param("int", "of what is drawn from clients", default=0, least=0, most=2**31)
    block_tokens: int | None = param("count", "input tokens that one prefix hash stands for (by default 512, as in "
                                     "Mooncake's)", default=None, most=1_000_000)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """rackline sweep: many simulations, kept in one file."""

    file: Any = param("path", "a sweep file (TOML): [grid] lists of simulate's options, [fixed] options, [[cases]]",
                       flag="FILE")
    to: str = param("kept_file", "the DuckDB file that keeps every cell as it finishes; started again, it goes on")
    workers: int | None = param("count", "processes (by default one for each core)", default=None, most=4096)
    cluster: str | None = param("text", "a Ray cluster instead of processes: auto, or HOST:PORT", default=None)
    by: str | None = param("text", "the number to rank cells by (by default time_to_first_token.p99)", default=None)
    best: str | None = param("choice", "which end of it is best (by default what one would want)", default=None,
                             choices=("least", "most"))
    top: int = param("count", "how many cells to show", default=10, most=10_000)
    retry: bool = param("flag", "compute failed and refused cells again", default=False)
