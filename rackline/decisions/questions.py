"""The questions people ask: each one's parameters, declared once for the command line, Python and the page.

A question's dataclass is what its `run` receives: models, machines and numbers, read and within bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rackline.decisions.declare import CHIPS as _CHIPS
from rackline.decisions.declare import CLOCK as _CLOCK
from rackline.decisions.declare import CLOCKS as _CLOCKS
from rackline.decisions.declare import KV as _KV
from rackline.decisions.declare import MODEL as _MODEL
from rackline.decisions.declare import ON as _ON
from rackline.decisions.declare import PRICE as _PRICE
from rackline.decisions.declare import WEIGHTS as _WEIGHTS
from rackline.decisions.declare import param
from rackline.decisions.kinds import Param, read
from rackline.decisions.questions_accuracy import Calibrate, Validate
from rackline.decisions.questions_memory import Context, Modes, Tiers
from rackline.errors import BadInput, unknown

if TYPE_CHECKING:
    from pathlib import Path

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
    clock: str = param("choice", _CLOCK, default="roofline", choices=_CLOCKS)


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
    clock: str = param("choice", _CLOCK, default="roofline", choices=_CLOCKS)
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
    clock: str = param("choice", _CLOCK, default="roofline", choices=_CLOCKS)
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
class Rack:
    """rackline rack: a machine as an object, and a model on it."""

    model: Model | None = param("model", _MODEL, flag="MODEL", default=None)
    on: Machine = param("machine", _ON)
    chips: int | None = param("count", _CHIPS, default=None, most=1_000_000)
    about: str | None = param("choice", "one subject, or all (by default those of a model: experts, networks, domain, "
                              "cuts)", default=None,
                              choices=("all", "machine", "experts", "networks", "domain", "cuts", "memory", "chip",
                                       "history"))
    context: float | None = param("tokens", "tokens cached per sequence (by default 8,192)", default=None)
    batch: int = param("count", "sequences a chip that decode together", default=128, most=1_000_000)
    routing: Any = param("routing", "how tokens choose experts: uniform, zipf:S, or a file of counts, one row a layer",
                         default="uniform")
    replicate: int = param("count", "slots for copies of the busiest experts", default=0, least=0, most=10_000)
    over: int | None = param("count", "chips that the experts are dealt over (by default one domain)", default=None,
                             most=10_000)
    domain: tuple[float, ...] | None = param("count_range", "domain sizes to compare, in packages: 8,72,576 or 8:576",
                                             default=None)
    tpot: float = param("seconds", 'most time per output token where one is wanted: "20 ms"', default=0.05)
    memory_price: float | None = param("dollars_per_byte", 'what memory of a chip costs: "15 $/GB"', default=None)
    chip_cost: float | None = param("dollars", "what a chip costs to buy, its share of rack and network included",
                                    default=None)
    weights: str | None = param("format", _WEIGHTS, default=None)
    kv: str | None = param("format", _KV, default=None)
    price: float | None = param("dollars_per_hour", _PRICE, default=None)
    seed: int = param("int", "of the tokens that are drawn", default=0, least=0, most=2**31)


@dataclass(frozen=True, kw_only=True)
class Sparsity:
    """rackline sparsity: active, total, batch, memory and dollars at equal quality."""

    model: Model = param("model", _MODEL, flag="MODEL")
    on: Machine = param("machine", _ON)
    chips: int | None = param("count", _CHIPS, default=None, most=1_000_000)
    experts: tuple[float, ...] | None = param("count_range", "experts for each one that a token meets: 1,8,64 or 1:512",
                                              default=None)
    batch: tuple[float, ...] | None = param("count_range", "sequences that share a pass, to compare at", default=None)
    context: float | None = param("tokens", "tokens cached per sequence (by default 8,192)", default=None)
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


@dataclass(frozen=True, kw_only=True)
class Prices:
    """rackline prices: what an API's prices imply for the model behind them."""

    model: str | None = param("text", "PROVIDER/MODEL as sold: google/gemini-3.1-pro-preview (by default every offer)",
                              flag="MODEL", default=None)
    table: Path | None = param("path", "a price list of your own (CSV): provider, model, mode, above, window, speed, "
                               "input, cached_input, cache_write_5m, cache_write_1h, output, weights", default=None)
    show: str = param("choice", "what to show: the joint inference, each ratio alone, whether they hold at one point, "
                      "tiers that would cover every context, attention shapes", default="joint",
                      choices=("joint", "alone", "point", "tiers", "shapes", "all"))
    on: Machine = param("machine", _ON + ", for the ratios alone", default="gb200-nvl72")
    active: float = param("number", "active parameters that the ratios alone take for granted", default=1e11, most=1e15)
    context: float = param("tokens", "context of a typical request", default=3728, least=1)
    trace: Trace = param("trace", "whose lengths the tiers are designed for", default="mooncake-conv")
    margin: float = param("ratio", "margin over cost that each tier keeps: 0.5 or 50 %", default=0.5, least=0, most=100)
    markup: float = param("number", "markup over that of the sellers of open models", default=1.0, most=1e3)
    seed: int = param("int", "of the draws", default=0, least=0, most=2**31)


@dataclass(frozen=True, kw_only=True)
class Buy:
    """rackline buy: by the token from a provider, or machines of one's own."""

    model: Model = param("model", _MODEL, flag="MODEL")
    on: Machine = param("machine", _ON)
    chips: int | None = param("count", _CHIPS, default=None, most=1_000_000)
    trace: Trace = param("trace", _TRACE, default="azure-conv")
    volume: float = param("number", "so many times the trace's traffic", default=1.0, most=1e9)
    provider: str | None = param("text", "a provider, or PROVIDER/MODEL (by default the cheapest that sells the model)",
                                 default=None)
    table: Path | None = param("path", "a price list of your own (CSV, as for prices)", default=None)
    price: float | None = param("dollars_per_hour", _PRICE, default=None)
    purchase: float | None = param("number", "dollars of a chip with its share of the machine: to buy", default=None)
    years: float = param("number", "that a bought machine serves", default=4.0, most=100)
    energy: float = param("number", "dollars per kWh, cooling included", default=0.1, least=0, most=100)
    reached: float = param("ratio", "share of the bound that a real engine reaches", default=1.0)
    ttft: float | None = param("seconds", 'most time to the first token: 2 or "500 ms"', default=None)
    tpot: float | None = param("seconds", 'most time per output token: 0.05 or "50 ms"', default=None)
    weights: str | None = param("format", _WEIGHTS, default=None)
    kv: str | None = param("format", _KV, default=None)


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
    Question("prices", "What an API's prices imply for its model: one ratio at a time, and all together with intervals",
             Prices, _DECISIONS + "prices.answer:answer", "rackline prices google/gemini-3.1-pro-preview"),
    Question("buy", "A trace bought by the token or served on machines of one's own, and the volume at which it turns",
             Buy, _DECISIONS + "prices.buy:answer",
             "rackline buy llama-3.3-70b --on dgx-h100 --trace azure-conv --provider together"),
    Question("lecture", "The lecture's figures computed again: its number, ours, the equation, the verdict",
             Lecture, _DECISIONS + "lecture:answer", "rackline lecture"),
    Question("validate", "How accurate is it: predictions against published measurements, or against a file of yours",
             Validate, _DECISIONS + "validate:answer", "rackline validate"),
    Question("calibrate", "The calibrated clock's coefficients fitted again, from published measurements or yours",
             Calibrate, _DECISIONS + "calibrate:answer", "rackline calibrate --from results.csv --to mine.json"),
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
