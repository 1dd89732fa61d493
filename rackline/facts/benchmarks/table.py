"""A plain table of results: columns by their usual names, with their unit; and llama-bench's CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rackline import units
from rackline.errors import BadInput
from rackline.facts.benchmarks.found import (
    RATE,
    SECONDS,
    Node,
    Run,
    Said,
    Value,
    fault,
    number,
    text,
    whole,
)
from rackline.facts.measurements import Formats, Load, Sizes
from rackline.facts.text_files import first_line, separator

_STATISTIC = r"(mean|avg|average|median|p\d{1,2}(?:\.\d+)?)"
_STATISTICS = {"avg": "mean", "average": "mean", "p50": "median"}
_TIMES = {"ttft": "ttft", "time_to_first_token": "ttft", "first_token_latency": "ttft", "tpot": "tpot",
          "time_per_output_token": "tpot", "itl": "itl", "inter_token_latency": "itl", "e2e": "e2e", "e2el": "e2e",
          "e2e_latency": "e2e", "request_latency": "e2e", "end_to_end_latency": "e2e"}
_SECONDS = {"ms": "ms", "us": "us", "µs": "us", "ns": "ns", "s": "s", "sec": "s", "seconds": "s"}
_PER_S = r"(?:tokens?|tok)_(?:per_)?s(?:ec|econd)?"
_TIME = re.compile(rf"(?:{_STATISTIC}_)?({'|'.join(_TIMES)})(?:_{_STATISTIC})?(?:_({'|'.join(_SECONDS)}))?")
_RATES = {side: re.compile(rf"(?:{_STATISTIC}_)?{words}_(?:{_PER_S}|tps|(?:token_)?throughput(?:_{_PER_S})?)")
          for side, words in (("output_tokens_per_s", "(?:output|out|generation)"), ("total_tokens_per_s", "total"))}
_RATES["requests_per_s"] = re.compile(
    rf"(?:{_STATISTIC}_)?(?:request_throughput(?:_req_per_s)?|req(?:uest)?s?_per_s(?:ec|econd)?)")
_WORDS = {
    "model": ("model", "model_id"), "hardware": ("hardware", "gpu", "chip", "accelerator"),
    "engine": ("engine", "framework", "backend"), "precision": ("precision", "weights", "quantization")}
_COUNTS = {
    "chips": ("chips", "n_chips", "gpus", "n_gpus", "num_gpus"), "tensor": ("tp", "tensor_parallel", "tp_size"),
    "expert": ("ep", "ep_size"), "pipeline": ("pp", "pp_size"), "data": ("dp", "dp_size"),
    "requests": ("completed", "num_requests", "num_prompts"), "batch": ("batch", "batch_size")}
_AMOUNTS = {
    "input": ("isl", "input_len", "input_length", "input_tokens", "prompt_tokens", "avg_input_len"),
    "output": ("osl", "output_len", "output_length", "generated_tokens", "avg_output_len"),
    "clients": ("concurrency", "max_concurrency", "conc", "users", "num_users"),
    "rate": ("request_rate", "qps", "rate")}


class Column(NamedTuple):
    """A column that holds a metric: its statistic and what its cells count in."""

    metric: str
    statistic: str
    unit: str


def records(whole_text: str) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Names of the columns, and each row with its line; BadInput for what is no CSV."""
    reader = csv.reader(io.StringIO(whole_text, newline=""), strict=True, delimiter=separator(first_line(whole_text)))
    try:
        names = [cell.strip() for cell in next(reader, [])]
        rows = [(reader.line_num, dict(zip(names, cells, strict=False))) for cells in reader if any(cells)]
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num}", "must be well-formed CSV", str(error)) from None
    return names, iter(rows)


def columns(names: list[str], faults: Node) -> dict[str, Column]:
    """Which columns hold a metric; one without a unit is a fault, for ms and s cannot be told apart."""
    found = {name: column for name in names if (column := _column(name))}
    for name, column in list(found.items()):
        if not column.unit:
            fault(faults, f"column {name}", f"has no unit: call it {column.metric}_ms or {column.metric}_s")
            del found[name]
    return found


def _column(name: str) -> Column | None:
    plain = re.sub(r"[\s\-()\[\]_]+", "_", name.lower().replace("/", "_per_")).strip("_:")
    if len(plain) > 80:
        return None
    if match := _TIME.fullmatch(plain):
        statistic = match[1] or match[3] or ""
        return Column(_TIMES[match[2]], _STATISTICS.get(statistic, statistic), _SECONDS.get(match[4] or "", ""))
    for metric, pattern in _RATES.items():
        if match := pattern.fullmatch(plain):
            return Column(metric, _STATISTICS.get(match[1] or "", match[1] or ""), "per second")
    return None


def run_of(node: Node, held: Mapping[str, Column]) -> Run:
    """One row of a table as a run."""
    words = {name: _word(node, keys) for name, keys in _WORDS.items()}
    counts = {name: _count(node, keys) for name, keys in _COUNTS.items()}
    amounts = {name: _amount(node, keys) for name, keys in _AMOUNTS.items()}
    load = Load(amounts["input"], amounts["output"], counts["batch"], amounts["clients"],
                rate=None if amounts["clients"] else amounts["rate"], requests=counts["requests"])
    sizes = Sizes(counts["tensor"], counts["expert"], counts["pipeline"], counts["data"])
    said = Said(words["model"], words["hardware"], counts["chips"] or None, words["engine"], sizes,
                Formats(words["precision"]), load)
    return Run(node.where, said, tuple(v for name, column in held.items() for v in _value(node, name, column)))


def _value(node: Node, name: str, column: Column) -> Iterator[Value]:
    given = (node.table.get(name) or "").strip()
    if not given:
        return
    timed = column.unit != "per second"
    if _has_unit(given):
        value = _parsed(node, name, given, "seconds" if timed else "tokens/s")
    else:
        value = number(node, name, column.unit if timed else "", SECONDS if timed else RATE)
    if value is not None:
        unit = "seconds" if timed else "tokens/s" if "token" in column.metric else ""
        yield Value(column.metric, column.statistic, value, unit, name)


def _has_unit(given: str) -> bool:
    return bool(re.search(r"\d\s*[a-zµ]+(/s)?$", given)) and not re.search(r"\de\d+$", given)


def _parsed(node: Node, name: str, given: str, dimension: str) -> float | None:
    """A cell with a unit of its own, which holds before the column's."""
    try:
        value = units.parse(given, dimension, name)
    except BadInput as error:
        fault(node, name, f"{error.rule}; got {error.given}")
        return None
    low, high = SECONDS if dimension == "seconds" else RATE
    if not low <= value <= high:
        fault(node, name, f"must lie between {low:g} and {high:g} in SI units; got {given[:40]}")
        return None
    return value


def _key(node: Node, keys: tuple[str, ...]) -> str | None:
    wanted = {key: name for name in node.table if (key := re.sub(r"[\s-]+", "_", name.strip().lower())) in keys}
    return next((wanted[key] for key in keys if key in wanted and node.table[wanted[key]].strip()), None)


def _word(node: Node, keys: tuple[str, ...]) -> str:
    key = _key(node, keys)
    return text(node, key) if key is not None else ""


def _count(node: Node, keys: tuple[str, ...]) -> int | None:
    key = _key(node, keys)
    return whole(node, key) if key is not None else None


def _amount(node: Node, keys: tuple[str, ...]) -> float | None:
    key = _key(node, keys)
    if key is None or node.table[key].strip().lower() in ("inf", "infinity"):
        return None
    return number(node, key, span=(1e-9, 1e12))
