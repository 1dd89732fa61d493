"""A question that no machine needs to answer: every kind of parameter, and an answer with everything in it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

from rackline.decisions import questions
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table
from rackline.decisions.questions import Question, param
from rackline.errors import unknown

MODELS = ("deepseek-v3", "llama-3.1-8b")
MACHINES = ("gb200-nvl72", "h100-sxm")


@dataclass(frozen=True, kw_only=True)
class Fake:
    """Every kind of parameter."""

    model: Any = param("model", "a model", flag="MODEL")
    on: Any = param("machine", "a machine")
    chips: int | None = param("count", "chips", default=None, most=1_000_000)
    batch: tuple | None = param("count_range", "batch", default="1:16")
    context: tuple | None = param("token_range", "context", default=None, least=0)
    ttft: float | None = param("seconds", "time", default=None)
    size: float | None = param("bytes", "bytes", default=None)
    price: float | None = param("dollars_per_hour", "price", default=None)
    share: float | None = param("ratio", "a share", default=None)
    input: float | None = param("tokens", "tokens", default=None)
    goal: str = param("choice", "goal", default="price", choices=("price", "tpot", "throughput"))
    kv: str | None = param("format", "format", default=None)
    trace: Any = param("path", "a file", default=None)
    layout: Any = param("layout", "a layout", default=None)
    name: str | None = param("text", "words", default=None)
    apart: bool = param("flag", "yes or no", default=False)
    seed: int = param("int", "seed", default=0, least=0)


QUESTION = Question("fake", "A question for tests", Fake, "tests.interface.fake:answer",
                    "rackline fake deepseek-v3 --on h100-sxm")


def answer(request: Fake) -> Answer:
    """What the request's name asks for: "full" (default), "infeasible", "bare", "crash", "interrupt"."""
    return ANSWERS[request.name or "full"](request)


def crash(request: Fake) -> Answer:
    raise ZeroDivisionError("a\nfault")


def interrupt(request: Fake) -> Answer:
    raise KeyboardInterrupt


def bare(request: Fake) -> Answer:
    return Answer("fake", "Nothing but a sentence.", data={"request": request})


def infeasible(request: Fake) -> Answer:
    return Answer("fake", "It fits nowhere.", feasible=False, reasons=("weights need 671 GB of 80 GB", "take 12 chips"),
                  data={"least_chips": 12})


def full(request: Fake | None = None) -> Answer:
    """Tables with NaN and infinity, curves with a band, marks and gaps, equations, sources, a launch command."""
    batch = np.geomspace(1, 4096, 49).round()
    low, high = 0.012 + 1.1e-5 * batch, 0.015 + 2.3e-5 * batch
    gap = np.where(batch > 1000, math.nan, low)
    rows = ((1, 0.012, "memory: weights", 751.0, 0.33, "tp8"),
            (1024, 0.0386, "memory: KV cache", 1.88, 0.36, "tp8·dp9"),
            (4096, math.nan, "compute", math.inf, None, "a name of a layout much too long for a narrow terminal"))
    columns = (Column("batch", "count"), Column("time per pass", "seconds"), Column("limited by"),
               Column("cost", "dollars/Mtok"), Column("use", "ratio"), Column("layout"))
    time = Plot("Time of one pass", Axis("batch (sequences)", "count", True), Axis("time per pass", "seconds", True), (
        Series("bounds", batch, low, low, high), Series("with a gap", batch, gap),
        Series("measured", [16.0, 256.0], [0.021, 0.028], marks=True)), ((312.0, "B*"), (1e9, "out of sight")))
    cost = Plot("Cost", Axis("context", "tokens"), Axis("cost", "dollars/Mtok"),
                (Series("cost", [1, 2, 3], [3, 2, 1]),))
    return Answer(
        "fake", "One pass takes 38.6 ms, limited by memory <bandwidth> & nothing else, at a batch of 1,024.",
        tables=(Table("Time against batch", columns, rows), Table("Balance", (Column("name"), Column("value", "count")),
                                                                  (("B*", 312),))),
        plots=(time, cost), notes=("Assumes 8,192 tokens cached.",),
        explain=(Line("time of the weights", "t = W / (n · BW)", "671e9 B / (72 × 8e12 B/s)", 0.00116, "seconds"),),
        sources=(Source("power", "1.2 kW", "a datasheet", "2026-11-01", None),
                 Source("chip.memory_bandwidth", "8 TB/s", "a datasheet, https://example.org/d.pdf", "2026-11-01",
                        -0.93)),
        text=(("launch", "serve model --tensor-parallel-size 8 " + "--some-long-flag value " * 8),),
        data={"time": np.float64(0.0386), "nan": math.nan, "ends": [math.inf, -math.inf], "grid": np.arange(3.0),
              "whole": np.int64(3), "yes": np.bool_(True), "request": request, "names": {"b", "a"}})


ANSWERS = {"full": full, "infeasible": infeasible, "bare": bare, "crash": crash, "interrupt": interrupt}


def _named(kind: str, known: tuple[str, ...]) -> Any:
    def find(name: str, chips: int | None = None) -> tuple[str, int | None]:
        if name not in known:
            raise unknown(kind, name, known)
        return name, chips

    return find


@contextmanager
def installed() -> Iterator[None]:
    """The fake question among the questions, and stubs of the readers of models and machines."""
    models, hardware = ModuleType("rackline.facts.models"), ModuleType("rackline.facts.hardware")
    models.model = _named("model", MODELS)  # type: ignore[attr-defined]
    hardware.machine = _named("machine", MACHINES)  # type: ignore[attr-defined]
    stubs = {"rackline.facts.models": models, "rackline.facts.hardware": hardware}
    with patch.dict(sys.modules, stubs), patch.dict(questions.QUESTIONS, {"fake": QUESTION}):
        yield
