"""What is in a request trace: rates, burstiness, lengths, reuse, sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rackline import units
from rackline.decisions import trace_view
from rackline.decisions.answer import Answer, Line, Source
from rackline.decisions.clients import requests_from
from rackline.facts.traces import Trace, summary
from rackline.facts.traces.counting import Counts, cached_tokens, counts, turn_gaps, turns
from rackline.facts.traces.servegen import Population
from rackline.systems.simulation.drawing import at_rate, cut

_PERCENTILES = (10, 50, 90, 95, 99)
_POISSON = (0.8, 1.25)  # coefficients of variation that are called random
_COARSE = 0.1  # share of requests with the stamp of the one before, above which the clock is named as coarse


def answer(q: Any) -> Answer:
    """The summary of a trace; what it does not carry is said, not guessed."""
    trace = _asked(q)
    data = facts(trace)
    return Answer("trace", _headline(trace, data), "derived", trace_view.tables(data), trace_view.plots(trace),
                  tuple(_notes(trace, data)), tuple(_explain(trace, data)),
                  (Source(trace.name, f"{len(trace):,} requests", trace.source, ""),), data=data)


def _asked(q: Any) -> Trace:
    if isinstance(q.file, Population):
        return requests_from(q.file, q.duration, q.rate, q.seed)
    trace = q.file if q.rate is None else at_rate(q.file, q.rate)
    return trace if q.duration is None else cut(trace, seconds=q.duration)


def facts(trace: Trace) -> dict[str, Any]:
    """Every figure of the summary, in SI units; None where the trace does not carry it."""
    arrival = trace.arrival if trace.arrival is not None and trace.arrival[-1] > trace.arrival[0] else None
    bins = {name: None if arrival is None else _bins(counts(arrival, width))
            for name, width in (("per_second", 1.0), ("per_minute", 60.0))}
    minute = bins["per_minute"]
    return summary(trace) | {
        "input_tokens": _lengths(trace.input_tokens), "output_tokens": _lengths(trace.output_tokens),
        "total_tokens": _lengths(trace.input_tokens + trace.output_tokens), **bins,
        "peak_minute_rate": None if minute is None else minute["max"] / 60,
        "gaps": None if arrival is None else _gaps(np.diff(arrival)), "prefix": _prefix(trace), "turns": _turns(trace)}


def _bins(found: Counts) -> dict[str, float]:
    return {"mean": found.mean, "p50": found.percentile(50), "p99": found.percentile(99), "max": found.most,
            "variance_over_mean": found.dispersion}


def _lengths(tokens: np.ndarray) -> dict[str, float]:
    shown = {f"p{p}": float(v) for p, v in zip(_PERCENTILES, np.percentile(tokens, _PERCENTILES), strict=True)}
    return {"total": int(tokens.sum()), "mean": float(tokens.mean()), "min": int(tokens.min()), **shown,
            "max": int(tokens.max())}


def _gaps(gaps: np.ndarray) -> dict[str, float]:
    p50, p99 = np.percentile(gaps, (50, 99))
    return {"mean": float(gaps.mean()), "p50": float(p50), "p99": float(p99), "max": float(gaps.max()),
            "cv": float(gaps.std() / gaps.mean()), "same_stamp": float((gaps == 0).mean())}


def _prefix(trace: Trace) -> dict[str, float] | None:
    cached = cached_tokens(trace)
    if cached is None or trace.prefix is None:
        return None
    distinct = int(np.unique(trace.prefix.values).size)
    return {"block_tokens": trace.block_tokens or 0, "blocks": int(trace.prefix.values.size), "distinct": distinct,
            "cached_tokens": int(cached.sum()), "reuse": float(cached.sum() / trace.input_tokens.sum()),
            "requests_with_reuse": float((cached > 0).mean()), "kept_tokens": distinct * (trace.block_tokens or 0)}


def _turns(trace: Trace) -> dict[str, float | None] | None:
    if trace.session is None:
        return None
    found, gaps = turns(trace.session), turn_gaps(trace)
    return {"sessions": int(found.size), "mean": float(found.mean()), "p50": float(np.median(found)),
            "max": int(found.max()), "requests_of_none": int((trace.session < 0).sum()),
            "gap_p50": float(np.median(gaps)) if gaps.size else None}


def _headline(trace: Trace, data: dict[str, Any]) -> str:
    arrivals = "no arrival times"
    if data["rate"]:
        arrivals = (f"over {units.show(data['span'], 'seconds')}, {data['rate']:.3g} a second"
                    f"{_peak(data)}, {_burstiness(data['gaps'])}")
    elif trace.arrival is not None:
        arrivals = "all at one moment"
    lengths = (f"median prompt {data['input_tokens']['p50']:,.0f} tokens and reply "
               f"{data['output_tokens']['p50']:,.0f}")
    reuse = data["prefix_reuse"]
    tail = "" if reuse is None else f"; a prefix cache without bound serves {units.show(reuse, 'ratio')} of the input"
    return f"{trace.name}: {_counted(len(trace), 'request')}, {arrivals}; {lengths}{tail}."


def _peak(data: dict[str, Any]) -> str:
    """The fullest minute, where there is a whole one."""
    return f" ({data['peak_minute_rate']:.3g} in the fullest minute)" if data["span"] >= 60 else ""


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def _burstiness(gaps: dict[str, float]) -> str:
    cv, (low, high) = gaps["cv"], _POISSON
    name = "evenly spaced" if cv < low else "in bursts" if cv > high else "about at random"
    if gaps["same_stamp"] > _COARSE:
        name = "on a coarse clock"
    return f"{name} (coefficient of variation {cv:.3g})"


def _notes(trace: Trace, data: dict[str, Any]) -> Iterator[str]:
    if trace.arrival is None:
        yield "No arrival times: rates and burstiness cannot be known; a simulation has to draw the arrivals."
    elif data["gaps"] is None:
        yield "All requests arrive at one moment: no rate and no burstiness."
    elif data["gaps"]["same_stamp"] > _COARSE:
        yield (f"{units.show(data['gaps']['same_stamp'], 'ratio')} of the requests carry the stamp of the one before: "
               "the clock is coarse, and makes requests look more bursty than they came.")
    if trace.prefix is None:
        yield "No prefix hashes: how much a prefix cache would serve cannot be known."
    else:
        yield "Reuse is that of a cache without bound, the most that any cache can serve."
    if trace.session is None:
        yield "No sessions: which requests are turns of one conversation cannot be known."
    elif data["turns"]["gap_p50"] is not None:
        yield "The time between turns holds the serving of the earlier turn too, not thinking alone."


def _explain(trace: Trace, data: dict[str, Any]) -> Iterator[Line]:
    if data["rate"]:
        gaps, bins = data["gaps"], data["per_second"]
        yield Line("requests a second", "(requests − 1) / span", f"{len(trace) - 1:,} / {data['span']:.6g} s",
                   data["rate"], "count")
        yield Line("coefficient of variation", "standard deviation of the gaps / their mean",
                   f"{gaps['cv'] * gaps['mean']:.4g} s / {gaps['mean']:.4g} s", gaps["cv"], "count")
        yield Line("dispersion (Poisson: 1)", "variance of the requests in each second / their mean",
                   f"{bins['variance_over_mean'] * bins['mean']:.4g} / {bins['mean']:.4g}", bins["variance_over_mean"],
                   "count")
    if data["prefix"]:
        yield Line("prefix reuse", "Σ min(leading blocks found · block tokens, input) / Σ input",
                   f"{data['prefix']['cached_tokens']:,} / {data['input_tokens']['total']:,}", data["prefix_reuse"],
                   "ratio")
