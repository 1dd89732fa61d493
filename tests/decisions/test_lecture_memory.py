"""The lecture's memory boards and its question which work needs the domain: laws behind the lines."""

from __future__ import annotations

import pytest

from rackline.decisions.lecture_bench import Bench
from rackline.decisions.lecture_boards import everything
from rackline.decisions.lecture_work import needed, table
from rackline.facts import hardware
from rackline.facts.machine import Network

BENCH = Bench()
LINES = {e.claim.what: e.claim for e in everything(BENCH).entries}


def test_decode_needs_the_domain_most_and_prefill_least():
    names = [n.kind.name for n in needed(BENCH)]
    assert names[0] == "decode"
    assert names.index("prefill") > names.index("RL rollouts, their long tail")


def test_one_domain_of_all_chips_loses_nothing_to_boxes_with_as_fast_a_network():
    def as_fast(name: str):
        found = hardware.machine(name)
        inside = found.scale_up
        assert inside is not None
        return found.model_copy(update={"scale_out": Network(bandwidth=inside.bandwidth, latency=inside.latency)})

    for n in needed(Bench(machine=as_fast)):
        assert n.across <= n.domain * (1 + 1e-9)


def test_a_token_sends_as_much_in_prefill_as_in_decode_and_twice_that_in_training():
    sent = {n.kind.name: n.sent for n in needed(BENCH)}
    assert sent["prefill"] == pytest.approx(sent["decode"])
    assert sent["training"] == pytest.approx(2 * sent["decode"])


def test_the_table_of_work_ranks_and_gives_reasons():
    rows = table(BENCH).rows
    assert [row[4] for row in rows] == sorted((row[4] for row in rows), reverse=True)
    assert all(len(row[-1]) > 20 for row in rows)


def test_holding_for_the_drain_time_costs_as_much_as_returning_on_every_memory():
    claim = LINES["cost of holding for the drain time over cost of returning"]
    assert [case.value for case in claim.ours.cases] == pytest.approx([1.0, 1.0, 1.0])


def test_the_provider_s_writes_lie_between_dram_and_hbm_at_the_markup_of_fresh_input():
    for title, stated in (("five minutes", 1.25), ("an hour", 2.0)):
        found = {c.where: c.value for c in LINES[f"computing and holding for {title} over computing"].ours.cases}
        assert found["flash"] < found["DDR"] < stated < found["HBM"]


def test_each_of_hbm_dram_flash_and_disk_drains_slower_than_the_one_before():
    times = [LINES[f"time to drain {name}"].ours.value for name in ("DDR", "flash", "a spinning disk")]
    assert times == sorted(times)
    assert LINES["time to read the whole memory"].ours.value < times[0]
