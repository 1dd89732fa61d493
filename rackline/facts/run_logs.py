"""Logs of vLLM runs in folders: requests.jsonl with every request's times, meta.json with model, limits and device."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rackline.errors import BadInput
from rackline.facts.hardware import chip, chip_names
from rackline.facts.machine import Machine
from rackline.facts.micro import micro_machine
from rackline.facts.models import model
from rackline.facts.traces.trace import Trace
from rackline.facts.vllm_logs import ServingRun, reserves

REQUESTS, META = "requests.jsonl", "meta.json"
LARGEST = 500_000_000  # bytes
_SEQUENCES, _TOKENS, _BLOCK = 256, 2048, 16  # vLLM's own where the log does not say
_TIMES = ("queued_ts", "scheduled_ts", "first_token_ts", "last_token_ts")
_FIELDS = ("input_toks", "output_toks", *_TIMES)
_LAST = 1e12  # seconds: a stamp beyond is in a smaller unit
Faults = tuple[tuple[str, str], ...]  # where and why


def is_run_log(path: Path) -> bool:
    """Whether a path is a run's log: its folder, a folder of such folders, or its requests.jsonl."""
    if path.is_dir():
        return any(_inside(path))
    return path.name == REQUESTS or (path.suffix == ".jsonl" and (path.parent / META).is_file())


def read_runs(path: Path) -> tuple[tuple[ServingRun, Faults], ...]:
    """Every run at a path, with the lines that could not be read; BadInput where none can be used."""
    files = list(_inside(path)) if path.is_dir() else [path]
    if not files:
        raise BadInput(path.name or str(path), f"must hold a run's {REQUESTS}, or folders that do", "neither")
    if len(files) == 1:
        return (_read(files[0]),)
    found: list[tuple[ServingRun, Faults]] = []
    faults: list[tuple[str, str]] = []
    for file in files:
        try:
            found.append(_read(file))
        except BadInput as error:
            faults.append((error.what, f"{error.rule}; got {error.given}"))
    if not found:
        raise BadInput(path.name, "must hold at least one run that can be read", "; ".join(faults[0]))
    return ((found[0][0], (*found[0][1], *faults)), *found[1:])


def _inside(folder: Path) -> Iterator[Path]:
    yield from (path for path in (folder / REQUESTS, *sorted(folder.glob(f"*/{REQUESTS}"))) if path.is_file())


def _read(file: Path) -> tuple[ServingRun, Faults]:
    name = file.resolve().parent.name
    meta = _meta(file.parent / META, name)
    columns, faults = _columns(file, name)
    order = np.argsort(columns["queued_ts"], kind="stable")
    at = {field: values[order] for field, values in columns.items()}
    start = at["queued_ts"][0]
    said = _Said(meta, file)
    arrival, scheduled, first, finish = (at[field] - start for field in _TIMES)
    trace = Trace(name, file.name, at["input_toks"].astype(np.int64), at["output_toks"].astype(np.int64), arrival)
    run = ServingRun(name=name, title=name, source=str(file.name), trace=trace, scheduled=scheduled, first_token=first,
                     finish=finish, seconds=np.zeros((0, 3)), **said.fields())
    return run, faults


# ---- what the run's meta.json says


class _Said:
    """Answers from a run's meta.json: what was asked for, before what the engine resolved."""

    def __init__(self, meta: Mapping[str, Any], file: Path) -> None:
        self.meta, self.file = meta, file
        self.asked = _table(meta, "engine_kwargs")
        self.memory, self.hardware, self.resolved = (_table(meta, key) for key in ("kv_cache", "hardware",
                                                                                    "resolved_config"))

    def fields(self) -> dict[str, Any]:
        """The fields of a ServingRun but for its requests."""
        tensor, data, pipeline = (self.count(f"{kind}_parallel_size", 1) for kind in ("tensor", "data", "pipeline"))
        name = str(self.meta.get("model") or self.asked.get("model") or "")
        served = model(name)
        routed = any(feed.experts for feed, _ in served.feed_forwards())
        expert = tensor * data if routed and self.asked.get("enable_expert_parallel") else 1
        ranks = data if routed else 1
        layout = f"tp{tensor},dp{ranks},pp{pipeline},ep{expert},x{data // ranks}"
        blocks = self.memory.get("num_gpu_blocks")
        scheduler, version = _table(self.resolved, "scheduler_config"), str(self.meta.get("vllm_version", ""))
        return {"engine": f"vLLM {version}".strip(), "model": served.name,
                "date": str(self.meta.get("started_at", ""))[:10], "machine": self.machine(), "layout": layout,
                "chips": tensor * data * pipeline, "sequences": self.count("max_num_seqs", _SEQUENCES),
                "tokens": self.count("max_num_batched_tokens", _TOKENS),
                "kv_blocks": None if blocks is None else _whole(blocks, "num_gpu_blocks", self.file),
                "caching": self.caching(), "block_tokens": self.count("block_size", _BLOCK), "formats": self.formats(),
                "reserved": bool(scheduler.get("scheduler_reserve_full_isl", reserves(version)))}

    def count(self, name: str, otherwise: int) -> int:
        """A whole number by its name, wherever the log has it."""
        places = (self.asked, self.memory, *(_table(self.resolved, part) for part in self.resolved))
        found = next((place[name] for place in places if place.get(name) is not None), otherwise)
        return _whole(found, name, self.file)

    def caching(self) -> bool:
        """Whether prompts' blocks are kept: vLLM's default since its engine of version 1."""
        places = (self.asked, self.memory, _table(self.resolved, "cache_config"))
        return bool(next((place["enable_prefix_caching"] for place in places
                          if place.get("enable_prefix_caching") is not None), True))

    def formats(self) -> tuple[str | None, str | None]:
        """Number formats of weights and KV cache; None: as the model has them."""
        quantised = str(self.asked.get("quantization") or "").lower()
        cache = str(self.asked.get("kv_cache_dtype") or "auto").lower()
        return ("fp8" if quantised.startswith("fp8") else None), ("fp8" if cache.startswith("fp8") else None)

    def machine(self) -> str:
        """The bundled machine of the run's device; BadInput where neither the log nor its folder names one."""
        folders = self.file.resolve().parts[-4:-1][::-1]
        texts = [str(self.hardware.get("device_name") or ""),  # of CHIP_MODEL the chip first: V3 is a chip too
                 *(text for folder in folders for text in (folder.partition("_")[0], folder))]
        size = self.hardware.get("device_total_memory_bytes")
        for text in texts:
            if found := micro_machine(text):
                return _of_size(found, float(size) if isinstance(size, int | float) else None)
        raise BadInput(f"{self.file.parent.name}/{META}", "must name its device as hardware.device_name", texts[0]
                       or "none", "or call the folder by chip and model: RTX4090_Llama-3.1-8B")


def _of_size(found: Machine, size: float | None) -> str:
    """The machine's name; of chips that differ in memory alone, that of the one whose memory is nearest."""
    if size is None:
        return found.name
    plain = lambda name: re.sub(r"-\d+gb", "", name)  # noqa: E731
    variants = [chip(name) for name in chip_names() if plain(name) == plain(found.chip.name)]
    best = min(variants, key=lambda one: abs(float(np.log(one.memory_capacity.value / size))))
    return found.name if best.name == found.chip.name else best.machine or best.name


def _table(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = of.get(key)
    return found if isinstance(found, dict) else {}


def _whole(value: Any, name: str, file: Path) -> int:
    value = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else value
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**9:
        raise BadInput(f"{file.parent.name}/{META}, {name}", "must be a whole number of at least 1", value)
    return value


def _meta(path: Path, name: str) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"run log {name}", f"needs {META} beside {REQUESTS}, a JSON object", str(error)) from None
    if not isinstance(found, dict) or not (found.get("model") or _table(found, "engine_kwargs").get("model")):
        raise BadInput(f"run log {name}, {META}", "must name the model", "no key model")
    return found


# ---- requests


def _columns(file: Path, name: str) -> tuple[dict[str, np.ndarray], Faults]:
    rows: list[tuple[float, ...]] = []
    faults: list[tuple[str, str]] = []
    try:
        if file.stat().st_size > LARGEST:
            raise BadInput(f"run log {name}", f"must be at most {LARGEST:,} bytes", file.stat().st_size)
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"run log {name}", "must be readable UTF-8 text", str(error)) from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            found = _row(line)
            if isinstance(found, str):
                faults.append((f"{file.name}, line {number}", found))
            else:
                rows.append(found)
    if not rows:
        raise BadInput(f"run log {name}", "must hold at least one served request", "; ".join(faults[0]) if faults
                       else "no lines")
    return dict(zip(_FIELDS, np.array(rows, dtype=float).T, strict=True)), tuple(faults)


def _row(line: str) -> tuple[float, ...] | str:
    """A request's numbers, or why it has none."""
    try:
        one = json.loads(line)
    except (ValueError, RecursionError):
        return "must be one JSON object"
    if not isinstance(one, dict):
        return "must be one JSON object"
    numbers: list[float] = []
    for field in _FIELDS:
        value = one.get(field)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LAST:
            return f"{field} must be a number, times in seconds; got {str(value)[:40]}"
        numbers.append(float(value))
    tokens, times = numbers[:2], numbers[2:]
    if any(value != int(value) or not 1 <= value <= 10**9 for value in tokens):
        return "must have at least one whole token in and out"
    if any(later < earlier for earlier, later in pairwise(times)):
        return "must be queued, scheduled, begun and finished in this order"
    return tuple(numbers)
