"""Published forms of request traces, and the user's own, to a Trace."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from rackline.errors import BadInput, did_you_mean
from rackline.facts.traces import columns
from rackline.facts.traces.files import Block, table
from rackline.facts.traces.trace import Ragged, Trace

# name -> file and where it comes from (data/traces/README.md has the licences)
_BUNDLED = {
    "azure-conv": ("azure-conv-2023.csv.gz", "Azure LLM inference trace 2023, conversation (Microsoft, CC-BY-4.0)"),
    "mooncake-conv": ("mooncake-conversation.jsonl.gz", "Mooncake conversation trace (Moonshot AI, Apache-2.0)"),
}


def bundled() -> tuple[str, ...]:
    """Names of the traces that come with the program."""
    return tuple(_BUNDLED)


def read_trace(path: str | Path, block_tokens: int = 512) -> Trace:
    """The trace in a file (CSV, JSON lines or Parquet; text may be gzip), or a bundled one by name.

    Columns by their usual names, in any case: Azure (TIMESTAMP, ContextTokens, GeneratedTokens), Mooncake (timestamp
    in milliseconds, input_length, output_length, hash_ids), BurstGPT (Timestamp, Request tokens, Response tokens),
    Vidur (arrived_at, num_prefill_tokens, num_decode_tokens). Other times are dates, or seconds unless the column's
    name ends in _ms, _us or _ns. `block_tokens`: input tokens that one hash stands for. Errors: BadInput.
    """
    if str(path) in _BUNDLED:
        file, source = _BUNDLED[str(path)]
        with resources.as_file(resources.files("rackline.facts") / "data" / "traces" / file) as found:
            return _read(found, str(path), source, block_tokens)
    found = Path(path)
    try:
        missing = not found.exists()
    except (OSError, ValueError) as error:
        raise BadInput("trace", "must be a file", str(path), str(error)) from None
    if missing:
        raise BadInput("trace", "must be a file or a bundled trace", str(path), did_you_mean(str(path), _BUNDLED))
    return _read(found, found.name.split(".")[0], found.name, block_tokens)


def _read(path: Path, name: str, source: str, block_tokens: int) -> Trace:
    what = f"trace {path.name}"
    with table(path, what) as (names, blocks):
        wanted = columns.wanted(names, what)
        parts = _parts(blocks, names, wanted, what)
    if not parts["input"]:
        raise BadInput(what, "must hold at least one request", "no rows")
    inputs = np.concatenate(parts["input"])
    return Trace(name, source, inputs, np.concatenate(parts["output"]), _arrival(parts["arrival"], wanted, what),
                 _session(parts["session"]), *_prefix(parts["blocks"], inputs, block_tokens, what))


def _parts(blocks: Iterator[Block], names: list[str], wanted: columns.Wanted, what: str) -> dict[str, list[Any]]:
    parts: dict[str, list[Any]] = {role: [] for role in ("input", "output", "arrival", "session", "blocks")}
    row = 1
    for block in blocks:
        for role, i in wanted.index.items():
            parts[role].append(_column(role, block[i], f"{what}, {role} column {names[i]}", row, wanted))
        row += len(block[0])
    return parts


def _column(role: str, values: tuple, what: str, row: int, wanted: columns.Wanted) -> Any:
    if role == "arrival":
        return columns.seconds(values, wanted.seconds, what, row)
    if role == "session":
        return columns.sessions(values)
    if role == "blocks":
        return columns.blocks(values, what, row)
    return columns.tokens(values, what, row)


def _arrival(parts: list[tuple[str, np.ndarray]], wanted: columns.Wanted, what: str) -> np.ndarray | None:
    if not parts:
        return None
    kinds = {kind for kind, _ in parts}
    if len(kinds) > 1:
        raise BadInput(f"{what}, column {wanted.arrival_name}", "must be of one kind", ", ".join(sorted(kinds)))
    stamps = np.concatenate([part for _, part in parts])
    back = np.diff(stamps) < 0
    if back.any():
        at = int(np.argmax(back)) + 2
        raise BadInput(f"{what}, data row {at}", "must not arrive before the row above it",
                       f"{stamps[at - 2] - stamps[at - 1]:.6g} s before it", f"sort the file by {wanted.arrival_name}")
    return stamps - stamps[0]


def _session(parts: list[list[str]]) -> np.ndarray | None:
    names = [name for part in parts for name in part]
    if not any(names):
        return None
    numbers: dict[str, int] = {"": -1}
    return np.array([numbers.setdefault(name, len(numbers) - 1) for name in names], dtype=np.int64)


def _prefix(parts: list[tuple[np.ndarray, np.ndarray]], inputs: np.ndarray, block_tokens: int,
            what: str) -> tuple[Ragged | None, int | None]:
    if not parts:
        return None, None
    if isinstance(block_tokens, bool) or not isinstance(block_tokens, int) or block_tokens < 1:
        raise BadInput("block_tokens", "must be a whole number of tokens of at least 1", block_tokens)
    counts = np.concatenate([c for c, _ in parts])
    odd = ~_fits(counts, inputs, block_tokens)
    if odd.any():
        at = int(np.argmax(odd))
        raise BadInput(f"{what}, data row {at + 1}", f"must have one hash for each {block_tokens} tokens of input",
                       f"{counts[at]} hashes for {inputs[at]} tokens", _block_hint(counts, inputs))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return Ragged(offsets, np.concatenate([h for _, h in parts])), block_tokens


def _fits(counts: np.ndarray, inputs: np.ndarray, size: int) -> np.ndarray:
    # a last block that is not full may have a hash or none
    return (counts == inputs // size) | (counts == -(-inputs // size))


def _block_hint(counts: np.ndarray, inputs: np.ndarray) -> str:
    sizes = [size for size in (16, 32, 64, 128, 256, 512, 1024, 2048) if _fits(counts, inputs, size).all()]
    return f"block_tokens={sizes[0]} fits every row" if sizes else ""
