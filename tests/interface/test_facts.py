"""rackline facts, on the bundled facts: one command for models, chips, machines, tiers and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rackline
from rackline.facts.fact import facts_of
from rackline.facts.hardware import chip
from rackline.interface.cli import main


def _json(capsys: pytest.CaptureFixture, *args: str) -> dict:
    assert main(["facts", *args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_without_a_name_it_lists_every_name(capsys: pytest.CaptureFixture):
    found = _json(capsys)
    assert len(found["models"]) >= 60
    assert {"gb200-nvl72"} <= set(found["machines"])
    assert {"h100-sxm"} <= set(found["chips"])


def test_a_model_gives_its_parameters_and_bytes_per_token(capsys: pytest.CaptureFixture):
    found = _json(capsys, "deepseek-v3")
    assert found["kv_bytes_per_token"] == 70_272
    assert found["active_parameters"] < found["total_parameters"]


def test_a_chip_gives_every_number_with_its_source():
    record = chip("h100-sxm")
    answer = rackline.ask("facts", record)
    assert len(answer.sources) >= len(facts_of(record))
    assert all(source.source and source.date for source in answer.sources)


@pytest.mark.parametrize(("name", "says"), [
    ("deepsek-v3", "NAME: must be a known name; got deepsek-v3 (hint: did you mean deepseek-v3"),
    ("h100-sxmm", "did you mean h100-sxm"), ("no/such.json", "NAME: "), ("no-such.toml", "NAME: ")])
def test_an_unknown_name_is_met_with_the_nearest_of_all_kinds(name: str, says: str, capsys: pytest.CaptureFixture):
    assert main(["facts", name]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"flops": 3}', '{"model_type": "bert"}', "\x00", "[" * 100_000])
@pytest.mark.parametrize("ending", [".json", ".toml"])
def test_a_broken_file_is_one_line(content: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    file = tmp_path / f"thing{ending}"
    file.write_text(content)
    assert main(["facts", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
