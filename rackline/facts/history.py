"""When machines and models came out: years beside bundled names, whose sizes are counted, not typed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).parent / "data" / "history.csv"


@dataclass(frozen=True)
class Released:
    """A bundled machine or model and the year that it came out; `from_memory`: the year was read in no source."""

    kind: str
    name: str
    year: float
    from_memory: bool
    source: str


def releases() -> tuple[Released, ...]:
    """Every release, the earliest first."""
    with _FILE.open(encoding="utf-8", newline="") as lines:
        rows = [Released(r["kind"], r["name"], float(r["year"]), r["from_memory"] == "1", r["source"])
                for r in csv.DictReader(lines)]
    return tuple(sorted(rows, key=lambda r: (r.year, r.name)))
