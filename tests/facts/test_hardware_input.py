"""A user's own chip or machine file: right ones are read, wrong ones get one clear line."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rackline.facts
from rackline.errors import BadInput
from rackline.facts import hardware
from rackline.facts.fact import named_facts
from rackline.facts.machine import Chip, Machine, Tier

DATA = Path(rackline.facts.__file__).parent / "data"
CHIP = """name = "mine"
[flops.bf16]
value = "100 TFLOP/s"
source = "my datasheet"
date = 2026-01-02
[memory_capacity]
value = "80 GiB"
source = "my datasheet"
date = "2026-01-02"
[memory_bandwidth]
value = "1 TB/s"
source = "my datasheet"
date = "2026"
"""
NETWORK = """bandwidth = {value = "100 GB/s", source = "s", date = "2026"}
latency = {value = "1 us", source = "s", date = "2026"}
"""
MACHINE = f'name = "box"\nchip = "h100"\nchips = 4\ndomain = 4\ntiers = ["flash"]\n[scale_up]\n{NETWORK}'


def one_line_or(read, *arguments):
    try:
        return read(*arguments)
    except BadInput as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
    return None


def written(tmp_path, text, name="mine.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_chip_file_is_read_and_stands_alone_as_a_machine(tmp_path):
    path = written(tmp_path, CHIP)
    assert hardware.chip(path).memory_capacity.value == 80 * 2**30
    assert hardware.machine(path).chips == 1
    assert hardware.hardware(path) == hardware.chip(path)


def test_a_chip_file_may_name_the_machine_it_sits_in(tmp_path):
    found = hardware.machine(written(tmp_path, 'machine = "dgx-h100"\n' + CHIP))
    assert (found.chips, found.chip.name, found.price) == (8, "mine", None)


def test_a_machine_file_names_a_bundled_chip_or_holds_one_or_points_beside_itself(tmp_path):
    written(tmp_path, CHIP, "one.toml")
    nested = "\n[chip]\n" + CHIP.replace("[", "[chip.")
    texts = [
        MACHINE,
        MACHINE.replace('"h100"', '"./one.toml"'),
        MACHINE.replace('chip = "h100"\n', "") + nested,
    ]
    names = [hardware.machine(written(tmp_path, text)).chip.name for text in texts]
    assert names == ["h100-sxm", "mine", "mine"]


def test_the_same_chip_reads_from_json(tmp_path):
    fact = {"value": "1 TB/s", "source": "s", "date": "2026"}
    data = {
        "name": "mine",
        "flops": {"bf16": fact | {"value": 1e14}},
        "memory_capacity": fact | {"value": "80 GB"},
        "memory_bandwidth": fact,
    }
    assert hardware.chip(written(tmp_path, json.dumps(data), "mine.json")).flops["bf16"].value == 1e14


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"80 GiB"', '"80 GBps"', "GBps is a unit of bytes/s"),
        ('"80 GiB"', "nan", "finite"),
        ('"80 GiB"', "inf", "finite"),
        ('"80 GiB"', '"inf GB"', "finite"),
        ('"80 GiB"', '"-80 GB"', "must lie between"),
        ('"80 GiB"', "1e30", "must lie between 1 MB and 1 PB"),
        ('"80 GiB"', "true", "must be a number"),
        ('"80 GiB"', "[]", "must be a number"),
        ('"1 TB/s"', '"1 TB"', "TB is a unit of bytes"),
        ('source = "my datasheet"', 'source = ""', "without a source"),
        ('source = "my datasheet"', "", "must have source"),
        ("date = 2026-01-02", 'date = "soon"', "must be the day it was checked"),
        ("[flops.bf16]", "[flops.bf61]", "did you mean bf16"),
        ("[flops.bf16]", "[flops.fp8]", "flops must have bf16"),
        ("[memory_capacity]", "[memory_capacty]", "did you mean memory_capacity"),
        ("[memory_bandwidth]\n", "[flops.fp8]\n", "must have memory_bandwidth"),
        ('name = "mine"', 'name = "mi\\u001bne"', "printable"),
        ('name = "mine"', "name = 5", "valid string"),
        ('name = "mine"', 'name = "mine', "well-formed TOML"),
        ('name = "mine"', 'name = "mine"\nmachine = "dgx-h101"', "did you mean dgx-h100"),
        ('value = "80 GiB"', 'value = "80 GiB"\nkind = "assumed"', "needs low and high"),
        ('value = "80 GiB"', 'value = "80 GiB"\nlow = "90 GiB"', "low <= value <= high"),
        ('value = "80 GiB"', 'value = "80 GiB"\nlow = "-1 GiB"', "must lie between"),
        ('value = "80 GiB"', 'value = "80 GiB"\nunit = "seconds"', "must be bytes"),
        ('value = "80 GiB"', 'value = "80 GiB"\nkind = "guessed"', "kind"),
    ],
)
def test_a_wrong_chip_file_gets_one_line_that_says_what_is_wrong(tmp_path, old, new, says):
    assert old in CHIP
    path = written(tmp_path, CHIP.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        hardware.machine(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "mine" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("chips = 4", "chips = 0", "between 1 and 1,000,000"),
        ("chips = 4", "chips = 1e30", "between 1 and 1,000,000"),
        ("chips = 4", "chips = inf", "whole number"),
        ("chips = 4", "chips = -4", "between 1 and 1,000,000"),
        ("chips = 4", "chips = true", "whole number"),
        ("chips = 4", "chips = 5", "need scale_out"),
        ("chips = 4\n", "", "must have chips"),
        ('"h100"', '"h101"', "did you mean h100"),
        ('"h100"', "5", "must be a table"),
        ('["flash"]', '["flesh"]', "did you mean flash"),
        ('["flash"]', '"flash"', "must be a list"),
        ("[scale_up]", "[scale_upp]", "did you mean scale_up"),
        ("[scale_up]", "[scale_out]", "needs scale_up"),
        ("[scale_up]", '[scale_up]\nkind = "torus"', "a torus needs them"),
        ("[scale_up]", '[scale_up]\nkind = "torus"\naxes = [-2, -2]', "at least 1"),
        ("[scale_up]", '[scale_up]\nkind = "torus"\naxes = [2, 3]', "must be the domain"),
        ("[scale_up]", '[scale_up]\nkind = "torus"\naxes = [2, 2]\npod = [1, 9]', "must fit into pod"),
        ("[scale_up]", '[scale_up]\nkind = "ring"', "kind"),
        ("[scale_up]", '[scale_up]\nreduces = "yes"', "true or false"),
        ("[scale_up]", "[scale_up]\nwraps = true", "must not be true or false"),
    ],
)
def test_a_wrong_machine_file_gets_one_line_that_says_what_is_wrong(tmp_path, old, new, says):
    assert old in MACHINE
    path = written(tmp_path, MACHINE.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        hardware.machine(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_readable_file_gets_one_line(tmp_path):
    (tmp_path / "raw.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "big.toml").write_text("#" * 1_000_001)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "nan.json").write_text('{"name": NaN}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "long.toml").write_text(f"name = {'9' * 5000}")
    cases = {
        "missing.toml": "existing file",
        "./": "a directory",
        "raw.toml": "UTF-8",
        "big.toml": "at most 1 MB",
        "deep.json": "nested",
        "nan.json": "finite",
        "list.json": "one table",
        "long.toml": "well-formed",
        "nul\0.toml": "file",
        "a" * 300 + ".toml": "file",
    }
    for name, says in cases.items():
        with pytest.raises(BadInput) as caught:
            hardware.machine(str(tmp_path / name) + ("/" if name == "./" else ""))
        assert says in str(caught.value), name


@pytest.mark.parametrize("name", ["", " ", "no such thing", "h100;ls", "a" * 1000, "é", "\0"])
def test_unknown_names_get_a_hint(name):
    for look_up in (hardware.machine, hardware.chip, hardware.tier, hardware.hardware):
        with pytest.raises(BadInput, match="must be a known name"):
            look_up(name)


def test_a_mistyped_machine_is_met_with_the_nearest_names():
    with pytest.raises(BadInput, match="did you mean gb200-nvl72"):
        hardware.machine("gb200-nvl27")


@pytest.mark.parametrize("spelling", ["GB200 NVL72", "gb200_nvl72", " Gb200-Nvl72 "])
def test_case_spaces_and_underscores_do_not_matter(spelling):
    assert hardware.machine(spelling).name == "gb200-nvl72"


@pytest.mark.parametrize("chips", [0, -1, 10**30, True, 2.5, math.nan])
def test_a_number_of_chips_that_cannot_be_gets_one_line(chips):
    with pytest.raises(BadInput, match="chips"):
        hardware.machine("dgx-h100", chips)


def test_a_slice_that_a_torus_does_not_have_names_one_that_it_has():
    with pytest.raises(BadInput, match=r"torus of 16 × 16; got 17 \(hint: 16 does\)"):
        hardware.machine("tpu-v5e", 17)


def test_more_chips_than_a_machine_can_join_is_refused():
    with pytest.raises(BadInput, match="no network beyond 1 chips"):
        hardware.machine("m2-ultra", 2)


TEXTS = [
    (path, path.read_text(encoding="utf-8")) for path in sorted(DATA.rglob("*.toml")) if path.parent != DATA
]
PIECES = st.sampled_from(
    [
        "-",
        "0",
        "9",
        "1e30",
        "nan",
        "inf",
        '"',
        "[",
        "]",
        "=",
        "\n",
        "GB",
        "s",
        "x",
        "[scale_up]",
        "\x00",
        "true",
        "chips = ",
        "{",
        "}",
        "'",
        "é",
        " ",
        "value",
        "4294967296",
        "[[tiers]]",
    ]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(TEXTS), st.data())
def test_a_mutated_file_gives_a_sound_record_or_one_line(tmp_path, source, data):
    _, text = source
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(PIECES | st.text(max_size=4)) + text[end:]
    path = tmp_path / "mutated.toml"
    path.write_bytes(text.encode("utf-8", "replace"))
    found = one_line_or(hardware.hardware, str(path))
    if found is None:
        return
    assert isinstance(found, Chip | Machine | Tier)
    for where, fact in named_facts(found):
        ends = [x for x in (fact.value, fact.low, fact.high) if x is not None]
        assert all(math.isfinite(x) and x >= 0 for x in ends), where
        assert fact.source, where
        assert fact.date, where


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("1 GB"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Machine.model_fields, *Chip.model_fields, "value", "source", "date", "bf16"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSONS)
def test_any_json_at_all_gives_a_record_or_one_line(tmp_path, data):
    path = tmp_path / "any.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    found = one_line_or(hardware.machine, str(path))
    assert found is None or found.chips >= 1
