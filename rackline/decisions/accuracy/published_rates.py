"""Rates of a node, a chip or a user that an engine's makers publish of one pool, as the passes behind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from rackline.decisions.accuracy.settings import Refused
from rackline.decisions.comparing import Case, Step
from rackline.facts.machine import Machine
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.systems.layout import Layout
from rackline.systems.passes import decode, prefill, verify

NODE = 8.0  # chips
PASS_TOKENS = 16384.0  # of a chip where none are stated: so many that a token's share of a pass no longer depends on it
_DRAFTED = re.compile(r"(?<!no )\bMTP ?(\d+)")
_ACCEPTED = re.compile(r"acceptance length (\d+(?:\.\d+)?)")
SPECULATION = re.compile(r"(?<!no )\bMTP")  # tokens of a pass are then more than its sequences


def _stated(row: Measured) -> None:
    if SPECULATION.search(row.notes):
        raise Refused("multi-token prediction: tokens of a pass are not its sequences")
    if "cache hits" in row.notes:
        raise Refused("counts tokens that were found in a cache")


def _layout(row: Measured) -> Layout:
    """As stated: data ranks and experts over all chips where no tensor parallel size says otherwise."""
    sizes, chips = row.sizes, row.chips or row.sizes.expert or row.sizes.data
    if not chips:
        raise Refused("number of chips not stated")
    tensor = sizes.tensor or 1
    data = sizes.data or max(1, chips // tensor)
    return Layout(tensor, data, expert=min(sizes.expert or data, tensor * data))


def _prompt_rate(row: Measured, model: Model, machine: Machine, chips: float) -> Case:
    """The pool's prompt tokens of one pass over its rate; `chips` share the published figure."""
    _stated(row)
    layout, length = _layout(row), row.load.input
    if not length:
        raise Refused("prompt length not stated")
    tokens = PASS_TOKENS * layout.replica
    if row.load.batch:
        tokens = row.load.batch * (layout.replica if row.load.batch >= length else length)
    rate = row.value * layout.replica / chips
    return Case("prefill", tokens / rate, (Step(prefill(max(1.0, tokens / length), length), layout),))


def _token_rate(row: Measured, model: Model, machine: Machine, chips: float) -> Case:
    """One token of every sequence: `batch` of them on each chip."""
    _stated(row)
    layout, context = _layout(row), row.load.context
    if not row.load.batch or not context:
        raise Refused("batch or context not stated")
    return Case("decode", row.load.batch * chips / row.value,
                (Step(decode(row.load.batch * layout.replica, context), layout),))


def _instance_rate(row: Measured, model: Model, machine: Machine) -> Case:
    return _prompt_rate(row, model, machine, float(row.chips or 1))


def _user_rate(row: Measured, model: Model, machine: Machine) -> Case:
    """A pass for each token, or for as many as a check of drafted tokens is stated to accept on average."""
    drafted, accepted = _DRAFTED.search(row.notes), _ACCEPTED.search(row.notes)
    if not (drafted and accepted):
        _stated(row)
    if not row.load.batch or not row.load.output:
        raise Refused("batch or output not stated")
    context = (row.load.input or 0.0) + row.load.output / 2.0
    many, tokens = (float(drafted[1]), float(accepted[1])) if drafted and accepted else (0.0, 1.0)
    return Case("decode", tokens / row.value, (Step(verify(row.load.batch, context, many), _layout(row)),))


CASES: dict[str, Callable[[Measured, Model, Machine], Case]] = {
    "prefill_input_tokens_per_s_per_node": partial(_prompt_rate, chips=NODE),
    "prefill_tokens_per_s_per_gpu": partial(_prompt_rate, chips=1.0),
    "prefill_tokens_per_s_instance": _instance_rate,
    "decode_output_tokens_per_s_per_node": partial(_token_rate, chips=NODE),
    "decode_tokens_per_s_per_gpu": partial(_token_rate, chips=1.0),
    "output_tokens_per_s_per_user": _user_rate}
