"""Tokens to experts on chips: the lecture's four a chip, draws with the chances asked for, traffic counted, copies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.errors import BadInput
from rackline.physics.experts import chips_hit, deal_imbalance
from rackline.systems import routing

popularities = st.lists(st.floats(0.01, 100), min_size=4, max_size=40)


def _uniform(experts: int = 256, k: int = 8) -> np.ndarray:
    return routing.chances(np.ones(experts), k)


@settings(max_examples=60, deadline=None)
@given(popularity=popularities, k=st.integers(1, 4))
def test_chances_add_up_to_k_keep_the_order_and_none_is_above_one(popularity, k):
    found = routing.chances(np.array(popularity), k)
    assert found.sum() == pytest.approx(k)
    assert found.max() <= 1.0 + 1e-12
    order = np.argsort(popularity)
    assert np.all(np.diff(found[order]) >= -1e-12)


def test_experts_that_are_never_asked_for_are_too_few_to_route_to():
    with pytest.raises(BadInput, match="at least 2 experts"):
        routing.chances(np.array([1.0, 0.0, 0.0]), 2)


@settings(max_examples=30, deadline=None)
@given(popularity=popularities, k=st.integers(1, 4), seed=st.integers(0, 9))
def test_every_token_gets_k_different_experts(popularity, k, seed):
    hits = routing.drawn(np.random.default_rng(seed), routing.chances(np.array(popularity), k), 50)
    assert (hits.sum(axis=1) == k).all()


def test_experts_are_drawn_with_their_chances():
    chance = routing.chances(np.arange(1.0, 33.0) ** -1.0, 4)
    seen = routing.drawn(np.random.default_rng(1), chance, 20_000).mean(axis=0)
    assert np.abs(seen - chance).max() < 5 * 0.5 / np.sqrt(20_000)


def test_256_experts_on_64_chips_are_four_each_and_on_72_at_most_four():
    on64, on72 = (routing.dealt(256, chips) for chips in (64, 72))
    assert (on64.slots >= 0).sum(axis=1).tolist() == [4] * 64
    assert (on72.slots >= 0).sum(axis=1).max() == 4
    load = routing.expected_load(_uniform(), on72)
    assert routing.imbalance(load) == pytest.approx(deal_imbalance(256, 72))


def test_traffic_executed_and_counted_is_what_the_closed_form_expects():
    placement, tokens = routing.dealt(256, 64), 64 * 64
    visits = routing.visits(routing.drawn(np.random.default_rng(0), _uniform(), tokens), placement)
    matrix = routing.traffic(visits)
    assert visits.sum() == tokens * 8
    assert matrix.shape == (64, 64)
    assert matrix.sum() / tokens == pytest.approx(chips_hit(64, 256, 8), rel=0.01)
    assert np.trace(matrix) / matrix.sum() == pytest.approx(1 / 64, rel=0.2)
    nodes = routing.traffic(visits, 8)
    assert nodes.sum() / tokens == pytest.approx(chips_hit(8, 256, 8), rel=0.01)


def test_half_of_the_traffic_of_two_racks_leaves():
    matrix = routing.traffic(routing.visits(routing.drawn(np.random.default_rng(0), _uniform(), 8192),
                                            routing.dealt(256, 128)))
    outside = matrix[:64, 64:].sum() + matrix[64:, :64].sum()
    assert outside / matrix.sum() == pytest.approx(0.5, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(popularity=popularities, chips=st.integers(1, 12), extra=st.integers(0, 20))
def test_every_expert_has_a_copy_and_so_many_more_are_placed(popularity, chips, extra):
    load = np.array(popularity)
    placement = routing.replicated(load, chips, extra)
    copies = placement.copies(load.size)
    assert copies.min() >= 1
    assert copies.sum() == load.size + extra
    assert routing.expected_load(load, placement).sum() == pytest.approx(load.sum())
    assert placement.slots.shape == (chips, -(-(load.size + extra) // chips))


def test_copies_of_hot_experts_even_out_a_skewed_routing():
    chance = routing.chances(np.random.default_rng(3).permutation(np.arange(1.0, 257.0) ** -0.7), 8)
    uneven = [routing.imbalance(routing.expected_load(chance, p)) for p in (
        routing.dealt(256, 72), routing.replicated(chance, 72), routing.replicated(chance, 72, 32))]
    assert uneven[0] > uneven[1] > uneven[2]
    assert uneven[2] < 1.1


def test_the_busiest_expert_bounds_what_packing_alone_can_do():
    load = np.array([10.0] + [1.0] * 15)
    packed = routing.expected_load(load, routing.replicated(load, 4))
    assert packed.max() >= 10.0
    assert routing.expected_load(load, routing.replicated(load, 4, 4)).max() < 10.0
