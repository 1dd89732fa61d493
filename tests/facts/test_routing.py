"""How tokens choose experts: rules, a user's counts, and every wrong one as a line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.errors import BadInput
from rackline.facts.routing import routing


def test_rules_by_name():
    assert routing("uniform").popularity(4).tolist() == [[1, 1, 1, 1]]
    assert routing("zipf:1").popularity(4).tolist() == [[1, 1 / 2, 1 / 3, 1 / 4]]


@pytest.mark.parametrize(("name", "text", "shape"), [
    ("a.txt", "1\n2\n3\n4\n", (1, 4)), ("b.csv", "1,2,3,4\n4,3,2,1\n", (2, 4)),
    ("c.json", json.dumps([5, 0, 1, 2]), (1, 4)), ("d.json", json.dumps([[1, 2, 3, 4]] * 3), (3, 4))])
def test_counts_of_a_file_one_row_a_layer(tmp_path, name, text, shape):
    path = tmp_path / name
    path.write_text(text)
    found = routing(str(path)).popularity(4)
    assert found.shape == shape
    with pytest.raises(BadInput, match="must count the model's 8 experts"):
        routing(str(path)).popularity(8)


@pytest.mark.parametrize("text", ["", "1,2\n3\n", "a,b\n", "-1,2\n", "0,0\n", "inf,1\n", "nan,1\n", '{"a": 1}'])
def test_a_wrong_file_of_counts_is_one_line(tmp_path, text):
    path = tmp_path / ("x.json" if text.startswith("{") else "x.csv")
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        routing(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["zipf", "zipf:", "zipf:-1", "zipf:x", "zipf:nan", "zipf:99", "unifrom",
                                  "no/such.csv"])
def test_a_wrong_rule_is_one_line(text):
    with pytest.raises(BadInput) as error:
        routing(text)
    assert "\n" not in str(error.value)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60), ending=st.sampled_from([".csv", ".json"]))
def test_whatever_stands_in_a_file_it_is_counts_or_bad_input(tmp_path_factory, data, ending):
    path = tmp_path_factory.mktemp("r") / f"x{ending}"
    path.write_bytes(data)
    try:
        found = routing(str(path))
    except BadInput:
        return
    assert found.counts is not None
    assert np.isfinite(found.counts).all()
