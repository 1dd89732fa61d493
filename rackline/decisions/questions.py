"""The questions people ask: each one's parameters, declared once for the command line, Python and the page.

A question's dataclass is what its `run` receives: models, machines and numbers, read and within bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rackline.decisions.declare import CHIPS as _CHIPS
from rackline.decisions.declare import KV as _KV
from rackline.decisions.declare import MODEL as _MODEL
from rackline.decisions.declare import ON as _ON
from rackline.decisions.declare import PRICE as _PRICE
from rackline.decisions.declare import WEIGHTS as _WEIGHTS
from rackline.decisions.declare import param
from rackline.decisions.kinds import Param, read
from rackline.decisions.questions_memory import Context, Modes, Tiers
from rackline.decisions.questions_racks import Rack, Sparsity
from rackline.errors import BadInput, unknown

if TYPE_CHECKING:
    from rackline.decisions.answer import Answer
    from rackline.facts.machine import Machine
    from rackline.facts.model import Model
    from rackline.facts.traces import Trace
    from rackline.facts.traces.servegen import Population
    from rackline.systems.layout import Layout


@dataclass(frozen=True)
class Question:
    """A question: its name, what it answers, its parameters, the "module:function" that answers it, an example."""

    name: str
    summary: str
    make: type
    run: str
    example: str


def parameters(question: Question) -> dict[str, Param]:
    """The parameters of a question by field name, each with its flag."""
    return {f.name: _with_flag(f.name, f.metadata["param"]) for f in fields(question.make)}


def _with_flag(name: str, declared: Param) -> Param:
    flag = declared.flag or "--" + name.replace("_", "-")
    return Param(declared.kind, declared.help, flag, declared.choices, declared.least, declared.most)


def defaults(question: Question) -> dict[str, Any]:
    """The default of every parameter that has one."""
    return {f.name: f.default for f in fields(question.make) if f.default is not MISSING}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """rackline facts: what is known about a thing."""

    name: str | Any = param("thing", "a model, chip or machine: a bundled name or a file (by default every name)",
                            flag="NAME", default=None)


@dataclass(frozen=True, kw_only=True)
class Step:
    """rackline step: one forward pass of a model on a machine."""

    model: Model = param("model", _MODEL, flag="MODEL")
    on: Machine = param("machine", _ON)
    chips: int | None = param("count", _CHIPS, default=None, most=1_000_000)
    batch: tuple[float, ...] | None = param("count_range", "sequences that share the pass: 64, 1:4096 or 1,8,64",
                                            default=None)
    context: tuple[float, ...] | None = param("token_range", "tokens cached per sequence: 8192, 1k:1M or 1k,8k,64k",
                                              default=None, least=0)
    layout: Layout | None = param("layout", "parallel sizes, as tp8,dp9,ep72,pp1,cp1 (by default the best that fits)",
                                  default=None)
    weights: str | None = param("format", _WEIGHTS, default=None)
    kv: str | None = param("format", _KV, default=None)
    price: float | None = param("dollars_per_hour", _PRICE, default=None)
    pass_: str = param("choice", "what the pass does", default="decode", flag="--pass",
                       choices=("decode", "prefill", "verify"))
    drafted: int | None = param("count", "drafted tokens that a verify pass checks", default=None, most=1000)
    against: str = param("choice", "what the table and the curves run over", default="batch",
                         choices=("batch", "context"))
    clock: str = param("choice", "what turns work into time", default="roofline", choices=("roofline",))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """rackline plan: how to serve a model on machines."""

    model: Model = param("model", _MODEL, flag="MODEL")
    on: Machine = param("machine", _ON)
    chips: int | None = param("count", _CHIPS, default=None, most=1_000_000)
    input: float | None = param("tokens", "tokens of a prompt", default=None)
    output: float | None = param("tokens", "tokens of a reply", default=None)
    context: float | None = param("tokens", "tokens cached per sequence (by default what input and output imply)",
                                  default=None)
    trace: Trace | None = param("trace", "a request trace whose own lengths count: azure-conv, or a file (CSV, JSON "
                                "lines or Parquet)", default=None)
    ttft: float | None = param("seconds", 'most time to the first token: 2 or "500 ms"', default=None)
    tpot: float | None = param("seconds", 'most time per output token: 0.05 or "50 ms"', default=None)
    goal: str = param("choice", "what to rank by", default="price", choices=("price", "tpot", "ttft", "throughput"))
    mode: str = param("choice", "prefill and decode on the same chips, on separate chips, or whichever is better",
                      default="both", choices=("together", "apart", "both"))
    engine: str = param("choice", "whose launch command to write", default="all",
                        choices=("vllm", "sglang", "tensorrt-llm", "all"))
    weights: str | None = param("format", _WEIGHTS, default=None)
    kv: str | None = param("format", _KV, default=None)
    price: float | None = param("dollars_per_hour", _PRICE, default=None)
    top: int = param("count", "how many layouts to show", default=10, most=10_000)
    max_batch: int | None = param("count", "largest batch of one replica to try", default=None)
    confirm: int | None = param("count", "simulate so many of the best layouts on the trace and rank them again",
                                default=None, most=1000)


_TRACE = "a request trace: azure-conv, mooncake-conv, or a file (CSV, JSON lines or Parquet)"
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
    admission: str = param("choice", "prompts cut into chunks beside decoding, or whole in passes of their own",
                           default="chunked", choices=("chunked", "whole"))
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
    seed: int = param("int", "of all that is drawn", default=0, least=0, most=2**31)


@dataclass(frozen=True, kw_only=True)
class Tiers:
    """rackline tiers: keep, offload or recompute a context's KV."""

    model: Model = param("model", _MODEL, flag="MODEL")
    on: Machine = param("machine", _ON)
    chips: int | None = param("count", _CHIPS, default=None, most=1_000_000)
    context: float = param("tokens", "tokens whose KV waits", default=32768.0)
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
    weights: str | None = param("format", _WEIGHTS, default=None)
    kv: str | None = param("format", _KV, default=None)
    price: float | None = param("dollars_per_hour", _PRICE, default=None)


@dataclass(frozen=True, kw_only=True)
class Lecture:
    """rackline lecture: the lecture's figures computed again."""

    board: str | None = param("text", "one board (by default all of them)", flag="BOARD", default=None)


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


_DECISIONS = "rackline.decisions."
_ALL = (
    Question("step", "One forward pass: time, what limits it, latency and cost against batch or context",
             Step, _DECISIONS + "step:answer",
             "rackline step deepseek-v3 --on gb200-nvl72 --batch 1:4096 --context 8k"),
    Question("plan", "How to serve this model on these machines: layouts ranked, the frontier, a launch command",
             Plan, _DECISIONS + "plan:answer",
             'rackline plan deepseek-v3 --on gb200-nvl72 --input 4000 --output 500 --ttft 2 --tpot "50 ms"'),
    Question("simulate", "A request trace on a deployment: percentiles, goodput, utilisation, cost, hit rates",
             Simulate, _DECISIONS + "simulate:answer",
             "rackline simulate llama-3.1-8b --on a100-80gb-pcie --chips 1 --trace azure-conv --ttft 2"),
    Question("capacity", "How many replicas a request trace needs under targets, by bisection on the simulator",
             Capacity, _DECISIONS + "capacity:answer",
             'rackline capacity llama-3.1-8b --on a100-80gb-pcie --chips 1 --trace azure-conv --ttft 2 --tpot "50 ms"'),
    Question("tiers", "Where a context's KV should wait: each memory and recomputing against hold time, break-evens",
             Tiers, _DECISIONS + "tiers:answer",
             'rackline tiers deepseek-v3 --on gb200-nvl72 --context 32k --hold "5 min"'),
    Question("modes", "Fast, standard and slow service: price multiple against speed multiple, where both ends stop",
             Modes, _DECISIONS + "modes:answer",
             "rackline modes deepseek-v3 --on gb200-nvl72 --beside dgx-h200 --drafted 3"),
    Question("context", "What long contexts cost: 8k to 100M tokens, by kind of attention, and what takes over where",
             Context, _DECISIONS + "contexts:answer",
             "rackline context deepseek-v3 --on gb200-nvl72 --beside llama-3.1-405b"),
    Question("rack", "A machine as an object, a model on it: experts on chips, networks, domain sizes, where to cut",
             Rack, _DECISIONS + "racks.answer:answer",
             "rackline rack deepseek-v3 --on gb200-nvl72 --routing zipf:0.5 --replicate 32"),
    Question("sparsity", "Sparsity against quality: active, total, batch, memory and dollars at equal quality",
             Sparsity, _DECISIONS + "sparsity:answer", "rackline sparsity deepseek-v3 --on gb200-nvl72"),
    Question("trace", "What is in a request trace: rates, burstiness, lengths, prefix reuse, sessions",
             TraceSummary, _DECISIONS + "trace:answer", "rackline trace azure-conv"),
    Question("sweep", "A grid of simulations in parallel, kept in one file as they finish; a killed one goes on",
             Sweep, "rackline.sweeps.question:answer",
             "rackline sweep sweep.toml --to results.duckdb --workers 8"),
    Question("lecture", "The lecture's figures computed again: its number, ours, the equation, the verdict",
             Lecture, _DECISIONS + "lecture:answer", "rackline lecture"),
    Question("facts", "Chips, machines and models: every number with its source",
             Facts, _DECISIONS + "facts_question:answer", "rackline facts deepseek-v3"),
)
QUESTIONS: dict[str, Question] = {question.name: question for question in _ALL}


def ask(name: str, /, *values: Any, **given: Any) -> Answer:
    """The answer to a question from texts, Python values or records; None means not given.

    `values` are those parameters that the command line takes by place. Raises BadInput.
    """
    question = find(name)
    request = prepare(question, given | _placed(question, values))
    module, function = question.run.split(":")
    return getattr(import_module(module), function)(request)


def find(name: str) -> Question:
    """The question of that name; BadInput with the nearest names otherwise."""
    if name not in QUESTIONS:
        raise unknown("question", name, QUESTIONS)
    return QUESTIONS[name]


def _placed(question: Question, values: tuple) -> dict[str, Any]:
    places = [name for name, p in parameters(question).items() if not p.flag.startswith("-")]
    if len(values) > len(places):
        rule = f"takes {len(places)} by place ({', '.join(places)})"
        raise BadInput(question.name, rule, " ".join(map(str, values)), "the others by name: --on, --batch, …")
    return dict(zip(places, values, strict=False))


def prepare(question: Question, given: Mapping[str, Any]) -> Any:
    """The question's dataclass with every value read by its kind; BadInput for unknown, missing or wrong ones."""
    declared, filled = parameters(question), defaults(question)
    for name in given:
        if name not in declared:
            raise unknown(f"option of {question.name}", name, declared)
    given = {name: value for name, value in given.items() if value is not None}
    for name, p in declared.items():
        if name not in given and name not in filled:
            raise BadInput(p.flag, "must be given", "nothing", f"for example {question.example}")
    chosen = filled | given
    return question.make(**{name: value if value is None else read(declared[name], value, chosen)
                            for name, value in chosen.items()})
