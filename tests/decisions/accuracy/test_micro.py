"""Micro-benchmarks: what shares of a rate can be, what the predictions hold, what they refuse."""

import math
import re
from dataclasses import replace
from statistics import fmean, median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.decisions.accuracy.micro import (
    MicroPrediction,
    Unpredictable,
    bundled_points,
    fit_micro,
    predict_micro,
    spans,
)
from rackline.decisions.accuracy.micro_left_out import left_out
from rackline.decisions.accuracy.micro_points import point
from rackline.decisions.accuracy.micro_shared import lent, shown
from rackline.decisions.accuracy.micro_spread import spreads
from rackline.facts.measurements import Load, Measured
from rackline.facts.micro import micro, micro_group, micro_groups, micro_levels, micro_machine, micro_names
from rackline.systems.efficiency import EXPONENTS, FORMS, GEMM, SCALES, achieved_time, bounded, free, share_in

ROWS = [row for name in micro_names() for row in micro(name)]
FOUND = {name: predict_micro(micro(name)) for name in micro_names()}
PREDICTED = {name: [one for one in found if isinstance(one, MicroPrediction)] for name, found in FOUND.items()}
SHARES = [(name, key, fact) for name, group in micro_groups().items() for key, fact in group.coefficients.items()
          if key not in (*SCALES, *EXPONENTS, "joint")]


@pytest.fixture(scope="module")
def fits():
    return fit_micro()


def test_no_achieved_share_of_a_rate_is_above_one_nor_is_its_interval():
    assert len(SHARES) > 300
    assert [(name, key) for name, key, fact in SHARES if not 0 < fact.low <= fact.value <= fact.high <= 1] == []


def test_every_coefficient_names_the_rows_it_came_from_and_an_interval_that_is_open():
    for group in micro_groups().values():
        for key, fact in group.coefficients.items():
            assert re.search(rf"fitted to {group.count} micro-benchmarks: [A-Z2]+-\d+…\d+", fact.source), fact
            assert fact.low < fact.high, (group.name, key)


def test_the_bundled_coefficients_are_those_of_the_bundled_rows(fits):
    """To a per cent: the last digits depend on the machine's linear algebra."""
    assert set(fits) == set(micro_groups())
    found = spreads(fits)
    for name, fit in fits.items():
        group = micro_groups()[name]
        assert group.count == len(fit.rows)
        assert group.values == pytest.approx(dict(fit.values), rel=0.01, abs=1e-9 if fit.form is GEMM else 0.01)
        assert group.spread == pytest.approx(found[name].ends, abs=0.01)
        assert group.shared == pytest.approx(found[name].shared, abs=0.01)
        assert group.sizes == found[name].sizes


@pytest.mark.parametrize(("name", "middle", "mean"), [
    ("gemm", 0.046, 0.07), ("attention", 0.035, 0.05), ("nccl", 0.055, 0.08), ("collectives", 0.045, 0.30),
    ("alltoall", 0.05, 0.08), ("deepgemm", 0.06, 0.07), ("mamf", 0.04, 0.05),
    ("transfer", 0.09, 0.11)])
def test_the_errors_of_a_table_stay_each_shape_predicted_without_itself(name, middle, mean):
    errors = [abs(one.error) for one in PREDICTED[name]]
    assert median(errors) < middle
    assert fmean(errors) < mean


def test_half_of_the_products_of_a_shape_not_seen_are_within_a_tenth():
    special = [group for group in micro_groups().values() if group.form == "gemm" and group.count > 100
               and re.search(r" on \S*\d", group.name)]
    assert len(special) == 17
    assert {group.name for group in special if group.left_out[0] > 0.1} == set()


def test_ninety_per_cent_intervals_hold_nine_in_ten_of_every_table():
    for name, found in PREDICTED.items():
        held = fmean(one.low <= one.row.value <= one.high for one in found)
        least = 0.75 if len(found) < 50 else 0.85  # two transfers of ten lengths, the ends of which lie outside
        assert least <= held <= 0.95, (name, held)


@pytest.mark.parametrize(("form", "label", "basis", "middle"), [
    ("gemm", lambda p: (p.chip, p.kind) if p.chip in ("h200-sxm", "b300") else None, "near", 0.055),
    ("gemm", lambda p: p.chip if p.chip in ("a100-80gb-sxm", "l40s") else None, "unseen", 0.13),
    ("decode attention", lambda p: p.chip, "near", 0.06), ("decode attention", lambda p: p.chip, "unseen", 0.16),
    ("collective", lambda p: p.group if p.chip == "b200" and "NCCL" in p.levels[0] else None, "near", 0.08),
    ("expert exchange", lambda p: p.group, "near", 0.06)])
def test_a_chip_a_format_or_a_number_of_chips_left_out_whole_is_met_and_inside(form, label, basis, middle):
    """Those that are left out tell the fit nothing: not their coefficients, not their intervals."""
    points = [one for one in bundled_points() if one.form.name == form]
    sets = [one for one in left_out(points, label) if one.basis == basis]
    assert len(sets) >= 2
    errors, inside = (np.concatenate([getattr(one, name) for one in sets]) for name in ("errors", "inside"))
    assert np.median(np.abs(np.expm1(-errors))) < middle
    lone = form == "decode attention" and basis == "near"  # no family of two chips is left to show how far one lies
    assert 0.8 < inside.mean() < (1.01 if lone else 0.96)


def test_a_bundled_row_does_not_see_its_own_value():
    row = micro("gemm")[500]
    plain, slower = predict_micro([row, replace(row, value=10.0 * row.value)])
    assert slower.value == plain.value
    elsewhere = predict_micro([replace(row, facts={**row.facts, "m": row.facts["m"] + 1})])[0]
    assert elsewhere.value != pytest.approx(plain.value, rel=1e-4)  # no bundled row: by the coefficients of all


def test_rows_faster_than_the_datasheet_are_those_explained():
    faster = [one for found in PREDICTED.values() for one in found if one.faster]
    assert {(one.point.chip, one.point.form.name) for one in faster} == {
        ("l40s", "gemm"), ("h800-sxm", "expert exchange")}
    assert len(faster) == 17


def test_every_row_is_predicted_or_says_why_not():
    assert sum(map(len, FOUND.values())) == len(ROWS)
    reasons = {one.reason for found in FOUND.values() for one in found if isinstance(one, Unpredictable)}
    assert {reason for reason in reasons if not reason.startswith("no bundled chip ")} == {
        "no time of a kernel or collective with a stated size", "size or chips not stated"}


def test_a_chip_that_was_not_measured_gets_its_familys_coefficients_and_a_wider_interval():
    row = next(row for row in micro("gemm") if "H100" in row.hardware and row.formats.compute == "bfloat16")
    measured, lent = predict_micro([row, replace(row, hardware="NVIDIA H100 PCIe")])
    assert (measured.group, measured.basis) == ("gemm: bf16 on h100-sxm", "seen")
    assert (lent.group, lent.basis) == ("gemm: bf16 on hopper", "near")
    nowhere = predict_micro([replace(row, hardware="AMD MI300X")])[0]
    assert (nowhere.group, nowhere.basis) == ("gemm: bf16", "unseen")
    assert nowhere.high / nowhere.low > measured.high / measured.low


def test_a_number_of_chips_that_was_not_measured_is_near_and_its_interval_holds_what_such_showed():
    row = next(row for row in micro("nccl") if "H200" in row.hardware and row.chips == 8
               and row.metric == "all_reduce_latency")
    seen, near = predict_micro([row, replace(row, chips=6)])
    assert (seen.basis, near.basis) == ("seen", "near")
    assert near.group == seen.group
    assert near.high / near.low > seen.high / seen.low
    shown = micro_groups()[near.group].elsewhere
    assert near.spread[0] <= shown[0] < 0.0 < shown[1] <= near.spread[1]


def test_what_other_chips_of_the_family_show_at_the_same_sizes_is_lent_shrunk():
    row = next(row for row in micro("gemm") if "B300" in row.hardware and row.formats.compute == "nvfp4")
    one = point(row)
    place = ("gemm", "nvfp4", "blackwell", one.place)
    assert lent(one, {place: {"b200": 0.2, "gb200": 0.4, "b300": 9.0}}) == pytest.approx(0.6 / 3)  # not its own
    assert lent(one, {place: {"b300": 9.0}}) is None
    assert lent(one, {("gemm", "nvfp4", "hopper", one.place): {"h100-sxm": 0.2}}) is None
    taken = shown([one], lambda name: micro_groups()[name].values)
    assert list(taken) == [place]
    assert abs(taken[place]["b300"]) < 0.5
    other = predict_micro([replace(row, facts={**row.facts, "m": 3.0})])[0]
    assert other.spread == micro_groups()[other.group].spread  # no other chip was measured there
    assert predict_micro([row])[0].spread == micro_groups()[other.group].shared


@pytest.mark.parametrize(("metric", "chips", "group"), [
    ("all_gather_latency", 16, "collective: over boxes"), ("allgather_busbw", 8, "collective: all_gather on h100-sxm"),
    ("reducescatter_time", 4, "collective: reduce_scatter on h100-sxm"),
    ("alltoall_algbw", 8, "collective: all_to_all on h100-sxm")])
def test_a_collective_is_known_by_any_of_its_names_and_on_any_number_of_chips(metric, chips, group):
    row = next(row for row in micro("nccl") if "H100" in row.hardware and row.metric == "all_gather_latency")
    unit = "bytes/s" if metric.endswith("bw") else "seconds"
    found = predict_micro([replace(row, metric=metric, chips=chips, unit=unit)])[0]
    assert found.group.startswith(group)


def test_time_bandwidth_and_bus_bandwidth_of_one_measurement_agree():
    rows = {row.metric: row for row in micro("collectives") if row.load.context == 32768 and "A100" in row.hardware}
    time, algorithm, bus = predict_micro(rows[f"allreduce_{name}"] for name in ("time", "algbw", "busbw"))
    assert algorithm.value == pytest.approx(32768 / time.value)
    assert bus.value == pytest.approx(algorithm.value * 2 * 7 / 8)
    assert algorithm.low == pytest.approx(32768 / time.high)


def moved(**given):
    return Measured(**{"id": "T-1", "metric": "kv_transfer_time", "value": 0.01, "unit": "seconds",
                       "engine": "Mooncake Transfer Engine", "model": "Qwen3-235B-A22B-Instruct-2507",
                       "hardware": "H20 cluster (200 GB/s aggregate)", "load": Load(input=8192.0), **given})


def test_a_cache_moves_at_most_of_the_stated_bandwidth_with_the_copies_of_its_tensor_ranks():
    one = predict_micro([moved()])[0]
    assert one.group == "transfer: Mooncake on h20"
    size = 2 * 94 * 4 * 128 * 2 * 2.0 * 8192  # twice: eight ranks share four KV heads
    assert one.point.parts["wire"] == pytest.approx(size / 200e9)
    assert 0.7 < one.point.parts["wire"] / one.seconds < 0.95
    rate, share = predict_micro([moved(metric="kv_transfer_bw", unit="bytes/s", value=1e11),
                                 moved(metric="bw_utilisation", unit="ratio", value=0.5)])
    assert rate.value == pytest.approx(size / one.seconds)
    assert share.value == pytest.approx(rate.value / 200e9)


def test_a_transfer_of_an_unknown_model_or_length_is_a_reason():
    assert point(moved(model="nobody/knows")) == "no bundled model nobody/knows"
    assert point(moved(load=Load())) == "tokens not stated"
    assert predict_micro([moved(hardware="NVIDIA H100 SXM")])[0].basis == "near"  # at its own cards' bandwidth
    distilled = point(moved(model="DeepSeek-R1-Distill-Nobody-70B"))
    assert distilled.startswith("no bundled model")  # never the parent's sizes


# ---- the equation

SECONDS = st.floats(1e-9, 10.0)
SHARE = st.floats(0.01, 1.0)
QUICK = settings(max_examples=80, deadline=None)


def drawn(draw, form):
    values = {name: draw(SHARE) for name in form.coefficients}
    values |= {"fixed": draw(st.floats(0.0, 1e-3)), "depth": draw(st.floats(0.0, 1e-3))}
    values["joint"] = draw(st.floats(0.3, 1.0))
    values |= {name: draw(st.floats(-1.0, 1.0)) for name in EXPONENTS}
    return values, {name: draw(SECONDS) for name in (*form.overlapping, *form.added)}


@QUICK
@given(data=st.data())
def test_an_achieved_time_is_never_below_the_datasheets_and_grows_with_every_part(data):
    form = FORMS[data.draw(st.sampled_from(sorted(FORMS)))]
    values, parts = drawn(data.draw, form)
    group = data.draw(st.sampled_from([2.0, 8.0, 64.0]))
    time = achieved_time(form, parts, values, group)
    assert math.isfinite(time)
    assert time >= max(seconds for name, seconds in parts.items() if name not in ("depth", "output")) * (1 - 1e-9)
    name = data.draw(st.sampled_from(sorted(parts)))
    assert achieved_time(form, parts | {name: 2 * parts[name]}, values, group) >= time * (1 - 1e-12)


def test_with_every_share_at_one_and_nothing_fixed_a_product_is_within_the_rooflines_max_and_sum():
    form = FORMS["gemm"]
    values = dict.fromkeys(form.coefficients, 1.0) | {"fixed": 0.0, "depth": 0.0}
    time = achieved_time(form, {"compute": 3.0, "memory": 4.0, "depth": 1.0, "quantise": 0.0, "output": 0.0}, values)
    assert time == pytest.approx(5.0)


@QUICK
@given(share=st.floats(0.001, 0.999), growth=st.floats(-3, 3), group=st.floats(2, 1024))
def test_a_share_stays_a_share_in_any_group(share, growth, group):
    assert 0 < share_in(share, growth, group) < 1 + 1e-12
    assert share_in(share, growth, 8.0) == pytest.approx(share)


@QUICK
@given(value=st.floats(0.01, 0.99), name=st.sampled_from(["compute", "fixed", "depth", "wire_growth"]))
def test_free_and_bounded_are_inverse(value, name):
    assert bounded(name, free(name, value)) == pytest.approx(value)


# ---- whatever a row holds

NUMBER = st.one_of(st.none(), st.floats(0, 1e15), st.integers(0, 10**15))


@QUICK
@given(row=st.sampled_from(ROWS[::40]), value=st.floats(-1, 1e15), context=NUMBER, batch=NUMBER, chips=NUMBER,
       facts=st.dictionaries(st.sampled_from(["m", "n", "k", "hidden", "top_k", "head_dim", "num_heads"]),
                             st.one_of(NUMBER, st.text(max_size=3), st.booleans()), max_size=4))
def test_no_row_gives_a_traceback_or_a_number_that_is_none(row, value, context, batch, chips, facts):
    load = Load(row.load.input, row.load.output, batch, None, context)
    changed = replace(row, value=value, load=load, chips=chips, facts={**row.facts, **facts})
    found = predict_micro([changed])[0]
    if isinstance(found, MicroPrediction):
        assert 0 < found.low <= found.value <= found.high < math.inf
    else:
        assert found.reason


@pytest.mark.parametrize(("printed", "name"), [
    ("NVIDIA H100 PCIe", "h100-pcie"), ("NVIDIA A100 80GB PCIe", "a100-80gb-pcie"), ("NVIDIA H20", "h20"),
    ("NVIDIA GeForce RTX 4090", "rtx-4090"), ("NVIDIA GH200 480GB", "gh200"), ("AMD Instinct MI325X", "mi325x"),
    ("NVIDIA H100 80GB HBM3", "h100-sxm"), ("NVIDIA L4", "l4"), ("abacus", None), ("", None)])
def test_a_chip_is_known_by_the_words_of_its_name(printed, name):
    found = micro_machine(printed)
    assert (found.chip.name if found else None) == name


def test_an_unknown_chip_metric_or_format_is_a_reason():
    row = micro("gemm")[0]
    assert point(replace(row, hardware="abacus")) == "no bundled chip abacus"
    assert point(replace(row, hardware="")) == "hardware not stated"
    assert point(replace(row, metric="horsepower")) == "no time of a kernel or collective with a stated size"
    assert point(replace(row, formats=replace(row.formats, compute="fp3"))) == "number format not known: fp3"
    assert micro_group(["nothing", "gemm"]).name == "gemm"


def test_a_clock_finds_the_shares_of_a_chip_and_a_format():
    group = micro_group(micro_levels("gemm", "h100-sxm", "bf16"))
    assert group.name == "gemm: bf16 on h100-sxm"
    assert 0.7 < group.coefficients["compute"].value < 0.9
    assert micro_group(micro_levels("gemm", "tpu-v4", "bf16")).name == "gemm: bf16"


def test_ids_as_spans():
    assert spans(["B-0003", "A-0001", "A-0002"]) == "A-0001…0002, B-0003…0003"
