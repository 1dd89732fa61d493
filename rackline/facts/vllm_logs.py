"""Logs of real serving runs, request by request: when each was queued, scheduled, had its first and its last token."""

from __future__ import annotations

import csv
import gzip
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rackline.errors import unknown
from rackline.facts.traces.trace import Trace

_DATA = Path(__file__).parent / "data" / "measurements" / "vllm_logs"


@dataclass(frozen=True, eq=False)
class ServingRun:
    """A run: what served, its limits, and columns of shape (requests,) in seconds after the first was queued."""

    name: str
    title: str
    source: str
    engine: str
    date: str
    model: str
    machine: str
    chips: int
    layout: str
    sequences: int
    tokens: int
    kv_blocks: int | None
    block_tokens: int
    trace: Trace
    scheduled: np.ndarray
    first_token: np.ndarray
    finish: np.ndarray
    seconds: np.ndarray  # (moments, 3): second, requests running, requests waiting
    formats: tuple[str | None, str | None] = (None, None)  # of weights and KV cache where the model's were not used
    reserved: bool = False  # a prompt is admitted only if all of it finds memory
    caching: bool = False  # prompts' blocks are kept for those who ask again
    offered: float = 1.0  # requests a second that its arrivals were drawn at; those drawn may differ


def reserves(version: str) -> bool:
    """Whether vLLM of a version admits a prompt only if all of it finds memory (scheduler_reserve_full_isl).

    Source: resolved_config of the bundled log of vLLM 0.19.0, where nobody had asked for it.
    """
    numbers = [int(part) for part in re.findall(r"\d+", version)[:2]]
    return numbers >= [0, 19]


def run_names() -> list[str]:
    """Names of the bundled runs."""
    return [name for name, value in _table().items() if isinstance(value, dict)]


def serving_run(name: str) -> ServingRun:
    """The bundled run of that name; BadInput for another."""
    table = _table()
    if name not in run_names():
        raise unknown("serving run", name, run_names())
    about = dict(table[name])
    source = f"{table['source']}, {about.pop('path')} ({table['licence']})"
    with gzip.open(_DATA / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
        columns = _columns(list(csv.reader(file)))
    moments = _columns(list(csv.reader((_DATA / f"{name}.seconds.csv").read_text(encoding="utf-8").splitlines())))
    trace = Trace(name, source, columns["input_tokens"].astype(np.int64), columns["output_tokens"].astype(np.int64),
                  columns["arrival"])
    about.setdefault("kv_blocks", None)
    return ServingRun(name=name, source=source, trace=trace, scheduled=columns["scheduled"],
                      first_token=columns["first_token"], finish=columns["finish"],
                      seconds=np.column_stack(list(moments.values())), **about)


def _table() -> dict:
    return tomllib.loads((_DATA / "runs.toml").read_text(encoding="utf-8"))


def _columns(rows: list[list[str]]) -> dict[str, np.ndarray]:
    return dict(zip(rows[0], np.array(rows[1:], dtype=float).T, strict=True))
