"""Which cut of the model pays on this machine: every dimension ranked, with its reason."""

from __future__ import annotations

from dataclasses import replace

from rackline import units
from rackline.decisions.answer import Column, Line, Source, Table
from rackline.decisions.cite import cite
from rackline.decisions.cuts import Cut, Cutting, cuts
from rackline.decisions.equations import line
from rackline.decisions.racks.case import Case, Part
from rackline.facts.formats import math_format
from rackline.physics import collectives
from rackline.systems.ledger import ACTIVATION_BYTES
from rackline.systems.symbols import main_format

_MOST_WAYS = 64  # as in the lecture, 64 of 72


def part(case: Case) -> Part:
    """The subject; a single chip has nothing to cut."""
    ways = _ways(case)
    if ways < 2:
        return Part("", notes=("A single chip has no cut to choose.",))
    asked = Cutting(case.some_model, case.machine, ways, float(case.batch * ways), case.context)
    found = sorted(cuts(asked), key=lambda c: (not c.fits, c.time))
    return Part(_sentence(asked, found), (_table(asked, found),),
                notes=("Each cut alone, the same sequences in each; `rackline plan` mixes them. Cuts that do not fit "
                       "in memory are timed all the same and stand last.",),
                explain=(_explain(case),), sources=_sources(asked, found[0]),
                data={"ways": ways, "cuts": [{"cut": c.name, "seconds": c.time, "memory": c.memory,
                                              "network": c.network, "sent": c.sent, "weights": c.weights,
                                              "cache": c.cache, "fits": c.fits, "because": c.reason} for c in found]},
                feasible=any(c.fits for c in found))


def _ways(case: Case) -> int:
    most = min(case.spread, _MOST_WAYS, case.moe.experts if case.moe else _MOST_WAYS)
    return 1 << (most.bit_length() - 1)


def _sentence(asked: Cutting, found: list[Cut]) -> str:
    best, fitting = found[0], [c for c in found if c.fits]
    if not fitting:
        return f"Cut {asked.ways} ways along any one dimension {asked.model.name} does not fit."
    return (f"Cut {asked.ways} ways, {asked.model.name} is best cut along its {best.name}: "
            f"{units.show(best.time, 'seconds')} a step of {asked.batch:,.0f} sequences; the worst that fits is "
            f"{fitting[-1].name} ({units.show(fitting[-1].time, 'seconds')}).")


def _table(asked: Cutting, found: list[Cut]) -> Table:
    columns = (Column(f"cut {asked.ways} ways along"), Column("step", "seconds"), Column("memory", "seconds"),
               Column("network", "seconds"), Column("sent a chip", "bytes"), Column("weights a chip", "bytes"),
               Column("KV a chip", "bytes"), Column("fits"), Column("because"))
    return Table(f"Where to cut {asked.model.name}: decode of {asked.batch:,.0f} sequences at {asked.context:,.0f} "
                 "tokens", columns, tuple((c.name, c.time, c.memory, c.network, c.sent, c.weights, c.cache, c.fits,
                                           c.reason) for c in found))


def _sources(asked: Cutting, best: Cut) -> tuple[Source, ...]:
    """The machine's facts by how far the best cut's step moves with each."""
    bare = asked.machine.model_copy(update={"tiers": ()})
    step = lambda m: next(c.time for c in cuts(replace(asked, machine=m)) if c.name == best.name)  # noqa: E731
    return cite(step, bare)


def _explain(case: Case) -> Line:
    chip, model = case.machine.chip, case.some_model
    assert case.machine.scale_up
    forward = [f for f, _ in model.feed_forwards()][-1]
    width = max(m.inputs + m.outputs - model.hidden for m in forward.expert_matrices or forward.matrices)
    return line("chips that may share one feed-forward before its collectives take longer than its FLOPs",
                collectives.largest_tensor_cut, "count", d_ff=float(width), axes=1.0,
                link=2 * case.machine.scale_up.bandwidth.value, wire=ACTIVATION_BYTES,
                F=chip.flops[math_format(main_format(model), chip.flops)].value)
