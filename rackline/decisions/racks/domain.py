"""The same chips in larger and larger domains: latency per token, dollars, and what fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from rackline import units
from rackline.decisions.answer import Axis, Column, Plot, Series, Table
from rackline.decisions.money import dollars_per_million
from rackline.decisions.racks.case import Case, Part
from rackline.decisions.search import Option, Search, Targets, search
from rackline.errors import BadInput
from rackline.facts.machine import Machine
from rackline.systems.domains import with_domain
from rackline.systems.layout import Layout
from rackline.systems.placing import layouts, why_not
from rackline.systems.serving import Kind, Server, Workload

SIZES = (8, 16, 36, 72, 144, 288, 576)
_MOST = 4096  # packages of a domain that anybody could mean
_RESOLUTION = 24  # batches tried a layout: the frontier moves by 1 % from there to 64


@dataclass(frozen=True)
class Best:
    """What the search found at one domain size: the fastest token, the cheapest, the cheapest within the target."""

    domain: int
    chips: int
    fastest: Option | None
    cheapest: Option | None
    within: Option | None
    price: float

    def cost(self, option: Option | None) -> float:
        """Dollars per million tokens; infinite where there is no option."""
        if option is None:
            return float("inf")
        return dollars_per_million(self.price, self.chips, option.rate)


def part(case: Case) -> Part:
    """The subject; sizes that the torus of a machine cannot have are left out and named."""
    if case.machine.scale_up is None:
        return Part("", notes=("Domain sizes are compared on a machine with a scale-up network.",))
    sizes, left = _sizes(case)
    found = [_best(case, size, max(sizes)) for size in sizes]
    return Part(_sentence(case, found), (_table(case, found),), _plots(case, found), tuple(_notes(case, found, left)),
                data={"domains": [_row(b) for b in found], "tpot": case.question.tpot},
                feasible=any(b.fastest is not None for b in found))


def _sizes(case: Case) -> tuple[list[int], list[int]]:
    """Domain sizes to compare, and those that cannot be had."""
    asked = case.question.domain
    wanted = {int(x) for x in asked} if asked else {*SIZES, case.machine.domain}
    if max(wanted) > _MOST:
        raise BadInput("--domain", f"must be at most {_MOST:,} packages", max(wanted))
    good = [d for d in sorted(wanted) if _possible(case.machine, d)]
    if not good:
        raise BadInput("--domain", "must have a size that the torus can have", sorted(wanted))
    return good, sorted(wanted - set(good))


def _possible(machine: Machine, domain: int) -> bool:
    try:
        with_domain(machine, domain, domain)
    except BadInput:
        return False
    return True


def _best(case: Case, domain: int, most: int) -> Best:
    chips = domain * (ceil(most / domain) if case.machine.scale_out is not None else 1)
    machine = with_domain(case.machine, domain, chips)
    model, context = case.some_model, case.context
    fitting = [x for x in layouts(model, machine) if not why_not(model, machine, x, context)]
    if not fitting:
        return Best(domain, chips, None, None, None, case.price.value)
    free = _found(case, machine, fitting, np.inf)
    within = _found(case, machine, fitting, case.question.tpot)
    return Best(domain, chips, free.get("tpot"), free.get("price"), within.get("price"), case.price.value)


def _found(case: Case, machine: Machine, fitting: list[Layout], tpot: float) -> dict[str, Option]:
    work = Workload((Kind(case.context - 0.5, 1.0, 1.0),), "fixed context")
    question = Search(Server(case.some_model, machine), work, Targets(tpot=tpot), resolution=_RESOLUTION)
    return search(question, fitting, ("decode",)).by_goal


def _sentence(case: Case, found: list[Best]) -> str:
    good = [b for b in found if b.fastest is not None]
    if not good:
        return f"{case.some_model.name} fits in no domain size asked about."
    near, far = good[0], good[-1]
    assert near.fastest
    assert far.fastest
    return (f"From domains of {near.domain} to {far.domain} packages the fastest token goes from "
            f"{units.show(near.fastest.tpot, 'seconds')} to {units.show(far.fastest.tpot, 'seconds')}, the cheapest "
            f"within {_target(case)} from {units.show(near.cost(near.within), 'dollars/Mtok')} to "
            f"{units.show(far.cost(far.within), 'dollars/Mtok')}.")


def _table(case: Case, found: list[Best]) -> Table:
    target = _target(case)
    columns = (Column("domain, packages", "count"), Column("memory", "bytes"), Column("fastest token", "seconds"),
               Column("costs", "dollars/Mtok"), Column("as"), Column(f"cheapest in {target}", "dollars/Mtok"),
               Column("batch a replica", "count"), Column("as "), Column("cheapest at any speed", "dollars/Mtok"))
    capacity = case.machine.chip.memory_capacity.value
    rows = tuple((b.domain, b.domain * capacity, b.fastest.tpot if b.fastest else None, b.cost(b.fastest),
                  _name(b.fastest), b.cost(b.within), b.within.batch if b.within else None, _name(b.within),
                  b.cost(b.cheapest)) for b in found)
    return Table(f"{case.some_model.name} at {case.context:,.0f} tokens on the same {case.machine.chip.title} chips",
                 columns, rows)


def _target(case: Case) -> str:
    return units.show(case.question.tpot, "seconds")


def _name(option: Option | None) -> str:
    return "—" if option is None else option.layout.name()


def _plots(case: Case, found: list[Best]) -> tuple[Plot, ...]:
    x = [float(b.domain) for b in found]
    axis = Axis("packages in a scale-up domain", log=True)
    mark = ((float(case.machine.domain), "this machine"),)
    nan = float("nan")
    fast = Series("fastest token", x, [b.fastest.tpot if b.fastest else nan for b in found])
    used = Series("of the cheapest within the target", x, [b.within.tpot if b.within else nan for b in found])
    money = (Series("at any speed", x, [b.cost(b.cheapest) for b in found]),
             Series(f"within {_target(case)} a token", x, [b.cost(b.within) for b in found]),
             Series("at the fastest token", x, [b.cost(b.fastest) for b in found]))
    return (Plot("Latency per token against domain size", axis, Axis("seconds a token", "seconds", log=True),
                 (fast, used), mark),
            Plot("Price against domain size", axis, Axis("$ per million tokens", "dollars", log=True), money, mark))


def _notes(case: Case, found: list[Best], left: list[int]) -> Iterator[str]:
    chips = sorted({b.chips for b in found})
    yield (f"Decoding at {case.context:,.0f} cached tokens on {' or '.join(f'{c:,}' for c in chips)} chips in all, "
           f"${case.price.value:g} a chip-hour at every size: what longer cables and more switches cost is not in it. "
           "Sizes count packages, not dies: “500 and something” is 576 dies in 144 packages.")
    yield ("Attention is cut at most as many ways as it has heads, and a replica takes the chips that serve best: "
           "beyond some size a domain only holds more replicas.")
    if left:
        yield f"No slice of this torus has {', '.join(map(str, left))} chips."
    if any(b.fastest is None for b in found):
        yield f"Nothing fits in domains of {', '.join(str(b.domain) for b in found if b.fastest is None)}."


def _row(b: Best) -> dict:
    return {"domain": b.domain, "chips": b.chips, "fastest_tpot": b.fastest.tpot if b.fastest else None,
            "fastest_cost": b.cost(b.fastest), "cheapest_cost": b.cost(b.cheapest), "within_cost": b.cost(b.within),
            "within_tpot": b.within.tpot if b.within else None, "within_layout": _name(b.within),
            "fastest_layout": _name(b.fastest), "cheapest_layout": _name(b.cheapest)}
