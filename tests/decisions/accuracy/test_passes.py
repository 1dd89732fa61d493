"""Single passes: each engine by its own coefficients and its kin, honest leaving out, copies of a table recognised."""

from dataclasses import replace

import numpy as np
import pytest

from rackline.decisions.accuracy import judging, kin
from rackline.decisions.accuracy.calibrated_from import predictions
from rackline.decisions.accuracy.families import names
from rackline.decisions.accuracy.pass_families import fit_passes, is_pass, keys_of, left_out, phase_of
from rackline.decisions.accuracy.pass_groups import HELD, family_of, wider
from rackline.decisions.accuracy.samples import samples
from rackline.decisions.against import layout_of
from rackline.facts.calibration import calibration
from rackline.facts.measurements import Formats, Load, Sizes, measurements
from rackline.systems.layout import Layout


@pytest.fixture(scope="module")
def passes():
    return [s for s in judging.known() if is_pass(s)]


@pytest.fixture(scope="module")
def judged(passes):
    return predictions(calibration(), passes, passes)


def of(passes, family):
    return [s for s in passes if s.family == family]


def phase(passes, what):
    return phase_of(what, passes)


def errors(rows):
    size = np.abs([judging.figure_error(p) for p in rows])
    return float(np.median(size)), float(size.mean())


# ---- how well


@pytest.mark.parametrize(("table", "metric", "median", "mean"), [
    ("GPF", "decode_tokens_per_s", 0.05, 0.10), ("LCP", "decode_tokens_per_s", 0.04, 0.06),
    ("XDL", "decode_tokens_per_s", 0.01, 0.02), ("LCP", "prefill_tokens_per_s", 0.05, 0.12),
    ("XDL", "prefill_tokens_per_s", 0.04, 0.06), ("SPL", "prompt_time", 0.04, 0.07), ("SPL", "token_time", 0.02, 0.03),
    ("SPL", "e2e_time", 0.04, 0.06), ("TRT", "first_token_latency", 0.10, 0.12)])
def test_configurations_left_out_of_every_table(judged, table, metric, median, mean):
    found = errors([p for p in judged if p.row.id.startswith(table) and p.row.metric == metric])
    assert found[0] <= median
    assert found[1] <= mean


@pytest.mark.parametrize(("family", "key", "median"), [
    ("decode llama.cpp NVIDIA", "chip", 0.07), ("decode llama.cpp Apple", "chip", 0.06),
    ("prefill llama.cpp NVIDIA", "chip", 0.15), ("prefill llama.cpp Apple", "chip", 0.06),
    ("decode llama.cpp NVIDIA", "model", 0.08), ("prefill tensorrt-llm", "model", 0.12),
    ("decode gpt-fast", "model", 0.08), ("decode vllm", "size", 0.12)])
def test_what_an_engine_was_never_seen_on(passes, family, key, median):
    rows = of(passes, family)
    error = left_out(family, phase(passes, family.split()[0]), rows, keys_of(rows, key))[0]
    assert np.median(np.abs(np.expm1(-error))) <= median


def test_intervals_hold_nine_of_ten_where_series_were_seen(judged):
    for metric in {p.row.metric for p in judged}:
        rows = [p.inside for p in judged if p.row.metric == metric and p.basis == "seen"]
        assert len(rows) < 100 or 0.85 <= np.mean(rows) <= 0.95, metric


def test_intervals_hold_nine_of_ten_of_chips_never_seen(passes):
    for family in ("decode llama.cpp NVIDIA", "prefill llama.cpp NVIDIA", "prefill vllm"):
        rows, band = of(passes, family), calibration().families[family].unseen
        error, spread, _ = left_out(family, phase(passes, family.split()[0]), rows, keys_of(rows, "chip"))
        assert 0.85 <= np.mean((error >= band.low * spread) & (error <= band.high * spread)) <= 0.97, family


# ---- kin


def test_a_row_does_not_see_its_own_value(passes):
    rows = of(passes, "decode llama.cpp Apple")
    target = rows[5]
    changed = replace(target, seconds=10.0 * target.seconds)
    plain = predictions(calibration(), rows, [target])[0]
    moved = predictions(calibration(), [changed if s is target else s for s in rows], [changed])[0]
    assert moved.seconds == pytest.approx(plain.seconds, rel=1e-9)


def test_a_new_chip_in_a_known_table_starts_from_a_shrunk_share_of_what_the_table_shows(passes):
    rows = [s for s in of(passes, "decode llama.cpp NVIDIA") if s.row.id.startswith("XDL")]
    new = replace(rows[0], chip=("NVIDIA", "new"), like=replace(rows[0].like, chip="new"),
                  row=replace(rows[0].row, id="NEW"))
    found = kin.correction("decode llama.cpp NVIDIA", rows, np.full(len(rows), 0.3), [new], np.zeros(1))
    assert 0.1 < found.logs[0] < 0.3
    assert not found.seen[0]
    again = kin.correction("decode llama.cpp NVIDIA", rows, np.full(len(rows), 0.3), rows[:1], np.zeros(1))
    assert again.spread[0] < found.spread[0]
    assert again.seen[0]


def test_without_kin_nothing_is_corrected_and_all_is_uncertain(passes):
    found = kin.correction("decode", [], np.zeros(0), passes[:3], np.zeros(3))
    assert not found.logs.any()
    assert (found.spread > 0.3).all()
    assert not found.seen.any()


def test_covariances_are_those_of_a_process(passes):
    rows = passes[::20]
    found = kin.together(rows, rows, kin.SHARES)
    assert np.allclose(found, found.T)
    assert np.linalg.eigvalsh(found).min() > -1e-9


def test_another_copy_of_a_table_is_the_same_table(passes):
    """Published under a full revision, read elsewhere, a hyphen that does not break: the rows stay one series."""
    rows = [s.row for s in passes if s.row.id.startswith(("LCP", "XDL"))]
    copies = [replace(row, source=row.source.replace("@aa72e0e", "@aa72e0ec86c356c41f8281c9733e9a13c3675800")
                      .replace("(secondary transcription)", "via notes"),
                      hardware=row.hardware.replace("-", "\u2011")) for row in rows]
    again = samples(copies)[0]
    assert [s.like.series for s in again] == [s.like.series for s in samples(rows)[0]]
    assert [kin._table(s) for s in again] == [kin._table(s) for s in samples(rows)[0]]


# ---- families


def test_a_family_is_the_narrowest_that_was_measured():
    assert family_of("decode", "llama.cpp", "Apple") == "decode llama.cpp Apple"
    assert family_of("decode", "llama.cpp", "AMD") == "decode llama.cpp"
    assert family_of("prefill", "mlx", "Apple") == "prefill"
    assert [wider("decode llama.cpp Apple"), wider("decode llama.cpp"), wider("decode")] == [
        "decode llama.cpp", "decode", None]


def test_a_family_of_few_rows_stays_near_the_wider_one(passes):
    decode = phase(passes, "decode")
    wide = fit_passes("decode", decode)
    one = [s for s in decode if s.family != "decode gpt-fast"] + of(passes, "decode gpt-fast")[:1]
    few, many = fit_passes("decode gpt-fast", one), fit_passes("decode gpt-fast", decode)
    assert np.abs(few.logs - wide.logs).sum() < np.abs(many.logs - wide.logs).sum()
    assert HELD < 1.0


def test_every_family_of_the_calibration_has_its_parts_and_at_most_a_dozen(passes):
    for name, family in calibration().families.items():
        if name.split()[0] in ("decode", "prefill", "whole"):
            assert tuple(family.coefficients) == names(name)
            assert len(family.coefficients) <= 12


def test_an_engine_never_seen_gets_the_phases_own_clock_and_a_wider_interval(passes):
    row = next(s.row for s in passes if s.row.id == "LCP-0164")
    new = samples([replace(row, id="N-1", engine="mlx")])[0][0]
    known = samples([replace(row, id="N-2", formats=Formats("Q8_0"))])[0][0]
    assert (new.family, known.family) == ("decode", "decode llama.cpp NVIDIA")
    pooled, kinned = predictions(calibration(), passes, [new, known])
    assert pooled.high / pooled.low > kinned.high / kinned.low
    assert pooled.basis == kinned.basis == "unseen"


# ---- rows


def refusal(row, **changes):
    found, refused = samples([replace(row, **changes)])
    assert not found
    return refused[0][1]


def test_what_cannot_be_read_is_refused_by_its_name(passes):
    row = next(s.row for s in passes if s.row.id == "LCP-0164")
    assert "Q9_Z" in refusal(row, formats=Formats("Q9_Z"))
    assert "no bundled chip abacus" in refusal(row, hardware="abacus")
    assert "no bundled model nobody/knows" in refusal(row, model="nobody/knows")
    assert "no machine of 16 RTX 3090" in refusal(row, hardware="RTX 3090", chips=16)
    assert "not in tokens/s" in refusal(row, unit="seconds")
    prompt = next(s.row for s in passes if s.row.id == "LCP-0163")
    assert "length not stated" in refusal(prompt, load=Load(batch=1))


def test_layers_split_over_chips_wait_for_each_other(passes):
    found = {s.row.chips: s for s in of(passes, "prefill llama.cpp NVIDIA")
             if s.like.chip == "4090 24GB" and s.row.load.input == 4096 and s.like.precision == "f16"
             and s.like.model == "llama-3-8b"}
    parts = {chips: dict(zip(names(s.family), s.decode, strict=True)) for chips, s in found.items()}
    assert parts[1]["idle"] == 0.0 < parts[2]["idle"] < parts[4]["idle"]
    # busy and idle together are the stages one after another, as one chip would compute them
    assert parts[4]["compute"] + parts[4]["idle"] == pytest.approx(parts[1]["compute"], rel=0.02)


def test_llama_cpp_splits_layers_by_default_and_labels_count_chips(passes):
    row = next(s.row for s in passes if s.row.id == "LCP-0164")
    assert layout_of(replace(row, hardware="3090 24GB * 2", chips=None, sizes=Sizes())) == Layout(pipeline=2)


def test_published_rates_of_a_pool_are_passes_or_refused():
    found, refused = samples(measurements("blogs"))
    by = {s.row.id: s for s in found}
    assert by["BLG-0004"].seconds == pytest.approx(256 * 8 / 22282)  # 256 sequences a chip, eight chips a node
    assert by["BLG-0101"].seconds == pytest.approx(2.58 / 250)  # tokens accepted of a check of two drafted ones
    assert by["BLG-0097"].seconds == pytest.approx(1 / 111)
    why = {row.id: reason for row, reason in refused}
    assert "multi-token" in why["BLG-0005"]
    assert "multi-token" in why["BLG-0064"]
    day = {row.id: reason for row, reason in samples(measurements("deepseek-day6"))[1]}
    assert "found in a cache" in day["DSK-0001"]
