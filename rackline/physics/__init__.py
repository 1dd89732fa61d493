"""Equations on numbers and numpy arrays: no records, no I/O, no clock; arguments broadcast and are not validated.

Every public docstring says the result's unit in brackets. `token` is a token that the pass computes, `cached` one
that it reads from the KV cache, `FLOP` one multiply or add; a parameter met by a token costs two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Number = Any  # a number or an array; everything broadcasts


def over(a: Number, b: Number) -> Number:
    """a/b, infinite over zero: a model without KV cache fits any batch and has no balance context."""
    with np.errstate(divide="ignore"):
        return np.divide(a, b)
