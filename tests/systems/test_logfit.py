"""The fit finds what made the seconds; one row far off does not move it; corrections reach neighbours only."""

import numpy as np
import pytest

from rackline.systems.logfit import Smooth, fit, predict, row_noise, together

HOW = Smooth(0.2, 0.1, 0.1, 0.05, 0.03)


def made(noise=0.0, n=300, seed=3):
    draw = np.random.default_rng(seed)
    x = draw.lognormal(0.0, 1.5, (n, 3))
    true = np.log([1.3, 2.0, 40.0])
    return x, np.log(x @ np.exp(true)) + noise * draw.standard_normal(n), true


def fitted(x, y, **more):
    return fit(x, y, np.zeros(3), np.full(3, -9.0), np.arange(len(y)) % 20, **more)


def test_the_coefficients_that_made_the_seconds_are_found():
    x, y, true = made()
    np.testing.assert_allclose(fitted(x, y, hold=1e-9).logs, true, atol=1e-4)


def test_wild_rows_hardly_move_the_coefficients():
    x, y, true = made(0.02)
    y[:15] += 3.0
    np.testing.assert_allclose(fitted(x, y).logs, true, atol=0.1)


def test_no_coefficient_goes_below_its_least():
    x, y, _ = made()
    least = np.log([1.5, 1.0, 1.0])
    found = fit(x, y, np.zeros(3), least, np.arange(len(y)) % 20)
    assert (found.logs >= least - 1e-12).all()
    assert found.logs[0] == pytest.approx(least[0])


def test_intervals_widen_as_rows_get_fewer_and_hold_the_truth():
    wide = [np.sqrt(np.diag(fitted(*made(0.1, n)[:2]).covariance)) for n in (30, 3000)]
    assert (wide[0] > 2.0 * wide[1]).all()
    x, y, true = made(0.1, 3000)
    assert (np.abs(fitted(x, y).logs - true) < 4.0 * wide[1] + 1e-3).all()


def test_a_fit_repeats_to_the_last_bit():
    x, y, _ = made(0.1)
    assert (fitted(x, y).logs == fitted(x, y).logs).all()


def test_a_correction_reaches_neighbours_and_not_what_is_far():
    place = np.zeros((4, 6))
    place[:, 0] = [0.0, 0.5, 1.0, 1.5]
    residual = np.full(4, 0.2)
    own = together(place, place, np.ones((4, 4)), HOW)
    given = np.zeros((2, 6))
    given[:, 0] = [0.7, 60.0]
    prior = float(own[0, 0])
    mean, variance = predict(together(given, place, np.ones((2, 4)), HOW), own,
                             row_noise(own, residual, HOW.noise), residual, prior)
    assert mean[0] == pytest.approx(0.2, abs=0.03)
    assert mean[1] == pytest.approx(0.0, abs=1e-6)
    assert variance[0] < 0.1 * prior
    assert variance[1] == pytest.approx(prior)


def test_one_wild_row_among_neighbours_is_believed_less():
    place = np.zeros((9, 6))
    place[:, 0] = np.linspace(0.0, 2.0, 9)
    residual = np.zeros(9)
    residual[4] = 1.0
    own = together(place, place, np.ones((9, 9)), HOW)
    granted = row_noise(own, residual, HOW.noise)
    assert granted[4] > 20.0 * np.median(granted)
