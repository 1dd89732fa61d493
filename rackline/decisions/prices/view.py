"""The readings of an offer as sentence, tables and plots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table
from rackline.decisions.prices import doubts, prior
from rackline.decisions.prices.design import Covered, Design
from rackline.decisions.prices.found import Designed, Found, Quantity
from rackline.decisions.prices.posterior import EVIDENCE, weighted
from rackline.decisions.prices.readings import ACTIVE, BALANCE
from rackline.facts.api_prices import PriceTier

SHOWN = ("joint", "alone", "point", "tiers", "shapes", "all")
_BINS = 60
_ENDS = (0.001, 0.999)  # of the prior, to which the marginals are drawn
_FEW = 100  # effective draws below which the quantiles are rough
_MOST_SHAPES = 12
_KINDS = (("input", "input"), ("cached_input", "cached input"), ("cache_write_5m", "write, 5 min"),
          ("cache_write_1h", "write, 1 h"), ("output", "output"))


def answer(found: Found, show: str) -> Answer:
    """The answer, with the tables and plots of the part that is asked for."""
    parts = SHOWN[:-1] if show == "all" else (show,)
    tables = [_prices(found), *(table for part in parts for table in _TABLES[part](found))]
    plots = [plot for part in parts for plot in _PLOTS.get(part, _none)(found)]
    return Answer("prices", headline(found), "derived", tuple(tables), tuple(plots), tuple(_notes(found)),
                  tuple(_explain(found)), tuple(_sources(found)), data=_data(found))


def headline(found: Found) -> str:
    """Active and total parameters and KV with their intervals, and whether the readings agree."""
    name = found.offer.name
    if found.beyond:
        return (f"{name}: no model of the prior, sold as open models are, explains these prices: nothing is inferred "
                f"from them together. {found.point.verdict}")
    if not found.quantities:
        return f"{name}: no input and no output price, so nothing can be inferred. {found.point.verdict}"
    active, total, kv = found.quantities[:3]
    margin = found.quantities[-1]
    text = (f"{name}, 90 % intervals: {_interval(active)} active and {_interval(total)} total parameters, "
            f"{_interval(kv)} of bf16 KV a token, sold at {_interval(margin)} times its cost")
    verdict = {True: "; one operating point explains step and output price", None: "",
               False: "; step and output price exclude one another at one operating point"}[found.point.agrees]
    return text + verdict + "."


def _interval(q: Quantity) -> str:
    return f"{units.show(q.after[0], q.unit)} to {units.show(q.after[2], q.unit)}"


def _prices(found: Found) -> Table:
    offer, rows = found.offer, []
    for tier in offer.tiers:
        name = "standard" if not tier.above else f"above {units.show(tier.above, 'tokens')} input tokens, all of them"
        rows.append((name, *_row(tier)))
    rows += [(f"{mode} mode", *_row(tier)) for mode, tier in offer.modes.items()]
    columns = (Column("dollars per million tokens"), *(Column(title, "dollars/Mtok") for _, title in _KINDS),
               Column("output/input", "count"), Column("cached/input", "count"))
    return Table("Prices", columns, tuple(rows))


def _row(tier: PriceTier) -> tuple[float | None, ...]:
    return (*(getattr(tier, kind) for kind, _ in _KINDS), tier.ratio("output", "input"),
            tier.ratio("cached_input", "input"))


def _alone(found: Found) -> Iterator[Table]:
    columns = tuple(map(Column, ("row", "read", "seen", "says", "takes for granted")))
    yield Table("Each ratio alone, as the lecture reads it", columns,
                tuple((r.row, r.what, r.seen, r.says, r.assumes) for r in found.readings))


def _joint(found: Found) -> Iterator[Table]:
    if not found.joint:
        return
    known = any(q.truth for q in found.quantities)
    columns = [Column("quantity"), Column("prior 5 %"), Column("50 %"), Column("95 %"), Column("posterior 5 %"),
               Column("50 % "), Column("95 % "), Column("narrower", "count"), *([Column("truth")] if known else [])]
    rows = [(q.name, *(units.show(x, q.unit) for x in (*q.before, *q.after)), q.narrower,
             *([units.show(q.truth, q.unit) if q.truth else ""] if known else [])) for q in found.quantities]
    yield Table("All prices together, 90 % intervals", tuple(columns), tuple(rows))
    yield Table("What narrows it: width of the interval with one price left out, over that with all",
                (Column("left out"), *(Column(q.name, "count") for q in found.quantities[:3]), Column("price over cost",
                 "count")), tuple(_left_out(found)))
    yield _served(found)


def _left_out(found: Found) -> Iterator[tuple]:
    assert found.joint
    shown = (*found.quantities[:3], found.quantities[-1])
    for i, name in enumerate(found.joint.used):
        yield (name, *(q.left_out[i] for q in shown))


def _served(found: Found) -> Table:
    """Shares of chips and number formats, prior and posterior."""
    joint = found.joint
    assert joint
    rows = []
    for title, names, which in (("chip", [m.chip.title for m in prior.machines()], joint.serving.chip),
                                ("weights", list(prior.WEIGHTS), joint.serving.stored)):
        share = np.bincount(which, joint.weights, len(names)) / joint.weights.sum()
        before = np.bincount(which, minlength=len(names)) / len(which)
        rows += _merged(title, names, before, share)
    return Table("How it is served", (Column("what"), Column("which"), Column("prior", "ratio"),
                                      Column("posterior", "ratio")), tuple(rows))


def _merged(title: str, names: list[str], before: np.ndarray, share: np.ndarray) -> list[tuple]:
    """Rows of equal names added up, the likeliest first."""
    found: dict[str, tuple[float, float]] = {}
    for name, a, b in zip(names, before, share, strict=True):
        had = found.get(name, (0.0, 0.0))
        found[name] = (had[0] + float(a), had[1] + float(b))
    return [(title, name, *values) for name, values in sorted(found.items(), key=lambda row: -row[1][1])]


def _point(found: Found) -> Iterator[Table]:
    columns = tuple(map(Column, ("assumption let go", "then", "is that enough")))
    yield Table("At one operating point: which assumption must go", columns,
                tuple((w.gone, w.then, w.enough) for w in found.point.ways))


def _tiers(found: Found) -> Iterator[Table]:
    columns = (Column("balance context", "tokens"), Column("tiers", "count"), Column("each ends at"),
               Column("premiums"), Column("users pay over cost", "count"), Column("margin in all", "ratio"))
    rows = tuple((d.balance, len(one.ends), _listed(one.ends, "tokens"), _listed(one.premiums, "count"),
                  one.paid / one.cost, one.margin) for d in found.designed for one in d.designs)
    yield Table("Tiers that lose money at no context, and have users pay least", columns, rows)
    own = tuple((d.reading, d.balance, c.above, c.premium, c.reaches, c.covers, c.mean, _throughout(c))
                for d in found.designed for c in d.own)
    if own:
        yield Table("The offer's own tiers against linear KV, without a margin", (
            Column("if"), Column("balance", "tokens"), Column("above", "tokens"), Column("output premium", "count"),
            Column("reaches", "tokens"), Column("covers up to", "tokens"), Column("trace needs on average", "count"),
            Column("covers all")), own)


def _throughout(c: Covered) -> str:
    return "yes" if c.covers >= c.reaches else f"short by {c.reaches / c.covers:.3g}×"


def _listed(values: tuple[float, ...], unit: str) -> str:
    return ", ".join(units.show(value, unit) + ("×" if unit == "count" else "") for value in values)


def _shapes(found: Found) -> Iterator[Table]:
    columns = (Column("caches", "count"), Column("KV heads", "count"), Column("width of key and value", "count"),
               Column("format"), Column("cached/read", "count"), Column("KV bytes", "bytes"), Column("heads as in"))
    rows = tuple((s.caches, s.kv_heads, s.width, s.stored, s.sparse, s.kv, s.like) for s in found.shapes)
    yield Table(f"Attention that reads {units.show(found.kv, 'bytes')} a cached token, within 25 %", columns,
                rows[:_MOST_SHAPES])


def _marginals(found: Found) -> Iterator[Plot]:
    """Prior and posterior densities of the three sizes."""
    if not found.joint:
        return
    for q in found.quantities[:3]:
        low, high = (float(x) for x in weighted(q.values, found.joint.sizes.weight, _ENDS))
        truth = q.truth or q.after[1]
        edges = np.geomspace(min(low, q.after[0] / 2, truth / 2), max(high, 2 * q.after[2], 2 * truth), _BINS + 1)
        middle = [*map(float, np.sqrt(edges[1:] * edges[:-1]))]
        series = tuple(Series(name, middle, [*map(float, _density(q.values, edges, weights))])
                       for name, weights in (("prior", found.joint.sizes.weight), ("posterior", found.joint.weights)))
        marks = ((q.truth, "truth"),) if q.truth else ()
        yield Plot(f"{q.name[0].upper()}{q.name[1:]}", Axis(q.name, q.unit, log=True),
                   Axis("density per factor of e"), series, marks)


def _density(values: np.ndarray, edges: np.ndarray, weights: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(np.log(values), np.log(edges), weights=weights)
    smooth = np.convolve(np.pad(counts, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
    return smooth / weights.sum() / np.diff(np.log(edges))


def _staircases(found: Found) -> Iterator[Plot]:
    for d in found.designed:
        lengths = np.geomspace(min(d.balance, 1000.0), found.window, 200)
        cost = np.maximum(1.0, lengths / d.balance)
        series = [Series("cost", [*map(float, lengths)], [*map(float, cost)])]
        series += [_stairs(f"{len(one.ends)} tiers" if len(one.ends) > 1 else "1 tier", one, lengths)
                   for one in d.designs]
        series += _own(d, lengths, found)
        yield Plot(f"Output price against context if {d.reading}", Axis("tokens of context", "tokens", log=True),
                   Axis("over the cost of a short token", log=True), tuple(series), ((d.balance, "balance"),))


def _stairs(name: str, one: Design, lengths: np.ndarray) -> Series:
    place = np.minimum(np.searchsorted(one.ends, lengths), len(one.ends) - 1)
    return Series(name, [*map(float, lengths)], [*map(float, np.asarray(one.prices)[place])])


def _own(d: Designed, lengths: np.ndarray, found: Found) -> list[Series]:
    if not d.own:
        return []
    place = np.searchsorted([c.above for c in d.own], lengths) - 1
    premium = np.array([c.premium for c in d.own])[np.maximum(place, 0)]
    return [Series(f"{found.offer.model}, first tier as ours", [*map(float, lengths)],
                   [*map(float, premium * d.designs[-1].prices[0])])]


def _none(found: Found) -> Iterator[Plot]:
    return iter(())


def _notes(found: Found) -> Iterator[str]:
    yield from doubts.contradictions(found.offer)
    yield from doubts.lost(found.offer)
    yield found.point.verdict
    joint = found.joint
    if found.beyond:
        yield "Beyond the prior: a larger model than open ones, or a markup that their sellers do not take: --markup 5."
    if joint is None:
        return
    m = joint.markup
    yield (f"Prior: sizes of open models that could be sold, moved by a kernel; served at {prior.CONTEXT.shown()} "
           f"tokens of context, {prior.BATCH.shown()} sequences a batch, on any of {len(prior.machines())} machines, "
           f"weights in {', '.join(prior.WEIGHTS)}.")
    yield (f"Markup over cost at peak, from {m.sales} sales of other open models: {np.exp(m.mean[0]):.3g}× on input, "
           f"{np.exp(m.mean[1]):.3g}× on output, in the geometric mean; one without rivals may take more (--markup).")
    if found.known:
        held = [q for q in found.quantities[:3] if q.truth and q.after[0] <= q.truth <= q.after[2]]
        yield (f"The weights are public ({found.offer.weights}); they and models of their size were left out of prior "
               f"and markups. {len(held)} of 3 intervals hold the truth.")
    if joint.effective < _FEW:
        yield f"Only {joint.effective:.0f} effective draws: prices at the edge of the prior; the quantiles are rough."
    yield f"rackline prices {found.offer.name} --show alone, point, tiers, shapes or all tells the rest."


def _explain(found: Found) -> Iterator[Line]:
    yield from (reading.line for reading in found.readings)
    yield from (way.line for way in found.point.ways)


def _sources(found: Found) -> Iterator[Source]:
    offer = found.offer
    yield Source(offer.name, "prices", offer.source, offer.date)
    for name, fact in (("active parameters, for readings alone", ACTIVE), ("machine balance", BALANCE),
                       ("context of a sequence", prior.CONTEXT), ("batch", prior.BATCH),
                       ("way back of a hit", prior.LINK), ("utilisation", prior.UTILISATION),
                       ("tokens a pass", prior.DRAFTS)):
        yield Source(name, fact.shown(), fact.source, fact.date)
    for machine in prior.machines():
        if machine.price:
            yield Source(f"{machine.name} price", machine.price.shown(), machine.price.source, machine.price.date)


def _data(found: Found) -> dict[str, Any]:
    offer, joint = found.offer, found.joint
    return {
        "offer": offer.name, "weights": offer.weights or None, "window": offer.window,
        "tiers": [{"above": t.above, **{kind: getattr(t, kind) for kind, _ in _KINDS}} for t in offer.tiers],
        "modes": {mode: {kind: getattr(t, kind) for kind, _ in _KINDS} for mode, t in offer.modes.items()},
        "contradictions": [*doubts.contradictions(offer)], "lost": [*doubts.lost(offer)],
        "alone": [{"row": r.row, "read": r.what, "value": r.line.result, "unit": r.line.unit, "says": r.says,
                   "assumes": r.assumes} for r in found.readings],
        "joint": {q.name: {"unit": q.unit, "prior": list(q.before), "posterior": list(q.after), "truth": q.truth,
                           "narrower": q.narrower, "left_out": dict(zip(joint.used if joint else (), q.left_out,
                                                                        strict=False))} for q in found.quantities},
        "evidence": [name for name in EVIDENCE if joint and name in joint.used],
        "effective_draws": joint.effective if joint else None,
        "point": {"agrees": found.point.agrees, "verdict": found.point.verdict,
                  "ways": [{"gone": w.gone, "then": w.then, "enough": w.enough, "value": w.line.result,
                            "unit": w.line.unit} for w in found.point.ways]},
        "designs": [{"reading": d.reading, "balance": d.balance, "tiers": len(one.ends), "ends": list(one.ends),
                     "premiums": list(one.premiums), "paid": one.paid, "cost": one.cost}
                    for d in found.designed for one in d.designs],
        "shapes": {"kv": found.kv, "found": [vars(s) for s in found.shapes]}}


_TABLES = {"joint": _joint, "alone": _alone, "point": _point, "tiers": _tiers, "shapes": _shapes}
_PLOTS = {"joint": _marginals, "tiers": _staircases}
