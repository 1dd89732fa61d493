"""Files of measurements as people have them: other separators, other encodings, numbers that nobody measured."""

from __future__ import annotations

import gzip

import pytest

from rackline.errors import BadInput
from rackline.facts.observations import observations

HEAD = "id,model,hardware,n_chips,isl,osl,concurrency,metric,value,unit"


def row(name: str, value: str = "12", unit: str = "ms", clients: str = "16", isl: str = "1024") -> str:
    return f"{name},meta-llama/Llama-3.1-70B,H100-SXM,4,{isl},1024,{clients},tpot,{value},{unit}"


TABLE = "\n".join([HEAD, row("a"), row("b", "13")]) + "\n"


@pytest.mark.parametrize("content", [
    TABLE.encode(), TABLE.replace("\n", "\r\n").encode(), TABLE.replace("\n", "\r").encode(),
    TABLE.replace(",", ";").encode(), TABLE.replace(",", "\t").encode(), b"\xef\xbb\xbf" + TABLE.encode()])
def test_a_table_reads_the_same_whatever_separates_its_cells_and_ends_its_lines(tmp_path, content):
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    found = observations(path)
    assert [(r.id, r.value) for r in found.rows] == [("a", pytest.approx(0.012)), ("b", pytest.approx(0.013))]
    assert found.faults == ()


@pytest.mark.parametrize(("content", "says"), [
    (gzip.compress(TABLE.encode()), "it is compressed"), (TABLE.encode("utf-16"), "it is UTF-16"),
    (b"PK\x03\x04\xff\xff", "it is a spreadsheet"), (b"PAR1\xff", "it is Parquet"), (b"a,\xff", "must be UTF-8 text")])
def test_a_file_that_is_no_text_is_told_what_it_is(tmp_path, content, says):
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=says) as error:
        observations(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("line", "says"), [
    (row("x", value="1e300"), "out of all likelihood"), (row("x", value="1e-30"), "out of all likelihood"),
    (row("x", value="NaN"), "must be a finite number"), (row("x", value="-inf"), "must be a finite number"),
    (row("x", clients="-4"), "must be a number of requests"), (row("x", isl="1e12"), "must be a number of tokens"),
    (row("a", value="14"), "an id of its own"), (row("x") + ",more", "must have 10 cells")])
def test_a_row_that_cannot_be_is_named_and_the_others_are_read(tmp_path, line, says):
    path = tmp_path / "own.csv"
    path.write_text(TABLE + line + "\n")
    found = observations(path)
    assert [r.id for r in found.rows] == ["a", "b"]
    (fault,) = found.faults
    assert says in fault[1]
    assert line[0] in fault[0] or "line 4" in fault[0]
