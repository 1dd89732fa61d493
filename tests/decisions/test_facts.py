"""The answer about a chip, machine or tier."""

import json

import pytest

from rackline.decisions.facts import hardware_answer
from rackline.facts import hardware
from rackline.facts.fact import named_facts

NAMES = ["h100-sxm", "gb200-nvl72", "tpu-v5e-pod", "m2-ultra", "nvme-flash", "rubin-ultra-nvl576"]


@pytest.mark.parametrize("name", NAMES)
def test_every_number_stands_in_the_table_the_data_and_the_sources(name):
    record = hardware.hardware(name)
    answer = hardware_answer(record)
    facts = dict(named_facts(record))
    assert [row[0] for row in answer.tables[0].rows] == [s.name for s in answer.sources] == list(facts)
    assert {path: data["value"] for path, data in answer.data["facts"].items()} == {
        path: fact.value for path, fact in facts.items()
    }
    keys = {"value", "unit", "low", "high", "source", "date", "kind", "note"}
    assert all(set(data) == keys for data in answer.data["facts"].values())


@pytest.mark.parametrize("name", NAMES)
def test_the_data_is_json_without_nan(name):
    answer = hardware_answer(hardware.hardware(name))
    assert json.loads(json.dumps(answer.data, allow_nan=False)) == answer.data


@pytest.mark.parametrize("name", NAMES)
def test_what_follows_lies_in_the_interval_that_its_facts_imply(name):
    for line in hardware_answer(hardware.hardware(name)).data["derived"].values():
        assert line["low"] <= line["value"] <= line["high"]


def test_the_headline_of_a_chip_says_balance_and_drain_time():
    answer = hardware_answer(hardware.chip("h100"))
    assert answer.headline == (
        "NVIDIA H100 SXM 80 GB: 1.98 PFLOP/s dense in fp8, 80 GB at 3.35 TB/s; "
        "balance 295, drain time 23.9 ms."
    )


def test_the_explanation_puts_in_the_numbers():
    line = next(x for x in hardware_answer(hardware.chip("h100")).explain if x.what == "balance in fp8")
    assert (line.equation, line.numbers) == ("R = F·w/(2·W)", "1.98 PFLOP/s · 1 B / (2 · 3.35 TB/s)")
    assert line.result == pytest.approx(295.4, abs=0.05)


def test_who_disagrees_is_noted():
    notes = hardware_answer(hardware.chip("b300")).notes
    assert any("flops.fp4" in note and "13,500" in note for note in notes)


def test_an_announced_chip_is_said_to_be_announced():
    assert "announced" in hardware_answer(hardware.chip("rubin")).headline
