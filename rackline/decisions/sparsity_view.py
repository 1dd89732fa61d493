"""Sparsity against quality as an Answer: headline, tables, plots, notes, equations, sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rackline import units
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table
from rackline.decisions.equations import line
from rackline.facts.fact import Fact, named_facts
from rackline.facts.scaling_laws import DenseLaw, dense_laws
from rackline.physics import blackboard, sparsity

if TYPE_CHECKING:
    from rackline.decisions.sparsity import Sparse

_TOKENS_A_PARAMETER = 20.0  # training tokens where the dense trades start: Chinchilla's ratio
_SHRINK = (1.0, 0.75, 0.5, 0.35)


def answer(s: Sparse) -> Answer:
    """The full answer."""
    return Answer("sparsity", headline(s), "derived", tuple(_tables(s)), tuple(_plots(s)), tuple(_notes(s)),
                  tuple(_explain(s)), tuple(_sources(s)), data=data(s))


def cheapest(s: Sparse) -> list[int]:
    """The place of the cheapest number of experts for prompts and at each batch; -1 where none fits."""
    return [int(np.argmin(row)) if np.isfinite(row).any() else -1 for row in (s.trade.prompts, *s.trade.dollars)]


def _uses(s: Sparse) -> list[str]:
    return ["prompts", *(f"batch {batch:,.0f}" for batch in s.batches)]


def headline(s: Sparse) -> str:
    """One sentence: what sparsity buys by the published point, and where it is cheapest."""
    best = [f"{s.trade.experts[i]:,.0f} for {what}" for i, what in zip(cheapest(s), _uses(s), strict=True) if i >= 0]
    tail = f"the cheapest number is {', '.join(best)}" if best else "no such model fits"
    gain, growth = _point(s)
    return (f"{s.point.experts.value:.0f} experts buy {gain:.2g}× the active parameters for {growth[0]:.2g}× the "
            f"parameters ({growth[1]:.2g} … {growth[2]:.2g}), not {s.point.experts.value:.0f}×; at {s.model.name}'s "
            f"quality on {s.machine.title} {tail}.")


def _point(s: Sparse) -> tuple[float, tuple[float, float, float]]:
    """The gain of the published point, and by how much all parameters grow there."""
    share = s.point.share
    grown = [float(sparsity.total_parameters(1.0, s.point.experts.value, x)) for x in _ends(share)]
    return s.point.dense.value / s.point.active.value, (grown[0], grown[1], grown[2])


def _ends(fact: Fact) -> tuple[float, float, float]:
    return (fact.value, fact.value if fact.low is None else fact.low, fact.value if fact.high is None else fact.high)


def _tables(s: Sparse) -> Iterator[Table]:
    yield _published(s)
    yield _trades(s)
    if s.grains:
        yield _grains(s)
    yield _dense(s)


def _published(s: Sparse) -> Table:
    gain, growth = _point(s)
    rows = (
        ("as good as a dense model of", s.point.dense.shown()),
        ("active parameters", s.point.active.shown()), ("experts", s.point.experts.shown()),
        ("gain in active parameters", f"{gain:.3g}×; the lecture says 4×"),
        ("growth of all parameters", f"{growth[0]:.3g}× ({growth[1]:.3g} … {growth[2]:.3g}); the lecture says 64×"),
        ("exponent of experts", f"{s.a:.3g} ({s.low:.3g} … {s.high:.3g})"),
        ("half the active parameters take so many times the experts", f"{2 ** (1 / s.a):.3g}×; the lecture says 8×"),
        (f"dense model as good as {s.model.name}, carried so far", units.show(s.dense, "parameters")))
    return Table("The published point", (Column("what"), Column("value")), rows)


def _trades(s: Sparse) -> Table:
    t = s.trade
    columns = (Column("experts for each one met", "count"), Column("active", "parameters"),
               Column("in all", "parameters"), Column("weights", "bytes"), Column("chips that hold them", "count"),
               Column("balance batch", "count"),
               Column("prompts", "dollars/Mtok"), *(Column(f"at batch {b:,.0f}", "dollars/Mtok") for b in s.batches))
    rows = tuple((*map(float, row[:-1]), *map(float, row[-1])) for row in zip(
        t.experts, t.active, t.total, t.bytes, t.chips, t.balance, t.prompts, t.dollars.T, strict=True))
    return Table(f"Models as good as {s.model.name} at {s.context:,.0f} tokens on {s.machine.title}", columns, rows)


def _grains(s: Sparse) -> Table:
    columns = (Column("finer by", "count"), Column("experts", "count"), Column("a token meets", "count"),
               Column("chips it reaches", "count"), Column("bytes there and back", "bytes"),
               Column("experts read, 64 tokens", "ratio"))
    rows = tuple((g.factor, g.experts, g.k, g.chips, g.sent, g.touched) for g in s.grains)
    return Table("Finer experts of the same parameters: what they cost in traffic", columns, rows)


def _dense(s: Sparse) -> Table:
    columns = (Column("law"), Column("parameters", "parameters"), Column("training tokens", "tokens"),
               Column("loss, nats a token", "count"), Column("training FLOPs over the first", "count"),
               Column("serving FLOPs over the first", "count"))
    rows = tuple(row for law in dense_laws().values() for row in dense_rows(law, s.dense))
    return Table("Dense models of one loss: smaller ones train longer", columns, rows)


def dense_rows(law: DenseLaw, parameters: float) -> Iterator[tuple]:
    """Smaller models that reach the loss of one trained on 20 tokens a parameter, and what that takes."""
    known, tokens = law.coefficients(), _TOKENS_A_PARAMETER * parameters
    sought = float(sparsity.loss(parameters, tokens, **known))
    for part in _SHRINK:
        n = part * parameters
        d = float(sparsity.tokens_for_loss(sought, n, **known))
        yield law.title, n, d, sought, n * d / (parameters * tokens), part


def _plots(s: Sparse) -> Iterator[Plot]:
    t, (low, high) = s.trade, s.bounds
    axis = Axis("experts for each one that a token meets", log=True)
    x = t.experts.tolist()
    mark = ((s.expansion, s.model.name),) if s.expansion > 1 else ()
    band = lambda name, *ys: Series(name, x, ys[0].tolist(), np.minimum(*ys[1:]).tolist(),  # noqa: E731
                                    np.maximum(*ys[1:]).tolist())
    prices = [band(f"batch {batch:,.0f}", t.dollars[i], low.dollars[i], high.dollars[i])
              for i, batch in enumerate(s.batches)]
    yield Plot("Price at equal quality against sparsity", axis, Axis("$ per million tokens", "dollars", log=True),
               (band("prompts", t.prompts, low.prompts, high.prompts), *prices), mark)
    yield Plot("Parameters at equal quality", axis, Axis("parameters", "parameters", log=True), (
        band("in all", t.total, low.total, high.total), band("active", t.active, low.active, high.active),
        Series("that the machine holds", x, [s.symbols.C / s.symbols.w] * len(x))), mark)


def _notes(s: Sparse) -> Iterator[str]:
    yield ("The exponent goes through one point, at 370 M active parameters and with older routing, as a power law; "
           "gains are said to shrink as models grow. The paper's coefficients, like those of later laws of "
           "fine-grained experts, were found in no source at hand: at another size the exponent is an assumption.")
    yield ("Prices are the lecture's two terms on the whole machine: experts touched by the batch, KV as this "
           f"model's, {100 * s.share:.3g} % of the active parameters routed, no network. Empty: weights and KV do not "
           "fit.")
    yield ("Sparsity saves arithmetic and nothing else: it pays where arithmetic limits, in prompts and in large "
           "batches of short contexts, until memory is full. Where weights limit, every expert is read for few tokens; "
           "where KV limits, all cost the same.")
    yield ("The dense laws say nothing of experts: they trade parameters against training tokens at one loss, both "
           "fits with their published coefficients.")


def _explain(s: Sparse) -> Iterator[Line]:
    gain, _ = _point(s)
    yield line("exponent of the published point", sparsity.exponent, "count", gain=gain, experts=s.point.experts.value)
    yield line("growth of all parameters there", sparsity.total_parameters, "parameters",
               N_active=s.point.active.value, experts=s.point.experts.value, share=s.point.share.value)
    yield line("dense model as good as this one", sparsity.dense_equivalent, "parameters", a=s.a,
               N_active=float(s.model.active_parameters), experts=s.expansion)
    at = len(s.trade.experts) // 2
    e = float(s.trade.experts[at])
    yield line(f"active parameters with {e:.0f} experts", sparsity.active_for_equal_quality, "parameters",
               N_dense=s.dense, experts=e, a=s.a)
    yield line("parameters in all", sparsity.total_parameters, "parameters", N_active=float(s.trade.active[at]),
               experts=e, share=s.share)
    yield line("its balance batch", blackboard.balance_batch, "count", F=s.symbols.F, W=s.symbols.W, w=s.symbols.w,
               N_total=float(s.trade.total[at]), N_active=float(s.trade.active[at]))
    for law in dense_laws().values():
        yield line(f"loss of the dense equivalent, {law.title}", sparsity.loss, "count", N_total=s.dense,
                   D=_TOKENS_A_PARAMETER * s.dense, **law.coefficients())


def _sources(s: Sparse) -> Iterator[Source]:
    for name, fact in named_facts(s.point):
        yield Source(f"routed point, {name}", fact.shown(), fact.source, fact.date)
    for law in dense_laws().values():
        for name, fact in named_facts(law):
            yield Source(f"{law.title}, {name}", fact.shown(), fact.source, fact.date)
    yield Source("price per chip-hour", s.price.shown(), s.price.source, s.price.date)
    for name, fact in named_facts(s.machine.chip):
        yield Source(f"chip.{name}", fact.shown(), fact.source, fact.date)


def data(s: Sparse) -> dict[str, Any]:
    """What --json prints."""
    t, (gain, growth) = s.trade, _point(s)
    rows = [{"experts": float(e), "active": float(t.active[i]), "total": float(t.total[i]), "bytes": float(t.bytes[i]),
             "chips": float(t.chips[i]), "balance_batch": float(t.balance[i]),
             "prompts": float(t.prompts[i]),
             "dollars": dict(zip(map(str, s.batches.tolist()), t.dollars[:, i].tolist(), strict=True))}
            for i, e in enumerate(t.experts)]
    best = [None if i < 0 else float(t.experts[i]) for i in cheapest(s)]
    return {"model": s.model.name, "machine": s.machine.name, "gain": gain, "total_growth": growth[0],
            "total_growth_low": growth[1], "total_growth_high": growth[2], "exponent": s.a, "exponent_low": s.low,
            "exponent_high": s.high, "dense_equivalent": s.dense, "expansion": s.expansion, "routed_share": s.share,
            "trades": rows, "cheapest": dict(zip(_uses(s), best, strict=True)),
            "grains": [vars(g) for g in s.grains],
            "dense_laws": [dict(zip(("law", "parameters", "tokens", "loss", "training_ratio", "serving_ratio"), row,
                                    strict=True)) for law in dense_laws().values() for row in dense_rows(law, s.dense)]}
