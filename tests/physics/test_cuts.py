"""Which cuts of a layer pay: the lecture's ranking, Pope et al.'s forms, and agreement with the collectives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackline.physics import blackboard as bb
from rackline.physics import collectives, cuts

GB200 = {"F": 5e15, "W": 8e12}
LINK = 9e11  # one way


@given(tokens=st.integers(1, 10**5), g=st.integers(2, 72))
def test_cutting_heads_sends_what_an_all_reduce_sends(tokens, g):
    sent = cuts.cut_by_heads_or_feed_forward(tokens, 7168, 2, g)
    assert sent == pytest.approx(collectives.all_reduce_bytes(tokens * 7168 * 2, g))


@given(g=st.integers(2, 256))
def test_two_dimensions_send_eight_widths_over_the_root_and_win_past_sixteen_chips(g):
    both = cuts.cut_by_both_dimensions(1, 8192, 4 * 8192, 2, g)
    assert both == pytest.approx(8 * 8192 * 2 / g**0.5)
    if g > 17:
        assert both < cuts.cut_by_heads_or_feed_forward(1, 8192, 2, g)
    if g <= 16:
        assert both > cuts.cut_by_heads_or_feed_forward(1, 8192, 2, g)


@given(tokens=st.integers(1, 10**5), g=st.integers(2, 72))
def test_experts_send_each_chip_s_share_and_cutting_them_sends_all(tokens, g):
    a_chip = cuts.cut_by_experts(tokens, 8, 7168, 1, 2, g)
    assert a_chip * g == pytest.approx(tokens * 8 * 7168 * 3 * (1 - 1 / g))
    assert cuts.cut_by_experts(tokens, 8, 7168, 1, 2, 72) < cuts.cut_by_heads_or_feed_forward(tokens, 7168, 2, 72)


@pytest.mark.parametrize(("d_ff", "pays"), [(2048, False), (28672, True)])
def test_row_c7_cutting_a_small_expert_does_not_pay_where_cutting_a_dense_layer_does(d_ff, pays):
    tokens, width, g = 1024, 7168, 2  # enough tokens that the layer is bound by compute
    work = bb.compute_time(tokens, 3 * width * d_ff, GB200["F"])
    gain = cuts.cut_gain(work, g, cuts.cut_by_heads_or_feed_forward(tokens, width, 2, g), LINK)
    assert (gain > 1) == pays


def test_row_c7_dealing_experts_out_pays_where_cutting_them_does_not():
    tokens, width, d_ff, g = 16384, 7168, 2048, 64  # 512 tokens an expert: bound by compute
    weights = 256 * 3 * width * d_ff
    work = max(bb.compute_time(8 * tokens, 3 * width * d_ff, GB200["F"]), bb.weight_time(weights, GB200["W"]))
    dealt = cuts.cut_gain(work, g, cuts.cut_by_experts(tokens, 8, width, 1, 2, g), LINK)
    cut = cuts.cut_gain(work, g, cuts.cut_by_heads_or_feed_forward(8 * tokens, width, 2, g), LINK)
    assert dealt > 1 > cut


def test_row_c7_a_pipeline_s_step_sends_least():
    tokens, width = 2000, 7168
    layers = cuts.cut_by_layers(tokens, width, 2, 64)
    assert layers < cuts.cut_by_experts(tokens, 8, width, 1, 2, 64) < cuts.cut_by_heads_or_feed_forward(
        tokens, width, 2, 64) < cuts.cut_by_weights_gathered(256 * 3 * width * 2048, 64)


@given(g=st.integers(1, 64))
def test_a_group_of_one_sends_nothing(g):
    assert cuts.cut_by_heads_or_feed_forward(64, 7168, 2, 1) == cuts.cut_by_experts(64, 8, 7168, 1, 2, 1) == 0
    assert cuts.cut_by_context_decode(64, 128, 512, 2, 1) == cuts.cut_by_context_prefill(64, 4096, 1) == 0
    assert cuts.cut_by_weights_gathered(1e9, 1) == 0 <= cuts.cut_by_weights_gathered(1e9, g) < 1e9


def test_at_the_largest_tensor_cut_sending_takes_as_long_as_computing():
    g = collectives.largest_tensor_cut(d_ff=28672, axes=1, link=2 * LINK, wire=2, F=GB200["F"])
    work = bb.compute_time(512, 2 * 7168 * 28672, GB200["F"]) / g  # two matrices, as the book counts
    sent = collectives.all_gather_link_bytes(512 * 7168 * 2, 1e15, 1, 1) * 2  # gathered, then scattered
    assert work == pytest.approx(sent / LINK)
