"""The ledger and a clock reduced to coefficients, by probing them: a pass then costs a few multiplications a term."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rackline.errors import BadInput
from rackline.facts.machine import Machine
from rackline.facts.model import Attention, Model
from rackline.systems.clock import Clock, PassTime
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.passes import Part, Pass
from rackline.systems.simulation.features import (
    FIRST,
    LATENT,
    PAIRS,
    PICKED,
    READ,
    Coefficients,
    Feature,
    amount,
    pass_seconds,
    rank_share,
)
from rackline.systems.simulation.records import Deployment

EXACT = 1e-9  # relative difference of a compiled pass from the ledger's
SAME = 1e-11  # relative difference below which two coefficients are one
Piece = tuple[int, int, int]  # new tokens, cached tokens before them, logits of one sequence


@dataclass(frozen=True)
class CompiledClock:
    """Seconds of any pass of one deployment on one pipeline stage: features, coefficients, data ranks."""

    features: tuple[Feature, ...]
    coefficients: Coefficients
    data: int

    def seconds(self, pieces: Sequence[Piece]) -> float:
        """Seconds of a pass over sequences given one by one."""
        return self.at(self.totals(pieces))

    def totals(self, pieces: Sequence[Piece]) -> list[float]:
        """Sums over a pass: sequences, new tokens, logits, then the features."""
        sums = [float(len(pieces)), 0.0, 0.0] + [0.0] * len(self.features)
        for new, past, logits in pieces:  # one by one: sum() of floats rounds otherwise in newer Pythons
            for i, value in enumerate((new, logits, *(amount(f, new, past) for f in self.features)), start=1):
                sums[i] += value
        return sums

    def at(self, totals: Sequence[float]) -> float:
        """Seconds of a pass with these sums."""
        share = rank_share(totals[0], self.data)
        x = np.array([1.0, *(share * t for t in totals)])
        return float(pass_seconds(self.coefficients, x, int(totals[1])))


def of_one_rank(clock: CompiledClock) -> CompiledClock:
    """The clock of one data rank's own pass, beside others as full as it.

    Ignores: that experts of a group serve the tokens of ranks that are less full.
    """
    coefficients = clock.coefficients
    table = np.ascontiguousarray(coefficients.table[:, ::clock.data])
    return replace(clock, coefficients=coefficients._replace(table=table), data=1)


@dataclass(frozen=True)
class _Term:
    """One term of a clock in the making; arrays as in Coefficients, `table` of shape (tokens + 1,) or None."""

    compute: np.ndarray
    memory: np.ndarray
    network: np.ndarray
    floor: float = 0.0
    table: np.ndarray | None = None


@dataclass(frozen=True)
class _Probe:
    """What is probed, and with what: one array per field of a Part."""

    model: Model
    machine: Machine
    layout: Layout
    clock: Clock
    features: tuple[Feature, ...]

    def timed(self, *parts: Part) -> PassTime:
        return self.clock(ledger(self.model, self.layout, Pass(parts)), self.machine)


def compile_clock(deployment: Deployment, most: int, layout: Layout | None = None) -> CompiledClock:
    """The deployment's clock for passes of at most `most` new tokens, of its layout or of another (its prefill pool's).

    Imbalance: routed experts are timed as if the pass had so many times its tokens, the busiest group's.
    Errors: BadInput for a clock that is not affine in what a pass does, but for experts touched and latent attention.
    """
    layout = layout or deployment.layout
    probe = _Probe(deployment.model, deployment.machine, layout, deployment.clock, features_of(deployment.model))
    terms = [*_affine_terms(probe), *_expert_terms(probe, most, deployment.imbalance)]
    compiled = CompiledClock(probe.features, _coefficients(terms, FIRST + len(probe.features)), int(layout.data))
    if deployment.imbalance == 1.0:
        _check(probe, compiled, most)
    return compiled


def features_of(model: Model) -> tuple[Feature, ...]:
    """The distinct features on which the time of the model's passes depends."""
    return tuple(dict.fromkeys(f for a, _ in model.attentions() for f in _attention_features(a)))


def _attention_features(a: Attention) -> Iterable[Feature]:
    if a.kv_heads:
        reach = a.top_k or a.window or 0
        if a.expanded_width:
            yield Feature(LATENT, reach, float(a.score_width * a.heads), float(a.expanded_width * a.heads),
                          float(a.expansion))
        else:
            yield Feature(PAIRS, reach)
        yield Feature(PICKED, a.top_k) if a.top_k else Feature(READ, a.window - 1 if a.window else 0)
    if a.indexer and not a.indexer.shared:
        yield Feature(PAIRS, 0)
        yield Feature(READ, 0)


# ---- probing


def _is_expert(name: str) -> bool:
    return name.startswith("experts.")


def _affine_terms(probe: _Probe) -> Iterable[_Term]:
    pieces = _probing_pieces(probe.features)
    scale = np.array([1.0, 64.0] * len(pieces)) * float(probe.layout.data)
    new, past, logits = (np.repeat(np.array(column), 2).astype(float) for column in zip(*pieces, strict=True))
    timed = probe.timed(Part(scale, new, past, logits))
    x = _feature_rows(probe.features, np.repeat(np.array(pieces), 2, axis=0), scale / float(probe.layout.data))
    for name, term in timed.terms.items():
        if not _is_expert(name):
            yield _Term(_fitted(x, term.compute), _fitted(x, term.memory), _fitted(x, term.network))
    none = np.zeros(x.shape[1])
    rest = timed.time - sum((t.time for t in timed.terms.values()), start=0.0)
    yield _Term(none, none, _fitted(x, np.where(np.abs(rest) > SAME * timed.time, rest, 0.0)))


def _probing_pieces(features: Sequence[Feature]) -> list[Piece]:
    reaches = {f.reach for f in features if f.reach}
    pasts = sorted({0, 1, 300, 3000, 40000} | {r // 2 for r in reaches} | {2 * r + 1 for r in reaches})
    return [(0, 0, 0), (0, 0, 1)] + [(new, past, 1) for new in (1, 512, 4096) for past in pasts]


def _feature_rows(features: Sequence[Feature], pieces: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Feature vectors of passes of `scale` equal sequences each, shape (passes, k)."""
    counts = [[1.0, float(new), float(logits), *(amount(f, int(new), int(past)) for f in features)]
              for new, past, logits in pieces.tolist()]
    return np.column_stack([np.ones(len(scale)), np.array(counts) * scale[:, None]])


def _fitted(x: np.ndarray, values: object) -> np.ndarray:
    """Coefficients with x @ coefficients == values, relative errors weighing alike; zero where they do not matter."""
    y = np.broadcast_to(np.asarray(values, dtype=float), x.shape[:1])
    size = np.abs(y).max()
    if size == 0.0:
        return np.zeros(x.shape[1])
    weight = 1.0 / np.maximum(np.abs(y), 1e-6 * size)
    rows = x * weight[:, None]
    column = np.abs(rows).max(axis=0)
    found = np.linalg.lstsq(rows / column, y * weight, rcond=None)[0]
    return np.where(np.abs(found) > 1e-10, found / column, 0.0)


def _expert_terms(probe: _Probe, most: int, imbalance: float) -> Iterable[_Term]:
    """Routed experts depend on tokens alone: compute has a floor, memory follows the experts touched."""
    if not any(f.experts for f, _ in probe.model.feed_forwards()):
        return
    data, tokens = float(probe.layout.data), np.arange(1.0, most + 1.0) * imbalance
    by_tokens = probe.timed(Part(data, tokens / data, 0.0, 0.0))
    few, some, many = (probe.timed(Part(data, n, 0.0, 0.0)) for n in (1e-9, 1e6, 3e6))
    for name, term in by_tokens.terms.items():
        if not _is_expert(name):
            continue
        k = FIRST + len(probe.features)
        lines = [_line(getattr(some.terms[name], r), getattr(many.terms[name], r), imbalance, k)
                 for r in ("compute", "network")]
        table = np.concatenate([[0.0], np.broadcast_to(np.asarray(term.memory, dtype=float), tokens.shape)])
        yield _Term(lines[0], np.zeros(k), lines[1], float(few.terms[name].compute), table if table.any() else None)


def _line(at_1e6: float, at_3e6: float, imbalance: float, k: int) -> np.ndarray:
    """Coefficients of a line in tokens through two points; what is lost to rounding of a constant is cut off."""
    line = np.zeros(k)
    slope = (float(at_3e6) - float(at_1e6)) / 2e6
    constant = float(at_1e6) - 1e6 * slope
    line[0] = constant if abs(constant) > 1e-12 * abs(at_1e6) else 0.0
    line[2] = slope * imbalance
    return line


def _check(probe: _Probe, compiled: CompiledClock, most: int) -> None:
    """Compares passes of decode and chunks, not used in fitting, with the ledger's."""
    i = np.arange(24)
    batch = np.maximum(1, np.minimum(1 + 7 * i, most))
    chunk = np.minimum(1 + 97 * i, most - batch)
    parts = (Part(batch, 1.0, 17.0 + 911 * i), Part((chunk > 0) * 1.0, chunk * 1.0, 53.0 * i))
    timed = np.broadcast_to(probe.timed(*parts).time, i.shape)
    for at in range(len(i)):
        decoding = np.array(compiled.totals([(1, 17 + 911 * at, 1)])) * batch[at]
        prompt = compiled.totals([(int(chunk[at]), 53 * at, 1)] * int(chunk[at] > 0))
        own = compiled.at(decoding + np.array(prompt))
        if abs(own - timed[at]) > EXACT * timed[at]:
            raise BadInput("clock", "must be affine in the tokens, sequences and cache of a pass",
                           f"{timed[at]:.9g} s where its line gives {own:.9g} s")


# ---- merging


def _coefficients(terms: Sequence[_Term], k: int) -> Coefficients:
    """Terms with one limiter at all passes are summed, proportional ones become one."""
    linear = np.zeros(k)
    bent: list[_Term] = []
    for term in terms:
        linear = linear + term.network
        plain = term.table is None and term.floor == 0.0
        if plain and _dominates(term.memory, term.compute):
            linear = linear + term.memory
        elif plain and _dominates(term.compute, term.memory):
            linear = linear + term.compute
        else:
            bent = _merged(bent, term)
    tables = [t.table for t in bent if t.table is not None]
    rows = np.cumsum([t.table is not None for t in bent]) - 1
    return Coefficients(
        np.array([t.compute for t in bent]).reshape(-1, k), np.array([t.memory for t in bent]).reshape(-1, k),
        np.array([t.floor for t in bent], dtype=float),
        np.array([row if t.table is not None else -1 for t, row in zip(bent, rows, strict=True)], dtype=np.int64),
        np.array(tables) if tables else np.zeros((0, 1)), linear)


def _dominates(more: np.ndarray, less: np.ndarray) -> bool:
    return bool(np.all(more >= less) and np.all(less >= 0.0))


def _merged(bent: list[_Term], term: _Term) -> list[_Term]:
    for i, other in enumerate(bent):
        ratio = _ratio(term, other)
        if ratio is not None:
            whole = 1.0 + ratio
            table = None if other.table is None else other.table * whole
            one = _Term(other.compute * whole, other.memory * whole, other.network, other.floor * whole, table)
            return [*bent[:i], one, *bent[i + 1:]]
    return [*bent, term]


def _ratio(term: _Term, other: _Term) -> float | None:
    """By how much all of a term's coefficients are another's; None if they are not in proportion."""
    mine, others = _all_numbers(term), _all_numbers(other)
    if mine.shape != others.shape or others.sum() == 0.0:
        return None
    ratio = float(mine.sum() / others.sum())
    return ratio if np.allclose(mine, ratio * others, rtol=SAME * 100, atol=0.0) else None


def _all_numbers(term: _Term) -> np.ndarray:
    table = np.zeros(0) if term.table is None else term.table
    return np.concatenate([term.compute, term.memory, [term.floor], table])
