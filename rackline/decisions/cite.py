"""Which facts an answer rests on, and how far it moves with each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rackline.decisions.answer import Source
from rackline.facts.fact import Fact, FactPath, facts_of, facts_read, named_facts, with_fact

_STEP = 0.01


def cite(f: Callable[[Any], float], record: Any) -> tuple[Source, ...]:
    """The Facts in a record that f(record) reads, with its elasticity to each, the strongest first.

    Eq: elasticity = d ln f / d ln fact, by a central difference of 1 % each way; exact for powers. None where f is
    not a positive number on both sides. At the point where two limits meet it lies between the slopes of both.
    """
    names = (name for name, _ in named_facts(record))
    read = facts_read(f, record)
    found = [_source(f, record, path, fact, name) for (path, fact), name in zip(facts_of(record), names, strict=True)
             if path in read]
    return tuple(sorted(found, key=lambda source: -abs(source.elasticity or 0.0)))


def _source(f: Callable[[Any], float], record: Any, path: FactPath, fact: Fact, name: str) -> Source:
    return Source(name, fact.shown(), fact.source, fact.date, _elasticity(f, record, path, fact.value))


def _elasticity(f: Callable[[Any], float], record: Any, path: FactPath, value: float) -> float | None:
    ends = [float(f(with_fact(record, path, value * ratio))) for ratio in (1 + _STEP, 1 - _STEP)]
    if value == 0 or not all(math.isfinite(end) and end > 0 for end in ends):
        return None
    slope = math.log(ends[0] / ends[1]) / math.log((1 + _STEP) / (1 - _STEP))
    return round(slope, 9) + 0.0
