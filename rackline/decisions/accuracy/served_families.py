"""Families of serving engines' rows: which coefficients they have, where a fit starts, and the terms of each sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.served_samples import COLUMNS
from rackline.systems.calibrated import FAMILY as PACE
from rackline.systems.calibrated import FIRST, LOW, MILLI, PROMPTS
from rackline.systems.logfit import Smooth, Terms
from rackline.systems.parts import MICRO, PARTS, PHYSICAL

FIRST_FAMILIES = (FIRST, "ttft apart")
ENGINES = ("vllm", "sglang", "tensorrt-llm")
BURST = 20.0  # a burst of c clients waits (c - 1)/2 prompts on average, and is one tenth of the requests measured
SERIES_POWER = 0.5  # a series' rows count as much as so large a power of their number, beside those of the others
LOOSE, FIRM = 0.02, 2.0  # how hard a coefficient is held at its start, in rows; one that a group deviates by
# how residuals of one series go together: spreads of logarithms
OTHER = Smooth(0.25, 0.15, 0.15, 0.10, 0.05)
SMOOTH = {PACE: Smooth(0.12, 0.12, 0.12, 0.05, 0.04),
          **dict.fromkeys(FIRST_FAMILIES, Smooth(0.35, 0.25, 0.25, 0.15, 0.08))}


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Names of a family's coefficients; logarithms where they start and of the least they may be; how hard held."""

    names: tuple[str, ...]
    start: np.ndarray
    least: np.ndarray
    hold: np.ndarray


# ---- what there is to fit

# an efficiency over what micro-benchmarks reach, microseconds, or bytes of activations; deviations start at one
_TOKEN = {"weights": 1.25, "experts": 1.25, "cache": 1.25, "compute": 1.25, "network": 1.25, "message": 5.0, "hop": 5.0,
          "layer": 10.0, "pick": 5.0, "token": 30.0, "routed": 5.0, "sequence": 5.0}
_PROMPT = {"prompt weights": 1.0}
_LAYERS = {f"layer {engine}": 1.0 for engine in ENGINES}
_LOW = {"weights in 4 bits": 1.0, "experts in 4 bits": 1.0, "token in 4 bits": 1.0}
_FIRST = {"products": 1.8, "grouped": 2.5, "scores": 2.0, "network": 1.2, "token": 30.0, "routed": 10.0, "layer": 150.0,
          "pick": 20.0, "pass": 1.0, "start": 10.0, "burst": 1.2, "queue": 2.0, "client": 300.0, "memory": 0.7}
_OWN = {f"{what} {engine}": 1.0 for what in ("work", "launch", "burst", "client") for engine in ENGINES}
_FORMATS = {f"{what} in {name}": 1.0 for what in ("products", "grouped") for name in ("4 bits", "fp8")}
# held firmly at their starts: they say by how much a group deviates, or how much of a common time counts
_HELD = {*_PROMPT, *_LAYERS, *_LOW, *_OWN, *_FORMATS}
_WAITS = ("pass", "start", "burst", "queue", "client", "memory")
STARTS: dict[str, dict[str, float]] = {
    PACE: _TOKEN | _PROMPT | _LOW | _LAYERS, "queued": _TOKEN | _PROMPT | _LOW, "tpot apart": _TOKEN | _LOW,
    PROMPTS: {"prompt": 1.5, **{name: _FIRST[name] for name in _WAITS}},
    **dict.fromkeys(FIRST_FAMILIES, _FIRST | _OWN | _FORMATS)}


def coefficients(family: str) -> Coefficients:
    """A family's coefficients before any row was seen."""
    starts = STARTS[family]
    physical = PHYSICAL if "weights" in starts else ()
    return Coefficients(tuple(starts), np.log(list(starts.values())),
                        np.array([0.0 if name in physical else -9.0 for name in starts]),
                        np.array([FIRM if name in _HELD else LOOSE for name in starts]))


# ---- the terms of samples


@dataclass
class _Table:
    """Terms in the making: columns of seconds, and the coefficients that each is multiplied by."""

    names: tuple[str, ...]
    columns: list[np.ndarray] = field(default_factory=list)
    powers: list[np.ndarray] = field(default_factory=list)

    def add(self, column: np.ndarray, *by: str) -> None:
        if np.any(column):
            self.columns.append(column)
            self.powers.append(np.array([float(name in by) for name in self.names]))

    def terms(self, weight: np.ndarray) -> Terms:
        return Terms(np.column_stack(self.columns), np.stack(self.powers), weight)


def _weight(found: Sequence[Sample]) -> np.ndarray:
    many = Counter(s.like.series for s in found)
    each = np.array([many[s.like.series] ** -SERIES_POWER for s in found])
    return each / each.mean()


def _at(found: Sequence[Sample], of: str, name: str) -> np.ndarray:
    place = COLUMNS.index(name)
    return np.array([getattr(s, of)[place] for s in found])


# a prompt's chunks ride on decoding passes: their weights are read and their kernels started anyway
_ONCE = ("weights", "experts", "message", "hop", "layer", "pick", "sequence")
_IN_LOW = {"weights": "weights in 4 bits", "experts": "experts in 4 bits", "token": "token in 4 bits"}


def tokens(family: str, found: Sequence[Sample], pace: None = None, mixed: bool = True) -> Terms:
    """Terms of the time per output token: a decoding pass, and the prompts that ride on it (mixed)."""
    table, share = _Table(tuple(STARTS[family])), np.array([s.share if mixed else 0.0 for s in found])
    low = np.array([s.stored in LOW for s in found], dtype=float)
    for name in PARTS:
        whole = _at(found, "decode", name)
        if name not in _ONCE:
            whole = whole + share * _at(found, "prompt", name)
        more = (_IN_LOW[name],) if name in _IN_LOW else ()
        for rows, own in _engines(found, name):
            table.add(rows * whole * (1.0 - low), name, *own)
            table.add(rows * whole * low, name, *own, *more)
    if "prompt weights" in table.names:
        table.add(share * (_at(found, "prompt", "weights") + _at(found, "prompt", "experts")), "prompt weights")
    return table.terms(_weight(found))


def _engines(found: Sequence[Sample], name: str) -> list[tuple[np.ndarray, tuple[str, ...]]]:
    """Rows by engine where engines differ in a part, with the coefficients that they have for it."""
    if name != "layer":
        return [(np.ones(len(found)), ())]
    engines = [s.like.engine for s in found]
    return [(np.array([e == one for e in engines], dtype=float), (f"layer {one}",)) for one in dict.fromkeys(engines)]


def token_seconds(found: Sequence[Sample], pace: np.ndarray, mixed: bool = True) -> np.ndarray:
    """Seconds of a token of each sample at the pace of PACE's coefficients (logarithms)."""
    return tokens(PACE, found, mixed=mixed).each(pace).sum(1)


_WORK = ("products", "grouped", "scores", "network", "token", "routed")
_COLUMN = {"products": "product work", "grouped": "expert work", "scores": "score work"}


def first_tokens(family: str, found: Sequence[Sample], pace: np.ndarray) -> Terms:
    """Terms of the time to first token: the prompt's work and launches, a pass, those ahead of it, room in memory.

    pace: logarithms of PACE's coefficients. Clients that start at once make a burst that is one tenth of the requests:
    (c - 1)/20 prompts on average. Where the memory holds fewer than the clients, a request waits for one of those to
    end.
    """
    table = _Table(tuple(STARTS[family]))
    clients = np.array([s.clients for s in found])
    ahead = np.maximum(clients - 1.0, 0.0) / BURST
    for rows, engine, burst in _kinds(found):
        own = lambda what, engine=engine: (f"{what} {engine}",) if engine in ENGINES else ()  # noqa: E731
        for name in _WORK:
            for stored, chosen in _formats(found, name):
                work = rows * chosen * _at(found, "prompt", _COLUMN.get(name, name))
                by = (name, *own("work"), *((f"{name} in {stored}",) if stored else ()))
                table.add(work, *by)
                table.add(work * ahead, *by, burst, *own("burst"))
        for name in ("layer", "pick"):
            table.add(rows * _at(found, "prompt", name), name, *own("launch"))
        table.add(rows * MICRO * clients, "client", *own("client"))
    _waits(table, found, pace)
    return table.terms(_weight(found))


def prompts(family: str, found: Sequence[Sample], pace: np.ndarray) -> Terms:
    """Terms of the time to first token in times of a pass over the prompt, at the pace of the tokens."""
    table = _Table(tuple(STARTS[family]))
    clients = np.array([s.clients for s in found])
    alone = token_seconds([replace(s, decode=s.prompt, share=0.0) for s in found], pace)
    table.add(alone, "prompt")
    for rows, _, burst in _kinds(found):
        table.add(rows * alone * np.maximum(clients - 1.0, 0.0) / BURST, "prompt", burst)
    _waits(table, found, pace)
    table.add(MICRO * clients, "client")
    return table.terms(_weight(found))


def _waits(table: _Table, found: Sequence[Sample], pace: np.ndarray) -> None:
    """What a request waits for beside prompts: a pass, the server, and room in the memory."""
    of = lambda name: np.array([getattr(s, name) for s in found])  # noqa: E731
    step, token = (token_seconds(found, pace, mixed) for mixed in (False, True))
    table.add(step, "pass")
    table.add(MILLI * np.ones(len(found)), "start")
    table.add(np.maximum(of("clients") / of("running") - 1.0, 0.0) * of("output") * token, "memory")


def _kinds(found: Sequence[Sample]) -> list[tuple[np.ndarray, str, str]]:
    """Which rows are of an engine and of clients that start at once or not; (n,) of zeros and ones."""
    keys = [(s.like.engine, "burst" if s.bursts else "queue") for s in found]
    return [(np.array([k == key for k in keys], dtype=float), *key) for key in dict.fromkeys(keys)]


def _formats(found: Sequence[Sample], name: str) -> list[tuple[str, np.ndarray]]:
    if name not in ("products", "grouped"):
        return [("", np.ones(len(found)))]
    of = ["4 bits" if s.stored in LOW else "fp8" if s.stored == "fp8" else "" for s in found]
    return [(one, np.array([o == one for o in of], dtype=float)) for one in dict.fromkeys(of)]
