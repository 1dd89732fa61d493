"""Micro-benchmarks beside their predictions, for the error table."""

from __future__ import annotations

from collections.abc import Sequence

from rackline.decisions.accuracy.micro import MicroPrediction, Unpredictable, predict_micro
from rackline.decisions.accuracy.micro_points import maker
from rackline.decisions.accuracy.predicted import Predicted
from rackline.decisions.accuracy.settings import Like
from rackline.facts.calibration import Calibration
from rackline.facts.measurements import Measured

FASTER = "faster than the datasheet allows: operands that stay in a cache, or bytes counted otherwise"


def is_micro(metric: str) -> bool:
    """Whether a metric times a kernel or a collective."""
    return maker(metric) is not None


def of_micro(rows: Sequence[Measured], by: Calibration) -> tuple[list[Predicted], list[tuple[Measured, str]]]:
    """Rows of kernels and collectives; one that is bundled is predicted without the bundled ones of its shape.

    Their coefficients are of kernels, not of serving engines: no calibration of passes changes them.
    """
    sound = [row for row in rows if not row.from_memory]
    found = predict_micro(sound)
    refused = [(row, "not read in a source") for row in rows if row.from_memory]
    refused += [(one.row, one.reason) for one in found if isinstance(one, Unpredictable)]
    return [_beside(one) for one in found if isinstance(one, MicroPrediction)], refused


def _beside(one: MicroPrediction) -> Predicted:
    low, high = one.ends
    return Predicted(one.row, _like(one), one.point.seconds, one.seconds, low, high, one.basis)


def _like(one: MicroPrediction) -> Like:
    """Its group stands for the model: what kind of kernel or collective it is."""
    row, point = one.row, one.point
    engine, _, version = row.engine.partition(" ")
    formats = row.formats.compute or row.formats.kv or row.formats.weights
    return Like(row.source[:40], f"{point.form.name}: {point.kind}", point.chip, engine or "not stated", version,
                formats or "not stated", "collective" if point.form.groups else "kernel",
                row.flag or (FASTER if one.faster else ""))
