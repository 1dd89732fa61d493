"""Measurements to judge and to fit predictions by: those bundled, and a file of a user's own, faults named."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rackline.errors import BadInput
from rackline.facts.benchmarks import read_results
from rackline.facts.measurements import Measured, measurement_names, measurements, measurements_in, read_sound
from rackline.facts.micro import micro, micro_names

_DATA = Path(__file__).parent / "data" / "calibration"
_SAMPLES = ("inferencex-sample", "trtllm-overview-sample")  # parts of the whole tables here
_COLUMNS = {"id", "metric", "value", "unit"}


@dataclass(frozen=True)
class Observations:
    """Rows, and where and why others could not be read."""

    name: str
    rows: tuple[Measured, ...]
    faults: tuple[tuple[str, str], ...] = ()


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
    """The rows of a file: a table of measurements, or a benchmark's results; BadInput where none can be used."""
    file = Path(path)
    if not _is_table(file):
        found = read_results(file)
        return Observations(file.name, found.rows, tuple((s.where, s.reason) for s in found.skipped))
    rows, errors = read_sound(file)
    faults = tuple((error.what, f"{error.rule}; got {error.given}") for error in errors)
    if not rows:
        first = "; ".join(faults[0]) if faults else "no rows"
        raise BadInput(file.name, "must hold at least one row that can be read", first)
    return Observations(file.name, rows, faults)


def _is_table(file: Path) -> bool:
    """Whether the first line names the columns of a table of measurements."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            first = lines.readline(100_000)
    except (OSError, ValueError) as error:
        raise BadInput(file.name or "file", "must be a readable file", str(error)) from None
    return {name.strip().strip('"') for name in first.split(",")} >= _COLUMNS
