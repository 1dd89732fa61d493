"""Closed forms of attention, experts, collectives and capacity against naive counting."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.physics import attention, capacity, collectives, experts, parameters

quick = settings(max_examples=200, deadline=None)
small = st.integers(0, 60)
some = st.integers(1, 60)


@quick
@given(new=some, past=small, window=some)
def test_pairs_are_counted_exactly(new, past, window):
    seen = [past + i + 1 for i in range(new)]
    assert attention.pairs_full(new, past) == sum(seen)
    assert attention.pairs_window(new, past, window) == sum(min(s, window) for s in seen)


@quick
@given(new=some, past=small, window=some)
def test_a_window_reads_the_cached_tokens_that_some_query_sees(new, past, window):
    seen = {k for q in range(past, past + new) for k in range(max(0, q - window + 1), q + 1) if k < past}
    assert attention.cached_read_window(past, window) == len(seen)


@quick
@given(past=st.integers(1, 10**6), new=some, first=some)
def test_passes_split_in_two_have_the_same_pairs(past, new, first):
    whole = attention.pairs_full(new + first, past)
    assert attention.pairs_full(first, past) + attention.pairs_full(new, past + first) == whole
    whole = attention.pairs_window(new + first, past, 37)
    assert attention.pairs_window(first, past, 37) + attention.pairs_window(new, past + first, 37) == whole


def test_arrays_of_passes_are_counted_exactly():
    new, past, window = np.meshgrid(np.arange(1, 9), np.arange(0, 9), np.arange(1, 9), indexing="ij")
    got = attention.pairs_window(new, past, window)
    want = [[[sum(min(p + i, w) for i in range(1, n + 1)) for w in range(1, 9)] for p in range(9)] for n in range(1, 9)]
    np.testing.assert_array_equal(got, want)


@quick
@given(new=some, past=st.integers(5, 10**6))
def test_the_root_rule_sums_roots(new, past):
    roots = sum(math.sqrt(past + i) for i in range(1, new + 1))
    assert attention.pairs_root(new, past) == pytest.approx(roots, rel=0.06)
    assert attention.cached_read_root(4 * past) == pytest.approx(2 * attention.cached_read_root(past))


@quick
@given(past=st.integers(0, 10**6), new=some, top_k=st.integers(1, 4096))
def test_sparse_attention_reads_between_one_choice_and_all_of_them(past, new, top_k):
    read = attention.cached_read_top_k(past, new, top_k)
    assert min(past, top_k) * (1 - 1e-9) <= read <= min(past, new * top_k) * (1 + 1e-9)
    assert attention.cached_read_top_k(past, 1, top_k) == pytest.approx(min(past, top_k), rel=1e-9)


@pytest.mark.parametrize(("name", "N_active", "layers", "heads", "key", "value", "context"), [
    ("DeepSeek-V3 prefill", 37e9, 61, 128, 192, 128, 15e3), ("DeepSeek-V3 absorbed", 37e9, 61, 128, 576, 512, 4.4e3),
    ("Llama-70B", 69.5e9, 80, 64, 128, 128, 53e3), ("Llama-405B", 405e9, 126, 128, 128, 128, 98e3)])
def test_difference_12_attention_equals_the_weights_flops(name, N_active, layers, heads, key, value, context):
    flops = attention.pair_flops(layers, heads, key, value)
    assert attention.equal_context(N_active, flops) == pytest.approx(context, rel=0.02), name
    doubled = attention.compute_time_with_attention(1, attention.equal_context(N_active, flops), N_active, flops, 1e15)
    assert doubled == pytest.approx(2 * attention.compute_time_with_attention(1, 0, N_active, flops, 1e15))


def test_difference_11_latent_attention_computes_242_flops_a_byte_and_llama_405b_16():
    absorbed, llama = attention.pair_flops(61, 128, 576, 512), attention.pair_flops(126, 128, 128, 128)
    latent = attention.decode_intensity(absorbed, parameters.latent_kv_bytes(61, 512, 64, 2))
    grouped = attention.decode_intensity(llama, parameters.kv_bytes(126, 8, 128, 2))
    assert latent == pytest.approx(242, abs=0.5)
    assert grouped == 16


def test_published_kv_bytes_per_token():
    assert parameters.latent_kv_bytes(61, 512, 64, 2) == 70_272
    assert parameters.kv_bytes(126, 8, 128, 2) == 516_096
    assert parameters.kv_bytes(80, 8, 128, 2) == 327_680
    assert parameters.kv_bytes(1, 8, 128, 1) == 2_048  # the lecture's plausible architecture


@quick
@given(E=st.integers(1, 64), k=st.integers(1, 8), tokens=st.integers(0, 500))
def test_touched_experts_lie_between_one_token_s_and_all(E, k, tokens):
    k = min(k, E)
    assert experts.touched(E, k, 1) == pytest.approx(k)
    assert 0 <= experts.touched(E, k, tokens) <= min(E, k * tokens) * (1 + 1e-12)
    assert experts.weights_read(2.0, 5.0, E, k, 10**7) == pytest.approx(7.0)


def test_chips_hit_is_the_mean_over_every_choice_of_experts():
    E, chips, k = 12, 4, 3
    place = [e // (E // chips) for e in range(E)]
    choices = list(itertools.combinations(range(E), k))
    mean = sum(len({place[e] for e in choice}) for choice in choices) / len(choices)
    assert experts.chips_hit(chips, E, k) == pytest.approx(mean, rel=1e-12)


def test_nodes_hit_limited_is_the_mean_over_every_allowed_choice():
    E, nodes, limit, k = 12, 6, 3, 4
    sums = [len({e // (E // nodes) for e in choice}) for groups in itertools.combinations(range(nodes), limit)
            for choice in itertools.combinations([e for e in range(E) if e // (E // nodes) in groups], k)]
    assert experts.nodes_hit_limited(nodes, limit, E, k) == pytest.approx(sum(sums) / len(sums), rel=1e-12)


@pytest.mark.parametrize(("chips", "busiest", "suffice", "imbalance"), [(64, 4, 64, 1.0), (72, 4, 64, 1.125)])
def test_row_c2_256_experts_on_64_of_72_chips_are_four_each(chips, busiest, suffice, imbalance):
    assert experts.experts_on_busiest_chip(256, chips) == busiest
    assert experts.chips_that_suffice(256, chips) == suffice
    assert experts.deal_imbalance(256, chips) == imbalance


def link_loads(axes, wraps):
    """Bytes per one-way link when every chip of a torus or mesh sends every chip one byte, along the axes in turn."""
    loads = {}
    for start, end in itertools.product(itertools.product(*map(range, axes)), repeat=2):
        at = list(start)
        for axis, length in enumerate(axes):
            for step, share in ways(at[axis], end[axis], length, wraps):
                position = at[axis]
                while position != end[axis]:
                    link = (*at[:axis], position, *at[axis + 1:], axis, step)
                    loads[link] = loads.get(link, 0) + share
                    position = (position + step) % length
            at[axis] = end[axis]
    return loads


def ways(start, end, length, wraps):
    ahead = (end - start) % length
    if start == end:
        return []
    if not wraps:
        return [(1 if end > start else -1, 1.0)]
    if 2 * ahead == length:
        return [(1, 0.5), (-1, 0.5)]
    return [(1, 1.0)] if 2 * ahead < length else [(-1, 1.0)]


@pytest.mark.parametrize("wraps", [0, 1])
@pytest.mark.parametrize("axes", [(4,), (8,), (4, 4), (2, 6), (4, 4, 2)])
def test_all_to_all_on_a_torus_loads_its_busiest_link_as_the_bisection_says(axes, wraps):
    chips = math.prod(axes)
    busiest = max(link_loads(axes, wraps).values())
    assert busiest == pytest.approx(collectives.all_to_all_link_bytes(chips, max(axes), wraps), rel=1e-12)


@quick
@given(g=st.integers(1, 40), n=st.floats(1, 1e12))
def test_all_reduce_is_reduce_scatter_then_all_gather_and_a_group_of_one_sends_nothing(g, n):
    parts = collectives.reduce_scatter_bytes(n, g) + collectives.all_gather_bytes(n, g)
    assert collectives.all_reduce_bytes(n, g) == pytest.approx(parts)
    sent = (collectives.all_reduce_bytes, collectives.all_reduce_in_switch_bytes, collectives.all_to_all_bytes,
            collectives.one_way_ring_all_to_all_bytes)
    assert all(f(n, 1) == 0 for f in sent)
    assert collectives.all_reduce_in_switch_bytes(n, g) <= collectives.all_reduce_bytes(n, g) * (1 + 1e-12)


@given(g=st.integers(1, 40))
def test_farthest_hops_on_rings_and_lines(g):
    assert collectives.farthest_hops(g, 1) == max(min(i, g - i) for i in range(g))
    assert collectives.farthest_hops(g, 0) == g - 1


def test_row_c3_half_of_the_traffic_leaves_two_racks_and_takes_four_times_as_long():
    assert collectives.outside_fraction(2) == 0.5
    assert collectives.rack_slowdown(racks=2, ratio=8) == 4
    one = collectives.two_level_all_to_all_time(1e9, 10**6, 10**6, 800e9, 100e9)
    two = collectives.two_level_all_to_all_time(1e9, 2 * 10**6, 10**6, 800e9, 100e9)
    assert two / one == pytest.approx(4, rel=1e-5)


@quick
@given(domain=st.integers(1, 72), inside=st.floats(1e9, 1e12))
def test_two_levels_of_one_rack_are_one_level(domain, inside):
    both = collectives.two_level_all_reduce_time(1e6, domain, 1, inside, 1.0)
    assert both == pytest.approx(collectives.all_reduce_bytes(1e6, domain) / inside)


def test_row_d1_eight_experts_and_one_layer_outweigh_the_slower_network_twice():
    assert collectives.stage_traffic_ratio(ratio=8, k=8, layers=1) == 2


def test_row_d5_a_rack_hop_is_nine_microseconds_of_wire_and_four_add_ten_milliseconds():
    assert collectives.hop_time(2000 * 7168 * 2, 64, 50e9, 0) == pytest.approx(9e-6, abs=0.1e-6)
    assert collectives.decode_with_hops(0.02, 4, 0.0025) == pytest.approx(0.03)


def test_difference_17_from_8_to_72_chips_is_9_times_and_21_with_their_own_bandwidth():
    assert capacity.domain_speedup(72, 1.0, 8, 1.0) == 9
    assert capacity.domain_speedup(72, 8e12, 8, 3.35e12) == pytest.approx(21.5, abs=0.1)


def test_row_c5_eight_h100_hold_640_gb_and_a_rack_holds_5t_parameters_with_kv():
    assert capacity.domain_capacity(8, 80e9) == 640e9
    rack = capacity.domain_capacity(72, 186e9)
    assert rack == pytest.approx(15e12, abs=5e12)
    assert capacity.largest_model(rack, 1, 2000, 100e3, 2000) > 5e12


def test_row_c4_twice_the_chips_twice_the_cables():
    assert capacity.cables(144, 18, 4) == 2 * capacity.cables(72, 18, 4)
    assert capacity.cables(72, 18, 4) > 5000


@quick
@given(B=st.integers(1, 500), L=st.integers(1, 500), heads=st.integers(1, 64), g=st.integers(1, 64))
def test_row_c9_cutting_kv_never_keeps_less_than_a_fair_share(B, L, heads, g):
    kv = 100.0 * heads
    dealt = np.bincount(np.arange(heads) % g, minlength=g).max()
    by_heads = capacity.kv_per_chip_by_heads(B, L, kv, heads, g)
    assert by_heads == pytest.approx(B * L * 100.0 * dealt)
    assert capacity.head_duplication(heads, g) == pytest.approx(by_heads * g / (B * L * kv))
    by_sequences = capacity.kv_per_chip_by_sequences(B, L, kv, g)
    by_context = capacity.kv_per_chip_by_context(B, L, kv, g)
    for per_chip in (by_heads, by_sequences, by_context):
        assert per_chip >= B * L * kv / g * (1 - 1e-12)


@pytest.mark.parametrize("g", [1, 4, 8, 64])
def test_row_c9_one_head_is_duplicated_on_every_chip(g):
    assert capacity.head_duplication(kv_heads=1, g=g) == g


@quick
@given(memory=st.floats(1e10, 1e13), L=st.integers(1, 10**6), weights=st.floats(1e9, 1e13), kv=st.floats(100, 1e6))
def test_the_largest_batch_fits_and_one_more_does_not(memory, L, weights, kv):
    B = capacity.largest_batch(memory, L, weights, kv)
    assert int(B) == B
    assert B >= 0
    assert B == 0 or weights + B * L * kv <= memory * (1 + 1e-9)
    assert weights > memory or weights + (B + 1) * L * kv > memory * (1 - 1e-9)
    if B > 0:
        assert capacity.largest_context(memory, B, weights, kv) >= L * (1 - 1e-9)
        assert capacity.chips_needed(memory * (1 + 1e-9), B, L, weights, kv) == 1
