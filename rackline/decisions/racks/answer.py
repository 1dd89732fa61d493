"""A machine as an object and a model on it: the subjects asked for, as one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rackline.decisions.answer import Answer, Badge, Column, Source, Table
from rackline.decisions.racks import chip, cutting, domain, experts, history, machine, memory, networks
from rackline.decisions.racks.case import Case, Part, case_of
from rackline.errors import BadInput

SUBJECTS: dict[str, Callable[[Case], Part]] = {
    "machine": machine.part, "experts": experts.part, "networks": networks.part, "domain": domain.part,
    "cuts": cutting.part, "memory": memory.part, "chip": chip.part, "history": history.part,
}
_ALONE = ("machine", "memory", "history")  # that need no model
_USUAL = ("machine", "experts", "networks", "domain", "cuts")
_TELLING = ("experts", "domain", "cuts")  # whose sentence leads, of several


def answer(q: Any) -> Answer:
    """The subjects: BadInput for one that needs what is not there, such as experts of a dense model."""
    case = case_of(q)
    _check(case)
    parts = {name: SUBJECTS[name](case) for name in subjects(case)}
    joined = lambda field: tuple(x for p in parts.values() for x in getattr(p, field))  # noqa: E731
    badge: Badge = "bound" if case.model else "datasheet"
    return Answer("rack", _headline(parts), badge, (*_short(parts), *joined("tables")), joined("plots"),
                  (*joined("notes"), *_more(case, parts)), joined("explain"), _sources(case, parts),
                  feasible=(good := any(p.feasible for p in parts.values())),
                  reasons=() if good else tuple(p.sentence for p in parts.values()),
                  data={"model": case.model.name if case.model else None, "on": case.machine.name,
                        **{name: p.data for name, p in parts.items()}})


def _headline(parts: dict[str, Part]) -> str:
    """The sentence of the subject that says most; the others stand in a table."""
    first = next((name for name in (*_TELLING, *parts) if name in parts and parts[name].sentence), "")
    return parts[first].sentence if first else "Nothing to compare here."


def _short(parts: dict[str, Part]) -> Iterator[Table]:
    rows = tuple((name, p.sentence) for name, p in parts.items() if p.sentence)
    if len(rows) > 1:
        yield Table("In short", (Column("subject"), Column("finding")), rows)


def subjects(case: Case) -> list[str]:
    """The subjects to show."""
    about = case.question.about
    if about is not None and about != "all":
        return [about]
    wanted = SUBJECTS if about == "all" else _USUAL
    return [name for name in wanted if (case.model is not None or name in _ALONE)
            and (case.moe is not None or name not in ("experts", "networks"))]


def _sources(case: Case, parts: dict[str, Part]) -> tuple[Source, ...]:
    """Every fact once, with the elasticity where a subject found one; the machine's and the model's in any case."""
    found: dict[str, Source] = {}
    for source in (*machine.sources(case.machine), *(s for p in parts.values() for s in p.sources)):
        if found.get(source.name) is None or source.elasticity is not None:
            found[source.name] = source
    model = () if case.model is None else (Source("model configuration", case.model.name, case.model.source, ""),)
    return (*found.values(), *model)


def _check(case: Case) -> None:
    q = case.question
    if q.about not in (None, "all", *_ALONE):
        assert case.some_model
    if case.moe is None:
        for flag, given in (("--replicate", q.replicate), ("--over", q.over)):
            if given:
                raise BadInput(flag, "needs a model with routed experts", case.model.name if case.model else "no model")


def _more(case: Case, parts: dict[str, Part]) -> tuple[str, ...]:
    asked, has = case.question.batch, case.batch
    fewer = (f"{has:,} sequence{'s' * (has > 1)} a chip instead of {asked:,}: no more of {case.context:,.0f} tokens "
             "fit beside the weights.",) if has < asked else ()
    left = [name for name in SUBJECTS if name not in parts and (case.model or name in _ALONE)
            and (case.moe or name not in ("experts", "networks"))]
    alone = "" if case.model else "; with a MODEL also experts, networks, domain, cuts and chip"
    more = (f"--about {', '.join(left)} shows more{alone}.",) if left or alone else ()
    return (*fewer, *more)
