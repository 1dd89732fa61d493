"""Tokens a pass with drafting, against the sum over what may happen and at both ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackline.physics.speculation import expected_tokens, speculative_speedup


@given(a=st.floats(0, 1), d=st.integers(0, 20))
def test_the_closed_form_is_the_sum_over_tokens_accepted_in_a_row(a, d):
    by_hand = sum((j + 1) * a**j * (1 - a) for j in range(d)) + (d + 1) * a**d
    assert expected_tokens(a, d) == pytest.approx(by_hand)


def test_nothing_accepted_is_one_token_and_everything_is_all_of_them():
    assert expected_tokens(0.0, 5) == 1
    assert expected_tokens(1.0, 5) == 6
    np.testing.assert_allclose(expected_tokens(np.array([0.0, 0.8, 1.0]), 3), [1, 2.952, 4])


def test_a_free_draft_whose_check_costs_a_step_speeds_up_by_the_tokens():
    assert speculative_speedup(0.8, 3, 0.02, 0.02, 0.0) == pytest.approx(2.952)
