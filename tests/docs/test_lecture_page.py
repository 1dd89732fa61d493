"""docs/lecture.md is what its generator makes, and holds every board and every line."""

import importlib.util
from pathlib import Path

import pytest

from rackline.decisions.lecture_bench import Bench
from rackline.decisions.lecture_boards import BOARDS, KEY_POINTS, everything

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_lecture", DOCS / "make_lecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_what_the_generator_makes(generator):
    committed = (DOCS / "lecture.md").read_text(encoding="utf-8")
    assert committed == generator.page(), "run python docs/make_lecture.py"


def test_the_page_shows_every_board_line_and_key_point(generator):
    page = generator.page()
    assert all(f". {board.title}\n" in page for board in BOARDS)
    for entry in everything(Bench()).entries:
        assert f"**{entry.number}** “" in page
        assert f"`{entry.claim.command}`" in page
    assert all(title in page for _, title, _ in KEY_POINTS)
