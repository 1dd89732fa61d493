"""Rows that moved one prompt's KV cache between machines: as points, and how many bytes that cache has."""

from __future__ import annotations

import re
from dataclasses import replace

from rackline import units
from rackline.decisions.accuracy.settings import known_model
from rackline.facts.machine import Machine
from rackline.facts.measurements import Measured
from rackline.facts.model import Model
from rackline.facts.models import model
from rackline.systems.layout import Layout
from rackline.systems.memory import cache_bytes

# words after a checkpoint's name that leave its sizes as they are
_TUNED = re.compile(r"[-_](instruct|chat|it|thinking|base|hf|\d{4})$", re.I)
_STATED = re.compile(r"\(?(?:theoretical )?(\d+(?:\.\d+)? [KMGT]B/s)")


def cached_model(row: Measured) -> Model:
    """The bundled model of a row, whatever its checkpoint was tuned for; Refused where there is none."""
    name = row.model
    while _TUNED.search(name):
        name = _TUNED.sub("", name)
    return model(known_model(replace(row, model=name)))


def tokens_of(row: Measured) -> float:
    """Tokens of the prompt whose cache was moved; 0 where the row does not say."""
    return float(row.load.input or row.load.context or 0.0)


def moved_bytes(row: Measured, machine: Machine | None) -> float:
    """Bytes of one prompt's cache on all chips of a box: tensor ranks beyond the number of KV heads keep copies.

    Source: the sizes printed beside Mooncake's transfers are of eight ranks, twice the cache where it has four heads
    """
    box = Layout(row.sizes.tensor or (machine.node or machine.domain if machine else 1))
    return float(cache_bytes(cached_model(row), box, tokens_of(row))) * float(box.tensor)


def network_bandwidth(row: Measured, machine: Machine) -> float:
    """Byte/s between boxes: as the row states it, else of all cards of a box; 0 where neither is known."""
    if found := _STATED.search(row.hardware):
        return units.parse(found[1], "bytes/s")
    cards = machine.node or machine.domain
    return float(cards * machine.scale_out.bandwidth.value) if machine.scale_out else 0.0
