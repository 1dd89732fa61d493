"""What README.md and the guides quote is what the program prints; their links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
DOCUMENTS = sorted([HERE / "README.md", HERE / "CONTRIBUTING.md", *(HERE / "docs").rglob("*.md")])


def load(name: str):
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, HERE / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load("make_readme")
reference = load("make_reference")
QUOTED = [(page, match) for page in make.pages() for pattern in (make.CONSOLE, make.PYTHON, make.INCLUDE)
          for match in pattern.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "match"), QUOTED,
                         ids=[f"{page.stem}-{match.start()}" for page, match in QUOTED])
def test_a_quotation_is_what_the_program_prints(page, match):
    assert match.group() == make.refreshed(match.group()), "run make docs"


def test_every_kind_of_quotation_is_in_the_readme_and_no_comment_is_misspelt():
    text = (HERE / "README.md").read_text(encoding="utf-8")
    assert all(p.search(text) for p in (make.CONSOLE, make.PYTHON, make.INCLUDE))
    for page in make.pages():
        comments = re.findall(r"^<!-- (?:quote|include)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(comments) == sum(p == page for p, _ in QUOTED), page


def test_a_stale_quotation_is_seen():
    text = "<!-- quote: first -->\n```console\n$ rackline --version\nrackline of old\n```\n"
    assert "rackline of old" not in make.refreshed(text)


def test_a_quotation_that_asks_for_another_program_or_a_part_that_is_gone_is_refused():
    with pytest.raises(ValueError, match="only rackline is run"):
        make.output("rm -r x")
    with pytest.raises(ValueError, match="nothing that the command prints starts with 'gone'"):
        make.shortened("a\n\nb\n", "first | gone")


def test_what_is_left_out_of_a_quotation_is_marked():
    assert make.shortened("a\nb\nc\n\nd\n\ne\n", "first:2 | e") == "a\nb\n…\n\ne\n"
    assert make.shortened("a\n\nd\n\ne\n", "first | e") == "a\n…\n\ne\n"
    assert make.shortened("a\n\nd\n", "d") == "…\n\nd\n"


def test_the_picture_of_the_readme_shows_todays_answer():
    assert make.answer().headline in (HERE / make.PICTURE).read_text(encoding="utf-8"), "run make docs"


@pytest.mark.parametrize("path", reference.made())
def test_a_page_of_the_reference_is_what_its_generator_makes(path):
    assert (HERE / path).read_text(encoding="utf-8") == reference.made()[path], "run make docs"


def test_the_page_of_what_is_ignored_joins_lines_and_leaves_out_nothing(tmp_path):
    (tmp_path / "a.py").write_text('def f():\n    """F.\n\n    Ignores: this\n    and that\n    Source: x\n    """\n'
                                   'def g():\n    """G. Ignores: nothing: exact."""\n')
    assert list(reference.leaves_out(tmp_path)) == [("a.f", "this and that")]


@pytest.mark.parametrize("page", DOCUMENTS, ids=[str(p.relative_to(HERE)) for p in DOCUMENTS])
def test_links_between_documents_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
