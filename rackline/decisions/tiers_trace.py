"""Waiting places under a trace: the best mix, each place alone, times-to-live, and the curves behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rackline import units
from rackline.decisions.answer import Axis, Column, Plot, Series, Table
from rackline.decisions.tier_costs import RECOMPUTE
from rackline.decisions.tier_mix import cost_curve, hit_curve

if TYPE_CHECKING:
    from rackline.decisions.tiers import Traced

_POINTS = 97


def nothing_kept(t: Traced) -> float:
    """Dollars an hour of computing every prompt whole."""
    return float(t.demand.dollars.sum()) * t.demand.hourly


def tables(t: Traced) -> tuple[Table, ...]:
    """The mix, and each place alone."""
    return _mix(t), _alone(t)


def _mix(t: Traced) -> Table:
    columns = (Column("place"), Column("size", "bytes"), Column("KV found there", "ratio"),
               Column("hold, $ an hour", "dollars"), Column("returns, $ an hour", "dollars"),
               Column("together, $ an hour", "dollars"))
    rows = [(s.cost.name, s.bytes, s.found, s.hold, s.returning, s.hold + s.returning) for s in t.mix.shares]
    rest = (RECOMPUTE, float("nan"), 1.0 - t.mix.found, 0.0, t.mix.recompute, t.mix.recompute)
    total = ("all", sum(s.bytes for s in t.mix.shares), 1.0, sum(s.hold for s in t.mix.shares),
             sum(s.returning for s in t.mix.shares) + t.mix.recompute, t.mix.total)
    return Table(f"Best mix under the trace; nothing kept costs {units.show(nothing_kept(t), 'dollars')} an hour",
                 columns, (*rows, rest, total))


def _alone(t: Traced) -> Table:
    columns = (Column("one place alone"), Column("best size", "bytes"), Column("KV found", "ratio"),
               Column("$ an hour", "dollars"), Column("best time-to-live", "seconds"), Column("KV found so", "ratio"),
               Column("$ an hour so", "dollars"))
    rows = tuple((kept.cost.name, one.shares[0].bytes, one.found, one.total, kept.ttl, kept.found, kept.total)
                 for one, kept in zip(t.alone, t.kept, strict=True))
    return Table("Each place alone, by size (least recently used goes) or by time-to-live", columns, rows)


def _sizes(t: Traced) -> np.ndarray:
    finite = t.demand.needed[np.isfinite(t.demand.needed)]
    return np.geomspace(max(1.0, finite.min()), 2.0 * finite.max(), _POINTS) if finite.size else np.array([1.0, 2.0])


def plots(t: Traced) -> tuple[Plot, ...]:
    """Hit rate and cost against size."""
    x = _sizes(t)
    size = Axis("bytes kept", "bytes", log=True)
    hits = Plot("KV found against size (least recently used goes)", size, Axis("share of input KV found", "ratio"),
                (Series("found", x.tolist(), hit_curve(t.demand, x).tolist()),))
    costs = [Series(way.name, x.tolist(), cost_curve(t.demand, way, t.bytes, x).tolist()) for way in t.ways]
    floor = [Series("best mix", [float(x[0]), float(x[-1])], [t.mix.total] * 2)]
    return hits, Plot("Cost against size of one place alone", size, Axis("dollars an hour", "dollars", log=True),
                      (*costs, *floor))


def data(t: Traced) -> dict[str, Any]:
    """The trace's part of --json."""
    x = _sizes(t)
    return {
        "nothing_kept": nothing_kept(t), "span": t.demand.span, "mean_context": t.demand.context,
        "mix": {"total": t.mix.total, "found": t.mix.found, "recompute": t.mix.recompute,
                "places": [{"place": s.cost.name, "bytes": s.bytes, "found": s.found, "hold": s.hold,
                            "returns": s.returning} for s in t.mix.shares]},
        "alone": [{"place": one.shares[0].cost.name, "bytes": one.shares[0].bytes, "found": one.found,
                   "total": one.total, "time_to_live": kept.ttl, "found_with_time_to_live": kept.found,
                   "total_with_time_to_live": kept.total} for one, kept in zip(t.alone, t.kept, strict=True)],
        "hit_curve": {"bytes": x.tolist(), "found": hit_curve(t.demand, x).tolist()}}
