"""Price lists: the cliff of a tier, what is bundled, and what a user's table must be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.errors import BadInput
from rackline.facts.api_prices import KINDS, bundled, offer, read_table
from rackline.facts.models import model

HEAD = "provider,model,mode,above,input,cached_input,output\n"


def table(tmp_path, text):
    path = tmp_path / "prices.csv"
    path.write_text(text, encoding="utf-8")
    return read_table(path)


def test_strictly_more_than_the_threshold_reprices_every_token():
    sonnet = offer("anthropic/claude-sonnet-4-5")
    assert (sonnet.at(200_000).input, sonnet.at(200_001).input) == (3.0, 6.0)
    assert sonnet.at(0) == sonnet.base


def test_gemini_3_1_steps_twice_on_input_and_half_as_much_again_on_output():
    gemini = offer("google/gemini-3.1-pro-preview")
    assert gemini.step.input / gemini.base.input == 2
    assert gemini.step.output / gemini.base.output == 1.5


def test_cache_ratios_vary_from_a_fortieth_to_a_half():
    ratios = [one.base.ratio("cached_input", "input") for one in bundled().values()]
    known = [r for r in ratios if r]
    assert min(known) < 0.025
    assert max(known) >= 0.5


def test_every_bundled_price_has_a_source_and_a_date_and_every_open_model_is_one():
    for one in bundled().values():
        assert one.source
        assert one.date
        assert any(getattr(one.base, kind) for kind in KINDS)
        if one.weights:
            assert model(one.weights).total_parameters > 0


@pytest.mark.parametrize(("name", "hint"), [
    ("antropic/claude-opus-4-8", "anthropic"), ("anthropic/claude-opus-48", "claude-opus-4-8"),
    ("claude-opus-48", "claude-opus-4-8"), ("gpt-oss-120b", "PROVIDER/MODEL"), ("nobody/nothing", "provider")])
def test_an_unknown_name_gets_the_nearest(name, hint):
    with pytest.raises(BadInput) as error:
        offer(name)
    assert hint in str(error.value)


def test_a_table_gives_tiers_modes_and_speeds(tmp_path):
    text = ("provider,model,mode,above,speed,input,output\nme,m,,,,1,4\nme,m,,100000,,2,6\nme,m,batch,,,0.5,2\n"
            "me,m,fast,,2.5,6,24\n")
    one = table(tmp_path, text)["me/m"]
    assert [tier.above for tier in one.tiers] == [0, 100_000]
    assert one.modes["batch"].output == 2
    assert one.speeds == {"fast": 2.5}


def test_a_price_may_be_missing_and_a_model_may_have_no_provider(tmp_path):
    one = table(tmp_path, "model,output\nm,$4\n")["user/m"]
    assert (one.base.input, one.base.output) == (None, 4)


@pytest.mark.parametrize(("text", "rule"), [
    ("", "column"), (HEAD, "at least one row"), ("model,outputs\nm,1\n", "unknown column"),
    ("model,window\nm,1\n", "at least one price"), (HEAD + "a,m,,0,-1,,\n", "between 0"),
    (HEAD + "a,m,,0,nan,,\n", "finite"), (HEAD + "a,m,,5,1,,\n", "short requests"),
    (HEAD + "a,m,,0,1,,\na,m,,0,2,,\n", "one row for each threshold"), (HEAD + "a,m,slow,0,1,,\n", "known mode"),
    (HEAD + "a,,,0,1,,\n", "model"), (HEAD + "a,m,batch,0,1,,\n", "standard price"),
    (HEAD + "a,m,,0,1,,,7,8\n", "columns"), (HEAD + 'a,"m,,0,1,,\n', "CSV")])
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path, text, rule):
    with pytest.raises(BadInput) as error:
        table(tmp_path, text)
    assert rule in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(b"\xff\xfe\x00model")
    with pytest.raises(BadInput):
        read_table(path)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_is_a_table_or_bad_input(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("t") / "p.csv"
    path.write_text("provider,model,input\n" + text, encoding="utf-8", errors="replace")
    try:
        found = read_table(path)
    except BadInput:
        return
    assert all(one.tiers[0].above == 0 for one in found.values())
