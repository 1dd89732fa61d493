"""The predictions against published measurements: bounds hold, explanations are neither missing nor stale."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from rackline.decisions import day6
from rackline.decisions.against import against, predict
from rackline.decisions.comparing import Comparison, Unpredicted
from rackline.decisions.pope_contexts import longest_contexts
from rackline.facts.formats import bytes_per_number
from rackline.facts.measured_things import measured_machine, measured_model
from rackline.facts.measurements import measurement_names, measurements, reasons
from rackline.systems.clock import pass_time
from rackline.systems.layout import Layout
from rackline.systems.passes import decode

DOCS = Path(__file__).parents[2] / "docs"
ROWS = [row for name in measurement_names() for row in measurements(name)]
FOUND = [one for name in measurement_names() for one in against(measurements(name))]
COMPARED = [one for one in FOUND if isinstance(one, Comparison)]
EXPLAINED = {row_id: reason for reason in reasons() for row_id in reason.ids}
TOLERANCE = 0.01


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_measured", DOCS / "make_measured.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_measured_point_is_faster_than_the_lower_bound_without_a_reason():
    faster = {one.measured.id for one in COMPARED if one.seconds < one.lower * (1 - TOLERANCE)}
    assert faster <= set(EXPLAINED)


def test_no_reason_is_stale():
    faster = {one.measured.id for one in COMPARED if one.seconds < one.lower * (1 - TOLERANCE)}
    assert set(EXPLAINED) <= faster


def test_every_reason_stands_on_the_page_with_its_rows():
    page = (DOCS / "measured.md").read_text(encoding="utf-8")
    for row_id, reason in EXPLAINED.items():
        assert reason.text in page
        assert row_id in page


def test_no_measured_utilisation_above_one_but_of_explained_rows():
    assert all(one.utilisation <= 1 + TOLERANCE for one in COMPARED if one.measured.id not in EXPLAINED)


def test_lower_time_and_upper_are_ordered_and_positive():
    for one in COMPARED:
        assert 0 < one.lower <= one.time * (1 + 1e-12), one
        assert one.time <= one.upper * (1 + 1e-12), one


def test_a_bound_ten_times_too_high_would_be_caught():
    assert any(one.seconds < 10 * one.lower for one in COMPARED)


def test_every_row_is_compared_or_has_its_reason_once():
    assert len(FOUND) == len(ROWS)
    assert {one.measured.id for one in FOUND} == {row.id for row in ROWS}
    assert all(one.reason for one in FOUND if isinstance(one, Unpredicted))


def test_most_rows_of_each_table_of_times_are_compared():
    for name in ("gpt-fast", "llamacpp-gpus", "llamacpp-scoreboards", "palm-tpuv4"):
        table = against(measurements(name))
        assert sum(isinstance(one, Comparison) for one in table) > len(table) / 2, name


def test_a_row_without_a_bundled_chip_or_model_is_not_guessed():
    row = replace(next(row for row in ROWS if row.hardware == "3070 8GB"), hardware="abacus")
    assert predict(row) == Unpredicted(row, "no bundled chip")


@pytest.mark.parametrize(("model", "printed"), [("Llama-3-8B", 4.58), ("Llama-3-70B", 39.59)])
def test_q4_k_m_makes_the_file_sizes_that_its_publisher_prints(model, printed):
    row = next(r for r in ROWS if r.model == model and r.formats.weights == "Q4_K_M")
    assert row.facts["gguf_size"] == printed
    assert measured_model(row).weight_bytes() / 2**30 == pytest.approx(printed, rel=0.005)


@pytest.mark.parametrize(("model", "printed"), [("Llama-3-8B", 14.96), ("Llama-3-70B", 131.42)])
def test_f16_makes_the_file_sizes_that_its_publisher_prints(model, printed):
    row = next(r for r in ROWS if r.model == model and r.formats.weights == "F16")
    assert row.facts["gguf_size"] == printed
    assert measured_model(row).weight_bytes() / 2**30 == pytest.approx(printed, rel=0.005)


@pytest.mark.parametrize(("name", "block", "size"), [("q4_0", 32, 18), ("q8_0", 32, 34), ("q4_k", 256, 144),
                                                   ("q5_k", 256, 176), ("q6_k", 256, 210)])
def test_ggml_formats_take_the_bytes_of_their_blocks(name, block, size):
    assert bytes_per_number(name) == size / block


def test_gpt_fast_counts_the_same_bytes_of_weights_as_its_reported_bandwidth():
    """It prints bandwidth = weights read a second without the embedding; llama 2 7B: 1397.31 GB/s at 104.9 tokens/s."""
    row = next(row for row in ROWS if row.id == "GPF-0001")
    timed = pass_time(measured_model(row), measured_machine(row), Layout(), decode(1, 0))
    read = float(timed.memory) * measured_machine(row).chip.memory_bandwidth.value
    assert read == pytest.approx(1397.31e9 / 104.9, rel=0.01)


def test_pope_table_1_longest_contexts_follow_within_one_per_cent():
    found = longest_contexts(measurements("palm-tpuv4"))
    assert len(found) == 3
    for one in found:
        assert one.high == pytest.approx(one.measured.value, rel=0.0105), one
        assert one.low < one.high


def test_day_6_figures_follow_from_their_inputs():
    figures = {one.name: one for one in day6.arithmetic(measurements("deepseek-day6"))}
    assert figures["cost of a day"].ours == pytest.approx(87_072, abs=0.5)
    for one in figures.values():
        assert one.ours == pytest.approx(one.published, rel=0.002), one


def test_day_6_experts_of_a_unit_with_the_redundant_ones_are_nine_and_two_a_chip():
    rows = {row.metric: row for row in measurements("deepseek-day6")}
    for metric, experts in ((day6.PREFILL, 9), (day6.DECODE, 2)):
        assert (256 + 32) / rows[metric].sizes.expert == experts


def test_the_committed_page_is_what_the_generator_makes(generator):
    committed = (DOCS / "measured.md").read_text(encoding="utf-8")
    assert committed == generator.page(), "run python docs/make_measured.py"


def test_the_picture_is_drawn(generator, tmp_path):
    generator.picture(tmp_path / "img" / "measured.png")
    assert (tmp_path / "img" / "measured.png").stat().st_size > 10_000
