"""The chip that a model would want: FLOPs, bandwidth, memory and domain scaled apart under a stated price of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions.answer import Axis, Column, Line, Plot, Series, Source, Table
from rackline.decisions.equations import line
from rackline.decisions.money import dollars_per_million
from rackline.decisions.racks.case import Case, Part, sourced
from rackline.decisions.racks.memory import chip_cost, memory_price
from rackline.errors import BadInput
from rackline.facts.fact import Fact
from rackline.physics import blackboard, designs
from rackline.physics import experts as exact
from rackline.systems.layout import Layout
from rackline.systems.ledger import ACTIVATION_BYTES, ledger
from rackline.systems.memory import USABLE
from rackline.systems.passes import decode
from rackline.systems.symbols import symbols

_KNOWLEDGE = "general knowledge, read in no source"


def _share(value: float, low: float, high: float, note: str) -> Fact:
    return Fact(value=value, low=low, high=high, unit="ratio", kind="assumed", date="2026-11-21", source=_KNOWLEDGE,
                note=note)


ARITHMETIC = _share(0.25, 0.12, 0.4, "part of a chip's price that grows with its FLOP/s")
BANDWIDTH = _share(0.2, 0.1, 0.4, "part that grows with memory bandwidth: wide interfaces, packaging")
LINKS = _share(0.15, 0.08, 0.25, "part that the scale-up network is, at this machine's domain")
LEVEL = _share(0.25, 0.0, 1.0, "by how much the network's part grows for each doubling of the domain")
FACTORS = 2.0 ** np.arange(-3.0, 4.5, 0.5)
DOMAINS = np.array([8.0, 16.0, 32.0, 72.0, 144.0, 288.0, 576.0])
_BATCHES = 2.0 ** np.arange(-1.0, 11.0, 0.5)  # sequences a chip
_MOST_MEMORY = 0.5  # of a chip's price, as the lecture quotes
_NAMES = ("FLOP/s", "bandwidth", "memory", "domain")


@dataclass(frozen=True)
class Prices:
    """Parts of a chip's price: with FLOP/s, bandwidth, network (and its growth a doubling of the domain), memory."""

    arithmetic: float
    bandwidth: float
    links: float
    level: float
    memory: float

    def factor(self, f: np.ndarray, w: np.ndarray, c: np.ndarray, doublings: np.ndarray) -> np.ndarray:
        """A scaled chip's price over this chip's; what is in no part does not change."""
        return (1.0 + self.arithmetic * (f - 1.0) + self.bandwidth * (w - 1.0) + self.memory * (c - 1.0)
                + self.links * (np.maximum(0.0, 1.0 + self.level * doublings) - 1.0))


@dataclass(frozen=True)
class Design:
    """The best of the grid: factors over this chip's, the domain, sequences a chip, and what comes of it."""

    f: float
    w: float
    c: float
    domain: float
    batch: float
    tpot: float
    cost: float  # over this chip's
    dollars: float  # per million tokens
    limits: tuple[float, float, float]  # seconds of compute, memory, network


def part(case: Case) -> Part:
    """The subject; BadInput where no scaled chip meets the time per token."""
    prices = _prices(case)
    best, own = optimum(case, prices), optimum(case, prices, scaled=False)
    ends = _interval(case, prices)
    return Part(_sentence(case, best, own), (_table(case, best, own, ends), _price_table(prices)),
                (_plot(case, prices, best),), tuple(_notes(case)), tuple(_explain(case, best)), tuple(_sources()),
                {"best": vars(best), "own": vars(own) if own else None,
                 "interval": {name: list(span) for name, span in zip(_NAMES, ends, strict=True)}})


def _prices(case: Case) -> Prices:
    share = designs.memory_share(case.machine.chip.memory_capacity.value, memory_price(case).value,
                                 chip_cost(case).value)
    return Prices(ARITHMETIC.value, BANDWIDTH.value, LINKS.value, LEVEL.value, min(float(share), _MOST_MEMORY))


def optimum(case: Case, prices: Prices, *, scaled: bool = True) -> Design:
    """The least dollars per token within the time per token, over the whole grid; or over batches alone.

    Ignores: layouts (experts over the domain, attention by sequences, its weights on each chip counted once),
    uneven routing, power and floor space
    """
    grid = _grid(case, scaled=scaled)
    f, w, c, e, b = grid
    compute, memory, network = times = _times(case, *grid)
    time = np.maximum(np.maximum(compute, memory), network)
    cost = prices.factor(f, w, c, np.log2(e / case.machine.domain)) * np.ones_like(time)
    dollars = dollars_per_million(case.price.value, 1.0, 1.0) * cost * time / b
    allowed = (time <= case.question.tpot) & _fits(case, c, e, b)
    if not allowed.any():
        raise BadInput("--tpot", f"must be a time that {'a scaled' if scaled else 'this'} chip can reach at "
                       f"{case.context:,.0f} tokens", units.show(case.question.tpot, "seconds"), "give more time")
    at = np.unravel_index(int(np.argmin(np.where(allowed, dollars, np.inf))), dollars.shape)
    pick = lambda x: float(np.broadcast_to(x, dollars.shape)[at])  # noqa: E731
    return Design(pick(f), pick(w), pick(c), pick(e), pick(b), pick(time), pick(cost), pick(dollars),
                  (pick(times[0]), pick(times[1]), pick(times[2])))


def _grid(case: Case, *, scaled: bool) -> tuple[np.ndarray, ...]:
    one, home = np.array([1.0]), np.array([float(case.machine.domain)])
    axes = (FACTORS, FACTORS, FACTORS, DOMAINS) if scaled else (one, one, one, home)
    return tuple(axis.reshape([-1 if i == j else 1 for j in range(5)]) for i, axis in enumerate((*axes, _BATCHES)))


def _times(case: Case, *grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds of compute, memory and network of a step."""
    f, w, _, e, b = grid
    s = symbols(case.some_model, case.machine, 1.0)
    batch = b * e
    compute = blackboard.compute_time(batch, s.N_active, f * e * s.F)
    memory = blackboard.memory_time(batch, case.context, _read(case, batch), s.kv, w * e * s.W)
    return compute, memory, _network(case, e, b)


def _read(case: Case, batch: np.ndarray) -> np.ndarray:
    """Bytes of weights that a step reads."""
    model = case.some_model
    total = model.weight_bytes()
    if case.moe is None:
        return np.full(batch.shape, total)
    terms = ledger(model, Layout(), decode(1.0, 1.0))
    share = case.moe.top_k / case.moe.experts
    routed = sum(work.bytes for name, work in terms.items() if name.startswith("experts.")) / share
    return exact.weights_read(total - routed, routed, case.moe.experts, case.moe.top_k, batch)


def _network(case: Case, e: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Seconds of the exchange in every layer; of two all-reduces a layer for a dense model."""
    net, model = case.machine.scale_up, case.some_model
    if net is None:
        return np.zeros(np.broadcast(e, b).shape)
    if case.moe is None:
        sent = 2 * 2 * model.hidden * ACTIVATION_BYTES * model.depth * e
    else:
        layers = sum(count for f, count in model.feed_forwards() if f.experts)
        reached = exact.chips_hit(np.minimum(e, case.moe.experts), case.moe.experts, case.moe.top_k)
        copies = exact.copies_sent(reached, e)
        sent = layers * exact.exchange_bytes(copies, model.hidden, 1.0, ACTIVATION_BYTES)
    return b * sent / net.bandwidth.value + 2 * model.depth * net.latency.value


def _fits(case: Case, c: np.ndarray, e: np.ndarray, b: np.ndarray) -> np.ndarray:
    s = symbols(case.some_model, case.machine, 1.0)
    return case.some_model.weight_bytes() / e + b * case.context * s.kv <= c * s.C * USABLE.value


def _interval(case: Case, prices: Prices) -> tuple[tuple[float, float], ...]:
    """The least and largest of every dimension of the optimum when each part of the price is at an end of its own."""
    found = [optimum(case, prices)]
    parts = {"arithmetic": ARITHMETIC, "bandwidth": BANDWIDTH, "links": LINKS, "level": LEVEL}
    moved: list[dict[str, Any]] = [{name: end} for name, fact in parts.items() for end in (fact.low, fact.high)]
    moved += [{"memory": min(_MOST_MEMORY, prices.memory * factor)} for factor in (0.5, 4.0)]
    found += [optimum(case, replace(prices, **one)) for one in moved]
    columns = zip(*((d.f, d.w, d.c, d.domain) for d in found), strict=True)
    return tuple((min(column), max(column)) for column in columns)


def _sentence(case: Case, best: Design, own: Design) -> str:
    return (f"For {case.some_model.name} at {case.context:,.0f} tokens within "
            f"{units.show(case.question.tpot, 'seconds')}, the cheapest chip has {best.f:.3g}× the FLOP/s, "
            f"{best.w:.3g}× the bandwidth and {best.c:.3g}× the memory of the {case.machine.chip.title}, in domains of "
            f"{best.domain:.0f}: {units.show(best.dollars, 'dollars/Mtok')} against "
            f"{units.show(own.dollars, 'dollars/Mtok')}.")


def _table(case: Case, best: Design, own: Design, ends: tuple[tuple[float, float], ...]) -> Table:
    s = symbols(case.some_model, case.machine, 1.0)
    shown = lambda i: f"{ends[i][0]:.3g} … {ends[i][1]:.3g}"  # noqa: E731
    rows = (
        ("FLOP/s a chip", units.show(s.F, "flop/s"), units.show(best.f * s.F, "flop/s"), f"× {shown(0)}"),
        ("memory bandwidth", units.show(s.W, "bytes/s"), units.show(best.w * s.W, "bytes/s"), f"× {shown(1)}"),
        ("memory", units.show(s.C, "bytes"), units.show(best.c * s.C, "bytes"), f"× {shown(2)}"),
        ("domain, packages", f"{own.domain:.0f}", f"{best.domain:.0f}", shown(3)),
        ("FLOP per byte of bandwidth", f"{s.F / s.W:.3g}", f"{best.f * s.F / (best.w * s.W):.3g}", ""),
        ("drain time, memory over bandwidth", units.show(s.C / s.W, "seconds"),
         units.show(best.c * s.C / (best.w * s.W), "seconds"), ""),
        ("sequences a chip", f"{own.batch:.3g}", f"{best.batch:.3g}", ""),
        ("per token", units.show(own.tpot, "seconds"), units.show(best.tpot, "seconds"), ""),
        *((f"of it {name}, overlapping", units.show(a, "seconds"), units.show(b, "seconds"), "")
          for name, a, b in zip(("compute", "memory", "network"), own.limits, best.limits, strict=True)),
        ("price of a chip", "1×", f"{best.cost:.3g}×", ""),
        ("dollars per million tokens", units.show(own.dollars, "dollars/Mtok"),
         units.show(best.dollars, "dollars/Mtok"), ""))
    return Table("The chip that this model would want", tuple(map(Column, (
        "what", case.machine.chip.title, "the best of the grid", "as prices move in their intervals"))), rows)


def _price_table(prices: Prices) -> Table:
    rows = ((ARITHMETIC.note, ARITHMETIC.shown()), (BANDWIDTH.note, BANDWIDTH.shown()), (LINKS.note, LINKS.shown()),
            (LEVEL.note, LEVEL.shown()), ("part that its memory is (--memory-price, --chip-cost)",
                                          units.show(prices.memory, "ratio")))
    return Table("What is assumed of prices", (Column("part of a chip's price"), Column("value")), rows)


def _plot(case: Case, prices: Prices, best: Design) -> Plot:
    """Dollars against each dimension alone, the others at the best."""
    return Plot("Price per token as one dimension of the best chip is scaled", Axis("factor over the best", log=True),
                Axis("$ per million tokens", "dollars"), tuple(_curves(case, prices, best)))


def _curves(case: Case, prices: Prices, best: Design) -> Iterator[Series]:
    x = 2.0 ** np.linspace(-2.0, 2.0, 33)
    for i, name in enumerate(_NAMES[:3]):
        scale = [np.full_like(x, v) for v in (best.f, best.w, best.c, best.domain)]
        scale[i] = scale[i] * x
        grid = [v.reshape(-1, 1) for v in scale] + [_BATCHES.reshape(1, -1)]
        time = np.maximum.reduce(np.broadcast_arrays(*_times(case, *grid)))
        cost = prices.factor(grid[0], grid[1], grid[2], np.log2(grid[3] / case.machine.domain))
        allowed = (time <= case.question.tpot) & _fits(case, grid[2], grid[3], grid[4])
        dollars = dollars_per_million(case.price.value, 1.0, 1.0) * cost * time / grid[4]
        yield Series(name, x.tolist(), np.where(allowed, dollars, np.inf).min(axis=1).tolist())


def _notes(case: Case) -> Iterator[str]:
    yield (f"A grid of half powers of two from {FACTORS[0]:g}× to {FACTORS[-1]:g}× in FLOP/s, bandwidth and memory, "
           f"domains of {', '.join(f'{d:.0f}' for d in DOMAINS)}; link speed as it is. Everything overlaps: a bound.")
    yield ("Every part of the price is an assumption with an interval; the last column of the table moves each part "
           "to either end alone. Linear prices know no limits: where the best has several times the bandwidth, no "
           "package sold has it. A factor at the edge of the grid wants more than the grid has.")


def _explain(case: Case, best: Design) -> Iterator[Line]:
    s, batch = symbols(case.some_model, case.machine, 1.0), best.batch * best.domain
    read = float(_read(case, np.array([batch]))[0])
    yield line("compute of the best", blackboard.compute_time, "seconds", B=batch, N_active=s.N_active,
               F=best.f * best.domain * s.F)
    yield line("memory of the best", blackboard.memory_time, "seconds", B=batch, L=case.context, weights=read, kv=s.kv,
               W=best.w * best.domain * s.W)
    yield Line("its price over this chip's", "1 + parts*(factors - 1)", "the table of assumptions", best.cost, "count")


def _sources() -> Iterator[Source]:
    for fact in (ARITHMETIC, BANDWIDTH, LINKS, LEVEL):
        yield sourced(fact.note, fact)
