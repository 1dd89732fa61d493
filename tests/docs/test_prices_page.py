"""docs/prices.md is what its generator makes."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_page_is_what_the_generator_makes():
    spec = importlib.util.spec_from_file_location("make_prices", DOCS / "make_prices.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "prices.md").read_text(encoding="utf-8") == module.page(), "run python docs/make_prices.py"
