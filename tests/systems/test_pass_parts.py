"""Single passes by part: nothing lost beside the parts of serving, each new part where its physics says."""

import numpy as np
import pytest

from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.parts import parts
from rackline.systems.pass_parts import PASS_PARTS, PHASES, pass_parts, quantised
from rackline.systems.passes import decode, prefill


def both(formats, pass_, chip="rtx-4090"):
    terms = ledger(model("llama-3-8b").with_formats(formats), Layout(), pass_)
    return parts(terms, machine(chip)), pass_parts(terms, machine(chip))


@pytest.mark.parametrize("pass_", [decode(1, 500), decode(64, 500), prefill(1, 2000)])
def test_plain_weights_have_the_parts_of_serving(pass_):
    served, found = both("bf16", pass_)
    for name in ("weights", "experts", "cache", "compute", "network", "layer"):
        assert found[name] == pytest.approx(served[name])
    assert found["rounded"] == found["unpacking"] == 0.0


def test_quantised_weights_compute_at_the_sixteen_bit_rate():
    """Their arithmetic leaves compute, where it would be at the integers' rate, twice as fast on this chip."""
    served, found = both("q8_0", prefill(1, 2000))
    _, plain = both("fp16", prefill(1, 2000))
    assert found["rounded"] + found["compute"] == pytest.approx(plain["compute"], rel=0.02)
    assert found["compute"] < 0.2 * served["compute"]


def test_few_tokens_use_the_cores_and_many_the_watts():
    one, many = both("q8_0", decode(1, 500))[1], both("q8_0", prefill(1, 2000))[1]
    assert one["unpacking"] > 0.0 == one["power"]
    assert many["power"] > 0.0 == many["unpacking"]
    fp32 = machine("rtx-4090").chip.flops["fp32"].value
    assert one["unpacking"] == pytest.approx(2.0 * 6.98e9 / fp32, rel=0.01)  # two FLOPs for each weight of the layers


def test_half_the_watts_take_twice_the_power_seconds():
    terms = ledger(model("llama-3-8b"), Layout(), prefill(1, 2000))
    whole = machine("rtx-4090")
    halved = whole.chip.power.model_copy(update={"value": whole.chip.power.value / 2, "low": None, "high": None})
    capped = whole.model_copy(update={"chip": whole.chip.model_copy(update={"power": halved})})
    assert pass_parts(terms, capped)["power"] == pytest.approx(2.0 * pass_parts(terms, whole)["power"])


def test_scores_grow_with_the_square_of_the_prompt():
    short, long = (both("fp16", prefill(1, n))[1]["scores"] for n in (2000, 4000))
    assert long / short == pytest.approx(4.0, rel=0.01)


def test_every_phase_takes_its_parts_from_the_list_and_at_most_a_dozen():
    assert all(set(names) <= set(PASS_PARTS) and len(names) <= 12 for names in PHASES.values())
    assert quantised("q4_k_m")
    assert quantised("int4")
    assert not quantised("fp8")
    assert not quantised("nvfp4")


def test_parts_broadcast():
    terms = ledger(model("llama-3-8b"), Layout(), prefill(1, np.array([500.0, 1000.0])))
    one = pass_parts(ledger(model("llama-3-8b"), Layout(), prefill(1, 1000.0)), machine("m2"))
    both_ = pass_parts(terms, machine("m2"))
    assert both_["compute"][1] == pytest.approx(float(one["compute"]))
