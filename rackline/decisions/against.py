"""Predictions against published measurements: the same ledger and clock, the measured seconds beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from rackline.decisions import day6, served
from rackline.decisions.comparing import Case, Comparison, Step, Unpredicted, timed
from rackline.facts.labels import counted
from rackline.facts.machine import Machine
from rackline.facts.measured_things import measured_machine, measured_model
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.systems.layout import Layout
from rackline.systems.passes import chunk, decode, prefill

# llama.cpp computes a prompt in pieces of this many tokens (its default n_ubatch), which layer split pipelines
PIECE = 512.0


def against(rows: Iterable[Measured]) -> list[Comparison | Unpredicted]:
    """Every row with its prediction or the reason why there is none."""
    listed = list(rows)
    together = {found.measured.id: found for found in day6.compare(listed)}
    return [together.get(row.id) or predict(row) for row in listed]


def predict(row: Measured) -> Comparison | Unpredicted:
    """A row's seconds beside the roofline's, or the reason why it has no prediction."""
    if row.metric in served.CASES:
        return served.predict(row)
    make = CASES.get(row.metric)
    if make is None:
        return Unpredicted(row, "an input or a result of the day's arithmetic" if row.id.startswith("DSK") else
                           _OTHER.get(row.metric, "no time of passes"))
    model, machine = measured_model(row), measured_machine(row)
    if model is None or machine is None:
        return Unpredicted(row, "no bundled model" if model is None else "no bundled chip")
    if not row.load.batch:
        return Unpredicted(row, "batch not stated")
    return timed(row, make(row, model, machine), model, machine)



# ---- rows as passes


def layout_of(row: Measured) -> Layout:
    """The layout of a row: what it states, else tensor parallel over all its chips.

    Attention sharded over the batch reads as many bytes a chip as attention cut along the cached tokens, and is
    counted so. Weights gathered to where the tokens are: every chip works for its own sequences with all of them.
    """
    notes, chips = row.sizes.notes, row.chips or counted(row.hardware)[1]
    if "FFN WG XYZ" in notes:
        return Layout(data=chips)
    if "layer split" in notes or (row.engine.startswith("llama.cpp") and not row.sizes.tensor):  # its default
        return Layout(pipeline=chips)
    if row.hardware.startswith("TPU") and "over heads" not in notes:
        return Layout(context=chips)
    return Layout(tensor=row.sizes.tensor or chips)


def cached(row: Measured) -> float:
    """Tokens cached before the first new one: those the row states as depth or context of a decode."""
    load = row.load
    if "depth=context" in row.notes or row.metric in ("decode_latency", "decode_mfu"):
        return load.context or 0.0
    return 0.0


def _decode_rate(row: Measured, model: Model, machine: Machine) -> Case:
    """One token at the mean context of the run; layers split over chips work one after another, as one chip would."""
    output = row.load.output or _GPT_FAST_OUTPUT
    layout = layout_of(row)
    alone = Layout() if layout.pipeline > 1 else layout
    batch = row.load.batch or 1
    step = Step(decode(batch, cached(row) + output / 2.0), alone)
    return Case("decode", batch / row.value, (step,))


# its README: up to 200 new tokens after a prompt of 5; 5 + 200/2 tokens are 0.4 % of the weights' bytes at most
_GPT_FAST_OUTPUT = 200.0


def _prefill_rate(row: Measured, model: Model, machine: Machine) -> Case:
    """The prompt as one pass on one stage; through several, in pieces, the last one stages - 1 pieces later.

    Ignores: what cutting the prompt costs one chip: a bound may not assume how an engine cuts it.
    """
    tokens, layout = row.load.input or 0.0, layout_of(row)
    piece = PIECE if layout.pipeline > 1 else tokens
    starts = [i * piece for i in range(math.ceil(tokens / piece))]
    pieces = [chunk(min(piece, tokens - start), cached(row) + start) for start in starts]
    steps = [Step(piece, layout) for piece in pieces]
    fill = [Step(pieces[0], layout, layout.pipeline - 1.0)] if layout.pipeline > 1 else []
    return Case("prefill", tokens / row.value, (*steps, *fill))


def _prefill_latency(row: Measured, model: Model, machine: Machine) -> Case:
    return Case("prefill", row.value, (_prompt(row),))


def _prefill_use(row: Measured, model: Model, machine: Machine) -> Case:
    tokens = (row.load.batch or 1) * (row.load.input or 0.0)
    return Case("prefill (from its MFU)", _seconds_of(row, tokens, model, machine), (_prompt(row),))


def _decode_latency(row: Measured, model: Model, machine: Machine) -> Case:
    return Case("decode", row.value, (_outputs(row, cached(row)),))


def _decode_use(row: Measured, model: Model, machine: Machine) -> Case:
    tokens = (row.load.batch or 1) * (row.load.output or 0.0)
    return Case("decode (from its MFU)", _seconds_of(row, tokens, model, machine), (_outputs(row, cached(row)),))


def _whole_latency(row: Measured, model: Model, machine: Machine) -> Case:
    return Case("prefill and decode", row.value, (_prompt(row), _outputs(row, row.load.input or 0.0)))


def _whole_use(row: Measured, model: Model, machine: Machine) -> Case:
    tokens = (row.load.batch or 1) * ((row.load.input or 0.0) + (row.load.output or 0.0))
    return Case("prefill and decode (from its MFU)", _seconds_of(row, tokens, model, machine),
                (_prompt(row), _outputs(row, row.load.input or 0.0)))


def _prompt(row: Measured) -> Step:
    return Step(prefill(row.load.batch or 1, row.load.input or 0.0), layout_of(row))


def _outputs(row: Measured, past: float) -> Step:
    output = row.load.output or 0.0
    return Step(decode(row.load.batch or 1, past + output / 2.0), layout_of(row), output)


def _seconds_of(row: Measured, tokens: float, model: Model, machine: Machine) -> float:
    """Seconds that a published model FLOP utilisation stands for.

    Eq: t = 2*N*tokens/(MFU*chips*F), where N are all parameters (Pope et al. leave attention's own FLOPs out)
    """
    peak = machine.chip.flops["bf16"].value * (row.chips or 1)
    return 2.0 * model.total_parameters * tokens / (row.value * peak)


CASES: dict[str, Callable[[Measured, Model, Machine], Case]] = {
    "decode_tokens_per_s": _decode_rate, "prefill_tokens_per_s": _prefill_rate,
    "prefill_latency": _prefill_latency, "prefill_mfu": _prefill_use, "decode_latency": _decode_latency,
    "decode_mfu": _decode_use, "total_latency": _whole_latency, "mfu": _whole_use}
_OTHER = {
    "max_context_length": "a capacity, not a time: in the table of capacities",
    "offline_overall_flops_efficiency": "batch not stated",
    "serial_vs_parallel_decode_penalty": "a share of a time, not a time",
    "attention_share_low": "a share of a time, not a time", "attention_share_high": "a share of a time, not a time",
    "empirical_peak_mem_bw": "a chip's figure, no model",
}
