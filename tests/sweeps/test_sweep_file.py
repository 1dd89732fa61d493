"""Sweep files: what they mean, and that a wrong one is one line."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.decisions.sweep_grid import FILES, MOST_CELLS, grid, key
from rackline.errors import BadInput
from rackline.sweeps.sweep_file import cells, files, read_grid
from tests.sweeps.fake import QUESTION
from tests.sweeps.started import HERE


def made(**document):
    return grid(document, QUESTION)


def cells_of(found):
    return list(cells(found, files(found, QUESTION)))


def written(tmp_path, text: str | bytes):
    path = tmp_path / "sweep.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_grid_is_the_product_of_its_lists_the_last_runs_fastest():
    found = list(made(fixed={"model": "a"}, grid={"rate": [1, 2], "chips": [4, 8, 16]}))
    assert [(cell["rate"], cell["chips"]) for cell in found] == list(itertools.product([1, 2], [4, 8, 16]))
    assert all(cell["model"] == "a" for cell in found)


def test_cases_take_their_options_together_and_combine_with_the_grid():
    found = list(made(cases=[{"model": "a", "chips": 1}, {"model": "b", "chips": 8}], grid={"rate": [1, 2]}))
    assert [(c["model"], c["chips"], c["rate"]) for c in found] == [("a", 1, 1), ("a", 1, 2), ("b", 8, 1), ("b", 8, 2)]


def test_what_varies_is_what_differs_between_cells():
    assert made(cases=[{"model": "a", "chips": 1}, {"model": "b", "chips": 1}],
                grid={"rate": [1, 2], "ends": ["well"]}).varied() == ("model", "rate")


_names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)
_values = st.one_of(_names, st.integers(-2**62, 2**62), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
_options = st.dictionaries(_names, _values, min_size=1, max_size=5)


@settings(max_examples=100, deadline=None)
@given(options=_options, order=st.randoms(use_true_random=False))
def test_a_key_does_not_depend_on_the_order_and_survives_the_file(options, order):
    names = list(options)
    order.shuffle(names)
    assert key({name: options[name] for name in names}) == key(options)
    assert key(json.loads(json.dumps(options))) == key(options)


def same(one, other) -> bool:
    """Whether two sets of options say the same: 8.0 is 8, true is not 1."""
    def told(options):
        return {name: (isinstance(value, bool), isinstance(value, str), value) for name, value in options.items()}
    return told(one) == told(other)


@settings(max_examples=200, deadline=None)
@given(one=_options, other=_options)
def test_two_keys_are_equal_only_for_the_same_options(one, other):
    assert (key(one) == key(other)) == same(one, other)


def test_a_key_is_the_sha256_of_the_canonical_json():
    import hashlib

    assert key({"rate": 8.0, "model": "a"}) == hashlib.sha256(b'{"model":"a","rate":8}').hexdigest()
    assert key({"chips": True}) != key({"chips": 1})


def _trace_key(text: str) -> str:
    (cell,) = cells_of(made(fixed={"model": "a"}, grid={"trace": [text]}))
    assert cell.options["trace"] == text
    return cell.key


def test_a_changed_file_is_another_cell_and_the_same_content_again_the_same_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = [_trace_key("t.csv")]
    for text in ("a", "b", "a"):
        (tmp_path / "t.csv").write_text(text)
        keys.append(_trace_key("t.csv"))
    assert keys[1] == keys[3]
    assert len(set(keys)) == 3


def test_a_file_changed_in_a_folder_of_clients_is_another_cell(tmp_path):
    (tmp_path / "one.csv").write_text("a")
    keys = [_trace_key(str(tmp_path)), _trace_key(f"{tmp_path}:chat")]
    (tmp_path / "two.csv").write_text("b")
    keys += [_trace_key(str(tmp_path)), _trace_key(f"{tmp_path}:chat")]
    assert len(set(keys)) == 4


def test_a_model_is_its_config_whatever_lies_beside_it(tmp_path):
    def model_key() -> str:
        return cells_of(made(cases=[{"model": str(tmp_path)}]))[0].key

    (tmp_path / "config.json").write_text("{}")
    first = model_key()
    (tmp_path / "weights").write_text("1")
    assert model_key() == first
    (tmp_path / "config.json").write_text("{ }")
    assert model_key() != first


def test_every_option_of_simulate_that_may_name_a_file_is_known_as_such():
    from rackline.decisions.questions import find, parameters

    opens_nothing = {"seconds", "tokens", "count", "int", "number", "ratio", "dollars_per_hour", "choice", "text",
                     "format", "flag", "layout", "tiers", "new_file"}
    assert {p.kind for p in parameters(find("simulate")).values()} <= {*FILES, *opens_nothing}


def test_options_may_be_written_as_on_the_command_line(tmp_path):
    path = written(tmp_path, '[fixed]\n"--model" = "a"\n[grid]\nrate = [1]\n')
    assert [cell.options for cell in cells_of(read_grid(path, QUESTION))] == [{"model": "a", "rate": 1}]


@pytest.mark.parametrize(("text", "says"), [
    ("", "must have a [grid] of lists, or [[cases]]"),
    ("[grid]\n", "must have a [grid]"),
    ("[fixed]\nmodel = 'a'\n", "must have a [grid]"),
    ("[grid]\nrate = []\n", "rate in [grid]: must be a list of one value or more"),
    ("[grid]\nrate = 3\n", "one value for every cell stands in [fixed]"),
    ("[grid]\nrat = [3]\n", "did you mean rate"),
    ("[grids]\nrate = [3]\n", "did you mean grid"),
    ("[grid]\nlog = ['x.csv']\n", "must be a known name; got log"),
    ("[grid]\nrate = [1]\n", "sweep file: model: must be given"),
    ("[fixed]\nmodel = 'a'\nrate = 1\n[grid]\nrate = [1]\n", "may stand in one of"),
    ("[[cases]]\nmodel = 'a'\n[grid]\nmodel = ['a']\n", "may stand in one of"),
    ("[[cases]]\nmodel = 'a'\n[[cases]]\nrate = 1\n", "model: must be given"),
    ("[fixed]\nmodel = 'a'\n[grid]\nrate = ['fast']\n", "--rate:"),
    ("[fixed]\nmodel = 'a'\n[grid]\nends = ['wel']\n", "did you mean well"),
    ("[fixed]\nmodel = 'a'\n[grid]\nrate = [nan]\n", "must be a text, a finite number"),
    ("[fixed]\nmodel = 'a'\n[grid]\nrate = [inf]\n", "must be a text, a finite number"),
    ("[fixed]\nmodel = 'a'\n[grid]\nrate = [[1]]\n", "must be a text, a finite number"),
    ("[fixed]\nmodel = 'a'\n[grid]\nrate = [2001-01-01]\n", "must be a text, a finite number"),
    ("[fixed]\nmodel = 'a'\n[grid]\nrate = [0x" + "f" * 5000 + "]\n", "must be a number below 2^63"),
    ("[fixed]\nmodel = 'a'\n[grid]\nrate = [" + "9" * 5000 + "]\n", "must be TOML"),
    ("x = " + "[" * 100_000, "nest"),
    ("grid = 3\n", "[grid]: must be a table of options"),
    ("cases = 3\n", "must be tables, each under [[cases]]"),
    ("cases = []\n", "must be tables, each under [[cases]]"),
    ("cases = [1]\n", "must be a table of options"),
    ("[grid\n", "must be TOML"),
    ("[fixed]\nmodel = 'a'\nrate-= 1\n", "did you mean rate"),
    (b"\xff\xfe", "must be TOML"),
    (f"[fixed]\nmodel = 'a'\n[grid]\nrate = {list(range(1, 1002))}\nchips = {list(range(1, 1001))}\n",
     "at most 1,000,000 cells; got 1,001,000"),
])
def test_a_wrong_sweep_file_is_one_line_that_says_why(tmp_path, text, says):
    with pytest.raises(BadInput) as error:
        read_grid(written(tmp_path, text), QUESTION)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_million_cells_are_counted_before_one_is_made():
    many = list(range(1, 1001))
    assert len(made(fixed={"model": "a"}, grid={"rate": many, "chips": many})) == MOST_CELLS


_toml = st.recursive(_values | st.just(float("nan")) | st.just(10**30), lambda inner: st.one_of(
    st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=3)), max_leaves=6)
_parts = st.sampled_from(["grid", "fixed", "cases", "grids"])
_known = st.sampled_from(["model", "rate", "chips", "ends", "trace", "log", "--rate", "seconds"])


@settings(max_examples=300, deadline=None)
@given(document=st.dictionaries(_parts, _toml | st.dictionaries(_known, st.lists(_values, max_size=3) | _toml)
                                | st.lists(st.dictionaries(_known, _toml), max_size=3), max_size=3))
def test_whatever_the_tables_hold_it_is_cells_or_one_line(document):
    found = _or_one_line(lambda: grid(document, QUESTION))
    if found is not None:
        assert len(list(found)) == len(found) > 0
        assert all("model" in cell for cell in found)


def _or_one_line(read):
    """What is read, or None where it is refused in one line; any other exception is the test's failure."""
    try:
        return read()
    except BadInput as error:
        line = str(error)
    assert "\n" not in line
    return None


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=60) | st.text(alphabet="[]grid=\"'\n1.,#fixed{}", max_size=60).map(str.encode))
def test_whatever_bytes_a_file_has_it_is_a_grid_or_one_line(tmp_path_factory, content):
    path = written(tmp_path_factory.getbasetemp(), content)
    _or_one_line(lambda: read_grid(path, QUESTION))


def test_the_example_of_the_guide_is_a_sweep_of_twenty_cells():
    from rackline.decisions.questions import find

    found = read_grid(HERE / "docs" / "examples" / "sweep.toml", find("simulate"))
    assert (len(found), found.varied()) == (20, ("on", "chips", "layout", "rate", "chunk"))
