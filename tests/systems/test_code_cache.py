"""Machine code is never older than any of the sources that it was compiled from."""

from __future__ import annotations

from rackline.code_cache import cache_folder, sources_digest


def test_an_edit_of_any_source_is_another_cache_and_clears_the_old_one(tmp_path):
    called, inside = tmp_path / "called.py", tmp_path / "inside.py"
    called.write_text("from inside import f")
    inside.write_text("def f(): return 1")
    before = cache_folder(str(called))
    assert cache_folder(str(called)) == before
    inside.write_text("def f(): return 2")
    after = cache_folder(str(called))
    assert after != before
    assert [str(x) for x in (tmp_path / "__pycache__").iterdir()] == [after]


def test_a_renamed_source_is_another_cache(tmp_path):
    (tmp_path / "a.py").write_text("")
    before = sources_digest(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert sources_digest(tmp_path) != before


def test_where_no_folder_can_be_made_numba_chooses(tmp_path):
    (tmp_path / "__pycache__").write_text("a file")
    assert cache_folder(str(tmp_path / "a.py")) == ""
