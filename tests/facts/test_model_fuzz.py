"""Mutated real configurations never end in a traceback or in a number that is NaN, negative, absurd or guessed.

`python benchmarks/fuzz_configs.py` reads ten thousand of them.
"""

from __future__ import annotations

import json
import random
from copy import deepcopy
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import rackline
from rackline.facts.models.text import read_file
from tests.facts.config_mutations import ODD, outcome, spoilt

CORPUS = {path.stem: read_file(path)
          for path in sorted((Path(rackline.__file__).parent / "facts" / "data" / "models").glob("*.json"))}


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(CORPUS)), seed=st.integers(0, 2**32))
def test_mutated_configurations_are_read_or_refused(name, seed):
    kinds, text = spoilt(random.Random(seed), CORPUS[name])
    assert not outcome(name, CORPUS[name], kinds, text).startswith("FAILED"), kinds


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(CORPUS)), data=st.data())
def test_any_value_in_any_field_is_read_or_refused(name, data):
    field = data.draw(st.sampled_from(sorted(set(CORPUS[name]) - {"_source"})))
    value = data.draw(st.sampled_from(ODD).map(deepcopy) | st.integers() | st.floats() | st.text(max_size=9))
    assert not outcome(name, CORPUS[name], "replace", json.dumps({**CORPUS[name], field: value}).encode()).startswith(
        "FAILED")
