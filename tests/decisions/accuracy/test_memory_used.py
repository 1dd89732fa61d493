"""How much of a chip's memory engines use: what the queues of closed loops show, and which answers take it."""

import numpy as np
import pytest

import rackline
from rackline.decisions.accuracy.memory_used import used_shares
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.facts.observations import bundled
from rackline.systems.calibrated import calibrated, usable
from rackline.systems.clock import Roofline, Stretched
from rackline.systems.layout import Layout
from rackline.systems.memory import USABLE, USED, largest_batch, memory
from rackline.systems.simulation import Deployment, Limits
from rackline.systems.simulation.prepare import kv_memory

BOX = {"model": "llama-3.1-70b", "on": "dgx-h200", "input": 4000, "output": 1000, "top": 400, "mode": "together",
       "weights": "fp8"}


def test_the_fact_is_what_the_bundled_rows_show_when_it_is_worked_out_again():
    shares = used_shares(bundled().rows)
    assert len(shares) >= 10
    found = (np.median(shares), *np.quantile(shares, [0.05, 0.95]))
    assert (USED.value, USED.low, USED.high) == pytest.approx(found, abs=5e-4)


def test_rows_whose_clients_all_fit_say_nothing_of_memory():
    few = [row for row in bundled().rows if (row.load.concurrency or 0.0) <= 8.0]
    assert not len(used_shares(few))


@pytest.mark.parametrize(("clock", "on", "share"), [
    (Roofline(), "dgx-h100", USABLE), (calibrated("vllm"), "dgx-h100", USED), (calibrated(), "gb200-nvl72", USED),
    (Stretched(calibrated(), 2.0), "dgx-h100", USED), (Stretched(Roofline(), 2.0), "dgx-h100", USABLE),
    (calibrated("vllm"), "rtx-4090", USABLE), (calibrated(), "m2-ultra", USABLE)])
def test_engines_own_share_counts_in_servers_under_the_clock_of_measurements(clock, on, share):
    assert usable(clock, machine(on)) is share


def test_a_logged_card_used_no_more_than_the_share_of_cards():
    """vLLM's log on an RTX 4090 (24 GB): 41,408 tokens of KV memory beside Llama-3.1-8B in bf16."""
    held = memory(model("llama-3.1-8b"), machine("rtx-4090"), Layout(), 1.0, 41408.0)
    assert float(held.total) / machine("rtx-4090").chip.memory_capacity.value == pytest.approx(USABLE.value, abs=0.01)


def test_a_calibrated_plan_fills_the_memory_that_engines_fill():
    bound, fitted = (rackline.plan(**BOX, **more).data for more in ({}, {"clock": "calibrated"}))
    served, box, layout = model("llama-3.1-70b").with_formats(weights="fp8"), machine("dgx-h200"), Layout(1, replicas=8)
    for data, share in ((bound, USABLE), (fitted, USED)):
        one = next(row for row in data["ranked"] if row["name"] == "tp1×8")
        assert one["memory"]["usable"] == pytest.approx(share.value * box.chip.memory_capacity.value)
        assert one["batch"] <= float(largest_batch(served, box, layout, 5000.0, share.value))
    assert fitted["limits"]["largest_batch"] > bound["limits"]["largest_batch"]


def test_a_calibrated_simulation_pages_what_engines_page():
    served, box, block = model("llama-3.1-8b"), machine("dgx-h100"), 16
    pages = [kv_memory(Deployment(served, box, Layout(), clock=clock), Layout(), Limits(8), 1000, block)[0]
             for clock in (Roofline(), calibrated("vllm"))]
    each = block * 2 * 32 * 8 * 128 * 2.0  # tokens, keys and values, layers, heads, width, bytes
    gained = (USED.value - USABLE.value) * box.chip.memory_capacity.value
    assert pages[1] - pages[0] == pytest.approx(gained / each, abs=1.0)
