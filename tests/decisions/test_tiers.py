"""Where KV waits: closed forms, the envelope's laws, drain times, caches under a trace, and bad input."""

from __future__ import annotations

import json
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.decisions.questions import ask
from rackline.decisions.tier_costs import Cost, envelope, time_to_live
from rackline.decisions.tier_mix import Demand, best_mix, best_ttl, cost_curve, hit_curve
from rackline.decisions.tier_places import priced_tiers
from rackline.errors import BadInput
from rackline.facts import hardware
from rackline.facts.traces import Ragged, Trace
from rackline.facts.traces.distance import NEVER, reuse, stack_distances
from rackline.physics import operating, tiers

ASKED = {"model": "deepseek-v3", "on": "gb200-nvl72"}


@pytest.fixture(scope="module")
def found():
    return ask("tiers", **ASKED, hold="5 min", trace="mooncake-conv").data


@pytest.fixture(scope="module")
def places(found):
    return {row["place"]: row for row in found["places"]}


# ---- closed forms


positive = st.floats(1e-3, 1e3)


@settings(max_examples=100, deadline=None)
@given(n=positive, C=positive, W=positive, p=positive)
def test_held_for_its_drain_time_a_device_costs_as_much_as_returning(n, C, W, p):
    held = tiers.hold_cost(n, operating.drain_time(C, W), p)
    assert held == pytest.approx(tiers.retrieve_cost(n, C, W, p))


@settings(max_examples=100, deadline=None)
@given(r=positive, more=positive, h=positive, factor=st.floats(0.1, 10))
def test_dropping_at_the_break_even_costs_less_than_twice_what_foresight_would(r, more, h, factor):
    ttl = tiers.break_even(r, r + more, h, 0.0)
    worst = tiers.worst_ratio(r, r + more, h, ttl)
    assert worst == pytest.approx(2 - r / (r + more))
    assert worst <= tiers.worst_ratio(r, r + more, h, ttl * factor) * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(r=positive, more=positive, h=positive, gap=positive)
def test_with_random_gaps_one_keeps_for_ever_or_not_at_all(r, more, h, gap):
    long, short = (tiers.time_to_live_cost(r, r + more, h, gap, ttl) for ttl in (100 * gap, 1e-9 * gap))
    assert (long <= short + 1e-6) == (gap <= tiers.break_even(r, r + more, h, 0.0) * (1 + 1e-6))


# ---- the envelope

ways = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=8)


def _ways(pairs):
    kept = [Cost(f"p{i}", "", hold, back, 0.0, 0.0) for i, (hold, back) in enumerate(pairs)]
    return [*kept, Cost("recompute", "", 0.0, 11.0, 0.0, 0.0)]


@settings(max_examples=200, deadline=None)
@given(pairs=ways, t=st.floats(0, 1e4))
def test_the_envelope_is_the_least_of_all_ways_at_every_hold_time(pairs, t):
    all_ways = _ways(pairs)
    span = next(s for s in envelope(all_ways) if s.start <= t < s.end)
    assert float(span.cost.at(t)) == pytest.approx(min(float(w.at(t)) for w in all_ways), rel=1e-9, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(pairs=ways)
def test_along_the_envelope_holding_gets_cheaper_and_returning_dearer(pairs):
    spans = envelope(_ways(pairs))
    assert spans[0].start == 0
    assert spans[-1].end == np.inf
    for near, far in pairwise(spans):
        assert near.end == far.start > near.start
        assert near.cost.hold > far.cost.hold
        assert near.cost.retrieve <= far.cost.retrieve


def test_what_is_free_to_hold_is_kept_for_ever_and_what_is_dear_to_return_never():
    free, dear = Cost("a", "", 0.0, 1.0, 0.0, 0.0), Cost("b", "", 1.0, 20.0, 0.0, 0.0)
    again = _ways([])[-1]
    assert (time_to_live(free, again), time_to_live(dear, again)) == (np.inf, 0.0)


# ---- the question


def test_drain_times_of_hbm_dram_flash_and_disk(places):
    drains = {name: places[name]["drain_seconds"] for name in ("hbm", "grace-lpddr5x", "nvme-flash", "disk")}
    assert drains["hbm"] == pytest.approx(186e9 / 8e12)
    assert 1 <= drains["grace-lpddr5x"] <= 10  # the lecture's 1 to 10 s
    assert 60 < drains["nvme-flash"] < 1800  # minutes to half an hour
    assert drains["disk"] / 3600 == pytest.approx(20, rel=0.05)  # twenty hours, not one


def test_five_minutes_and_one_hour_both_look_like_flash_by_drain_time(found):
    reading = found["readings"][0]
    assert (reading["five_minutes"], reading["one_hour"]) == ("nvme-flash", "remote-flash")


def test_hbm_s_share_of_the_chip_s_price_is_the_lecture_s(found, places):
    hourly = found["kv_bytes"] / 186e9 * found["price"]
    assert places["hbm"]["hold_per_hour"] == pytest.approx(hourly)
    assert places["hbm"]["return"] == 0


def test_recompute_is_a_prefill_of_the_ledger_and_grows_faster_than_the_context(found):
    step = ask("step", **ASKED, pass_="prefill", context="32768", layout=found["layout_name"])
    assert found["recompute"]["dollars"] == pytest.approx(step.data["cost"] * 32768 / 1e6)
    longer = ask("tiers", **ASKED, context="131072", layout=found["layout_name"]).data["recompute"]["dollars"]
    assert longer > 4.5 * found["recompute"]["dollars"]


def test_the_provider_s_prices_beside_those_at_its_own_markup(found):
    prices = found["cache_prices"]["hbm"]
    assert prices["write_1_hour"] - 5 == pytest.approx(12 * (prices["write_5_min"] - 5))
    assert prices["hit"] == 0


@pytest.mark.parametrize(("hold", "best"), [(0, "hbm"), ("1 s", "grace-lpddr5x"), ("1 hour", "nvme-flash"),
                                            ("1000 days", "recompute")])
def test_the_cheapest_place_sinks_with_the_hold_time(hold, best):
    assert ask("tiers", **ASKED, hold=hold).data["at_hold"][0]["place"] == best


def test_the_order_of_the_tiers_does_not_matter_and_a_beaten_one_is_named():
    near, far = "near:100GB@60GB/s@0.15$/GB/month", "far:1TB@1GB/s@0.3$/GB/month"
    one, two = (ask("tiers", **ASKED, tiers=",".join(order)).data for order in ((near, far), (far, near)))
    assert one["envelope"] == two["envelope"]
    assert one["never_cheapest"] == {"far": "near"}


def test_ways_too_slow_to_return_are_left_out():
    names = {row["place"] for row in ask("tiers", **ASKED, ttft="50 ms").data["envelope"]}
    assert names == {"hbm", "grace-lpddr5x"}


def test_a_model_that_does_not_fit_is_told_what_would(capsys):
    answer = ask("tiers", model="llama-3.1-405b", on="dgx-h100")
    assert not answer.feasible
    assert any("fp8" in reason for reason in answer.reasons)


@pytest.mark.parametrize(("given_value", "says"), [
    ({"hold": -1}, "--hold: must be at least 0"), ({"hold": "inf"}, "--hold: must be a finite number"),
    ({"tiers": "x:1GB@0@1$/GB/month"}, "--tiers: bandwidth: must be above zero"),
    ({"tiers": "x:1GB@1GB/s@-1$/GB/month"}, "--tiers: price: must not be negative"),
    ({"tiers": "x:1GB@1GB/s@1"}, "--tiers: price: must carry its unit"),
    ({"tiers": "x:1GB@1GB/s"}, "must be NAME:CAPACITY"),
    ({"tiers": "nvme-flsh"}, "did you mean nvme-flash"), ({"tiers": ","}, "must be 1 to 16 tiers"),
    ({"tiers": "disk,disk"}, "names of their own"), ({"context": "1M"}, "reads at most"),
    ({"trace": "azure-conv"}, "must carry prefix hashes"), ({"tiers": 3}, "--tiers"),
])
def test_bad_input_is_one_line_that_names_the_option(given_value, says):
    with pytest.raises(BadInput) as error:
        ask("tiers", **ASKED, **given_value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_of_tiers_is_read_as_a_machine_s(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('tiers = ["nvme-flash", "disk"]\n')
    assert [r["place"] for r in ask("tiers", **ASKED, tiers=str(file)).data["places"]] == [
        "hbm", "nvme-flash", "disk", "recompute"]


def test_the_whole_answer_is_json(found):
    json.dumps(found, allow_nan=False)


# ---- reuse under a trace


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_a_stack_distance_counts_the_distinct_values_between(values):
    last, before = {}, []
    for i, value in enumerate(values):
        before.append(last.get(value, -1))
        last[value] = i
    expected = [len(set(values[b + 1:i])) for i, b in enumerate(before)]
    assert stack_distances(np.array(before)).tolist() == expected


def _trace(requests, gap=1.0):
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in requests])])
    values = np.array([v for r in requests for v in r])
    tokens = np.array([4 * len(r) for r in requests])
    return Trace("t", "a test", tokens, np.ones_like(tokens), arrival=gap * np.arange(len(requests)),
                 prefix=Ragged(offsets, values), block_tokens=4)


def test_a_block_is_of_use_only_with_all_before_it():
    found = reuse(_trace([[1, 2], [3], [1, 2]]))
    assert found.distance.tolist() == [NEVER, NEVER, NEVER, 3, 3]
    assert found.gap[3:].tolist() == [2.0, 2.0]
    assert found.start.tolist() == [0, 4, 0, 0, 4]


blocks = st.lists(st.tuples(st.floats(1, 100), st.floats(0.1, 50), st.floats(0.1, 5), st.floats(0, 10), st.booleans()),
                  min_size=1, max_size=12)


def _demand(rows):
    rows = sorted(rows)
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    new = columns.pop()
    columns[0], columns[1] = (np.where(new, np.inf, c) for c in columns[:2])
    order = np.argsort(columns[0], kind="stable")
    return Demand(*(c[order] for c in columns), final=3.0, span=3600.0, context=100.0)


PLACES = [Cost("a", "", 1.0, 0.1, 0.0, 0.0, byte_price=0.5), Cost("b", "", 1.0, 0.5, 0.0, 0.0, byte_price=0.05),
          Cost("c", "", 1.0, 2.0, 0.0, 0.0, byte_price=0.01)]


@settings(max_examples=100, deadline=None)
@given(rows=blocks)
def test_the_best_mix_is_the_best_of_all_mixes(rows):
    asked = _demand(rows)
    x = np.unique(np.concatenate([[0.0], asked.needed[np.isfinite(asked.needed)]]))
    best = min(_cost_of(asked, (a, b, c)) for a in x for b in x[x >= a] for c in x[x >= b])
    mix = best_mix(asked, PLACES, 1.0)
    assert mix.total == pytest.approx(best)
    ends = np.cumsum([share.bytes for share in mix.shares])
    assert _cost_of(asked, tuple(ends)) == pytest.approx(mix.total)


def _cost_of(asked, ends):
    total, low = float(asked.dollars.sum()), 0.0
    for place, high in zip(PLACES, ends, strict=True):
        inside = (asked.needed > low * (1 + 1e-12)) & (asked.needed <= high * (1 + 1e-12))
        total += place.byte_price * (high - low) + float((asked.size * place.retrieve - asked.dollars)[inside].sum())
        low = high
    return total


@settings(max_examples=100, deadline=None)
@given(rows=blocks, place=st.sampled_from(PLACES))
def test_the_best_time_to_live_is_the_best_of_all(rows, place):
    asked, hold = _demand(rows), place.byte_price / 3600.0

    def cost(ttl):
        kept = asked.gap <= ttl
        waited = np.where(np.isfinite(asked.gap), np.minimum(asked.gap, max(ttl, 0.0)), 0.0)
        back = np.where(kept, asked.size * place.retrieve, asked.dollars)
        return float((back + hold * waited * asked.size).sum() + hold * max(ttl, 0.0) * asked.final)

    finite = asked.gap[np.isfinite(asked.gap)]
    assert best_ttl(asked, place, 1.0).total == pytest.approx(min(map(cost, [-1.0, *finite])))  # -1: nothing kept


def test_the_mix_costs_no_more_than_any_place_alone_and_less_than_keeping_nothing(found):
    trace = found["trace"]
    assert trace["mix"]["total"] <= min(row["total"] for row in trace["alone"]) < trace["nothing_kept"]
    shares = sum(row["found"] for row in trace["mix"]["places"])
    assert shares == pytest.approx(trace["mix"]["found"])


def test_an_endless_cache_finds_what_the_trace_s_own_summary_says(found):
    reuse_share = ask("trace", "mooncake-conv").data["prefix_reuse"]
    assert found["trace"]["hit_curve"]["found"][-1] == pytest.approx(reuse_share)
    assert np.all(np.diff(found["trace"]["hit_curve"]["found"]) >= 0)


def test_curves_meet_the_mix_of_one_place():
    asked = _demand([(10.0, 1.0, 1.0, 5.0, False), (20.0, 2.0, 1.0, 5.0, False), (1.0, 1.0, 1.0, 5.0, True)])
    mix = best_mix(asked, PLACES[1:2], 1.0)
    assert cost_curve(asked, PLACES[1], 1.0, np.array([mix.shares[0].bytes]))[0] == pytest.approx(mix.total)
    assert hit_curve(asked, np.array([0.0, 10.0, 20.0])).tolist() == pytest.approx([0, 1 / 3, 2 / 3])


def _lru_hits(requests, capacity):
    """Leading blocks of each request found in a cache of so many blocks that throws out the least recently used."""
    cache: OrderedDict[int, None] = OrderedDict()
    hits = []
    for request in requests:
        leading = 0
        for i, block in enumerate(request):
            leading += block in cache and leading == i
            cache[block] = None
            cache.move_to_end(block)
            while len(cache) > capacity:
                cache.popitem(last=False)
        hits.append(leading)
    return hits


chains = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(asked=chains, capacity=st.integers(1, 20))
def test_reuse_distances_say_what_a_least_recently_used_cache_finds(asked, capacity):
    requests = [[100 * family + depth for depth in range(length)] for family, length in asked]
    found = reuse(_trace(requests))
    ends = np.cumsum([len(r) for r in requests])
    hits = [int((part <= capacity).sum()) for part in np.split(found.distance, ends[:-1])]
    assert hits == _lru_hits(requests, capacity)


# ---- texts


@settings(max_examples=200, deadline=None)
@given(text=st.one_of(st.text(max_size=40), st.text(alphabet="hostGB@:$/,.0123456789month-+ ", max_size=60)))
def test_any_text_for_tiers_is_read_or_refused_in_one_line(text):
    try:
        tiers_found = priced_tiers(text)
    except BadInput as error:
        said, tiers_found = str(error), ()
    else:
        said = ""
    assert "\n" not in said
    assert said or all(t.capacity.value > 0 and t.bandwidth.value > 0 for t in tiers_found)


@settings(max_examples=50, deadline=None)
@given(capacity=st.floats(1, 1e6), bandwidth=st.floats(1e-3, 1e4), price=st.floats(0, 100))
def test_a_described_tier_has_the_numbers_of_its_text(capacity, bandwidth, price):
    (one,) = priced_tiers(f"mine:{capacity!r}GB@{bandwidth!r}GB/s@{price!r}$/GB/month")
    assert one.capacity.value == pytest.approx(capacity * 1e9)
    assert one.bandwidth.value == pytest.approx(bandwidth * 1e9)
    assert one.price.value == pytest.approx(price * 1e-9 / 730)


def test_records_are_taken_as_they_are_and_others_refused():
    mine = hardware.tier("nvme-flash")
    names = [row["place"] for row in ask("tiers", **ASKED, tiers=[mine]).data["places"]]
    assert names == ["hbm", "nvme-flash", "recompute"]
    with pytest.raises(BadInput, match="--tiers: must be a name, a file or a Tier record"):
        ask("tiers", **ASKED, tiers=[3])


def test_a_file_that_is_no_tier_is_refused_in_one_line(tmp_path):
    texts = {"a.toml": "tiers = 3\n", "b.toml": "x =", "c.json": "[1]", "d.toml": 'tiers = ["dsk"]\n'}
    for name, text in texts.items():
        file = tmp_path / name
        file.write_text(text)
        with pytest.raises(BadInput):
            ask("tiers", **ASKED, tiers=str(file))
    with pytest.raises(BadInput, match="existing file"):
        ask("tiers", **ASKED, tiers=str(tmp_path / "none.toml"))


def test_a_tier_without_a_price_says_which():
    free = hardware.tier("disk").model_copy(update={"price": None})
    with pytest.raises(BadInput, match="disk: must have a price"):
        ask("tiers", **ASKED, tiers=[free])


def test_a_longer_context_is_dearer_to_compute_token_for_token_and_so_kept_longer():
    answer = ask("tiers", model="llama-3.1-70b", on="dgx-h100", context=65536)
    plot = next(p for p in answer.plots if p.title.startswith("Keep at most"))
    for curve in plot.series:
        if curve.name != "disk":  # its returns take so long that landing grows as fast
            assert np.all(np.diff(curve.y) > -0.02 * np.array(curve.y[1:])), curve.name
            assert curve.y[-1] > 1.2 * curve.y[0]
