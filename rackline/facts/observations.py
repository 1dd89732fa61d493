"""Measurements to judge and to fit predictions by: those bundled, and a file of a user's own, faults named."""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rackline.errors import BadInput
from rackline.facts.benchmarks import read_results
from rackline.facts.benchmarks.found import RATE, SECONDS
from rackline.facts.measurements import Measured, measurement_names, measurements, measurements_in, read_sound
from rackline.facts.micro import micro, micro_names
from rackline.facts.run_logs import is_run_log, read_runs
from rackline.facts.text_files import separator
from rackline.facts.vllm_logs import ServingRun

_DATA = Path(__file__).parent / "data" / "calibration"
_SAMPLES = ("inferencex-sample", "trtllm-overview-sample")  # parts of the whole tables here
_COLUMNS = {"id", "metric", "value", "unit"}
_SPANS = {"seconds": SECONDS, "tokens/s": RATE}


@dataclass(frozen=True)
class Observations:
    """Rows, where and why others could not be read, and whole logs of runs."""

    name: str
    rows: tuple[Measured, ...]
    faults: tuple[tuple[str, str], ...] = ()
    runs: tuple[ServingRun, ...] = ()


@cache
def bundled() -> Observations:
    """Every bundled measurement of a serving speed."""
    whole = {path.name.removesuffix(".csv.gz"): path for path in sorted(_DATA.glob("*.csv.gz"))}
    rows = [row for name, path in whole.items() for row in
            measurements_in(gzip.decompress(path.read_bytes()).decode("utf-8"), name)]
    rows += [row for name in measurement_names() if name not in _SAMPLES for row in measurements(name)]
    return Observations("the bundled measurements", tuple(rows))


@cache
def everything() -> Observations:
    """Every bundled measurement: of serving speeds, of kernels and of collectives."""
    rows = [row for name in micro_names() for row in micro(name)]
    return Observations("the bundled measurements", (*bundled().rows, *rows))


def observations(path: str | Path) -> Observations:
    """The rows of a table of measurements, of a benchmark's results or of runs' logs; BadInput where none is sound."""
    file = Path(path)
    try:
        logged = file.is_dir() or is_run_log(file)
    except (OSError, ValueError):  # a name too long, or with a null byte in it
        logged = False
    if logged:
        read = read_runs(file)
        return Observations(file.resolve().name, (), tuple(fault for _, faults in read for fault in faults),
                            tuple(run for run, _ in read))
    if not _is_table(file):
        found = read_results(file)
        return Observations(file.name, found.rows, tuple((s.where, s.reason) for s in found.skipped))
    rows, errors = read_sound(file)
    faults = tuple((error.what, f"{error.rule}; got {error.given}") for error in errors)
    faults += tuple((row.id, f"{row.value:g} {row.unit} is out of all likelihood: another unit?") for row in rows
                    if not _likely(row))
    rows = tuple(row for row in rows if _likely(row))
    if not rows:
        first = "; ".join(faults[0]) if faults else "no rows"
        raise BadInput(file.name, "must hold at least one row that can be read", first)
    return Observations(file.name, rows, faults)


def _likely(row: Measured) -> bool:
    """Whether a number above zero is one that somebody may have measured."""
    low, high = _SPANS.get(row.unit, (0.0, math.inf))
    return row.value <= 0.0 or low <= row.value <= high


def _is_table(file: Path) -> bool:
    """Whether the first line names the columns of a table of measurements."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            first = lines.readline(100_000)
    except (OSError, ValueError) as error:
        raise BadInput(file.name or "file", "must be a readable file", str(error)) from None
    return {name.strip().strip('"') for name in first.split(separator(first))} >= _COLUMNS
