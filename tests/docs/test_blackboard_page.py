"""docs/blackboard.md is what its generator makes, and holds every equation."""

import importlib.util
from pathlib import Path

import pytest

from tests.physics import equations

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_blackboard", DOCS / "make_blackboard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_what_the_generator_makes(generator):
    committed = (DOCS / "blackboard.md").read_text(encoding="utf-8")
    assert committed == generator.page(), "run python docs/make_blackboard.py"


def test_the_page_shows_every_equation_and_a_number_for_each(generator):
    page = generator.page()
    for name, function in equations.functions().items():
        assert equations.field(function, "Eq") in page, name
        assert f"- `{name.split('.')[1]}(" in page, name
