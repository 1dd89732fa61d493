"""The requests that a question offers to a deployment: a trace as it is, cut, scaled, drawn again, or a closed loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rackline.decisions.clients import with_trace
from rackline.errors import BadInput
from rackline.facts.traces import Trace
from rackline.systems.simulation.arrivals import Gaps, first, steady, stream, within
from rackline.systems.simulation.drawing import arrived, at_rate, continued, cut, made, resampled, scaled
from rackline.systems.simulation.records import Requests
from rackline.systems.simulation.traffic import Turns, closed_loop, requests_of

MADE = 1000  # requests where none of trace, --requests and --duration says how many


@dataclass(frozen=True, eq=False)
class Offered:
    """Requests, the trace they come from, requests a second on average, what was done to it.

    rate is None where requests wait for answers, in a closed loop or in chained sessions.
    """

    requests: Requests
    trace: Trace
    rate: float | None
    how: str
    turns: Turns = "recorded"

    def faster(self, factor: float) -> Offered:
        """The same requests with every gap so many times shorter."""
        trace = scaled(self.trace, factor)
        rate = mean_rate(trace) if self.turns == "recorded" else None
        return replace(self, requests=requests_of(trace, self.turns), trace=trace, rate=rate)


def offered(q: Any) -> Offered:
    """What a question's trace, lengths and options offer; BadInput for options that contradict one another."""
    q = with_trace(q)
    _check(q)
    base = q.trace or _made(q)
    if q.clients is not None:
        base = _counted(q.requests, q.seed, base)
        return Offered(closed_loop(base, q.clients), base, None, f"{q.clients:,} clients in a closed loop")
    kind, gaps = arrivals(q.arrivals)
    if kind == "trace" and base.arrival is not None:
        trace = _recorded(q, base)
        how = "arrivals as recorded" + ", repeated" * (len(trace) > len(base)) + ", scaled" * (q.rate is not None)
    else:
        trace, how = _drawn(q, base, gaps), f"arrivals drawn ({'poisson' if gaps.cv == 1 else q.arrivals})"
    turns = _turns(q, trace, how)
    rate = mean_rate(trace) if turns == "recorded" else None
    return Offered(requests_of(trace, turns), trace, rate, how + _TURNS[turns], turns)


_TURNS = {"recorded": "", "chained": ", each turn of a session after the answer to the one before"}


def _turns(q: Any, trace: Trace, how: str) -> Turns:
    if getattr(q, "turns", "recorded") == "recorded":
        return "recorded"
    if trace.session is None or "drawn" in how:
        raise BadInput("--turns", "can be chained only in a trace with sessions and arrivals as recorded", "chained",
                       "a column session_id says which requests are turns of one conversation")
    return "chained"


def mean_rate(trace: Trace) -> float | None:
    """Requests a second between the first and the last; None where they come at one moment."""
    span = 0.0 if trace.arrival is None else float(trace.arrival[-1] - trace.arrival[0])
    return (len(trace) - 1) / span if span > 0 else None


def arrivals(text: str) -> tuple[str, Gaps]:
    """Whether arrivals are the trace's or drawn, and how gaps vary, from "trace", "poisson" or "gamma:CV"."""
    name, _, number = text.lower().partition(":")
    if name in ("trace", "poisson") and not number:
        return name, Gaps()
    try:
        return {"gamma": "drawn"}[name], Gaps(float(number))
    except (KeyError, ValueError) as error:
        if isinstance(error, BadInput):
            raise BadInput("--arrivals", error.rule, text) from None
    raise BadInput("--arrivals", "must be trace, poisson or gamma:CV", text, "for example gamma:2")


def _check(q: Any) -> None:
    if q.trace is not None and (q.input, q.output) != (None, None):
        raise BadInput("--trace", "brings its own lengths: give no --input or --output", q.trace.name)
    if q.trace is None and q.input is None:
        raise BadInput("simulate", "needs what users send", "no --trace or --input",
                       "for example --trace azure-conv, or --input 4000 --output 500 --rate 2")
    if q.clients is not None and getattr(q, "turns", "recorded") != "recorded":
        raise BadInput("--clients", "send one request after the other: give no --turns", q.clients)
    if q.clients is not None and (q.rate is not None or q.arrivals != "trace" or q.duration is not None):
        raise BadInput("--clients", "send when they have their answer: give no --rate, --arrivals or --duration",
                       q.clients)


def _made(q: Any) -> Trace:
    output = q.output or 1.0
    found = made(stream(q.seed, "lengths"), _count(q, MADE), q.input, output)
    return replace(found, name=f"{q.input:,.0f} tokens in, {output:,.0f} out", source="the user's --input and --output")


def _count(q: Any, otherwise: int) -> int:
    if q.requests is not None:
        return int(q.requests)
    return max(1, round(q.rate * q.duration)) if q.rate is not None and q.duration is not None else otherwise


def _counted(count: int | None, seed: int, trace: Trace) -> Trace:
    n = count or len(trace)
    return cut(trace, n) if n <= len(trace) else continued(trace, stream(seed, "rows"), n)


def _recorded(q: Any, trace: Trace) -> Trace:
    """The trace cut, or repeated, then at the rate asked for: a time at a rate is a number of requests."""
    if q.rate is None:
        return _counted(q.requests, q.seed, trace if q.duration is None else cut(trace, seconds=q.duration))
    return at_rate(_counted(_count(q, len(trace)), q.seed, trace), q.rate)


def _drawn(q: Any, trace: Trace, gaps: Gaps) -> Trace:
    rate = q.rate or mean_rate(trace)
    if rate is None:
        raise BadInput("--rate", "must be given where no arrivals are recorded", f"{trace.name}: lengths only",
                       "or --clients N")
    rng = stream(q.seed, "arrivals")
    at = (first(rng, steady(rate), q.requests or len(trace), gaps) if q.duration is None else
          within(rng, steady(rate), q.duration, gaps)[: q.requests])
    if not at.size:
        raise BadInput("--duration", "must be long enough for one request", f"{q.duration:g} s at {rate:g} a second")
    if at.size > len(trace):
        return resampled(trace, stream(q.seed, "rows"), at)
    return arrived(replace(cut(trace, at.size), arrival=None), at - float(at[0]))


def longest(requests: Requests) -> int:
    """Tokens of the longest request."""
    return int(np.max(requests.input + requests.output))
