"""Several tokens from one pass: drafted cheaply, checked together."""

from __future__ import annotations

import numpy as np

from rackline.physics import Number


def expected_tokens(acceptance: Number, drafted: Number) -> Number:
    """Tokens that one pass yields on average: those accepted in a row, and one of the pass's own [1].

    Eq: n = (1 - acceptance**(drafted + 1))/(1 - acceptance)
    Ignores: that acceptance differs from token to token; its limit at certain acceptance is drafted + 1
    Source: Leviathan et al. 2023, equation 1
    >>> expected_tokens(acceptance=0.8, drafted=3)
    """
    sure = acceptance >= 1
    share = np.where(sure, 0.5, acceptance)
    return np.where(sure, drafted + 1.0, (1 - share ** (drafted + 1)) / (1 - share))[()]


def speculative_speedup(acceptance: Number, drafted: Number, step: Number, check: Number, draft: Number) -> Number:
    """Tokens a second with drafting over tokens a second without, from the seconds of three passes [1].

    Eq: s = (1 - acceptance**(drafted + 1))/(1 - acceptance)*step/(check + drafted*draft)
    Ignores: drafting during the check
    Source: Leviathan et al. 2023, theorem 3.8, with the checking pass's own time
    >>> speculative_speedup(acceptance=0.8, drafted=3, step=0.02, check=0.021, draft=0.0003)
    """
    return expected_tokens(acceptance, drafted) * step / (check + drafted * draft)
