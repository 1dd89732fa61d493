"""The questions about how accurate the program is: validate, calibrate; their parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rackline.decisions.declare import param


@dataclass(frozen=True, kw_only=True)
class Validate:
    """rackline validate: predictions against measurements."""

    against: Any = param("place", "a file of measurements: a table with columns id, metric, value, unit …, or a "
                                  "benchmark's results; or the folder of a vLLM run's log, requests.jsonl and "
                                  "meta.json (by default every bundled measurement)", default=None)
    calibration: Any = param("path", "a calibration that rackline calibrate wrote (by default the bundled one)",
                                     default=None)
    top: int = param("count", "how many of the worst rows to show", default=12, most=10_000)


@dataclass(frozen=True, kw_only=True)
class Calibrate:
    """rackline calibrate: the calibrated clock fitted again."""

    from_: Any = param("place", "measurements of yours: a table, a benchmark's results, or the folder of a vLLM run's "
                                "log (by default every bundled measurement)", flag="--from", default=None)
    to: str | None = param("new_file", "write the calibration to this file (.json)", default=None)
