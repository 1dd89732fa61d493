"""From traces to requests."""

from __future__ import annotations

import numpy as np

from rackline.errors import BadInput
from rackline.facts.traces import Trace
from rackline.systems.simulation.records import Requests


def requests_of(trace: Trace, *, block_tokens: int = 16) -> Requests:
    """A trace's requests as they came; its prefix blocks where it has any, else pages of `block_tokens` tokens.

    Errors: BadInput for a trace without arrivals.
    """
    if trace.arrival is None:
        raise BadInput("trace", "must say when requests arrive", trace.name, "draw arrivals at a rate")
    n = len(trace)
    start, block = np.zeros(n + 1, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if trace.prefix is not None and trace.block_tokens is not None:
        _, dense = np.unique(trace.prefix.values, return_inverse=True)
        start, block, block_tokens = trace.prefix.offsets, dense.astype(np.int64), trace.block_tokens
    return Requests(trace.arrival, trace.input_tokens, trace.output_tokens, np.full(n, -1, dtype=np.int64),
                    np.zeros(n), start, block, block_tokens)
