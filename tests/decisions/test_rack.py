"""A machine as an object and a model on it: published sizes, the lecture's figures, monotone laws, bad input."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from rackline.decisions.questions import ask
from rackline.decisions.racks import chip
from rackline.decisions.racks.answer import SUBJECTS
from rackline.decisions.racks.case import case_of
from rackline.decisions.racks.history import domains, sizes
from rackline.decisions.racks.memory import CAPITAL, MEMORY_PRICE, YEARS
from rackline.errors import BadInput
from rackline.facts.history import releases
from rackline.interface.export import plain, to_csv, to_json
from rackline.interface.html import to_html
from rackline.interface.text import Look, to_text
from rackline.physics import designs
from rackline.systems.memory import usable_bytes

MODEL = {"model": "deepseek-v3", "on": "gb200-nvl72"}


@pytest.fixture(scope="module")
def everything():
    return ask("rack", **MODEL, about="all", routing="zipf:0.5", replicate=32)


@pytest.fixture(scope="module")
def found(everything):
    return plain(everything.data)


def test_a_rack_alone_is_its_chips_switches_hops_cables_power_and_weight():
    data = ask("rack", on="gb200-nvl72").data["machine"]
    assert (data["domain"], data["switches"], data["hops_farthest"]) == (72, 18, 2.0)
    assert data["cables"] == 72 * 18 * 4
    assert data["scale_up_over_scale_out"] == pytest.approx(9.0)
    assert data["memory"] == pytest.approx(13.4e12, rel=0.01)
    assert (data["power"], data["weight"]) == (120e3, 1360)


def test_every_subject_is_in_the_answer_and_in_every_form(everything, found):
    assert set(SUBJECTS) < set(found)
    page, text = to_html(everything), to_text(everything, Look(explain=True, cite=True))
    for title in ("In short", "Experts on chips", "Traffic of one dispatch", "Where to cut deepseek-v3"):
        assert title in page
        assert title in text
    assert "<image" not in page
    assert json.loads(to_json(everything))["networks"]["exchanges"][0]["over_one_domain"] == 1.0
    assert len(to_csv(everything).splitlines()) > 40


def test_the_same_seed_draws_the_same_tokens_and_another_others():
    one, same, other = (ask("rack", **MODEL, about="experts", seed=s).data["experts"]["traffic_copies"]
                        for s in (1, 1, 2))
    assert one == same != other


def test_copies_of_hot_experts_mend_the_load(found):
    first, packed, copied = found["experts"]["placements"]
    assert first["imbalance_drawn"] > packed["imbalance_drawn"] > copied["imbalance_drawn"] < 1.2
    matrix = np.array(found["experts"]["traffic_copies"])
    assert matrix.sum() / found["experts"]["tokens"] == pytest.approx(found["experts"]["destinations"])


def test_counts_of_several_layers_tell_the_worst_of_them(tmp_path):
    path = tmp_path / "counts.csv"
    rows = np.ones((2, 256))
    rows[1, 0] = 20.0
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    first = ask("rack", **MODEL, about="experts", routing=str(path), over=64).data["experts"]["placements"][0]
    assert first["imbalance_worst_layer"] > first["imbalance_expected"] > 1.0


def test_a_larger_domain_is_never_slower_nor_dearer_for_the_same_chips(found):
    rows = found["domain"]["domains"]
    assert [r["domain"] for r in rows] == [8, 16, 36, 72, 144, 288, 576]
    for key in ("fastest_tpot", "cheapest_cost", "within_cost"):
        values = [r[key] for r in rows]
        assert all(b <= a * (1 + 1e-9) for a, b in itertools.pairwise(values)), key
    assert rows[0]["fastest_tpot"] > 1.5 * rows[-1]["fastest_tpot"]
    assert all(r["within_tpot"] <= 0.01 for r in rows)


def test_a_torus_has_the_domains_that_its_slices_have():
    rows = ask("rack", "llama-3.1-8b", on="tpu-v5e-pod", about="domain", domain="4,8,16").data["domain"]["domains"]
    assert [r["domain"] for r in rows] == [4, 8, 16]


def test_experts_are_the_cut_that_pays_and_the_reason_is_said(found):
    cuts = found["cuts"]["cuts"]
    assert cuts[0]["cut"] == "experts"
    assert [(not c["fits"], c["seconds"]) for c in cuts] == sorted((not c["fits"], c["seconds"]) for c in cuts)
    assert all(c["because"] for c in cuts)
    assert not next(c for c in cuts if c["cut"] == "batch")["fits"]


def test_a_dense_model_has_cuts_domains_and_memory_but_no_experts():
    data = ask("rack", "llama-3.1-405b", on="gb200-nvl72", domain="8,72").data
    assert "experts" not in data
    assert data["cuts"]["cuts"][0]["fits"]
    assert "feed-forward width and heads" in {c["cut"] for c in data["cuts"]["cuts"]}
    assert len(data["domain"]["domains"]) == 2


# ---- memory, chips


def test_the_share_of_memory_is_its_price_over_the_chip_s():
    data = ask("rack", on="dgx-h100", about="memory", memory_price="10 $/GB", chip_cost=30_000).data
    assert data["memory"]["memory_share"] == pytest.approx(80e9 * 10e-9 / 30e3)
    assert data["memory"]["price_at_half"] == pytest.approx(15e3 / 80e9)
    assert designs.memory_share(80e9, data["memory"]["price_at_half"], 30e3) == pytest.approx(0.5)


def test_more_stages_need_less_memory_for_weights_and_none_less_for_kv(found):
    rows = found["memory"]["stages"]
    assert [r["stages"] for r in rows] == [1, 2, 4, 8]
    assert all(b["weights"] < a["weights"] for a, b in itertools.pairwise(rows))
    assert all(r["cache"] >= rows[0]["cache"] for r in rows)
    assert all(r["dollars"] < r["full_dollars"] for r in rows)
    assert all(r["tpot"] >= rows[0]["tpot"] for r in rows)


def test_every_assumption_about_prices_has_an_interval_and_says_so():
    facts = (MEMORY_PRICE, YEARS, CAPITAL, chip.ARITHMETIC, chip.BANDWIDTH, chip.LINKS, chip.LEVEL)
    assert all(f.kind == "assumed" and f.low < f.value < f.high and f.source for f in facts)


def test_the_best_chip_is_no_dearer_than_the_chip_itself_and_meets_the_time(found):
    best, own = found["chip"]["best"], found["chip"]["own"]
    assert best["dollars"] < own["dollars"]
    assert best["tpot"] <= 0.01
    for name, value in zip(("FLOP/s", "bandwidth", "memory", "domain"),
                           (best["f"], best["w"], best["c"], best["domain"]), strict=True):
        low, high = found["chip"]["interval"][name]
        assert low <= value <= high


def test_free_memory_is_wanted_in_plenty_and_dear_memory_sparingly():
    request = lambda price: ask("rack", **MODEL, about="chip", memory_price=price, chip_cost=50e3).data["chip"]  # noqa: E731
    cheap, dear = request("1 $/GB")["best"], request("130 $/GB")["best"]
    assert cheap["c"] > dear["c"]


def test_a_chip_that_is_scaled_by_nothing_costs_what_it_costs():
    one = np.array([1.0])
    assert chip.Prices(0.25, 0.2, 0.15, 0.25, 0.1).factor(one, one, one, 0 * one) == pytest.approx(1.0)


# ---- history


def test_sizes_in_the_history_are_counted_and_years_say_where_they_are_from():
    found = {d.released.name: d for d in domains()}
    assert found["dgx-h100"].capacity == 640e9
    assert found["rubin-ultra-nvl576"].chips == 144
    assert next(s for s in sizes() if s.released.name == "gpt-3-175b").total == pytest.approx(175e9, rel=0.01)
    assert all(2020 <= r.year < 2028 and r.source for r in releases())
    assert all(r.from_memory for r in releases() if "memory" in r.source)


# ---- bad input


@pytest.mark.parametrize(("given", "says"), [
    ({"about": "cables"}, "--about: must be a known name"), ({"domain": "0"}, "--domain: "),
    ({"domain": "100000"}, "--domain: must be at most 4,096"), ({"routing": "zipf:x"}, "--routing"),
    ({"over": 500}, "--over: must be at most"), ({"replicate": -1}, "--replicate: must be at least 0"),
    ({"context": "9M"}, "--context: the model reads at most"), ({"memory_price": "5 kg"}, "--memory-price"),
    ({"memory_price": 0}, "--memory-price: must be above zero"), ({"chip_cost": "x"}, "--chip-cost"),
    ({"tpot": "1 ns", "about": "chip"}, "--tpot: must be a time that"),
])
def test_bad_input_is_one_line_that_names_the_option(given, says):
    with pytest.raises(BadInput) as error:
        ask("rack", **(MODEL | given))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("given", "says"), [
    ({"on": "gb200-nvl72", "about": "cuts"}, "MODEL: must be given"),
    ({"model": "llama-3.1-8b", "on": "dgx-h100", "about": "experts"}, "routed experts"),
    ({"model": "llama-3.1-8b", "on": "dgx-h100", "replicate": 4}, "--replicate: needs a model with routed experts"),
    ({"on": "dgx-h100", "replicate": 4}, "--replicate"),
])
def test_what_a_subject_needs_is_said(given, says):
    with pytest.raises(BadInput, match=says):
        ask("rack", **given)


@pytest.mark.parametrize("on", ["rtx-4090", "m3-max", "tpu-v4", "trn2-ultra", "h800-8"])
def test_every_kind_of_machine_is_an_object(on):
    answer = ask("rack", "gpt-oss-20b", on=on)
    assert answer.headline
    assert to_text(answer, Look())


def test_the_case_of_a_model_holds_its_routed_layer_and_memory():
    from rackline.decisions.questions import find, prepare

    case = case_of(prepare(find("rack"), MODEL))
    assert case.moe.experts == 256
    assert usable_bytes(case.one_domain) < case.machine.chip.memory_capacity.value


@pytest.mark.parametrize("about", ["domain", "cuts"])
def test_what_fits_nowhere_is_infeasible_with_the_reason(about):
    answer = ask("rack", "kimi-k2", on="dgx-a100-40gb", about=about, domain="2,4" if about == "domain" else None)
    assert not answer.feasible
    assert "fit" in answer.reasons[0]
