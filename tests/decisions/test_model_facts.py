"""`rackline facts MODEL` shows the arithmetic: every line's numbers give its result."""

from __future__ import annotations

import re

import pytest

from rackline.decisions.model_facts import model_answer
from rackline.facts.models import model, model_names

_SUM = str.maketrans({"×": "*", "−": "-", ",": None})


@pytest.mark.parametrize("name", ["deepseek-v3", "llama-3.1-405b", "gemma-3-27b", "qwen3-next-80b-a3b",
                                  "glm-5.2", "gpt2"])
def test_the_numbers_put_in_give_the_result(name):
    for line in model_answer(model(name)).explain:
        text = re.sub(r"\([a-z0-9]+\)|layer of| B\b", "", line.numbers).translate(_SUM)
        assert eval(text) == pytest.approx(line.result, rel=2e-3)  # a mean of bytes is shown with four digits


def test_the_cache_of_deepseek_v3_is_shown_as_published():
    (line,) = [line for line in model_answer(model("deepseek-v3")).explain if line.what == "KV bytes a token"]
    assert (line.numbers, line.result) == ("61 × 1 × (512 + 64) × 2 B", 70_272)


@pytest.mark.parametrize("name", model_names())
def test_every_answer_is_whole(name):
    answer, read = model_answer(model(name)), model(name)
    assert answer.data["total_parameters"] == read.total_parameters
    assert answer.data["kv_bytes_per_token"] == read.kv_bytes_per_token("bf16")
    parts = next(table for table in answer.tables if table.title == "Parameters by part")
    stored = [row[1] for row in parts.rows if row[0] != "total" and not row[0].startswith("beside")]
    met = [row[2] for row in parts.rows if row[0] != "total"]
    assert (sum(stored), sum(met)) == (read.total_parameters, read.active_parameters)
    assert "\n" not in answer.headline
    assert read.source in answer.sources[0].source
