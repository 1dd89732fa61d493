"""Published sizes of KV caches beside what the model's configuration says."""

from __future__ import annotations

from collections.abc import Sequence

from rackline.decisions.accuracy.predicted import Predicted
from rackline.decisions.accuracy.settings import Like, Refused, made_or_refused
from rackline.decisions.accuracy.transfer_points import cached_model, moved_bytes, tokens_of
from rackline.facts.calibration import Calibration
from rackline.facts.measurements import Measured
from rackline.facts.micro import micro_machine
from rackline.systems.layout import Layout
from rackline.systems.memory import cache_bytes

METRICS = ("kv_bytes", "kv_bytes_per_token_preset")
SIZES = "size of the cache"  # the mode of its rows, whose prediction is bytes rather than seconds
BLOCK = 16.0  # tokens of a block of the cache: one more than the prompt fills may be moved
GIBI = 2.0**30 / 1e9  # sizes in GiB are printed as GB, more often than not
ROUNDING = 0.02  # of sizes printed with two digits
_KIBI = 1024.0  # "KB" of the presets


def is_cache(metric: str) -> bool:
    """Whether a metric is the size of a KV cache."""
    return metric in METRICS


def of_cache(rows: Sequence[Measured], by: Calibration) -> tuple[list[Predicted], list[tuple[Measured, str]]]:
    """Sizes of caches: no coefficient is fitted; the interval is of what sizes are printed in, and of one block."""
    return made_or_refused(rows, _predicted)


def _predicted(row: Measured) -> Predicted:
    if row.from_memory or not row.value > 0.0:
        raise Refused("not read in a source" if row.from_memory else "value is not above zero")
    machine = micro_machine(row.hardware)
    if row.metric == METRICS[0]:
        if not tokens_of(row) or row.unit != "bytes":
            raise Refused("tokens not stated" if row.unit == "bytes" else f"kv_bytes in {row.unit or row.per}")
        size, measured = moved_bytes(row, machine), row.value
        block = size * BLOCK / tokens_of(row)
    else:
        if not row.per.startswith("KB/token"):
            raise Refused(f"unit not known: {row.per or row.unit}")
        size, measured = float(cache_bytes(cached_model(row), Layout(), 1.0)), _KIBI * row.value
        block = 0.0
    like = Like(row.source[:40], cached_model(row).name, machine.chip.name if machine else "any", "ledger", "",
                row.formats.kv or "as configured", SIZES, row.flag)
    ends = size / GIBI * (1.0 - ROUNDING), (size + block) * (1.0 + ROUNDING)
    return Predicted(row, like, measured, size, *ends, "seen")
