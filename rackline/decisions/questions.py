"""The questions people ask: each one's parameters, declared once for the command line, Python and the page.

A question's dataclass is what its `run` receives: models, machines and numbers, read and within bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib import import_module
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
from rackline.decisions.declare import WEIGHTS as _WEIGHTS
from rackline.decisions.declare import param
from rackline.decisions.kinds import Param, read
from rackline.decisions.questions_accuracy import Calibrate, Validate
from rackline.decisions.questions_memory import Context, Modes, Tiers
from rackline.decisions.questions_prices import Buy, Prices
from rackline.decisions.questions_racks import Rack, Sparsity
from rackline.decisions.questions_traffic import Capacity, Simulate, Sweep, TraceSummary
from rackline.errors import BadInput, unknown

if TYPE_CHECKING:

    from rackline.decisions.answer import Answer
    from rackline.facts.machine import Machine
    from rackline.facts.model import Model
    from rackline.facts.traces import Trace
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
    calibration: Any = param("path", _CALIBRATION, default=None)
    engine: str | None = param("choice", _ENGINE, default=None, choices=_ENGINES)


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
    calibration: Any = param("path", _CALIBRATION, default=None)
    confirm: int | None = param("count", "simulate so many of the best layouts on the trace and rank them again",
                                default=None, most=1000)


@dataclass(frozen=True, kw_only=True)
class Lecture:
    """rackline lecture: the lecture's figures computed again."""

    board: str | None = param("text", "one board (by default all of them)", flag="BOARD", default=None)



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
    Question("prices", "What an API's prices imply for its model: each ratio alone, and all together",
             Prices, _DECISIONS + "prices.answer:answer", "rackline prices google/gemini-3.1-pro-preview"),
    Question("buy", "A trace by the token or on machines of one's own, and where it turns",
             Buy, _DECISIONS + "prices.buy:answer",
             "rackline buy llama-3.3-70b --on dgx-h100 --trace azure-conv --provider together"),
    Question("lecture", "The lecture's figures computed again: its number, ours, the equation, the verdict",
             Lecture, _DECISIONS + "lecture:answer", "rackline lecture"),
    Question("validate", "How accurate is it: predictions against published measurements, or against a file of yours",
             Validate, _DECISIONS + "accuracy.validate:answer", "rackline validate"),
    Question("calibrate", "The calibrated clock's coefficients fitted again, from published measurements or yours",
             Calibrate, _DECISIONS + "accuracy.calibrate:answer",
             "rackline calibrate --from results.csv --to mine.json"),
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
