"""Rows that timed single passes, or a prompt and its tokens alone, as samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rackline.decisions import against
from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.settings import Refused, Setting, like_of, setting
from rackline.decisions.comparing import Case, Step
from rackline.facts.measured_things import measured_machine, measured_model
from rackline.facts.measurements import Measured
from rackline.systems.ledger import ledger
from rackline.systems.parts import PARTS, parts
from rackline.systems.passes import decode, prefill


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


def of_passes(row: Measured) -> Sample:
    """A row's passes as seconds by part; Refused where the row does not say enough."""
    case, model, machine = _case(row)
    total = np.zeros(len(PARTS))
    for step in case.steps:
        found = parts(ledger(model, step.layout, step.pass_), machine)
        total = total + step.times * np.array([float(found[name]) for name in PARTS])
    family = "prefill" if case.what.startswith("prefill") and len({s.times for s in case.steps}) < 3 else "whole"
    family = "decode" if case.what.startswith("decode") else family
    family = "whole" if "and" in case.what or case.what == "whole" else family
    layout, load = case.steps[0].layout, row.load
    logs = np.log([max(1.0, x) for x in (load.batch or 1, load.input or 1, load.output or 1, layout.replica, 1.0,
                                         1.0 + (load.context or 0.0))])
    logs[4] = 0.0
    return Sample(row, like_of(row, model, machine, "passes"), family, case.seconds, total,
                  np.zeros(len(PARTS)), 0.0, float(load.batch or 1), False, logs)
