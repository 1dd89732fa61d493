"""The reader of published measurements: rows as written, SI values, one clear line for what is wrong."""

import csv
import io
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rackline.errors import BadInput
from rackline.facts.measurements import Measured, measurement_names, measurements, readable_measurements

COLUMNS = ["id", "source", "source_location", "model", "hardware", "n_chips", "tp", "isl", "osl", "batch", "context",
           "metric", "value", "unit", "notes", "from_memory", "flag"]
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, rows, columns=COLUMNS):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def read(path):
    """The rows, or none and the line of the error."""
    try:
        return measurements(path), ""
    except BadInput as error:
        return (), str(error)


def row(**cells):
    return {"id": "A-1", "metric": "tpot", "value": "12.5", "unit": "ms", **cells}


def one(tmp_path, **cells) -> Measured:
    return measurements(write(tmp_path / "m.csv", [row(**cells)]))[0]


def test_every_bundled_row_has_source_and_location_and_is_not_from_memory():
    for name in measurement_names():
        for found in measurements(name):
            assert found.source, found
            assert found.location, found
            assert not found.from_memory, found
            assert math.isfinite(found.value), found


@pytest.mark.parametrize(("printed", "value", "unit", "per"), [
    ("ms", 12.5e-3, "seconds", ""), ("us", 12.5e-6, "seconds", ""), ("ms/token", 12.5e-3, "seconds", "token"),
    ("%", 0.125, "ratio", ""), ("tokens/s", 12.5, "tokens/s", ""), ("tokens/s/GPU", 12.5, "tokens/s", "GPU"),
    ("tokens/s (whole system)", 12.5, "tokens/s", ""), ("Throughput (out tok/s/GPU)", 12.5, "tokens/s", "GPU"),
    ("TFLOP/s/GPU", 12.5e12, "flop/s", "GPU"), ("GB/s", 12.5e9, "bytes/s", ""), ("GiB", 12.5 * 2**30, "bytes", ""),
    ("USD/GPU/h", 12.5, "dollars/hour", "GPU"), ("USD/M tokens", 12.5, "dollars/Mtok", ""),
    ("USD/day", 12.5, "dollars", "day"), ("nats/token", 12.5, "", "nats/token")])
def test_units_become_si_and_unknown_ones_stay_as_printed(tmp_path, printed, value, unit, per):
    found = one(tmp_path, unit=printed)
    assert (found.value, found.unit, found.per) == (pytest.approx(value), unit, per)


def test_columns_that_are_not_known_are_not_read_and_those_that_lack_are_none(tmp_path):
    path = write(tmp_path / "m.csv", [row(colour="blue")], ["colour", "id", "metric", "value", "unit"])
    found = measurements(path)[0]
    assert (found.chips, found.load.batch, found.sizes.tensor, found.model) == (None, None, None, "")


def test_a_context_that_is_no_number_is_kept_as_text(tmp_path):
    load = one(tmp_path, context="~5 prompt + up to 200 new").load
    assert (load.context, load.context_text) == (None, "~5 prompt + up to 200 new")
    assert one(tmp_path, context="4096").load.context == 4096


@pytest.mark.parametrize("cells", [
    {"value": ""}, {"value": "fast"}, {"value": "nan"}, {"value": "inf"}, {"value": "1e999"}, {"id": ""},
    {"metric": ""}, {"n_chips": "0"}, {"n_chips": "-8"}, {"n_chips": "2.5"}, {"batch": "many"}, {"isl": "-1"},
    {"osl": "1e30"}, {"tp": "-1"}])
def test_a_cell_that_is_not_what_its_column_holds_is_one_clear_line(tmp_path, cells):
    with pytest.raises(BadInput) as error:
        one(tmp_path, **cells)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "id,metric\n", "id,metric,value,unit\n", "id,metric,value,unit\na,b\n",
                                  "id,id,metric,value,unit\n1,2,3,4,5\n", 'id,metric,value,unit\n"a,b,1,s\n',
                                  "id,metric,value,unit,model_facts\na,b,1,s,[1]\n",
                                  "id,metric,value,unit\na,b,1,s\na,b,2,s\n"])
def test_a_malformed_file_is_one_clear_line(tmp_path, text):
    path = tmp_path / "m.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as error:
        measurements(path)
    assert "\n" not in str(error.value)


def test_an_unknown_table_is_answered_with_what_there_is():
    with pytest.raises(BadInput, match="did you mean gpt-fast"):
        measurements("gptfast")


def test_a_folder_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "b.csv").write_bytes(b"id,metric,value,unit\n\xff\xfe")
    for path in (tmp_path, tmp_path / "none.csv", tmp_path / "b.csv"):
        with pytest.raises(BadInput):
            measurements(path)


@SLOW
@given(st.text(max_size=300))
def test_any_text_is_rows_or_one_clear_line(tmp_path, text):
    path = tmp_path / "m.csv"
    path.write_text("id,metric,value,unit,n_chips,isl\n" + text, encoding="utf-8", errors="surrogatepass", newline="")
    found, line = read(path)
    assert "\n" not in line
    assert all(math.isfinite(f.value) for f in found)


@SLOW
@given(st.dictionaries(st.sampled_from(COLUMNS), st.one_of(
    st.text(max_size=12), st.integers().map(str), st.floats().map(str)), max_size=6))
def test_any_cell_is_a_record_or_one_clear_line(tmp_path, cells):
    try:
        path = write(tmp_path / "m.csv", [row(**cells)])
    except UnicodeEncodeError:
        return
    found, line = read(path)
    assert "\n" not in line
    assert all(math.isfinite(f.value) and (f.chips is None or f.chips >= 1) for f in found)


@SLOW
@given(st.floats(1e-6, 1e12), st.integers(1, 10**6), st.integers(0, 10**6))
def test_what_is_written_is_read(tmp_path, value, chips, tokens):
    found = one(tmp_path, value=repr(value), unit="s", n_chips=str(chips), isl=str(tokens))
    assert (found.value, found.chips, found.load.input) == (value, chips, tokens)


# ---- reading what can be read

def test_a_row_that_cannot_be_read_is_named_and_the_others_stay(tmp_path):
    rows = [row(), row(id="A-2", value="many"), row(id="A-1"), row(id="A-3", isl="-1"), row(id="A-4")]
    found, faults = readable_measurements(write(tmp_path / "m.csv", rows))
    assert [one.id for one in found] == ["A-1", "A-4"]
    assert len(faults) == 3
    assert "A-2.value" in faults[0]
    assert "A-1: an id that another row has" in faults[1]
    assert "A-3.isl" in faults[2]


def test_a_file_of_which_nothing_can_be_read_is_one_line(tmp_path):
    with pytest.raises(BadInput, match="at least one readable row"):
        readable_measurements(write(tmp_path / "m.csv", [row(value="many")]))


@pytest.mark.parametrize("text", ["", 'id,metric,value,unit\n"x', '"x', "a,b\n1,2\n", "id,metric,value,unit\n"])
def test_a_file_without_rows_or_a_header_is_one_line(tmp_path, text):
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput):
        readable_measurements(tmp_path / "m.csv")


def test_bundled_tables_have_nothing_that_cannot_be_read():
    for name in measurement_names():
        assert readable_measurements(name) == (measurements(name), ())
