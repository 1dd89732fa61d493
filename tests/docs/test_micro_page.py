"""docs/micro.md is what its generator makes of the bundled coefficients."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_micro", DOCS / "make_micro.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_what_the_generator_makes(generator):
    assert (DOCS / "micro.md").read_text(encoding="utf-8") == generator.page(), "run python docs/make_micro.py"


def test_the_picture_can_be_made(generator, tmp_path):
    generator.picture(tmp_path / "micro.png")
    assert (tmp_path / "micro.png").stat().st_size > 10_000
