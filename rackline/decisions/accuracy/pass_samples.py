"""Rows that timed single passes, or a prompt and its tokens alone, as samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rackline.decisions import against
from rackline.decisions.accuracy import published_rates
from rackline.decisions.accuracy.pass_groups import family_of
from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.settings import (
    Refused,
    Setting,
    engine_of,
    known_model,
    like_of,
    served_model,
    setting,
)
from rackline.decisions.against import PIECE, cached, layout_of
from rackline.decisions.comparing import Case, Step
from rackline.errors import BadInput
from rackline.facts.machine import Machine
from rackline.facts.measured_things import measured_machine, measured_model
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.systems.ledger import ledger
from rackline.systems.parts import MICRO
from rackline.systems.pass_parts import PHASES, pass_parts
from rackline.systems.passes import chunk, decode, prefill

MOST_TOKENS = 1e8  # of a prompt that is cut in pieces


def _case(row: Measured) -> tuple[Case, Any, Any]:
    if row.metric in _ENGINE_PASSES:
        one = setting(row)
        return _ENGINE_PASSES[row.metric](one), one.model, one.machine
    if row.metric in published_rates.CASES:
        model, machine = served_model(row), _machine(row)
        return published_rates.CASES[row.metric](row, model, machine), model, machine
    make = _CASES.get((row.metric, engine_of(row)[0])) or against.CASES.get(row.metric)
    if make is None:
        raise Refused(f"no time of a pass or a request: {row.metric}")
    model, machine = _model(row), _machine(row)
    if not row.load.batch:
        raise Refused("batch not stated")
    return make(row, model, machine), model, machine


def _model(row: Measured) -> Model:
    name, found = known_model(row), measured_model(row)
    if found is None:
        raise Refused(f"number format of the weights of {name} not known: {row.formats.weights}")
    return found


def _machine(row: Measured) -> Machine:
    try:
        found = measured_machine(row)
    except BadInput as error:
        raise Refused(f"no machine of {row.chips} {row.hardware}: {error.rule}") from None
    if found is None:
        raise Refused(f"no bundled chip {row.hardware}" if row.hardware else "hardware not stated")
    return found


def _pieces(row: Measured, model: Model, machine: Machine) -> Case:
    """A prompt in the pieces that llama.cpp computes, one after another; a layer split's last stage starts later."""
    tokens, layout = row.load.input or 0.0, layout_of(row)
    if tokens > MOST_TOKENS:
        raise Refused(f"a prompt of more than {MOST_TOKENS:,.0f} tokens")
    starts = np.arange(0.0, max(tokens, 1.0), PIECE)
    steps = [Step(chunk(np.minimum(PIECE, tokens - starts), cached(row) + starts), layout)]
    if layout.pipeline > 1:
        steps.append(Step(chunk(min(PIECE, tokens), cached(row)), layout, layout.pipeline - 1.0))
    return Case("prefill", tokens / row.value, tuple(steps))


# where an engine is known to cut what a bound may not assume
_CASES = {("prefill_tokens_per_s", "llama.cpp"): _pieces}


def _prompt_step(s: Setting) -> Step:
    return Step(prefill(s.clients, s.input), s.layout)


def _token_step(s: Setting, times: float) -> Step:
    return Step(decode(s.clients, s.input + s.output / 2.0), s.layout, times)


_ENGINE_PASSES: dict[str, Callable[[Setting], Case]] = {
    "prompt_time": lambda s: Case("prefill", s.row.value, (_prompt_step(s),)),
    "first_token_latency": lambda s: Case("prefill", s.row.value, (_prompt_step(s),)),
    "token_time": lambda s: Case("decode", s.row.value, (_token_step(s, 1.0),)),
    "e2e_time": lambda s: Case("whole", s.row.value, (_prompt_step(s), _token_step(s, s.output - 1.0)))}


def of_passes(row: Measured) -> Sample:
    """A row's passes as seconds by part; Refused where the row does not say enough."""
    case, model, machine = _case(row)
    like, what, layout = like_of(row, model, machine, "passes"), _phase(case.what), layout_of(row)
    steps = [(step, pass_parts(ledger(model, step.layout, step.pass_), machine)) for step in case.steps]
    found = {name: sum(step.times * _sum(one[name], step) for step, one in steps) for name in PHASES[what]}
    if not (case.seconds > 0.0 and sum(found.values()) > 0.0):
        raise Refused("prompt or output length not stated")
    if layout.pipeline > 1:
        found |= _split(what, steps[0][1], found, layout.pipeline)
    load, chip = row.load, (machine.chip.vendor, machine.chip.name)
    sizes = max(case.steps[0].layout.replica, layout.pipeline)
    place = np.log([max(1.0, x) for x in (load.batch or 1, load.input or 1, load.output or 1, sizes, 1.0,
                                          1.0 + (load.context or 0.0))])
    return Sample(row, like, family_of(what, like.engine, chip[0]), case.seconds, np.array(list(found.values())),
                  np.zeros(len(found)), 0.0, float(load.batch or 1), False, place, chip)


def _sum(value: Any, step: Step) -> float:
    """Over the passes of a step whose sizes are an array."""
    return float(np.broadcast_to(value, np.shape(step.pass_.tokens)).sum())


def _phase(what: str) -> str:
    first = what.split()[0]
    return "whole" if "and" in what or first not in PHASES else first


def _split(what: str, first: dict[str, Any], found: dict[str, float], stages: int) -> dict[str, float]:
    """What a layer split adds: a message from stage to stage for a token, stages that wait for a prompt's pieces."""
    if what != "prefill":
        return {"stage": MICRO * (stages - 1.0)}
    busy, one = (found["compute"] + found["rounded"]), float(np.ravel(first["compute"] + first["rounded"])[0])
    return {"idle": (stages - 1.0) * max(0.0, busy - stages * one)}
