"""Sparsity against quality: a routed model's dense equivalent, and the loss of dense models (Chinchilla's form).

experts: experts for each one that a token meets; a: the gain's exponent; share: part of the active parameters that
is routed. N_total, D of the loss: parameters and training tokens as pure numbers, as fits are printed.
"""

from __future__ import annotations

import numpy as np

from rackline.physics import Number


def exponent(gain: Number, experts: Number) -> Number:
    """Exponent of a power law through one point: so many experts are worth `gain` times the active parameters [1].

    Eq: a = log(gain)/log(experts)
    Ignores: that the gain shrinks as models grow, which one point cannot show
    Source: Clark et al. 2022 as quoted: 64 experts of 370M about 1.3B dense, a gain of 3.5
    >>> exponent(gain=3.5, experts=64)
    """
    return np.log(gain) / np.log(experts)


def dense_equivalent(N_active: Number, experts: Number, a: Number) -> Number:
    """Parameters of the dense model of the same quality [param].

    Eq: N = N_active*experts**a
    Ignores: as exponent; training tokens, which are the same for both
    Source: Clark et al. 2022, its form at one size
    >>> dense_equivalent(N_active=370e6, experts=64, a=0.3012)
    """
    return N_active * experts**a


def active_for_equal_quality(N_dense: Number, experts: Number, a: Number) -> Number:
    """Active parameters that are as good as a dense model's when so many experts share the work [param].

    Eq: N = N_dense/experts**a
    Ignores: as dense_equivalent
    Source: dense_equivalent solved
    >>> active_for_equal_quality(N_dense=1.3e9, experts=64, a=0.3012)
    """
    return N_dense / experts**a


def total_parameters(N_active: Number, experts: Number, share: Number) -> Number:
    """Parameters in all when a part of the active ones is repeated for every expert [param].

    Eq: N = N_active*(1 + share*(experts - 1))
    Ignores: routers
    Source: counting; only the routed part grows, so 64 experts are less than 64 times the parameters
    >>> total_parameters(N_active=370e6, experts=64, share=1/3)
    """
    return N_active * (1 + share * (experts - 1))


def loss(N_total: Number, D: Number, E0: Number, A: Number, B: Number, alpha: Number, beta: Number) -> Number:
    """Loss of a dense model of so many parameters after so many training tokens, nats a token [1].

    Eq: y = E0 + A/N_total**alpha + B/D**beta
    Ignores: data that repeats or differs from the fit's
    Source: Hoffmann et al. 2022, approach 3; Besiroglu et al. 2024 fitted it again
    >>> loss(N_total=70e9, D=1.4e12, E0=1.817, A=482.0, B=2085.4, alpha=0.3478, beta=0.3658)
    """
    return E0 + A / N_total**alpha + B / D**beta


def tokens_for_loss(loss_sought: Number, N_total: Number, E0: Number, A: Number, B: Number, alpha: Number,
                    beta: Number) -> Number:
    """Training tokens after which a dense model of so many parameters has a loss; infinite if it never has [1].

    Eq: D = Piecewise(((B/(loss_sought - E0 - A/N_total**alpha))**(1/beta), loss_sought > E0 + A/N_total**alpha),
        (oo, True))
    Ignores: as loss
    Source: loss solved
    >>> tokens_for_loss(loss_sought=2.0, N_total=70e9, E0=1.817, A=482.0, B=2085.4, alpha=0.3478, beta=0.3658)
    """
    left = np.asarray(loss_sought - E0 - A / N_total**alpha)
    found = np.where(left > 0, (B / np.where(left > 0, left, 1.0)) ** (1 / beta), np.inf)
    return found[()]


def parameters_for_loss(loss_sought: Number, D: Number, E0: Number, A: Number, B: Number, alpha: Number,
                        beta: Number) -> Number:
    """Parameters of a dense model that has a loss after so many training tokens; infinite if none has [1].

    Eq: N = Piecewise(((A/(loss_sought - E0 - B/D**beta))**(1/alpha), loss_sought > E0 + B/D**beta), (oo, True))
    Ignores: as loss
    Source: loss solved
    >>> parameters_for_loss(loss_sought=2.0, D=1.4e12, E0=1.817, A=482.0, B=2085.4, alpha=0.3478, beta=0.3658)
    """
    left = np.asarray(loss_sought - E0 - B / D**beta)
    found = np.where(left > 0, (A / np.where(left > 0, left, 1.0)) ** (1 / alpha), np.inf)
    return found[()]
