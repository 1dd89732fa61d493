"""rackline facts: what is known about a model, chip, machine or memory tier."""

from __future__ import annotations

from importlib import import_module

from rackline.decisions.answer import Answer, Column, Table
from rackline.decisions.questions import Facts
from rackline.facts.model import Model
from rackline.facts.things import names


def answer(request: Facts) -> Answer:
    """Every number of the thing with its source; without a name, the names that are known."""
    if request.name is None:
        return _listing(names())
    if isinstance(request.name, Model):
        return import_module("rackline.decisions.model_facts").model_answer(request.name)
    return import_module("rackline.decisions.facts").hardware_answer(request.name)


def _listing(known: dict[str, list[str]]) -> Answer:
    counts = ", ".join(f"{len(group)} {kind}" for kind, group in known.items())
    rows = tuple((kind, ", ".join(group)) for kind, group in known.items())
    table = Table("Names", (Column("what"), Column("names")), rows)
    return Answer("facts", f"Bundled: {counts}.", "datasheet", (table,), data=known,
                  notes=("rackline facts NAME shows every number of one of them with its source.",
                         "A file works wherever a name does: a model's config.json, a chip's or machine's .toml."))
