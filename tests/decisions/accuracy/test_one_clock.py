"""The clock that questions ask and the one that validate fits are one: the same pass takes the same time in both."""

from functools import cache

import numpy as np
import pytest

from rackline.decisions.accuracy.calibrated_from import fitted_as
from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.samples import samples
from rackline.decisions.accuracy.served_families import PACE, token_seconds
from rackline.decisions.accuracy.settings import Setting, setting
from rackline.decisions.intervals import around_pass
from rackline.facts.calibration import calibration
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.facts.observations import bundled
from rackline.systems.calibrated import CARDS, calibrated
from rackline.systems.clock import pass_time
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.parts import PARTS, parts
from rackline.systems.passes import decode
from rackline.systems.serving import Kind, Server, Workload, decode_time, together

CHUNK = 8192.0  # new tokens of a pass: what engines take by default on large chips
LONG = 900.0  # prompt tokens from which a prompt's own weights no longer count beside its arithmetic


@cache
def kinds() -> tuple[list[Setting], list[Sample]]:
    """One measured row of each model, machine, format and way of dividing it."""
    chosen = {}
    for row in bundled().rows:
        if row.metric == "tpot" and row.load.input and not row.sizes.notes.startswith("disagg"):
            one = (row.model, row.hardware, row.formats.weights, (row.sizes.data or 1) > 1, (row.sizes.expert or 1) > 1)
            chosen[one] = row if row.load.input >= 1000 else chosen.get(one, row)
    found, _ = samples(chosen.values())
    found = [s for s in found if s.family == PACE]
    return [setting(s.row) for s in found], found


def pace() -> np.ndarray:
    return fitted_as(calibration(), PACE, ()).fit.logs


def served(one: Setting) -> Server:
    return Server(one.model, one.machine, calibrated(one.like.engine))


def work(one: Setting) -> Workload:
    return Workload((Kind(one.input, one.output, 1.0),))


def test_what_is_compared_has_many_models_machines_formats_and_ways_of_dividing_them():
    settings, found = kinds()
    assert len({one.model.name for one in settings}) >= 8
    assert len({one.machine.name for one in settings}) >= 5
    assert {s.stored for s in found} >= {"nvfp4", "mxfp4", "bf16", "fp8"}
    assert {(one.layout.data > 1, one.layout.expert > 1) for one in settings} >= {(False, False), (False, True),
                                                                                 (True, True)}


def test_a_decoding_pass_takes_what_the_fit_says_of_it():
    """Within 3 %: a coefficient that four bits take below the datasheet's seconds is held there by the clock alone."""
    settings, found = kinds()
    for one, s, fitted in zip(settings, found, token_seconds(found, pace(), mixed=False), strict=True):
        pass_ = decode(max(s.running / one.layout.pipeline, 1.0), one.input + one.output / 2.0)
        time = one.layout.pipeline * served(one).stage_time(one.layout, pass_)
        assert 1.0 - 1e-9 <= float(time) / fitted <= 1.03, s.row


def test_a_plans_token_with_prompts_beside_it_takes_what_the_fit_says():
    """Within a tenth: a chunk shares its weights with the tokens beside it, the fit gives each prompt some of its own.
    """
    settings, found = kinds()
    ratios = []
    for one, s, fitted in zip(settings, found, token_seconds(found, pace()), strict=True):
        server, lengths = served(one), work(one)
        decoding = decode_time(server, one.layout, lengths, s.running)
        tpot = float(together(server, one.layout, lengths, s.running, CHUNK, decoding).tpot)
        if np.isfinite(tpot) and one.input >= LONG:
            # the fit's sequence meets the prompts of the others alone, a plan's those of all
            others = (s.running - 1.0) / s.running
            ratios.append((float(decoding) + others * (tpot - float(decoding))) / fitted)
    assert len(ratios) > 20
    assert 0.88 < min(ratios) < max(ratios) < 1.05
    assert float(np.median(ratios)) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("name", "on", "layout"), [
    ("llama-3.1-8b", "rtx-4090", Layout()), ("llama-3.1-70b", "l40s", Layout(4)),
    ("qwen3-30b-a3b", "rtx-pro-6000", Layout(1, 2, expert=2))])
def test_on_a_hosts_bus_a_pass_is_the_coefficients_of_cards_times_the_datasheets_seconds(name, on, layout):
    box = machine(on, int(layout.chips))
    terms = ledger(model(name), layout, decode(16.0, 2000.0))
    each = parts(terms, box)
    cards = calibration().families[CARDS].coefficients
    expected = sum(cards[part].value * float(each[part]) for part in PARTS if part in cards)
    assert float(pass_time(model(name), box, layout, decode(16.0, 2000.0), calibrated("vllm")).time) == pytest.approx(
        expected, rel=1e-9)


def inside(every: int = 1) -> dict[str, tuple[int, float]]:
    """Of measured tokens and first tokens, how many and the share that lies in the interval that a plan gives.

    Each layout as measured, at as many sequences as clients, where their memory holds them all.
    """
    rows = [row for row in bundled().rows if row.metric in ("tpot", "ttft") and not row.flag]
    found, _ = samples(rows[::every])
    kept: dict[str, list[bool]] = {"tpot": [], "ttft": []}
    for s in found:
        if s.like.mode != "together" or s.clients > s.running:
            continue
        one = setting(s.row)
        server, lengths, micro = served(one), work(one), s.running / one.layout.pipeline
        decoding = decode_time(server, one.layout, lengths, s.running)
        value = float(getattr(together(server, one.layout, lengths, s.running, CHUNK, decoding), s.row.metric))
        passed = (lengths.decoding(micro) + lengths.prompting(micro / one.output) if s.row.metric == "tpot"
                  else lengths.prompting(one.layout.data * 1.0))
        around = around_pass(server, one.layout, passed, s.family)
        assert around is not None
        if np.isfinite(value):
            kept[s.row.metric].append(float(around.low(value)) <= s.seconds <= float(around.high(value)))
    return {metric: (len(held), float(np.mean(held))) for metric, held in kept.items()}


def test_a_plans_intervals_hold_nine_of_ten_tokens_and_most_first_tokens():
    """First tokens were published with the burst in which all clients start; a plan's are of a steady state."""
    found = inside(every=7)
    assert min(n for n, _ in found.values()) > 150
    assert 0.85 <= found["tpot"][1] <= 0.98
    assert 0.75 <= found["ttft"][1] <= 0.95
