"""Cost per token against context: at every length the best layout and the most users that fit, and what takes long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rackline.decisions.money import dollars_per_million
from rackline.decisions.stepping import CACHE_TERMS, Case, Step
from rackline.facts.fact import Fact
from rackline.systems.layout import Layout
from rackline.systems.placing import layouts, stacked, why_not
from rackline.systems.serving import Server

_GROUP = 128  # layouts timed together
_LASTS = 1.5  # times the context that a stretch must reach to be named
# what can fill a pass; of compute that of attention apart
PARTS = {"weights' arithmetic": "weights_compute", "attention's arithmetic": "attention_compute",
         "KV bandwidth": "cache", "weights read for too few users": "weights", "messages": "network"}
SCORES = (*CACHE_TERMS, "indexer scores")


@dataclass(frozen=True, eq=False)
class Curve:
    """A model's cost against context, arrays of shape (contexts,); infinite where not one sequence fits.

    cost and prefill: dollars per million tokens of output and of prompt; parts: the output's, by what takes the time.
    """

    name: str
    server: Server
    layout: Layout  # of every context, sizes as arrays
    contexts: np.ndarray
    cost: np.ndarray
    prefill: np.ndarray
    users: np.ndarray  # sequences on the whole machine
    tpot: np.ndarray
    parts: Mapping[str, np.ndarray]
    prefill_attention: np.ndarray  # share of attention in a prompt's arithmetic

    def limiter(self, i: int) -> str:
        """What takes longest at one context."""
        if not np.isfinite(self.cost[i]):
            return "capacity"
        return max(self.parts, key=lambda name: float(self.parts[name][i]))

    def over(self, context: float, base: float) -> float:
        """Cost of an output token at one context over that at another, between points by ratio."""
        with np.errstate(invalid="ignore"):
            ends = [float(np.exp(np.interp(np.log(x), np.log(self.contexts), np.log(self.cost)))) for x in
                    (context, base)]
        return ends[0] / ends[1]


def curve(name: str, server: Server, price: Fact, contexts: np.ndarray) -> Curve:
    """The curve of one model on one machine."""
    model, machine = server.model, server.machine
    fitting = [x for x in layouts(model, machine) if not why_not(model, machine, x, float(contexts[0]), server.usable)]
    fitting = _busy(fitting, machine.chips)
    best = {kind: np.full(contexts.size, np.inf) for kind in ("decode", "prefill")}
    chosen = {kind: np.zeros(contexts.size, dtype=int) for kind in best}
    for start in range(0, len(fitting), _GROUP):
        group = fitting[start : start + _GROUP]
        for kind in best:
            found = _costs(Case(server, stacked(group), kind, 0.0, price), contexts)
            least, at = found.min(axis=0), found.argmin(axis=0) + start
            better = least < best[kind]
            best[kind], chosen[kind] = np.where(better, least, best[kind]), np.where(better, at, chosen[kind])
    if not fitting:
        fitting = [Layout()]
    return _described(name, Case(server, Layout(), "decode", 0.0, price), contexts, fitting, best, chosen)


def _busy(fitting: list[Layout], chips: int) -> list[Layout]:
    """Layouts that leave few chips idle: the others only cost more."""
    return [x for x in fitting if x.chips >= 8 / 9 * chips]


def _costs(case: Case, contexts: np.ndarray) -> np.ndarray:
    """Dollars per million tokens, shape (layouts, contexts), with the most sequences that fit, or one prompt a rank.

    The chunks of one prompt fill all stages of a pipeline.
    """
    most = case.largest_batch(contexts)
    decoding = case.kind == "decode"
    batch = np.maximum(1.0, most) if decoding else case.unit * np.ones_like(most)
    cost = case.cost(case.step(batch, contexts).time, batch, contexts)
    return np.where(most >= (1.0 if decoding else case.layout.data), cost, np.inf)


def _described(name: str, case: Case, contexts: np.ndarray, fitting: list[Layout],
               best: Mapping[str, np.ndarray], chosen: Mapping[str, np.ndarray]) -> Curve:
    """The curve with its parts, from the chosen layout of every context."""
    own = replace(case, layout=_picked(fitting, chosen["decode"]))
    batch = np.maximum(1.0, own.largest_batch(contexts))
    step = own.step(batch, contexts)
    scale = dollars_per_million(case.price.value, case.server.machine.chips, 1.0) / (batch * own.layout.replicas)
    fits = np.isfinite(best["decode"])
    parts = {part: np.where(fits, seconds * scale, np.nan) for part, seconds in _parts(step).items()}
    prompts = replace(case, kind="prefill", layout=_picked(fitting, chosen["prefill"]))
    prompt = _parts(prompts.step(prompts.unit, contexts))
    attention = prompt["attention's arithmetic"]
    share = attention / (attention + prompt["weights' arithmetic"])
    return Curve(name, case.server, own.layout, contexts, best["decode"], best["prefill"],
                 np.where(fits, batch * own.layout.replicas, 0.0), np.where(fits, step.time, np.inf), parts, share)


def _picked(fitting: list[Layout], chosen: np.ndarray) -> Layout:
    """The layouts of every context as one whose sizes are arrays of shape (contexts,)."""
    column = lambda name: np.array([getattr(fitting[i], name) for i in chosen])  # noqa: E731
    return Layout(*(column(n) for n in ("tensor", "data", "context", "pipeline", "expert", "replicas")))


def _parts(step: Step) -> dict[str, np.ndarray]:
    attention = sum((np.asarray(t.compute) for name, t in step.terms.items() if name.endswith(SCORES)), start=0.0)
    whole = {"weights_compute": step.compute - attention, "attention_compute": attention, "cache": step.cache,
             "weights": step.weights, "network": step.network}
    return {name: np.asarray(whole[part]) for name, part in PARTS.items()}


def stretches(found: Curve) -> list[tuple[str, float]]:
    """What takes longest, each with the context from which it does; what only flickers up is left out."""
    result: list[tuple[str, float]] = []
    for i, context in enumerate(found.contexts):
        limiter = found.limiter(i)
        if not result or result[-1][0] != limiter:
            result.append((limiter, float(context)))
    ends = [*(start for _, start in result[1:]), float(found.contexts[-1])]
    lasting = [one for one, end in zip(result, ends, strict=True) if end >= _LASTS * one[1] or one == result[-1]]
    return [one for i, one in enumerate(lasting) if i == 0 or lasting[i - 1][0] != one[0]]


def quadratic(found: Curve) -> float:
    """The length from which a prompt's attention takes more arithmetic than its weights; infinite for none."""
    above = np.flatnonzero(found.prefill_attention >= 0.5)
    if not above.size:
        return float("inf")
    if above[0] == 0:
        return float(found.contexts[0])
    share, x = found.prefill_attention[above[0] - 1 : above[0] + 1], found.contexts[above[0] - 1 : above[0] + 1]
    return float(np.exp(np.interp(0.5, share, np.log(x))))


def longest(found: Curve) -> float:
    """The longest context of the curve of which one sequence fits; zero for none."""
    fits = np.isfinite(found.cost)
    return float(found.contexts[fits].max()) if fits.any() else 0.0


def reaches(found: Curve, multiple: float) -> float:
    """The context at which an output token costs so many times what it does at the shortest; infinite for none."""
    ratio = found.cost / found.cost[0]
    at = np.flatnonzero(ratio >= multiple)
    if not at.size or at[0] == 0:
        return float("inf") if not at.size else float(found.contexts[0])
    low, high = at[0] - 1, at[0]
    if not np.isfinite(ratio[high]):
        return float("inf")
    share = np.log(multiple / ratio[low]) / np.log(ratio[high] / ratio[low])
    return float(np.exp(np.log(found.contexts[low]) + share * np.log(found.contexts[high] / found.contexts[low])))
