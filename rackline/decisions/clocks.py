"""The clock that a question asks for, and the intervals around what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rackline.decisions.answer import Answer, Column, Table
from rackline.facts.calibration import calibration
from rackline.systems.calibrated import CARDS, calibrated, on_a_bus
from rackline.systems.clock import Clock, Roofline

CLOCKS = ("roofline", "calibrated")
Shown = Mapping[str, tuple[str, float]]  # what -> family of the calibration, seconds


def clock_of(q: Any) -> Clock:
    """The clock of a question; of a plan for one engine, that engine's."""
    if getattr(q, "clock", CLOCKS[0]) == CLOCKS[0]:
        return Roofline()
    engine = getattr(q, "engine", "")
    return calibrated("" if engine in ("all", "any") else engine)


def with_interval(answer: Answer, q: Any, shown: Shown) -> Answer:
    """The answer with the intervals of its seconds, where the calibrated clock gave them."""
    if getattr(q, "clock", CLOCKS[0]) == CLOCKS[0] or not answer.feasible:
        return answer
    found = {what: _interval(family, seconds) for what, (family, seconds) in shown.items() if np.isfinite(seconds)}
    columns = (Column("what"), *(Column(name, "seconds") for name in ("calibrated", "low", "high")))
    table = Table("Nine of ten real systems lie between low and high", columns,
                  tuple((what, *each.values()) for what, each in found.items()))
    badge = answer.badge if answer.badge == "simulated" else "calibrated"
    return replace(answer, badge=badge, tables=(table, *answer.tables), notes=(*answer.notes, _note(q)),
                   data={**answer.data, "clock": "calibrated", "intervals": found})


def _interval(family: str, seconds: float) -> dict[str, float]:
    band = calibration().families[family].unseen
    return {"seconds": seconds, "low": seconds * float(np.exp(band.low)), "high": seconds * float(np.exp(band.high))}


def _note(q: Any) -> str:
    families = calibration().families
    if CARDS in families and on_a_bus(q.on):
        return (f"Calibrated clock of cards and PCIe boxes, from kernels and {families[CARDS].rows:,} logged requests: "
                "the interval is what whole models, chips and series showed of the pooled clock.")
    family = families["tpot together"]
    return (f"Calibrated clock, pooled over {family.rows:,} measured rows: the interval is what whole models, chips "
            "and series showed that the fit had not seen; facts' own intervals and other traffic come on top.")
