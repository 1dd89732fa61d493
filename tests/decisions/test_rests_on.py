"""What a calibrated prediction rests on: the rows that were measured, a series of its own, a user's own calibration."""

from __future__ import annotations

import contextlib
import io
import json
import math

import pytest

import rackline
from rackline.decisions.accuracy.judging import known
from rackline.errors import BadInput
from rackline.facts.calibration import as_data, calibration
from rackline.interface.cli import main
from rackline.systems.calibrated import FAMILY
from tests.decisions.test_intervals import CLOCKED, PLAN, RUN, SIZE, STEP, ask, found
from tests.interface.conftest import Ran


def test_the_answer_says_what_was_measured():
    series = next(words for words in calibration().families[FAMILY].spread if " · vllm · " in words and "fp8" in words
                  and words.startswith("llama-3.1-70b · H200-SXM"))
    assert series
    on = rackline.step("llama-3.1-70b", on="dgx-h200", batch=8, weights="fp8", **CLOCKED).data["rests_on"]
    assert (on["model"], on["chip"], on["engine"], on["series"], on["interval"]) == (True, True, True, True, "unseen")
    never = rackline.step("gemma-3-27b", on="tpu-v4", chips=4, batch=8, context=1000, clock="calibrated")
    assert (never.data["rests_on"]["model"], never.data["rests_on"]["chip"]) == (False, False)
    assert never.data["rests_on"]["engine"] is None
    assert any("Not among them: the model gemma-3-27b, the chip tpu-v4" in note for note in never.notes)


SERIES = {"model": "llama-3.1-70b", "on": "dgx-h200", "weights": "fp8", "input": 922, "output": 922, "max_batch": 64,
          "mode": "together", "goal": "tpot", "top": 40}


def test_a_plan_in_a_measured_series_has_its_own_narrower_interval_beside():
    data = rackline.plan(**SERIES, **CLOCKED).data
    rows = {row["layout"]: row for row in data["as_measured"]}
    assert {row["basis"] for row in rows.values()} <= {"seen", "near"}
    assert not any("pp" in name or "cp" in name for name in rows)
    pooled = {row["name"]: row for row in data["ranked"]}
    for name, row in rows.items():
        one = row["time_per_output_token"]
        assert one["low"] < one["value"] < one["high"]
        if row["basis"] == "seen":
            width = pooled[name]["time_per_output_token_high"] / pooled[name]["time_per_output_token_low"]
            assert one["high"] / one["low"] < width
    assert any(row["basis"] == "seen" for row in rows.values())


def test_a_plan_says_of_a_measured_layout_what_was_measured():
    """A configuration that was published lies in the interval that its series gives it."""
    rows = [s for s in known() if s.family == FAMILY and s.like.series[:4] == (
        "llama-3.1-70b", "H200-SXM", "vllm", "fp8") and not s.like.flag]
    row = next(s for s in rows if s.clients == 32 and s.row.sizes.tensor == 4
               and s.row.load.input == s.row.load.output == 1024)
    data = rackline.plan(**SERIES | {"max_batch": 32, "goal": "throughput"}, **CLOCKED).data
    one = next(r for r in data["as_measured"] if r["layout"] == "tp4×2" and r["clients"] == 32)
    assert one["time_per_output_token"]["low"] < row.seconds < one["time_per_output_token"]["high"]


@pytest.mark.parametrize("given", [{"engine": "all"}, {"engine": "sglang"}, {"clock": "roofline"}, {"kv": "fp8"},
                                   {"model": "qwen3-32b"}])
def test_what_is_no_measured_series_has_none_beside(given):
    assert "as_measured" not in rackline.plan(**SERIES | CLOCKED | {"top": 3} | given).data


def test_a_calibration_of_few_rows_has_wider_intervals_and_says_so(tmp_path):
    path = written(tmp_path, lambda family: family | {"few": True, "rows": 12, "unseen": {
        **family["unseen"], "low": 2 * family["unseen"]["low"], "high": 2 * family["unseen"]["high"]}})
    own = rackline.step(**STEP, **CLOCKED, calibration=str(path))
    one, bundled = (a.data["intervals"]["time"] for a in (own, ask("step")))
    assert one["value"] == pytest.approx(bundled["value"])
    assert one["low"] < bundled["low"] < bundled["high"] < one["high"]
    assert own.data["rests_on"]["few"]
    assert any("few rows" in note for note in own.notes)


def written(folder, change=lambda family: family, name="mine"):
    """A calibration file with the family of passes changed."""
    data = json.loads(json.dumps(as_data(calibration())))
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**data, "name": name, "families": {FAMILY: change(data["families"][FAMILY])}}))
    return path


def cache_as(family: dict, **changed) -> dict:
    known = family["coefficients"]
    return family | {"coefficients": known | {"cache": known["cache"] | changed}}


def slower(family: dict) -> dict:
    return family | {"coefficients": {name: fact | {key: 3.0 * fact[key] for key in ("value", "low", "high")}
                                      for name, fact in family["coefficients"].items()}}


@pytest.mark.parametrize(("question", "given", "name"), [
    ("step", STEP, "time"), ("plan", PLAN, "best.time_per_output_token"),
    ("simulate", RUN, "time_per_output_token.mean")])
def test_a_calibration_of_ones_own_is_used(tmp_path, question, given, name):
    data = getattr(rackline, question)(**given, **CLOCKED, calibration=str(written(tmp_path, slower))).data
    assert found(data, name) > 1.5 * found(ask(question).data, name)
    assert data["rests_on"]["calibration"] == "mine"


@pytest.mark.parametrize(("change", "says"), [
    (lambda f: f | {"coefficients": {k: v for k, v in f["coefficients"].items() if k != "cache"}},
     "--calibration: must have every coefficient of tpot together; got no cache"),
    (lambda f: cache_as(f, value=-1, low=-2), "a coefficient lies above 0"),
    (lambda f: cache_as(f, value=math.nan), "must be a finite number"),
    (lambda f: cache_as(f, high=1e300), "a coefficient lies above 0 and at most"),
    (lambda f: f | {"unseen": {"low": 0.5, "high": 1.0, "rows": 3}}, "an interval goes from below"),
    (lambda f: f | {"unseen": {"low": -1e9, "high": 1.0, "rows": 3}}, "an interval spans at most")])
def test_a_calibration_that_cannot_be_is_refused_in_a_line(tmp_path, change, says):
    with pytest.raises(BadInput) as error:
        rackline.step(**STEP, **CLOCKED, calibration=str(written(tmp_path, change)))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_calibration_of_no_passes_is_refused(tmp_path):
    path = tmp_path / "none.json"
    path.write_text(json.dumps({"name": "x", "source": "y", "families": {}}))
    with pytest.raises(BadInput, match="must hold coefficients of passes"):
        rackline.plan(**PLAN, **CLOCKED, calibration=str(path))


@pytest.mark.parametrize("question", ["step", "simulate", "capacity", "modes", "context", "buy"])
@pytest.mark.parametrize(("option", "value"), [("engine", "vllm"), ("calibration", __file__)])
def test_options_of_the_calibrated_clock_are_refused_without_it(question, option, value):
    others = {"model": "llama-3.3-70b", "on": "dgx-h100"}
    given = {"step": STEP, "simulate": RUN, "capacity": SIZE}.get(question, others)
    with pytest.raises(BadInput, match=f"--{option}: belongs to --clock calibrated"):
        getattr(rackline, question)(**given, **{option: value})


@pytest.mark.parametrize("question", ["modes", "context", "buy"])
def test_other_questions_pass_the_clock_down_and_say_how_far_off_it_may_be(question):
    given = {"model": "llama-3.3-70b", "on": "dgx-h100"}
    bound, timed = (getattr(rackline, question)(**given, **clock) for clock in ({}, CLOCKED))
    assert (bound.badge, timed.badge) == ("bound", "calibrated")
    assert timed.headline != bound.headline or question == "buy"
    factor = timed.data["seconds_factor"]
    assert factor["low"] < 1.0 < factor["high"]
    assert not any("datasheet rates" in note or "A bound" in note for note in timed.notes)


# ---- on the command line


LINE = ("step", "llama-3.1-8b", "--on", "h100-sxm", "--chips", "1", "--batch", "1,8", "--context", "2k")


def run(*args: str) -> Ran:
    """What a command line leaves behind."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(args)
    return Ran(status, out.getvalue(), err.getvalue())


def test_low_and_high_are_in_csv_json_and_text():
    out = {form: run(*LINE, "--clock", "calibrated", *flag) for form, flag in (
        ("text", ()), ("json", ("--json",)), ("csv", ("--csv",)))}
    assert {ran.status for ran in out.values()} == {0}
    assert "low [seconds]" in out["csv"].out
    assert "high [seconds]" in out["csv"].out
    data = json.loads(out["json"].out)
    assert data["badge"] == data["clock"] == "calibrated"
    for point in data["curve"]:
        assert point["low"] < point["time"] < point["high"]
        assert point["cost_low"] < point["cost"] < point["cost_high"]
    assert "Nine of ten real systems lie between low and high" in out["text"].out


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"[" * 100_000, bytes(range(256)), b"NaN",
                                     b"\xff\xfe{\x00}\x00", b'{"name": "x", "source": "y", "families": {}}'])
def test_a_file_that_is_no_calibration_ends_with_2_and_one_line(tmp_path, content):
    path = tmp_path / "own.json"
    path.write_bytes(content)
    ran = run(*LINE, "--clock", "calibrated", "--calibration", str(path))
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith("error: ")


def test_no_calibration_where_there_is_no_file():
    for path in ("nowhere.json", "/"):
        ran = run(*LINE, "--clock", "calibrated", "--calibration", path)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert "--calibration" in ran.err


def test_measurements_that_agree_with_nothing_still_make_a_calibration(tmp_path):
    """Errors of many spreads are what a fit to noise has: no reason to fail."""
    cells = [f"r{i},meta-llama/Llama-3.1-8B-Instruct,H100-SXM,1,bf16,vllm 0.10,1,{512 + 7 * i},512,{2 ** (i % 9)},tpot,"
             f"{9 + 13 * i % 50},ms" for i in range(120)]
    table = tmp_path / "noise.csv"
    head = "id,model,hardware,n_chips,precision_weights,engine,tp,isl,osl,concurrency,metric,value,unit"
    table.write_text("\n".join([head, *cells]))
    made = rackline.calibrate(from_=str(table)).data["calibration"]["families"][FAMILY]
    assert made["rows"] == 120
    assert made["unseen"]["low"] < -0.3 < 0.3 < made["unseen"]["high"]
