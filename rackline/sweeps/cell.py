"""One cell asked and answered, in whichever process: its status, its numbers, or what was wrong."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from rackline.errors import BadInput

if TYPE_CHECKING:
    from rackline.decisions.answer import Answer

Status = Literal["finished", "infeasible", "refused", "failed"]
STATUSES: tuple[Status, ...] = ("finished", "infeasible", "refused", "failed")
SIMULATE = "rackline.sweeps.cell:simulated"
# a worker is one process on one core; libraries that start threads of their own would only get in each other's way
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
                            "VECLIB_MAXIMUM_THREADS"), "1")


@dataclass(frozen=True)
class Outcome:
    """What became of a cell; numbers by name, seconds it took, how often it was tried."""

    key: str
    options: Mapping[str, Any]
    status: Status
    error: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    attempts: int = 1


def computed(run: str, options: Mapping[str, Any]) -> tuple[Status, str, dict[str, float], float]:
    """Status, error, numbers and seconds of one cell; `run` is the "module:function" that answers options."""
    start = perf_counter()
    try:
        answer = _function(run)(options)
    except BadInput as error:
        return "refused", str(error), {}, perf_counter() - start
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}", {}, perf_counter() - start
    return *_judged(answer), dict(flat(answer.data)), perf_counter() - start


def _judged(answer: Answer) -> tuple[Status, str]:
    if answer.feasible:
        return "finished", ""
    return "infeasible", "; ".join(answer.reasons) or answer.headline


@lru_cache(maxsize=8)
def _function(run: str) -> Callable[[Mapping[str, Any]], Answer]:
    module, name = run.split(":")
    return getattr(import_module(module), name)


def simulated(options: Mapping[str, Any]) -> Answer:
    """The numbers of simulate with these options, without the tables and sources that take as long as the simulation.

    Models and traces are read once a process.
    """
    from rackline.decisions.answer import Answer
    from rackline.decisions.simulate import run
    from rackline.decisions.simulate_case import NoRoom, case
    from rackline.decisions.simulate_data import data
    from rackline.decisions.simulate_intervals import between
    from rackline.decisions.simulate_view import no_room

    request = _request(options)
    found = case(request)
    if isinstance(found, NoRoom):
        return no_room(found)
    ran = run(found, request.seed)
    around = between(ran, request.seed)
    return Answer("simulate", "", data=data(ran) | ({} if around is None else {"intervals": around.figures}))


def _request(options: Mapping[str, Any]) -> Any:
    from rackline.decisions.questions import find, parameters, prepare

    question = find("simulate")
    once = {name: p.kind for name, p in parameters(question).items() if p.kind in _ONCE and name in options}
    size = options.get("block_tokens")
    return prepare(question, {**options, **{name: _read(kind, options[name], size) for name, kind in once.items()}})


_ONCE = ("model", "trace", "traffic")


@lru_cache(maxsize=8)
def _read(kind: str, text: str, block_tokens: Any) -> Any:
    from rackline.decisions import kinds

    flag = "MODEL" if kind == "model" else "--trace"
    return kinds.read(kinds.Param(kind, "", flag), text, {"block_tokens": block_tokens})


def flat(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number of nested tables as "ttft.p99"; lists, words and what is not there are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Mapping):
        for part, inner in value.items():
            yield from flat(inner, f"{name}.{part}" if name else str(part))
    elif name and isinstance(value, numbers.Real) and not math.isnan(value):
        yield name, float(value)
