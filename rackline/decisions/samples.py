"""Measured rows as parts of seconds: what a fit weighs, one family of metrics at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.decisions import against
from rackline.decisions.comparing import Case, Step
from rackline.decisions.settings import Like, Refused, Setting, like_of, setting
from rackline.facts.measured_things import measured_machine, measured_model
from rackline.facts.measurements import Measured
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.memory import largest_batch
from rackline.systems.parts import MICRO, PARTS, parts
from rackline.systems.passes import decode, prefill

SERVED = ("tpot", "ttft", "output_tokens_per_s", "output_tokens_per_s_per_gpu")
FAMILIES = ("tpot together", "tpot apart", "ttft together", "ttft apart", "queued", "decode", "prefill", "whole")
ENGINE_LAYERS = ("vllm", "sglang")
MOST_SEQUENCES = 2048.0  # what TensorRT-LLM's benchmark runs at once by default
_STATISTICS = ("", "mean", "median")


@dataclass(frozen=True, eq=False)
class Sample:
    """One row: its family, parts of a decode pass and of a prompt (k,), what the load multiplies them by, its place.

    `seconds` measured; `place`: logarithms of clients, lengths and sizes, in which neighbours are near.
    """

    row: Measured
    like: Like
    family: str
    seconds: float
    decode: np.ndarray
    prompt: np.ndarray
    share: float  # prompts of one replica for each token of a sequence
    clients: float
    bursts: bool
    place: np.ndarray

    @property
    def configuration(self) -> tuple[Any, ...]:
        """What must be left out together: the same thing measured with another version is no independent row."""
        return (self.family, *self.like.series, *np.round(self.place, 6).tolist())


def samples(rows: Iterable[Measured]) -> tuple[list[Sample], list[tuple[Measured, str]]]:
    """The rows as samples, and those refused with the reason."""
    found: list[Sample] = []
    served: list[Setting] = []
    refused: list[tuple[Measured, str]] = []
    for row in rows:
        try:
            _check(row)
            if row.metric in SERVED:
                served.append(setting(row))
            else:
                found.append(_of_passes(row))
        except Refused as reason:
            refused.append((row, str(reason)))
    return found + _of_servers(served), refused


def _check(row: Measured) -> None:
    if row.from_memory:
        raise Refused("not read in a source")
    if not row.unit:
        raise Refused(f"unit not known: {row.per or 'none'}")
    if not row.value > 0.0:
        raise Refused("value is not above zero")
    if row.statistic not in _STATISTICS:
        raise Refused(f"a {row.statistic}, not a mean or median")
    wanted = {"tpot": "seconds", "ttft": "seconds"}.get(row.metric)
    if wanted and row.unit != wanted:
        raise Refused(f"{row.metric} in {row.unit}, not in seconds")


# ---- rows of serving engines


def _of_servers(settings: Sequence[Setting]) -> list[Sample]:
    """Rows of one model on one machine are computed together."""
    groups: dict[tuple[int, str], list[Setting]] = {}
    for one in settings:
        groups.setdefault((id(one.model), one.machine.name), []).append(one)
    return [sample for group in groups.values() for sample in _group(group)]


def _column(group: Sequence[Setting], of: Callable[[Setting], float]) -> np.ndarray:
    return np.array([of(one) for one in group], dtype=float)


def _layouts(group: Sequence[Setting], of: Callable[[Setting], Layout]) -> Layout:
    sizes = ("tensor", "data", "context", "pipeline", "expert")
    return Layout(*(_column(group, lambda s, name=name: getattr(of(s), name)) for name in sizes))  # type: ignore[misc]


def _group(group: Sequence[Setting]) -> list[Sample]:
    model, machine = group[0].model, group[0].machine
    layout, prompts = _layouts(group, lambda s: s.layout), _layouts(group, lambda s: s.prompts)
    length, output = _column(group, lambda s: s.input), _column(group, lambda s: s.output)
    context = length + output / 2.0
    fits = np.asarray(largest_batch(model, machine, layout, context)) + np.zeros(len(group))
    clients = _column(group, lambda s: np.inf if s.queued else s.clients)
    # that the row exists shows that one sequence a rank fits
    batch = np.minimum(np.minimum(clients, np.where(np.isinf(clients), MOST_SEQUENCES * layout.data, np.inf)),
                       np.maximum(fits, layout.data * layout.pipeline))
    micro = np.maximum(batch / layout.pipeline, 1.0)
    steps = _stack(parts(ledger(model, layout, decode(micro, context)), machine), len(group))
    prompt = _stack(parts(ledger(model, prompts, prefill(prompts.data, length)), machine), len(group))
    prompt = prompt / (prompts.data * np.ones(len(group)))[:, None]
    return [_sample(one, steps[i], prompt[i], (float(micro[i]), float(batch[i]))) for i, one in enumerate(group)]


def _stack(found: dict[str, Any], n: int) -> np.ndarray:
    return np.stack([np.broadcast_to(np.asarray(found[name], dtype=float), (n,)) for name in PARTS], axis=1)


def _sample(s: Setting, step: np.ndarray, prompt: np.ndarray, batch: tuple[float, float]) -> Sample:
    micro, whole = batch
    row = s.row
    if row.metric in ("tpot", "ttft"):
        family, seconds = f"{row.metric} {s.like.mode}", row.value
    else:
        rate = row.value * ((row.chips or 1) if row.per == "GPU" else 1)
        family, seconds = "queued", micro / rate
    sizes = s.layout
    clients = s.clients if not s.queued else whole
    place = np.log([clients, s.input, s.output, sizes.tensor * sizes.data * sizes.pipeline, 1.0, sizes.data])
    place[4] = float(sizes.expert > 1)
    apart = s.like.mode == "apart" and row.metric == "tpot"
    return Sample(row, s.like, family, seconds, step, prompt, 0.0 if apart else micro / s.output, clients,
                  s.bursts, place)


# ---- rows of single passes


def _case(row: Measured) -> tuple[Case, Any, Any]:
    model, machine = measured_model(row), measured_machine(row)
    if row.metric in _ENGINE_PASSES:
        one = setting(row)
        return _ENGINE_PASSES[row.metric](one), one.model, one.machine
    if row.metric not in against.CASES:
        raise Refused(f"no time of a pass or a request: {row.metric}")
    if model is None or machine is None:
        raise Refused(f"no bundled model {row.model}" if model is None else f"no bundled chip {row.hardware}")
    if not row.load.batch:
        raise Refused("batch not stated")
    return against.CASES[row.metric](row, model, machine), model, machine


def _prompt_step(s: Setting) -> Step:
    return Step(prefill(s.clients, s.input), s.layout)


def _token_step(s: Setting, times: float) -> Step:
    return Step(decode(s.clients, s.input + s.output / 2.0), s.layout, times)


_ENGINE_PASSES: dict[str, Callable[[Setting], Case]] = {
    "prompt_time": lambda s: Case("prefill", s.row.value, (_prompt_step(s),)),
    "first_token_latency": lambda s: Case("prefill", s.row.value, (_prompt_step(s),)),
    "token_time": lambda s: Case("decode", s.row.value, (_token_step(s, 1.0),)),
    "e2e_time": lambda s: Case("whole", s.row.value, (_prompt_step(s), _token_step(s, s.output - 1.0)))}


def _of_passes(row: Measured) -> Sample:
    case, model, machine = _case(row)
    total = np.zeros(len(PARTS))
    for step in case.steps:
        total = total + step.times * _stack(parts(ledger(model, step.layout, step.pass_), machine), 1)[0]
    family = "prefill" if case.what.startswith("prefill") and len({s.times for s in case.steps}) < 3 else "whole"
    family = "decode" if case.what.startswith("decode") else family
    family = "whole" if "and" in case.what or case.what == "whole" else family
    layout, load = case.steps[0].layout, row.load
    logs = np.log([max(1.0, x) for x in (load.batch or 1, load.input or 1, load.output or 1, layout.replica, 1.0,
                                         1.0 + (load.context or 0.0))])
    logs[4] = 0.0
    return Sample(row, like_of(row, model, machine, "passes"), family, case.seconds, total,
                  np.zeros(len(PARTS)), 0.0, float(load.batch or 1), False, logs)


# ---- what a family weighs


def names(family: str) -> tuple[str, ...]:
    """The coefficients of a family."""
    if family.startswith("ttft"):
        return _FIRST
    if family in ("decode", "prefill", "whole"):
        return PARTS
    engines = tuple(f"layer {name}" for name in ENGINE_LAYERS)
    return (*PARTS, *engines) if family == "tpot apart" else (*PARTS, "prompt weights", *engines)


_FIRST = ("prompt", "pass", "start", "layer", "pick", "burst", "queue", "client", "burst sglang", "queue sglang",
          "layer sglang")
BURST = 20.0  # a burst of c clients waits (c - 1)/2 prompts on average, and is one tenth of the requests measured
MILLI = 1e-3


def matrix(family: str, found: Sequence[Sample], pace: np.ndarray | None = None) -> np.ndarray:
    """Parts of the samples of a family, shape (n, coefficients); `pace`: the coefficients of PARTS and prompt weights.

    Time to first token weighs whole prompts and passes at the pace of the tokens' own coefficients.
    """
    step, prompt = np.stack([s.decode for s in found]), np.stack([s.prompt for s in found])
    share = np.array([s.share for s in found])
    engine = [s.like.engine for s in found]
    if family.startswith("ttft"):
        assert pace is not None
        return _first_tokens(found, step @ pace[:len(PARTS)], at_pace(prompt, pace))
    if family in ("decode", "prefill", "whole"):
        return step
    added = share[:, None] * prompt
    shared = added[:, 0] + added[:, 1]
    added = added * np.array([0.0 if name in _ONCE else 1.0 for name in PARTS])
    layer = step[:, PARTS.index("layer")]
    own = [layer * np.array([name == e for e in engine]) for name in ENGINE_LAYERS]
    columns = [step + added] if family == "tpot apart" else [step + added, shared[:, None]]
    return np.column_stack([*columns, *own])


# a prompt's chunks ride on decoding passes: their weights are read and their kernels started anyway
_ONCE = ("weights", "experts", "message", "hop", "layer", "pick")


def at_pace(prompt: np.ndarray, pace: np.ndarray) -> np.ndarray:
    """Seconds that a prompt adds to decoding passes."""
    once = np.array([pace[len(PARTS)] if name in ("weights", "experts") else 0.0 if name in _ONCE else p
                     for name, p in zip(PARTS, pace, strict=False)])
    return prompt @ once


def _first_tokens(found: Sequence[Sample], step: np.ndarray, prompt: np.ndarray) -> np.ndarray:
    waiting = np.array([max(0.0, s.clients - 1.0) for s in found]) / BURST
    burst = np.array([s.bursts for s in found], dtype=float)
    sglang = np.array([s.like.engine == "sglang" for s in found], dtype=float)
    layer, pick = (np.array([s.decode[PARTS.index(name)] for s in found]) for name in ("layer", "pick"))
    clients = MICRO * np.array([s.clients for s in found])
    return np.column_stack([
        prompt, step, MILLI * np.ones(len(found)), layer, pick, burst * waiting * prompt,
        (1.0 - burst) * waiting * prompt, clients, sglang * burst * waiting * prompt,
        sglang * (1.0 - burst) * waiting * prompt, sglang * (layer + pick)])
