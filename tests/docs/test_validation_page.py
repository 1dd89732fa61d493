"""The page of errors is what the program says of itself today."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_validation", DOCS / "make_validation.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(text):
    """Figures of a text, and the text without them."""
    figure = re.compile(r"-?\d[\d,]*\.?\d*(?:e[+-]\d+)?")
    return [float(n.replace(",", "")) for n in figure.findall(text)], figure.sub("#", text)


def test_the_page_is_what_its_generator_makes(generator):
    """Figures may differ in their last digit between machines' linear algebra."""
    (made, words), (kept, kept_words) = (numbers(text) for text in (
        generator.page(), (DOCS / "validation.md").read_text(encoding="utf-8")))
    assert words == kept_words, "run python docs/make_validation.py"
    assert made == pytest.approx(kept, rel=0.02, abs=0.2), "run python docs/make_validation.py"


def test_the_page_shows_its_picture():
    assert (DOCS / "img" / "validation.png").stat().st_size > 10_000
