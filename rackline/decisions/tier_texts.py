"""KV tiers from a text: "host:64GB@50GB/s,flash:1TB@6GB/s+1ms/fifo"."""

from __future__ import annotations

import re

from rackline import units
from rackline.errors import BadInput
from rackline.systems.simulation.records import KvTier

_FORM = re.compile(r"(?P<name>[\w.-]+):(?P<capacity>[^@]+)@(?P<bandwidth>[^+]+?)"
                   r"(\+(?P<latency>[^/]+))?(/(?P<eviction>lru|fifo))?")
_EXAMPLE = '"host:64GB@50GB/s,flash:1TB@6GB/s", with +1ms for a latency and /fifo for another eviction'
_MOST = 8


def tiers(text: str, what: str = "--tiers") -> tuple[KvTier, ...]:
    """The tiers in their order, nearest first; capacity and bandwidth are a replica's."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not 1 <= len(parts) <= _MOST:
        raise BadInput(what, f"must be 1 to {_MOST} tiers", text, f"for example {_EXAMPLE}")
    found = tuple(_one(part, what) for part in parts)
    if len({one.name for one in found}) < len(found):
        raise BadInput(what, "must have names of their own", text)
    return found


def _one(text: str, what: str) -> KvTier:
    match = _FORM.fullmatch(text)
    if not match:
        raise BadInput(what, "must be NAME:CAPACITY@BANDWIDTH", text, f"for example {_EXAMPLE}")
    return KvTier(match["name"], _above(match["capacity"], "bytes", what), _above(match["bandwidth"], "bytes/s", what),
                  _above(match["latency"], "seconds", what) if match["latency"] else 0.0,
                  "fifo" if match["eviction"] == "fifo" else "lru")


def _above(text: str, dimension: str, what: str) -> float:
    value = units.parse(text, dimension, what)
    if value <= 0:
        raise BadInput(what, "must be above zero", text)
    return value
