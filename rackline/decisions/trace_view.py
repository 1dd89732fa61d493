"""The tables and plots of a trace's summary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions.answer import Axis, Column, Plot, Series, Table
from rackline.facts.traces import Trace
from rackline.facts.traces.counting import cached_tokens

_LENGTHS = ("mean", "min", "p10", "p50", "p90", "p95", "p99", "max", "total")
_BINS = 60  # of the plot of rates
_POINTS = 200  # of a curve of lengths
_STEPS = 40  # of the curve of reuse


def tables(data: dict[str, Any]) -> tuple[Table, ...]:
    """Lengths, and of arrivals, reuse and sessions what the trace carries; data: as trace.facts gives it."""
    return tuple(_tables(data))


def _tables(data: dict[str, Any]) -> Iterator[Table]:
    yield _table("Lengths", "tokens", "tokens", _LENGTHS,
                 {name: data[f"{name}_tokens"] for name in ("input", "output", "total")})
    if data["gaps"]:
        rows = {"second": data["per_second"], "minute": data["per_minute"]}
        yield _table("Requests in each", "time", "count", ("mean", "p50", "p99", "max", "variance_over_mean"), rows)
        columns = (*(Column(name, "seconds") for name in ("mean", "p50", "p99", "max")),
                   Column("coefficient of variation", "count"))
        yield Table("Between two requests", columns,
                    (tuple(data["gaps"][name] for name in ("mean", "p50", "p99", "max", "cv")),))
    if data["prefix"]:
        yield _reuse(data["prefix"])
    if data["turns"]:
        yield _sessions(data["turns"])


def _table(title: str, first: str, unit: str, names: tuple[str, ...], rows: dict[str, dict[str, float]]) -> Table:
    columns = (Column(first), *(Column(name.replace("_", " "), unit) for name in names))
    return Table(title, columns, tuple((row, *(values[name] for name in names)) for row, values in rows.items()))


def _reuse(prefix: dict[str, float]) -> Table:
    columns = (Column("input reused", "ratio"), Column("tokens", "tokens"), Column("requests that reuse", "ratio"),
               Column("tokens a block", "tokens"), Column("blocks", "count"), Column("distinct", "count"),
               Column("tokens a cache holds at the end", "tokens"))
    names = ("reuse", "cached_tokens", "requests_with_reuse", "block_tokens", "blocks", "distinct", "kept_tokens")
    return Table("Prefix reuse with a cache without bound", columns, (tuple(prefix[name] for name in names),))


def _sessions(turns: dict[str, float | None]) -> Table:
    columns = (Column("sessions", "count"), Column("turns, mean", "count"), Column("p50", "count"),
               Column("max", "count"), Column("p50 between turns", "seconds"), Column("requests of none", "count"))
    names = ("sessions", "mean", "p50", "max", "gap_p50", "requests_of_none")
    return Table("Sessions", columns, (tuple(turns[name] for name in names),))


def plots(trace: Trace) -> tuple[Plot, ...]:
    """Rate over time, lengths as shares below, reuse as the cache fills: what the trace carries of them."""
    return tuple(_plots(trace))


def _plots(trace: Trace) -> Iterator[Plot]:
    arrival = trace.arrival if trace.arrival is not None and trace.arrival[-1] > trace.arrival[0] else None
    if arrival is not None:
        yield _rate(arrival)
    yield _shares(trace)
    cached = cached_tokens(trace)
    if cached is not None:
        yield _reuse_plot(trace, cached, arrival)


def _rate(arrival: np.ndarray) -> Plot:
    found, edges = np.histogram(arrival, bins=min(_BINS, max(8, arrival.size // 20)))
    width, span = float(edges[1] - edges[0]), float(arrival[-1])
    x, y = np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(found / width, 2), [0.0]])
    mean = (arrival.size - 1) / span
    return Plot("Requests over time", Axis("time from the first request", "seconds"), Axis("requests a second"),
                (Series(f"in steps of {units.show(width, 'seconds')}", x.tolist(), y.tolist()),
                 Series("mean", [0.0, span], [mean, mean])))


def _shares(trace: Trace) -> Plot:
    share = np.linspace(0.0, 1.0, _POINTS)
    lengths = {"input": trace.input_tokens, "output": trace.output_tokens}
    return Plot("Lengths", Axis("tokens of a request", "tokens", log=True), Axis("requests at or below", "ratio"),
                tuple(Series(name, np.quantile(tokens, share).tolist(), share.tolist())
                      for name, tokens in lengths.items()))


def _reuse_plot(trace: Trace, cached: np.ndarray, arrival: np.ndarray | None) -> Plot:
    """Share of the input served, so far and in each of some steps of equally many requests."""
    ends = np.unique(np.linspace(0, len(trace), min(_STEPS, len(trace)) + 1).astype(int))[1:]
    served, asked = np.cumsum(cached)[ends - 1], np.cumsum(trace.input_tokens)[ends - 1]
    x = ends.astype(float) if arrival is None else arrival[ends - 1]
    axis = Axis("requests so far") if arrival is None else Axis("time from the first request", "seconds")
    step = np.diff(served, prepend=0) / np.diff(asked, prepend=0)
    return Plot("Reuse as a cache without bound fills", axis, Axis("input tokens served from the cache", "ratio"),
                (Series("so far", [0.0, *x.tolist()], [0.0, *(served / asked).tolist()]),
                 Series(f"each {len(trace) / len(ends):,.0f} requests", x.tolist(), step.tolist(), marks=True)))
