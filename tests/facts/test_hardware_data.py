"""The bundled chips, machines and tiers, against published figures."""

import re
from math import prod
from pathlib import Path

import pytest

import rackline.facts
from rackline.decisions.facts import balance, drain_time, hardware_answer
from rackline.facts import hardware
from rackline.facts.fact import named_facts
from rackline.facts.machine import Machine

DATA = Path(rackline.facts.__file__).parent / "data"
RECORDS = [
    *((hardware.chip, name) for name in hardware.chip_names()),
    *((hardware.machine, name) for name in hardware.machine_names()),
    *((hardware.tier, name) for name in hardware.tier_names()),
]
EVERY = pytest.mark.parametrize(("read", "name"), RECORDS, ids=[f"{r.__name__}-{n}" for r, n in RECORDS])
ASKED_CHIPS = [
    "a100-40gb-sxm",
    "a100-80gb-sxm",
    "a100-80gb-pcie",
    "h100-sxm",
    "h100-pcie",
    "h200",
    "h800",
    "h20",
    "b200",
    "b300",
    "gb200",
    "gb300",
    "rubin",
    "l4",
    "l40s",
    "rtx-4090",
    "rtx-pro-6000",
    "mi300x",
    "mi325x",
    "mi355x",
    "tpu-v4",
    "tpu-v5e",
    "tpu-v5p",
    "tpu-v6e",
    "tpu-v7",
    "trainium2",
    "m1-max",
    "m2-ultra",
    "m3-max",
    "m3-ultra",
    "m4-max",
]
ON_NAMES = [
    "gb200-nvl72",
    "a100-80gb",
    "h100-sxm",
    "h200",
    "b200",
    "gb200",
    "gb300-nvl72",
    "mi300x",
    "tpu-v5e",
    "l4",
    "l40s",
    "rtx-4090",
    "m2-ultra",
]

# the balance (multiply-adds per weight read) that the list of known differences prints, item 2
BALANCES = [
    ("h100-sxm", "fp8", "295"),
    ("b200", "fp8", "281"),
    ("gb200", "fp8", "312"),
    ("tpu-v7", "fp8", "313"),
    ("a100-80gb-sxm", "bf16", "153"),
    ("tpu-v5p", "bf16", "166"),
    ("h200", "fp8", "206"),
    ("mi300x", "fp8", "247"),
    ("h100-pcie", "fp8", "378"),
    ("rubin", "fp8", "398"),
    ("rubin", "fp4", "398"),
    ("b300", "fp4", "469"),
    ("tpu-v6e", "bf16", "560"),
    ("h20", "fp8", "37"),
]
# milliseconds to drain the memory, item 7
DRAINS = [
    ("h100-sxm", 24),
    ("b200", 22.5),
    ("rubin", 13),
    ("a100-80gb-sxm", 39),
    ("b300", 36),
    ("mi300x", 36),
    ("mi325x", 43),
    ("tpu-v5p", 34),
]


@EVERY
def test_every_bundled_number_has_a_source_a_date_and_an_ordered_interval(read, name):
    facts = list(named_facts(read(name)))
    assert len(facts) >= 2
    for path, fact in facts:
        assert len(fact.source) > 5, path
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", fact.date), path
        if fact.kind == "assumed":
            assert fact.note, f"{name} {path}: an assumption states its reason"
        if fact.low is not None and fact.high is not None:
            assert 0 <= fact.low <= fact.value <= fact.high


@EVERY
def test_the_name_in_a_file_is_its_file_name(read, name):
    assert read(name).name == name


def test_no_file_lies_unread_in_the_data_folders():
    found = {
        p.relative_to(DATA).as_posix() for f in ("chips", "machines", "tiers") for p in (DATA / f).rglob("*")
    }
    folders = {"chip": "chips", "machine": "machines", "tier": "tiers"}
    assert found == {f"{folders[read.__name__]}/{name}.toml" for read, name in RECORDS}


@pytest.mark.parametrize("name", ASKED_CHIPS)
def test_every_chip_that_was_asked_for_is_known_and_has_a_machine_of_its_own(name):
    chip = hardware.chip(name)
    assert chip.machine is not None
    assert hardware.machine(name).chip == chip


@pytest.mark.parametrize("name", ON_NAMES)
def test_names_that_people_pass_as_machines_resolve(name):
    assert isinstance(hardware.machine(name), Machine)


def test_aliases_lead_to_files_and_hide_none():
    for folder, names in hardware.aliases().items():
        for alias, name in names.items():
            assert (DATA / folder / f"{name}.toml").is_file(), alias
            assert not (DATA / folder / f"{alias}.toml").exists(), alias


def test_a_bundled_chip_and_its_machine_agree():
    for name in hardware.chip_names():
        chip = hardware.chip(name)
        assert hardware.machine(chip.machine).chip.name == name


@pytest.mark.parametrize(("name", "rate", "printed"), BALANCES)
def test_balance_reproduces_the_printed_figure(name, rate, printed):
    assert f"{balance(hardware.chip(name), rate).value:.0f}" == printed


def test_balance_of_rubin_as_announced_is_570():
    found = balance(hardware.chip("rubin"), "fp4")
    assert f"{found.high:.2g}" == "5.7e+02"


@pytest.mark.parametrize(("name", "milliseconds"), DRAINS)
def test_drain_time_reproduces_the_printed_figure(name, milliseconds):
    chip = hardware.chip(name)
    digits = 1 if milliseconds % 1 else 0
    assert round(1e3 * drain_time(chip.memory_capacity, chip.memory_bandwidth).value, digits) == milliseconds


def test_a_disk_drains_in_twenty_hours_and_flash_in_minutes_to_half_an_hour():
    disk, flash, ddr = (
        drain_time(t.capacity, t.bandwidth).value for t in map(hardware.tier, ("disk", "flash", "ddr"))
    )
    assert round(disk / 3600) == 20
    assert 60 < flash < 1800
    assert 1 < ddr < 10


@pytest.mark.parametrize(("name", "low", "high"), [("dgx-h100", 9, 9), ("gb200-nvl72", 9, 18)])
def test_scale_out_is_as_much_slower_as_published(name, low, high):
    found = hardware_answer(hardware.machine(name)).data["derived"]["scale-up over scale-out"]
    assert (round(found["low"]), round(found["high"])) == (low, high)


@pytest.mark.parametrize(
    ("name", "terabytes", "rate", "petaflops"),
    [
        ("gb200-nvl72", 13.4, "fp8", 360),
        ("gb200-nvl72", 13.4, "fp4", 720),
        ("gb300-nvl72", 20.7, "fp4", 1080),
        ("gb200-nvl72", 13.4, "bf16", 180),
    ],
)
def test_rack_totals_are_the_published_ones(name, terabytes, rate, petaflops):
    rack = hardware.machine(name)
    assert round(rack.domain * rack.chip.memory_capacity.value / 1e12, 1) == terabytes
    assert round(rack.domain * rack.chip.flops[rate].value / 1e15) == petaflops


def test_a_hundred_and_forty_four_counts_dies_of_seventy_two_packages():
    assert hardware.machine("nvl144").chips * 2 == 144
    assert hardware.machine("nvl576").chips * 4 == 576
    assert hardware.chip("rubin").announced


def test_an_nvl72_has_5184_cables():
    rack = hardware.machine("gb200-nvl72")
    assert rack.scale_up.cables.value == rack.chips * 18 * 4 == 5184


def test_faster_formats_are_never_slower_on_a_chip():
    for name in hardware.chip_names():
        flops = hardware.chip(name).flops
        order = [flops[rate].value for rate in ("fp32", "bf16", "fp8", "fp4") if rate in flops]
        assert order == sorted(order), name


def test_only_switches_that_can_add_are_said_to_reduce():
    adds = {
        name
        for name in hardware.machine_names()
        for up in [hardware.machine(name).scale_up]
        if up is not None and up.reduces
    }
    assert not any(name.startswith(("dgx-a100", "mi3", "tpu", "trn2", "rtx", "l4")) for name in adds)
    assert {"dgx-h100", "dgx-h200", "dgx-b200", "gb200-nvl72"} <= adds


def test_a_torus_sends_over_two_links_an_axis():
    for name in hardware.machine_names():
        up = hardware.machine(name).scale_up
        if up is not None and up.link is not None:
            assert up.bandwidth.value == pytest.approx(2 * len(up.axes) * up.link.value), name


@pytest.mark.parametrize(
    ("chips", "axes"), [(1, (1, 1)), (8, (2, 4)), (16, (4, 4)), (256, (16, 16)), (512, (16, 16))]
)
def test_a_slice_of_a_torus_is_as_cubic_as_can_be(chips, axes):
    found = hardware.machine("tpu-v5e", chips)
    assert (found.chips, found.scale_up.axes, found.domain) == (chips, axes, prod(axes))


@pytest.mark.parametrize("chips", [1, 2, 5, 6, 8, 64, 1024])
@pytest.mark.parametrize("name", ["tpu-v5e", "tpu-v5p", "tpu-v7"])
def test_a_slice_sends_only_over_axes_that_it_has(name, chips):
    up = hardware.machine(name, chips).scale_up
    used = sum(n > 1 for n in up.axes) or len(up.axes)
    assert up.bandwidth.value == pytest.approx(2 * used * up.link.value)


def test_one_look_up_reads_only_what_it_names(monkeypatch):
    read = []
    table = hardware.table
    monkeypatch.setattr(hardware, "table", lambda path: read.append(path.name) or table(path))
    for cached in (hardware._bundled_machine, hardware._bundled_chip, hardware._bundled_tier):
        cached.cache_clear()
    hardware.machine("m2-ultra")
    assert sorted(read) == ["m2-ultra.toml", "m2-ultra.toml", "nvme-flash.toml"]
