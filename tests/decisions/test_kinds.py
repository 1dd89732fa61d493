"""How each kind of value is read."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.decisions.kinds import READERS, Param, read
from rackline.decisions.questions import QUESTIONS, parameters
from rackline.errors import BadInput
from rackline.systems.layout import Layout


def _read(kind: str, given_value: object, **bounds: object) -> object:
    return read(Param(kind, "", "--it", **bounds), given_value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "given_value", "value"), [
    ("seconds", "50 ms", 0.05), ("seconds", 2, 2.0), ("seconds", np.float32(0.5), 0.5), ("bytes", "80 GiB", 80 * 2**30),
    ("tokens", "32k", 32000.0), ("count", "8", 8), ("count", np.int64(8), 8), ("dollars_per_hour", "2.5 $/h", 2.5),
    ("ratio", "40 %", 0.4), ("format", "FP8", "fp8"), ("text", " words ", "words"), ("flag", True, True),
    ("count_range", "64", (64.0,)), ("count_range", "8,1,64,8", (1.0, 8.0, 64.0)), ("token_range", "1k,8k", (1e3, 8e3)),
    ("count_range", [1, 8], (1.0, 8.0)), ("count_range", np.array([1, 8]), (1.0, 8.0)), ("count_range", "5:5", (5.0,)),
    ("count_range", "1:100:3", (1.0, 10.0, 100.0)),
    ("layout", "tp8,dp9,ep72,pp1,cp1", Layout(tensor=8, data=9, expert=72)),
    ("layout", Layout(tensor=2), Layout(tensor=2)),
])
def test_a_value_is_read_in_si_units(kind: str, given_value: object, value: object):
    assert _read(kind, given_value) == value


@pytest.mark.parametrize(("kind", "given_value"), [
    *((kind, bad) for kind in ("seconds", "bytes", "tokens", "count", "int", "dollars_per_hour", "ratio", "count_range",
                               "token_range")
      for bad in ("-1", -1, "nan", math.nan, "inf", math.inf, "", "x", True, None, 1e30, "1e30", 1j, object())),
    *((kind, 0) for kind in ("seconds", "count", "count_range")), ("ratio", 1.5), ("seconds", "80 GB"),
    ("count", 1.5), ("count_range", "1.5"), ("count_range", []), ("count_range", "1:2:3:4"), ("count_range", "1:9:x"),
    ("count_range", "1:9:1"), ("count_range", ","), ("token_range", "0:8"), ("flag", "yes"), ("text", 3), ("path", "/"),
    ("path", "a\0b"), ("path", "x" * 5000), ("layout", "tp0"), ("layout", "8"), ("layout", "tp"), ("layout", 8),
    ("layout", "tp8 dp9"), ("layout", "tp99999999"), ("format", "fp9"),
])
def test_a_value_out_of_bounds_is_refused_by_the_name_of_its_option(kind: str, given_value: object):
    with pytest.raises(BadInput, match=r"^--it: "):
        _read(kind, given_value)


def test_zero_is_taken_where_the_parameter_says_so():
    assert _read("token_range", "0,8", least=0) == (0.0, 8.0)


@settings(max_examples=100, deadline=None)
@given(low=st.integers(1, 10**6), factor=st.integers(1, 10**3))
def test_a_range_is_rising_whole_and_holds_both_ends_eight_points_a_doubling_at_most(low: int, factor: int):
    high = low * factor
    values = _read("count_range", f"{low}:{high}")
    assert isinstance(values, tuple)
    assert (values[0], values[-1]) == (low, high)
    assert all(a < b for a, b in pairwise(values))
    assert all(value.is_integer() for value in values)
    assert len(values) <= 2 + 8 * math.log2(factor)


@settings(max_examples=100, deadline=None)
@given(sizes=st.tuples(*[st.integers(1, 512)] * 6))
def test_a_layout_is_read_from_the_name_it_shows(sizes: tuple[int, ...]):
    layout = Layout(*sizes)
    assert _read("layout", layout.name()) == layout


def test_a_file_that_the_user_names_must_be_there(tmp_path: Path):
    file = tmp_path / "trace.csv"
    file.write_text("a")
    assert _read("path", str(file)) == _read("path", file) == file
    with pytest.raises(BadInput, match="must be a file that exists"):
        _read("path", tmp_path)


def test_every_declared_parameter_has_a_reader_and_its_own_flag():
    for question in QUESTIONS.values():
        declared = parameters(question).values()
        assert {p.kind for p in declared} <= set(READERS)
        assert len({p.flag for p in declared}) == len(declared)
