"""Request traces: the record, the readers of published forms, and what is counted in them."""

from rackline.facts.traces.read import bundled, read_trace
from rackline.facts.traces.trace import Ragged, Trace, found_blocks, quantiles, summary

__all__ = ["Ragged", "Trace", "bundled", "found_blocks", "quantiles", "read_trace", "summary"]
