"""Figures of training: targets held on configurations left out, sources' counts of FLOPs, odd rows named."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from rackline.decisions.accuracy import alike, judging
from rackline.decisions.accuracy.calibrated_from import predictions
from rackline.decisions.accuracy.calibrating import held_out
from rackline.decisions.accuracy.sample import TRAINING
from rackline.decisions.accuracy.samples import samples, steps
from rackline.decisions.accuracy.training_figures import figure_of
from rackline.decisions.accuracy.training_settings import trained_model, training
from rackline.decisions.accuracy.training_sizes import DERIVED, DERIVED_METRICS
from rackline.decisions.questions import ask
from rackline.facts.calibration import calibration
from rackline.facts.measurements import Formats, Load, Measured, Sizes
from rackline.facts.observations import Observations, bundled

ROWS = tuple(row for row in bundled().rows if figure_of(row) or row.metric in DERIVED_METRICS)


@pytest.fixture(scope="module")
def judged():
    return judging.judge(Observations("training", ROWS))


@pytest.fixture(scope="module")
def known():
    return [s for s in judging.known() if s.family == TRAINING]


def errors(rows):
    size = np.abs([judging.figure_error(p) for p in rows])
    return float(np.median(size)), float(size.mean())


def row(**changes):
    plain = Measured("T-1", "train_tokens_per_s_per_gpu", 1_650.0, "tokens/s", "GPU", "a lab", "", "LLAMA3_70B",
                     "DGX-H100", 64, "Megatron-Bridge (NeMo) 26.04", Formats(compute="FP8"),
                     Sizes(4, None, 8, None, 1, "VP=5;FSDP=0;GA=;MBS=1"), Load(8192.0, None, 256), "measured")
    return replace(plain, **changes)


def test_configurations_left_out_are_met_as_asked(judged):
    """5 and 10 % at the median and the mean were asked for; Calculon reaches 3.65 % on Megatron's runs of 2022."""
    timed = [p for p in judged.predicted if p.like.mode != DERIVED]
    assert len(timed) > 1_000
    median, mean = errors(timed)
    assert median <= 0.05
    assert mean <= 0.10


@pytest.mark.parametrize(("engine", "median", "mean"), [
    ("mosaicml", 0.015, 0.03), ("megatron-lm", 0.05, 0.08), ("megatron-bridge", 0.06, 0.12)])
def test_each_stack_is_met(judged, engine, median, mean):
    found = errors([p for p in judged.predicted if p.like.engine == engine and p.like.mode != DERIVED])
    assert found[0] <= median
    assert found[1] <= mean


@pytest.mark.parametrize(("key", "median", "mean"), [("model", 0.07, 0.13), ("chip", 0.12, 0.16)])
def test_what_was_never_seen_is_met(known, key, median, mean):
    error = np.abs(np.expm1(-held_out(TRAINING, known, (), key)[0]))
    assert np.median(error) <= median
    assert error.mean() <= mean


def test_megatron_s_runs_of_2022_are_met_with_their_whole_models_left_out(known):
    """Korthikanti et al., table 5; Calculon, made for these runs, errs by 3.65 % on average and by 8.9 % at most."""
    error = np.abs(np.expm1(-held_out(TRAINING, known, (), "model")[0]))
    mine = error[[s.row.id.startswith("KOR") for s in known]]
    assert len(mine) == 7
    assert mine.mean() <= 0.05
    assert mine.max() <= 0.089


def test_intervals_hold_nine_of_ten(judged):
    timed = [p for p in judged.predicted if p.like.mode != DERIVED]
    assert 0.85 <= np.mean([p.inside for p in timed]) <= 0.95
    for engine in ("mosaicml", "megatron-bridge"):
        assert 0.85 <= np.mean([p.inside for p in timed if p.like.engine == engine]) <= 0.95


def test_bytes_and_flops_follow_from_sizes(judged):
    sizes = [p for p in judged.predicted if p.like.mode == DERIVED]
    assert len(sizes) >= 30
    assert max(abs(p.error) for p in sizes) < 0.012


def test_no_row_is_dropped_silently(judged):
    assert len(judged.predicted) + len(judged.refused) == len(ROWS)
    reasons = {reason for _, reason in judged.refused}
    assert all(said.endswith(("tokens of the whole run not stated", "beyond 8 chips")) for said in reasons)
    assert all(np.isfinite(p.seconds) and 0.0 < p.low <= p.seconds <= p.high for p in judged.predicted)


def test_all_figures_of_a_measurement_say_the_same_seconds():
    """Rates in tokens and in FLOPs, shares of the peak: each source counts FLOPs in its way, and the printed digits."""
    found, _ = steps(row for row in ROWS if figure_of(row))
    groups = {}
    for s in found:
        groups.setdefault((s.measurement, s.row.location), []).append(s.seconds)
    spread = [max(seconds) / min(seconds) - 1.0 for seconds in groups.values() if len(seconds) > 1]
    assert len(spread) > 300
    assert np.quantile(spread, 0.95) < 0.015  # two or three digits are printed


# ---- honesty


def test_no_figure_sees_a_figure_of_its_own_measurement(known):
    """A step's rate in FLOPs made ten times larger moves neither its own prediction nor that of its rate in tokens."""
    target = next(s for s in known if s.like.engine == "mosaicml" and s.row.metric == "train_tokens_per_s_per_gpu")
    changed = replace(target, seconds=10.0 * target.seconds)
    other = replace(target, row=replace(target.row, id="another", metric="MFU"))
    plain = predictions(calibration(), known, [target])[0]
    moved = predictions(calibration(), [changed if s is target else s for s in known], [changed, other])
    assert [p.seconds for p in moved] == pytest.approx([plain.seconds] * 2, rel=1e-9)


def test_what_is_further_from_what_was_seen_has_a_wider_interval(known):
    near = next(s for s in known if s.like.engine == "mosaicml" and s.like.model == "mpt-3b")
    far = replace(near, like=replace(near.like, engine="a new stack", model="a new model"))
    one, other = predictions(calibration(), known, [near, far])
    assert (one.basis, other.basis) == ("near", "unseen")
    assert other.high / other.low > one.high / one.low


def test_residuals_go_together_as_variances_allow(known):
    few = known[::9]
    logs = np.log([calibration().families[TRAINING].coefficients[n].value
                   for n in calibration().families[TRAINING].coefficients])
    matrix = alike.together(few, few, logs)
    assert matrix == pytest.approx(matrix.T)
    assert np.diag(matrix) == pytest.approx(alike.prior(few, logs))
    assert np.linalg.eigvalsh(matrix).min() > -1e-9


@pytest.mark.parametrize(("version", "months"), [
    ("(nemo) 26.04 nemo container", 316.0), ("26.04.01", 316.1), ("", 0.0), ("0.4.1", 0.0), ("in-house", 0.0)])
def test_the_age_of_a_release(version, months):
    assert alike.age(version) == pytest.approx(months)


# ---- rows as others write them


@pytest.mark.parametrize(("changes", "shown"), [
    ({}, "tp4·pp8×2"), ({"sizes": Sizes(notes="model-parallel size (tp*pp)=64")}, "tp8·pp8"),
    ({"sizes": Sizes(data=64)}, "tp1×64"),
    ({"model": "Qwen3_30B_a3B", "sizes": Sizes(1, 16, 2)}, "tp1·dp16·ep16·pp2×2"),
    ({"model": "DeepSeekV3 (tokendrop)", "chips": 256, "sizes": Sizes(1, 64, 4)}, "tp1·dp64·ep64·pp4")])
def test_sizes_as_stated_and_as_usual_where_they_are_not(changes, shown):
    assert training(row(**changes)).recipe.layout.name() == shown


@pytest.mark.parametrize(("metric", "value", "unit", "per", "notes"), [
    ("train_throughput", 105_600.0, "tokens/s", "", ""), ("train_rate", 1_650.0, "tokens/s", "GPU", ""),
    ("training_time", 1_000.0 / (0.1056 * 86.4), "", "days", "1T tokens"),
    ("gpu_hours_total", 64_000.0 / (0.1056 * 3.6), "", "GPU-h", "for 1T tokens"),
    ("train_time_1T_tokens", 1_000.0 / (0.1056 * 86.4), "", "days", "")])
def test_a_figure_is_known_by_its_unit_where_its_name_is_not(metric, value, unit, per, notes):
    plain, named = (steps([r])[0][0].seconds for r in (row(), row(metric=metric, value=value, unit=unit, per=per,
                                                                  notes=notes)))
    assert named == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize(("name", "facts", "parameters"), [
    ("MPT-7b", {"n_params": 6_658_859_008}, 6_658_859_008), ("MPT-70b", {"n_params": 64_862_437_376}, 64_862_437_376),
    ("GPT-9.9B", {"hidden": 5120, "layers": 31, "vocab": 51_200}, 10_030_919_680), ("gpt3-175B", {}, 174_615_000_000)])
def test_models_by_name_or_by_the_sizes_that_a_row_states(name, facts, parameters):
    found = trained_model(row(model=name, facts=facts, load=Load(2048.0, None, 64)))
    assert found.total_parameters == pytest.approx(parameters, rel=1e-3 if not facts or "hidden" in facts else 0.0)


@pytest.mark.parametrize(("changes", "reason"), [
    ({"model": "nobody/knows"}, "no bundled model nobody/knows"), ({"model": ""}, "model not stated"),
    ({"hardware": "abacus"}, "no bundled chip abacus"), ({"hardware": ""}, "hardware not stated"),
    ({"value": 0.0}, "value is not above zero"), ({"unit": "", "per": "furlongs"}, "unit not known: furlongs"),
    ({"from_memory": True}, "not read in a source"),
    ({"model": "GPT", "facts": {"hidden": 0, "layers": 3}}, "no sizes"),
    ({"model": "MPT-7b", "facts": {"n_params": 12_345}}, "no width and depth"),
    ({"model": "GPT", "facts": {"hidden": [1], "layers": "many"}}, "no sizes"),
    ({"model": "MPT-5b", "facts": {"n_params": None}}, "no bundled model MPT-5b"), ({"statistic": "p99"}, "a p99"),
    ({"metric": "gpu_hours_total", "unit": "", "per": "GPU-h"}, "tokens of the whole run not stated")])
def test_a_row_that_cannot_be_predicted_says_why(changes, reason):
    found, refused = samples([row(**changes), row(id="T-2")])
    assert len(found) == 1
    assert reason in refused[0][1]


def test_sizes_that_contradict_each_other_are_taken_as_far_as_they_go():
    odd = [row(id="T-3", sizes=Sizes(16, 3, 7)), row(id="T-4", chips=1), row(id="T-5", load=Load(8192.0, None, 1)),
           row(id="T-6", sizes=Sizes(0, 0, 0, 0, 0)), row(id="T-7", load=Load()), row(id="T-8", chips=None),
           row(id="T-9", notes=", sequences x , tokens"),
           row(id="T-10", facts={"act_ckpt": [], "microbatch_per_gpu": {}}),
           row(id="T-11", model="Qwen3_30B_a3B", sizes=Sizes(3, 7, 5, 11, 13, "VP=;FSDP=x;MBS=-1"), chips=1000)]
    found = judging.judge(Observations("odd", tuple(odd)))
    assert len(found.predicted) == len(odd)
    assert all(np.isfinite(p.seconds) and p.seconds > 0.0 for p in found.predicted)


def test_a_file_of_training_rows_is_validated_and_calibrated(tmp_path):
    path = tmp_path / "t.csv"
    names = ["id", "metric", "value", "unit", "model", "hardware", "n_chips", "tp", "pp", "isl", "batch"]
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([f"A-{i}", "MFU", 40 + i, "%", "llama-3-70b", "h100-sxm", 64 * i, 8, 2, 4096, 512]
                         for i in range(1, 5))
    answer = ask("validate", against=str(path))
    assert answer.data["metrics"]["MFU"]["n"] == 4
    made = ask("calibrate", from_=str(path)).data["calibration"]["families"][TRAINING]
    assert made["few"]
    assert made["rows"] == 4


def test_a_file_without_any_such_row_is_answered_with_the_reasons(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,metric,value,unit\nA-1,MFU,40,%\n", encoding="utf-8")
    answer = ask("validate", against=str(path))
    assert not answer.feasible
    assert answer.data["metrics"]["MFU"]["refused"] == {"model not stated": 1}
