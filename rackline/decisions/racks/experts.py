"""Experts on chips: how loads differ, what copies of hot experts mend, and who sends how much to whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rackline.decisions.answer import Axis, Column, Heat, Line, Plot, Series, Table
from rackline.decisions.equations import line
from rackline.decisions.racks.case import MOST_TOKENS, Case, Part
from rackline.errors import BadInput
from rackline.facts.formats import bytes_per_number
from rackline.facts.model import FeedForward
from rackline.physics import experts as exact
from rackline.systems import routing
from rackline.systems.ledger import ACTIVATION_BYTES
from rackline.systems.routing import Placement
from rackline.systems.simulation.arrivals import stream

_SHOWN = 48  # chips a side of the traffic matrix, beyond which neighbours are added up


@dataclass(frozen=True)
class Placed:
    """One way to place the experts: loads of chips expected and drawn (shape (chips,)), over the mean of all chips."""

    name: str
    placement: Placement
    expected: float  # busiest over mean, mean over layers
    worst: float  # the same in the layer where it is worst
    drawn: float
    visits: np.ndarray  # drawn, shape (chips, slots)


@dataclass(frozen=True)
class Spread:
    """What was placed: the routed layer, chips, tokens drawn, every way, and the traffic of the last one."""

    moe: FeedForward
    chips: int
    tokens: int
    ways: tuple[Placed, ...]
    matrix: np.ndarray  # copies of tokens from chip to chip
    destinations: float  # chips that a token reaches, counted
    token_bytes: float  # that one copy takes on its way out

    @property
    def last(self) -> Placed:
        """The way with the copies asked for."""
        return self.ways[-1]


def part(case: Case) -> Part:
    """The subject; BadInput for a dense model."""
    found = spread(case)
    return Part(_sentence(case, found), (_table(case, found), _traffic_table(case, found)),
                (_experts_plot(found), _loads_plot(found), _traffic_plot(case, found)), tuple(_notes(case, found)),
                tuple(_explain(found)), data=_data(case, found))


def spread(case: Case) -> Spread:
    """Experts placed in every way, tokens drawn and counted; BadInput for a dense model or no chips to deal over."""
    moe = _routed(case)
    chips = case.question.over or min(case.spread, moe.experts)
    if chips > min(case.machine.chips, moe.experts):
        raise BadInput("--over", f"must be at most the machine's {case.machine.chips} chips and the model's "
                       f"{moe.experts} experts", chips)
    layers = [routing.chances(row, moe.top_k) for row in _popularity(case, moe)]
    tokens = min(int(case.batch) * chips, MOST_TOKENS)
    hits = routing.drawn(stream(case.question.seed, "routing"), layers[0], tokens)
    ways = tuple(_placed(name, layers, hits, place) for name, place in _ways(case, moe, chips, layers))
    visited = routing.visits(hits, ways[-1].placement)
    stored = bytes_per_number(case.some_model.formats["experts"])
    size = moe.expert_matrices[0].inputs * min(ACTIVATION_BYTES, max(1.0, stored))
    return Spread(moe, chips, tokens, ways, routing.traffic(visited), float(visited.any(axis=2).sum(axis=1).mean()),
                  size)


def _popularity(case: Case, moe: FeedForward) -> np.ndarray:
    """Popularity by expert, shape (layers, experts); a rule's ranks go to experts at random, a file's as counted."""
    asked = case.question.routing
    found = asked.popularity(moe.experts)
    return found if asked.counts is not None else found[:, stream(case.question.seed, "ranks").permutation(moe.experts)]


def _routed(case: Case) -> FeedForward:
    if case.moe is None:
        raise BadInput("--about experts", "needs a model with routed experts", case.some_model.name)
    return case.moe


def _ways(case: Case, moe: FeedForward, chips: int, layers: list[np.ndarray]) -> Iterator[tuple[str, list[Placement]]]:
    """Names and the placement of every layer; layers differ, so each is packed by its own load."""
    yield "dealt out in order", [routing.dealt(moe.experts, chips)] * len(layers)
    yield "packed by load", [routing.replicated(load, chips) for load in layers]
    copies = case.question.replicate
    if copies:
        yield f"packed, {copies} copies of hot experts", [routing.replicated(load, chips, copies) for load in layers]


def _placed(name: str, layers: list[np.ndarray], hits: np.ndarray, placements: list[Placement]) -> Placed:
    each = [routing.imbalance(routing.expected_load(chance, placement))
            for chance, placement in zip(layers, placements, strict=True)]
    seen = routing.visits(hits, placements[0]).sum(axis=0)
    return Placed(name, placements[0], float(np.mean(each)), max(each), routing.imbalance(seen.sum(axis=1)), seen)


def _sentence(case: Case, s: Spread) -> str:
    first, last = s.ways[0], s.last
    return (f"{s.moe.experts} experts of {case.some_model.name} on {s.chips} chips, {case.question.routing.name} "
            f"routing: the busiest chip has {first.drawn:.3g}× the mean load dealt out in order, {last.drawn:.3g}× "
            f"{last.name}; a token reaches {s.destinations:.3g} chips.")


def _table(case: Case, s: Spread) -> Table:
    columns = (Column("placement"), Column("slots a chip", "count"), Column("more memory", "ratio"),
               Column("busiest / mean, expected", "count"), Column("in the worst layer", "count"),
               Column("of one step drawn", "count"), Column("experts' work lost to it", "ratio"))
    rows = tuple((w.name, w.placement.slots.shape[1], (w.placement.slots >= 0).sum() / s.moe.experts - 1.0, w.expected,
                  w.worst, w.drawn, 1.0 - 1.0 / w.drawn) for w in s.ways)
    return Table(f"{s.moe.experts} experts on {s.chips} chips, {s.tokens:,} tokens of {s.moe.top_k} experts each",
                 columns, rows)


def _traffic_table(case: Case, s: Spread) -> Table:
    node = case.machine.node or min(8, s.chips)
    hit = float(exact.chips_hit(s.chips, s.moe.experts, s.moe.top_k))
    nodes = -(-s.chips // node)
    rows: list[tuple] = [
        ("a copy for each expert", float(s.moe.top_k), s.moe.top_k * s.token_bytes),
        ("one copy a chip, counted here", s.destinations, s.destinations * s.token_bytes),
        ("one copy a chip, uniform, expected", hit, hit * s.token_bytes)]
    if nodes > 1:
        known = {"nodes": float(nodes), "experts": float(s.moe.experts), "k": float(s.moe.top_k)}
        free = float(exact.chips_hit(known["nodes"], known["experts"], known["k"]))
        rows.append((f"one copy a node of {node} chips", free, free * s.token_bytes))
        limit = s.moe.top_groups if s.moe.groups > 1 else 4
        if limit < nodes:
            few = float(exact.nodes_hit_limited(**known, limit=float(limit)))
            rows.append((f"the same, router limited to {limit} nodes", few, few * s.token_bytes))
    columns = (Column("one token on its way to the experts"), Column("copies", "count"), Column("bytes", "bytes"))
    return Table("Copies that a token sends (its own chip counted)", columns, tuple(rows))


def _experts_plot(s: Spread) -> Plot:
    grid = s.last.visits.T.astype(float).tolist()
    return Plot(f"Experts on chips, {s.last.name}: one step", Axis("chip"),
                Axis("place on the chip"), (), heat=Heat(grid, "tokens"))


def _loads_plot(s: Spread) -> Plot:
    chips = np.arange(1, s.chips + 1)
    lines = tuple(Series(w.name, chips.tolist(), _sorted_load(w).tolist()) for w in s.ways)
    return Plot("Load of every chip, the busiest first", Axis("chip, by load"), Axis("load / mean"), lines)


def _sorted_load(way: Placed) -> np.ndarray:
    load = way.visits.sum(axis=1)
    return np.sort(load)[::-1] / load.mean()


def _traffic_plot(case: Case, s: Spread) -> Plot:
    group = -(-s.chips // _SHOWN)
    at = np.arange(0, s.chips, group)
    added = np.add.reduceat(np.add.reduceat(s.matrix, at, axis=0), at, axis=1) * s.token_bytes
    who = "chip" if group == 1 else f"group of {group} chips"
    return Plot(f"Traffic of one dispatch, {case.question.routing.name} routing", Axis(f"to {who}"),
                Axis(f"from {who}"), (), heat=Heat(added.tolist(), "bytes", "bytes"))


def _notes(case: Case, s: Spread) -> Iterator[str]:
    yield (f"Tokens are drawn with seed {case.question.seed}, {s.moe.top_k} different experts each, with the chances "
           "of the routing; of a file with several layers the first is drawn and pictured, all are balanced. Even "
           "uniform routing is uneven in one step: a small batch has a busiest chip.")
    yield ("Copies: the expert with the most load a copy gets the next one, then the heaviest copy goes to the least "
           "busy chip with a free slot; a token's visits take the copies in turn.")
    asked = case.batch * s.chips
    if asked > s.tokens:
        yield f"Of {asked:,} tokens a step {s.tokens:,} are drawn; with all of them loads differ less."


def _explain(s: Spread) -> Iterator[Line]:
    many = {"experts": float(s.moe.experts), "chips": float(s.chips)}
    yield line("experts on the fullest chip, dealt out evenly", exact.experts_on_busiest_chip, "count", **many)
    yield line("chips that would do as well", exact.chips_that_suffice, "count", **many)
    yield line("distinct chips that a token reaches, uniform", exact.chips_hit, "count", **many, k=float(s.moe.top_k))
    last = s.last.visits.sum(axis=1)
    yield Line("load of the busiest chip, drawn", "max(visits)/mean(visits)", f"{last.max():,} / {last.mean():,.4g}",
               s.last.drawn, "count")
    yield line("bytes of one token's copies", exact.dispatch_bytes, "bytes", copies=s.destinations,
               width=float(s.moe.expert_matrices[0].inputs), wire=s.token_bytes / s.moe.expert_matrices[0].inputs)


def _data(case: Case, s: Spread) -> dict:
    return {"chips": s.chips, "experts": s.moe.experts, "top_k": s.moe.top_k, "tokens": s.tokens,
            "routing": case.question.routing.name, "destinations": s.destinations, "token_bytes": s.token_bytes,
            "placements": [{"name": w.name, "imbalance_expected": w.expected, "imbalance_worst_layer": w.worst,
                            "imbalance_drawn": w.drawn, "slots": w.placement.slots.tolist()} for w in s.ways],
            "traffic_copies": s.matrix.tolist(), "sent_bytes": float((s.matrix.sum() - np.trace(s.matrix))
                                                                     * s.token_bytes)}
