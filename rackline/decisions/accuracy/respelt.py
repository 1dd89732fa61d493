"""Samples of a bundled series under another spelling of its chip, format or model: of that series all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from rackline.decisions.accuracy.sample import TRAINING, Sample
from rackline.decisions.accuracy.settings import Like
from rackline.facts.measured_things import chip_variant, printed_format
from rackline.facts.model import Model
from rackline.facts.models import model, model_names
from rackline.facts.spellings import format_named


def as_known(found: Iterable[Sample], known: Sequence[Sample]) -> list[Sample]:
    """The samples, each whose series no known one has in the name of a known one of the same things.

    A chip is the same whatever it is called, a format too, and a model as long as its passes are the same work.
    """
    rows = Counter(s.like for s in known if s.family != TRAINING)
    series = {like.series for like in rows}
    names = {_plainly(like): like for like, _ in reversed(rows.most_common())}
    return [s if s.family == TRAINING or s.like.series in series else _named(s, names.get(_plainly(s.like)))
            for s in found]


def _named(one: Sample, like: Like | None) -> Sample:
    if like is None:
        return one
    return replace(one, like=replace(one.like, model=like.model, chip=like.chip, precision=like.precision))


@cache
def _plainly(like: Like) -> tuple[Any, ...]:
    named = format_named(like.precision)
    stored = printed_format(named) or named
    return (_work(like.model), chip_variant(like.chip) or like.chip, like.engine, _ALIKE.get(stored, stored), like.mode,
            like.flag)


_ALIKE = {"fp16": "bf16"}  # as wide and as fast


@cache
def _work(name: str) -> Any:
    """What a model's passes have to do, without its name; the name itself of one that is not bundled."""
    if name not in model_names():
        return name
    one: Model = model(name)
    return (one.hidden, one.vocab, one.layers, one.embedding, one.tied, one.vectors)
