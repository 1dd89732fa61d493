"""The text, the pictures and the page: complete, within their width, standing alone."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rackline
from rackline.decisions.answer import Axis, Heat, Plot, Series
from rackline.interface import canvas, figures
from rackline.interface.html import to_html
from rackline.interface.text import Look, to_text
from tests.interface import fake
from tests.interface.conftest import run

FULL = fake.full()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_but_a_launch_command_is_wider_than_the_terminal(width: int):
    lines = to_text(FULL, Look(width=width, explain=True, cite=True)).splitlines()
    assert [line for line in lines if len(line) > width] == [line for line in lines if line.startswith("serve model")]


@pytest.mark.parametrize("width", [60, 120])
def test_every_part_of_the_answer_is_in_the_text(width: int):
    text = to_text(FULL, Look(width=width, explain=True, cite=True))
    for part in ("One pass takes", "bound:", "Time against batch", "38.6 ms", "$751/Mtok", "36 %", "—", "∞",
                 "Balance", "memory: KV cache", "Time of one pass", "c measured", "┊ B* (312)", "Assumes 8,192",
                 "t = W / (n · BW)", "= 671e9 B", "= 1.16 ms", "-0.93", "2026-11-01", FULL.text[0][1].strip()):
        assert part in text


def test_the_text_names_the_facts_that_weigh_most_and_how_to_see_all():
    text = " ".join(rackline.show(FULL).split())
    assert "Rests on 2 facts, most of all chip.memory_bandwidth 8 TB/s (-0.93); --cite" in text


def test_colours_are_for_terminals_alone():
    assert "\x1b[" not in run("fake", "deepseek-v3", "--on", "h100-sxm").out
    assert "\x1b[" in to_text(FULL, Look(colour=True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", to_text(FULL, Look(colour=True))).split() == to_text(FULL, Look()).split()


def test_words_that_look_like_markup_are_shown_as_they_are():
    answer = replace(FULL, headline="[bold]x[/bold] :smile: [red", notes=("[/]",))
    text = rackline.show(answer)
    assert "[bold]x[/bold] :smile: [red" in text
    assert "[/]" in text


def test_a_long_table_is_cut_in_the_text_and_whole_in_the_file():
    table = replace(FULL.tables[1], rows=tuple((f"n{i}", i) for i in range(1000)))
    answer = replace(FULL, tables=(table,), plots=())
    assert "960 more rows: --csv gives all 1,000" in rackline.show(answer)
    assert "n999" in to_html(answer)


_NUMBERS = st.lists(st.floats(), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(x=_NUMBERS, y=_NUMBERS, log=st.tuples(st.booleans(), st.booleans()), marks=st.booleans(), mark=st.floats())
def test_any_numbers_are_drawn_or_left_out_never_a_fault(x, y, log, marks, mark):
    size = min(len(x), len(y))
    series = Series("s", x[:size], y[:size], low=y[:size], marks=marks)
    plot = Plot("p", Axis("x", "count", log[0]), Axis("y", "seconds", log[1]), (series,), ((mark, "m"),))
    text = to_text(replace(FULL, tables=(), plots=(plot,), text=()), Look(width=60))
    assert all(len(line) <= 60 for line in text.splitlines())


_PHYSICAL = st.lists(st.floats(-1e30, 1e30) | st.sampled_from([float("nan"), float("inf")]), min_size=1, max_size=8)


@settings(max_examples=15, deadline=None)
@given(x=_PHYSICAL, y=_PHYSICAL, log=st.tuples(st.booleans(), st.booleans()), mark=st.floats())
def test_any_numbers_are_printed_or_left_out_never_a_fault(x, y, log, mark):
    size = min(len(x), len(y))
    series = Series("s", x[:size], y[:size], low=y[:size])
    plot = Plot("p", Axis("x", "count", log[0]), Axis("y", "seconds", log[1]), (series,), ((mark, "m"),))
    assert figures.to_bytes(replace(FULL, plots=(plot,)), "png").startswith(b"\x89PNG")


def test_a_rising_line_rises_in_the_terminal():
    plot = Plot("p", Axis("x"), Axis("y"), (Series("s", [0, 1], [0, 1]),))
    grid = canvas.draw(plot, 20, 10)
    assert grid is not None
    columns = [[row for row in range(10) if (row, column) in grid.dots] for column in range(20)]
    assert all(min(left) >= min(right) for left, right in pairwise(columns))
    assert (columns[0], columns[-1]) == ([9], [0])


@pytest.mark.parametrize(("low", "high", "log"), [(1, 4096, True), (0.012, 0.1, True), (0, 1, False), (3, 3, False),
                                                  (1e-9, 1e12, True), (2, 2, True), (0.99, 1.0, False)])
def test_ticks_lie_on_the_axis_rise_and_are_few(low: float, high: float, log: bool):
    found = canvas.ticks(canvas.Scale(Axis("x", "count", log), low, high), 6)
    values = [value for value, _ in found]
    assert 1 <= len(values) <= 6
    assert values == sorted(values)
    assert all(low <= value <= high for value in values)


def test_a_picture_is_svg_with_every_curve_and_no_date():
    svg = figures.to_bytes(FULL, "svg")
    ElementTree.fromstring(svg)
    assert svg == figures.to_bytes(FULL, "svg")
    assert b"<dc:date>" not in svg


def test_a_figure_has_labels_scales_bands_marks_and_a_legend():
    first, second = figures._figure(FULL.plots, FULL.headline).axes
    assert (first.get_xlabel(), first.get_ylabel(), first.get_title(loc="left")) == (
        "batch (sequences)", "time per pass", "Time of one pass")
    assert (first.get_xscale(), second.get_xscale()) == ("log", "linear")
    legend = first.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["bounds", "with a gap", "measured",
                                                               "from low to high"]
    assert legend.get_window_extent().x0 >= first.get_window_extent().x1
    assert len(first.collections) == 1
    assert [text.get_text() for text in first.texts] == ["B*: 312"]
    assert second.get_legend() is None


def _banded(marks: bool) -> Plot:
    series = Series("s", [10.0, 11.0, 12.0], [6.0, 6.5, 7.0], [5.0, 5.5, 6.0], [7.0, 7.5, 8.0], marks=marks)
    return Plot("p", Axis("x"), Axis("y"), (series,))


@pytest.mark.parametrize("marks", [False, True])
def test_a_figure_draws_the_whole_interval_as_a_band_of_a_curve_or_a_bar_a_point(marks: bool):
    (axes,) = figures._figure((_banded(marks),), "").axes
    drawn = axes.collections[0]
    points = [point for path in drawn.get_paths() for point in path.vertices.tolist()]
    assert len(drawn.get_paths()) == (3 if marks else 1)
    for x, low, high in zip(*(getattr(_banded(marks).series[0], n) for n in ("x", "low", "high")), strict=True):
        assert [x, low] in points
        assert [x, high] in points
    assert axes.get_ylim()[0] <= 5.0
    assert axes.get_ylim()[1] >= 8.0
    assert axes.get_legend().get_texts()[-1].get_text() == "from low to high"


@pytest.mark.parametrize("marks", [False, True])
def test_the_terminal_draws_the_ends_of_intervals_in_dots(marks: bool):
    grid = canvas.draw(_banded(marks), 31, 15)
    assert grid is not None
    rows = {at: {row for row, column in grid.dots if column == at} for at in (0, 30)}
    assert max(rows[0]) == 14  # the lowest low
    assert min(rows[30]) == 0  # the highest high
    bar = {row for row, column in grid.dots if column == 15}  # from 5.5 to 7.5 of 5 to 8: rows 12 to 2
    assert (len(bar) >= 9) == marks
    assert {min(bar), max(bar)} <= {2, 3, 11, 12}


def test_figures_of_another_kind_than_the_answer_say_so_wherever_they_are_shown():
    table = replace(FULL.tables[0], badge="simulated")
    plot = replace(FULL.plots[0], badge="measured")
    answer = replace(FULL, tables=(table,), plots=(plot,))
    assert f"{table.title} [simulated]" in to_text(answer, Look(width=200))
    assert f"{plot.title} [measured]" in to_text(answer, Look(width=200))
    assert f"{table.title} [simulated]" in to_html(answer)
    assert figures._figure((plot,), "").axes[0].get_title(loc="left") == f"{plot.title} [measured]"


class _Page(HTMLParser):
    """Collects tags and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.found: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [(name, value or "") for name, value in attrs]


def test_the_page_fetches_nothing_and_runs_nothing():
    text = to_html(FULL)
    page = _Page(text)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not any(name == "src" or name.startswith("on") for name, _ in page.found)
    assert "default-src 'none'" in text
    assert not re.search(r"url\((?!#)|@import", text)


def test_the_page_has_unique_ids_and_no_dangling_reference():
    page = _Page(to_html(FULL))
    ids = [value for name, value in page.found if name == "id"]
    references = {value[1:] for name, value in page.found if name.endswith("href") and value.startswith("#")}
    assert len(ids) == len(set(ids))
    assert references
    assert references <= set(ids)


def test_the_page_holds_the_whole_answer_with_its_signs_escaped():
    text = to_html(FULL)
    assert "memory &lt;bandwidth&gt; &amp; nothing else" in text
    assert "<bandwidth>" not in text
    for part in ("38.6 ms", "Balance", "t = W / (n · BW)", '<a href="https://example.org/d.pdf"', "Assumes 8,192"):
        assert part in text
    assert to_html(replace(FULL, feasible=False, reasons=("too big",))).count("Why not") == 1


# ---- heat maps

GRID = [[float(10 * row + column) for column in range(30)] for row in range(3)]
HEAT = Plot("Who sends what", Axis("to chip"), Axis("from chip"), (), heat=Heat(GRID, "bytes sent", "bytes"))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_heat_map_in_the_text_keeps_to_the_width_and_says_what_its_shades_mean(width: int):
    lines = to_text(replace(FULL, plots=(HEAT,)), Look(width=width)).splitlines()
    shaded = [line for line in lines if "│" in line and set(line) & set("░▒▓█")]
    assert len(shaded) == 3
    assert all(len(line) <= width for line in shaded)
    assert any("bytes sent" in line and "0 B" in line and "49 B" in line for line in lines)


@given(st.integers(1, 200), st.integers(1, 60), st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_shades_never_outgrow_their_room_and_show_the_largest_of_what_they_join(columns: int, rows: int, width: int):
    values = [[0.0] * columns for _ in range(rows)]
    values[-1][-1] = 5.0
    lines = canvas.shades(Heat(values, "x"), width, 24)
    assert len(lines) <= 24
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= width
    assert lines[-1][-1] == canvas.SHADES[-1]


def test_a_heat_map_is_drawn_in_vectors_and_described():
    page = to_html(replace(FULL, plots=(HEAT,)))
    assert "<image" not in page
    assert 'aria-label="Who sends what: from chip against to chip; bytes sent"' in page
    assert figures.to_bytes(replace(FULL, plots=(HEAT,)), "png").startswith(b"\x89PNG")


def test_a_sentence_with_two_prices_is_no_formula():
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(figures._STYLE):
        text = Figure().text(0, 0, "From $1 to $2 a token.")
        assert text._preprocess_math(text.get_text())[1] is False
