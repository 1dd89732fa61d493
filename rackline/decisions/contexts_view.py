"""What long contexts cost, as an Answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rackline import units
from rackline.decisions.answer import Answer, Axis, Column, Line, Plot, Series, Source, Table, finite
from rackline.decisions.cite import cite
from rackline.decisions.clocks import is_calibrated
from rackline.decisions.context_costs import Curve, longest, quadratic, reaches, stretches
from rackline.decisions.context_kinds import HOW
from rackline.decisions.equations import line
from rackline.decisions.money import chip_price
from rackline.decisions.stepped import SIZES
from rackline.decisions.stepping import Case
from rackline.facts.machine import Machine
from rackline.physics import blackboard, operating
from rackline.systems.layout import Layout
from rackline.systems.symbols import symbols

if TYPE_CHECKING:
    from rackline.decisions.contexts import Contexts

NAMED = (8e3, 32e3, 128e3, 200e3, 1e6, 10e6, 100e6)  # tokens at which tables tell a curve
TODAY, PREMIUM = 200e3, 1.5  # the lecture: contexts hover around it; a price half as high again past it


def answer(c: Contexts) -> Answer:
    """The full answer."""
    return Answer("context", headline(c), "bound", (_multiples(c), _takeovers(c), _own(c)), (_costs(c), _parts(c),
                  _prompts(c)), tuple(_notes(c)), tuple(_explain(c)), tuple(_sources(c)), data=data(c))


def _named(found: Curve) -> list[float]:
    """Contexts to tell, within the curve; the ends where it holds none of them."""
    low, high = float(found.contexts[0]), float(found.contexts[-1])
    return [x for x in NAMED if low < x <= high] or [high]


def _tokens(context: float) -> str:
    return units.show(context, "tokens") if context >= 1e6 else f"{context:,.0f}"


def _times(found: Curve, context: float) -> float:
    """Cost over the shortest context's; infinite where no sequence fits."""
    return found.over(context, float(found.contexts[0])) if context <= longest(found) else float("inf")


def headline(c: Contexts) -> str:
    """One sentence: how cost grows, where it ends, what other attention would change."""
    own, start = c.own, float(c.own.contexts[0])
    grows = [f"{_said(_times(own, x))} at {_tokens(x)}" for x in _named(own) if x >= 1e5] or [
        f"{_said(_times(own, x))} at {_tokens(x)}" for x in _named(own)[-1:]]
    last = next((x for x in reversed(_named(own)) if x <= 1e6), _named(own)[0])
    kinds = ", ".join(f"{name} {_said(_times(k, last))}" for name, k in zip(HOW, c.kinds, strict=True))
    return (f"{own.name} on {own.server.machine.title}: an output token costs ${own.cost[0]:.3g} a million at "
            f"{_tokens(start)}, {', '.join(grows)}; mostly {stretches(own)[-1][0]} at the end. "
            f"Other attention at {_tokens(last)}: {kinds} of its own price at {_tokens(start)}.")


def _said(times: float) -> str:
    return f"{times:.3g}×" if np.isfinite(times) else "no room"


def _multiples(c: Contexts) -> Table:
    start, named = float(c.own.contexts[0]), _named(c.own)
    columns = (Column("model"), Column("KV, a token", "bytes"), Column(f"$/Mtok out at {_tokens(start)}", "dollars"),
               *(Column(f"× at {_tokens(x)}", "count") for x in named), Column("twice from", "tokens"),
               Column("longest that fits", "tokens"))
    rows = tuple((k.name, k.server.model.kv_bytes_per_token() + k.server.model.index_bytes_per_token(),
                  float(k.cost[0]), *(_times(k, x) for x in named), reaches(k, 2.0), longest(k)) for k in c.all)
    return Table("Cost of an output token over that at the shortest context (∞: no room for one sequence)", columns,
                 rows)


def _takeovers(c: Contexts) -> Table:
    rows = []
    for k in c.all:
        text = ", then ".join(f"{what} from {_tokens(start)}" for what, start in stretches(k))
        rows.append((k.name, text, quadratic(k)))
    return Table("What takes over where", (Column("model"), Column("most of an output token's time"), Column(
        "a prompt's attention passes its weights' arithmetic from", "tokens")), tuple(rows))


def _own(c: Contexts) -> Table:
    own = c.own
    columns = (Column("context", "tokens"), Column("$/Mtok out", "dollars"), Column("per token", "seconds"),
               Column("users", "count"), *(Column(name, "ratio") for name in own.parts),
               Column("$/Mtok in", "dollars"), Column("attention's share in", "ratio"))
    rows = []
    for x in dict.fromkeys((float(own.contexts[0]), *_named(own))):
        i = int(np.argmin(np.abs(np.log(own.contexts / x))))
        parts = (float(own.parts[name][i] / own.cost[i]) if np.isfinite(own.cost[i]) else float("nan")
                 for name in own.parts)
        rows.append((float(own.contexts[i]), float(own.cost[i]), float(own.tpot[i]), float(own.users[i]), *parts,
                     float(own.prefill[i]), float(own.prefill_attention[i])))
    return Table(f"{own.name}: what fills a token's time (parts overlap)", columns, tuple(rows))


def _unlike(c: Contexts) -> Iterator[Curve]:
    """Every curve but kinds that the model has already."""
    yield from (c.own, *c.others, *(k for k in c.kinds if not np.allclose(k.cost, c.own.cost)))


def _series(name: str, x: np.ndarray, y: np.ndarray) -> Series:
    fits = np.isfinite(y) & (y > 0)
    return Series(name, x[fits].tolist(), y[fits].tolist())


def _costs(c: Contexts) -> Plot:
    return Plot("Cost of an output token against context", Axis("tokens cached per sequence", "tokens", log=True),
                Axis("$ per million output tokens", "dollars", log=True),
                tuple(_series(k.name, k.contexts, k.cost) for k in _unlike(c)), ((TODAY, "today"),))


def _parts(c: Contexts) -> Plot:
    own = c.own
    return Plot(f"{own.name}: what an output token's time goes to", Axis("tokens cached per sequence", "tokens",
                log=True), Axis("$ per million output tokens", "dollars", log=True),
                tuple(_series(name, own.contexts, part) for name, part in own.parts.items()), ((TODAY, "today"),))


def _prompts(c: Contexts) -> Plot:
    return Plot("Cost of a prompt token against the prompt's length", Axis("tokens of the prompt", "tokens", log=True),
                Axis("$ per million prompt tokens", "dollars", log=True),
                tuple(_series(k.name, k.contexts, k.prefill) for k in _unlike(c)), ((TODAY, "today"),))


def _notes(c: Contexts) -> Iterator[str]:
    own = c.own
    limit = own.server.model.max_context
    rates = "calibrated" if is_calibrated(c.question) else "datasheet"
    yield (f"At every length the layout and the number of users of least cost; decoding at {rates} rates. Lengths "
           "beyond what a model was made for are asked all the same"
           + (f" ({own.name}: {limit:,})." if limit else "."))
    yield ("Replaced attention: weights, layers and query heads stay, what a layer caches, reads and scores becomes "
           + "; ".join(f"{name}: {how}" for name, how in HOW.items()) + ".")
    if own.contexts[0] < TODAY < longest(own):
        yield _why_today(own)
    yield (f"A price {PREMIUM:g}× as high from {_tokens(TODAY)} on, as one provider asks, covers costs that rise with "
           f"the context to {_tokens(PREMIUM * TODAY)} only.")
    yield ("Capacity and bandwidth are one wall where all KV is read: the memory is drained once a step whatever the "
           "context, and holds ever fewer users. Sparse attention reads little and keeps everything: what remains is "
           "its indexer's reading, still linear, and capacity, as weights that too few users share.")


def _why_today(own: Curve) -> str:
    start = float(own.contexts[0])
    at = int(np.argmin(np.abs(np.log(own.contexts / TODAY))))
    parts = {name: float(own.parts[name][at] / own.cost[at]) for name in own.parts}
    first = max(parts, key=lambda name: parts[name])
    arithmetic = sum(share for name, share in parts.items() if "arithmetic" in name)
    five = _times(own, 5 * TODAY) / _times(own, TODAY)
    return (f"Why contexts stopped near {_tokens(TODAY)}: there a token costs {_said(_times(own, TODAY))} what it does "
            f"at {_tokens(start)} and {own.users[at]:,.0f} users fit instead of {own.users[0]:,.0f}; {first} takes "
            f"{units.show(parts[first], 'ratio')} of the time, all arithmetic {units.show(arithmetic, 'ratio')}. "
            f"Five times that context costs {_said(five)} that again.")


def _explain(c: Contexts) -> Iterator[Line]:
    own = c.own
    s = symbols(own.server.model, own.server.machine, own.server.machine.chips)
    known = s.of("N_active", "kv", "F", "W")
    yield line("context at which KV takes as long as arithmetic, endless batch", blackboard.balance_context, "tokens",
               **known)
    yield line("context at which a full memory saturates compute", operating.full_memory_context, "tokens", C=s.C,
               weights=s.weights, **known)
    for context in (float(own.contexts[0]), TODAY):
        if context <= longest(own):
            batch = max(1.0, (s.C - s.weights) / (context * s.kv)) if s.kv else 1.0
            yield line(f"the lecture's step with memory full, {_tokens(context)}", blackboard.memory_time, "seconds",
                       B=batch, L=context, weights=s.weights, kv=s.kv, W=s.W)
    price, chips = c.price.value, own.server.machine.chips
    yield Line("a million output tokens at the shortest context", "c = price*chips/3600*t/users*1e6",
               f"{price:g} × {chips} / 3600 × {own.tpot[0]:.4g} / {own.users[0]:,.0f} × 1e6", float(own.cost[0]),
               "dollars")


def _sources(c: Contexts) -> Iterator[Source]:
    own = c.own
    at = int(np.argmin(np.abs(np.log(own.contexts / min(TODAY, longest(own))))))
    layout = Layout(*(int(getattr(own.layout, name)[at]) for name in SIZES))
    context = float(own.contexts[at])

    def cost(machine: Machine) -> float:
        case = Case(replace(own.server, machine=machine), layout, "decode", 0.0, chip_price(machine, c.question.price))
        batch = np.maximum(1.0, case.largest_batch(context))
        return float(case.cost(case.step(batch, context).time, batch, context))

    yield from cite(cost, own.server.machine)
    yield Source("price per chip-hour", c.price.shown(), c.price.source, c.price.date)
    for k in (own, *c.others):
        yield Source("model configuration", k.name, k.server.model.source, "")


def data(c: Contexts) -> dict[str, Any]:
    """What --json prints; None where nothing fits."""
    return {"model": c.own.name, "machine": c.own.server.machine.name, "price": c.price.value,
            "curves": [_curve(k) for k in c.all], "replaced": HOW}


def _curve(k: Curve) -> dict[str, Any]:
    listed = lambda y: [finite(v) for v in y]  # noqa: E731
    return {"name": k.name, "kv_bytes_per_token": k.server.model.kv_bytes_per_token(),
            "context": k.contexts.tolist(), "cost": listed(k.cost), "prefill_cost": listed(k.prefill),
            "users": listed(k.users), "time_per_output_token": listed(k.tpot),
            "parts": {name: listed(part) for name, part in k.parts.items()},
            "prefill_attention_share": listed(k.prefill_attention), "longest": longest(k),
            "twice_from": finite(reaches(k, 2.0)), "prefill_attention_passes_weights_from": finite(quadratic(k)),
            "limits": [{"what": what, "from": start} for what, start in stretches(k)]}


def fits_nowhere(q: Any, context: float, remedies: tuple[str, ...]) -> Answer:
    """The answer when no layout holds the model and one sequence."""
    return Answer("context", f"{q.model.name} does not fit on {q.on.title} with {context:,.0f} tokens of context.",
                  "derived", feasible=False, reasons=tuple(f"would fit with {r}" for r in remedies),
                  data={"would_fit": list(remedies)})
