"""Results of benchmark clients as measurements: one reader per file format, SI values, nothing guessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rackline.errors import BadInput
from rackline.facts.benchmarks import table
from rackline.facts.benchmarks.aiperf import aiperf
from rackline.facts.benchmarks.clients import inferencex, sglang, vllm
from rackline.facts.benchmarks.found import Node, Run, Said, Skipped, brief, rows_of, text, whole
from rackline.facts.benchmarks.guidellm import guidellm
from rackline.facts.benchmarks.others import inference_perf, llama_bench, trtllm
from rackline.facts.measurements import Formats, Measured, readable_measurements
from rackline.facts.text_files import read_text

__all__ = ["Results", "Said", "Skipped", "read_results"]

LARGEST_FILE = 200_000_000  # bytes: with every request's details
MOST_FAULTS = 1000
NOTHING_SAID = Said()
Reader = Callable[[Node], Iterator[Run]]
# (tool, keys that only its files hold together, reader); the first that fits is it
_TOOLS: tuple[tuple[str, frozenset[str], Reader], ...] = (
    ("InferenceX", frozenset({"hw", "conc", "framework"}), inferencex),
    ("SGLang bench_serving", frozenset({"server_info", "duration"}), sglang),
    ("SGLang bench_serving", frozenset({"total_throughput", "mean_e2e_latency_ms"}), sglang),
    ("trtllm-bench", frozenset({"world_info", "performance"}), trtllm),
    ("trtllm-bench", frozenset({"request_info", "performance"}), trtllm),
    ("inference-perf", frozenset({"load_summary", "successes"}), inference_perf),
    ("inference-perf", frozenset({"successes", "failures"}), inference_perf),
    ("llama-bench", frozenset({"n_prompt", "n_gen", "avg_ts"}), llama_bench),
    ("guidellm", frozenset({"benchmarks"}), guidellm),
    ("aiperf", frozenset({"input_config", "request_throughput"}), aiperf),
    ("aiperf", frozenset({"time_to_first_token", "request_latency"}), aiperf),
    ("vllm bench serve", frozenset({"model_id", "duration"}), vllm),
    ("vllm bench serve", frozenset({"request_throughput", "completed"}), vllm),
)


@dataclass(frozen=True)
class Results:
    """What a file of results gave: the tool that wrote it, its rows, and what was skipped and why."""

    tool: str
    rows: tuple[Measured, ...]
    skipped: tuple[Skipped, ...]


def read_results(path: str | Path, said: Said = NOTHING_SAID) -> Results:
    """The measurements in a benchmark's result file; `said` is what the file may not say, and holds before it.

    Read are vLLM's, SGLang's, InferenceX's, trtllm-bench's, guidellm's, aiperf's, inference-perf's and llama-bench's
    JSON, lines of JSON, and tables with named columns.
    Errors: BadInput for a file without one usable number, naming what was found first.
    """
    file = Path(path)
    content = read_text(file, file.name or str(file), LARGEST_FILE)
    if not content.strip():
        raise BadInput(file.name, "must hold the results of a benchmark", "an empty file")
    faults: list[Skipped] = []
    listed = _documents(content, file, faults)
    if listed is None:
        return _table(content, file, said, faults)
    tools: list[str] = []
    rows = tuple(row for where, one in listed for row in _rows(one, where, (file.name, said, tools), faults))
    return _results(file, ", ".join(dict.fromkeys(tools)), rows, faults)


def _rows(one: Any, where: str, of: tuple[str, Said, list[str]], faults: list[Skipped]) -> Iterator[Measured]:
    """The rows of one document of a file, its tool added to the list."""
    name, said, tools = of
    if not isinstance(one, dict):
        faults.append(Skipped(where or name, f"must be a table; got {brief(one)}"))
        return
    tool, reader = _tool(one)
    if reader is None:
        keys = ", ".join(brief(key) for key in list(one)[:6])
        faults.append(Skipped(where or name, f"keys of no known result: {keys or 'none'}"))
        return
    tools.append(tool)
    node = Node(one, where, faults)
    for run in reader(node):
        yield from rows_of(run, _told(node, said), name, faults)


def _told(node: Node, said: Said) -> Said:
    """What keys of the user's own say that no tool writes, as `vllm bench serve --metadata hardware=H100-SXM` does."""
    weights = said.formats if said.formats != Formats() else Formats(text(node, "precision_weights"))
    return replace(said, hardware=said.hardware or text(node, "hardware"),
                   chips=said.chips or whole(node, "n_chips", 1), formats=weights)


def _tool(one: dict[str, Any]) -> tuple[str, Reader | None]:
    return next(((tool, reader) for tool, keys, reader in _TOOLS if keys <= one.keys()), ("", None))


def _results(file: Path, tool: str, rows: tuple[Measured, ...], faults: list[Skipped]) -> Results:
    if not rows:
        first = f"{faults[0].where}: {faults[0].reason}" if faults else "no number"
        more = f"{len(faults)} faults in all" if len(faults) > 1 else ""
        raise BadInput(file.name, f"must hold at least one usable number{f' ({tool})' if tool else ''}", first, more)
    return Results(tool, rows, tuple(faults[:MOST_FAULTS]))


# ---- from bytes to documents


def _documents(content: str, file: Path, faults: list[Skipped]) -> list[tuple[str, Any]] | None:
    """The JSON documents of a text with their places: one, a list of them, or one a line; None if it is no JSON."""
    if content.lstrip()[0] not in "{[":
        return None
    try:
        one = json.loads(content)
    except RecursionError:
        raise BadInput(file.name, "must not be nested that deep", f"{len(content)} characters") from None
    except ValueError as error:
        return _lines(content, file, faults, error)
    return [(f"[{i}]", item) for i, item in enumerate(one)] if isinstance(one, list) else [("", one)]


def _lines(content: str, file: Path, faults: list[Skipped], error: ValueError) -> list[tuple[str, Any]]:
    """One document a line; a broken line is a fault, and the error where none is whole."""
    found: list[tuple[str, Any]] = []
    for i, line in enumerate(content.splitlines(), 1):
        try:
            if line.strip():
                found.append((f"line {i}", json.loads(line)))
        except (ValueError, RecursionError) as broken:
            faults.append(Skipped(f"line {i}", f"must be JSON; {brief(broken)}"))
    if not any(isinstance(one, dict) for _, one in found):
        raise BadInput(file.name, "must be JSON, lines of JSON, or CSV", str(error))
    return found


# ---- tables


def _table(content: str, file: Path, said: Said, faults: list[Skipped]) -> Results:
    try:
        names, rows = table.records(content)
    except BadInput as error:
        raise BadInput(f"{file.name}, {error.what}", error.rule, error.given) from None
    if {"id", "metric", "value", "unit"} <= set(names):
        listed, broken = readable_measurements(file)
        return Results("table of measurements", listed, tuple(Skipped(*one.split(": ", 1)) for one in broken))
    if {"n_prompt", "n_gen", "avg_ts"} <= set(names):
        found = tuple(row for line, cells in rows
                      for row in _rows(cells, f"line {line}", (file.name, said, []), faults))
        return _results(file, "llama-bench", found, faults)
    return _plain(names, rows, (file, said), faults)


def _plain(names: list[str], rows: Iterator[tuple[int, dict[str, str]]], of: tuple[Path, Said],
           faults: list[Skipped]) -> Results:
    file, said = of
    held = table.columns(names, Node({}, "", faults))
    if not held and not faults:
        raise BadInput(file.name, "must have a column such as ttft_ms, mean_tpot_ms, output_tokens_per_s",
                       ", ".join(names)[:100])
    runs = (table.run_of(Node(cells, f"line {line}", faults), held) for line, cells in rows)
    found = tuple(row for run in runs for row in rows_of(run, said, file.name, faults))
    return _results(file, "table", found, faults)
