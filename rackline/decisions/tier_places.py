"""Where KV can wait: a chip's own memory and the tiers behind it, each with a price; from names, texts or files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rackline import units
from rackline.errors import BadInput
from rackline.facts import hardware
from rackline.facts.fact import Fact
from rackline.facts.machine import Machine, Tier
from rackline.physics import operating, tiers

_FORM = re.compile(r"(?P<name>[\w.-]+):(?P<capacity>[^@]+)@(?P<bandwidth>[^@]+)@(?P<price>[^@]+)")
_EXAMPLE = '"host-ddr5,nvme-flash", "host:256GB@63GB/s@0.15$/GB/month", or a file with [[tiers]]'
_MOST = 16
OWN = "hbm"  # the chip's own memory, whatever it is made of
_USER = "the user's --tiers"


@dataclass(frozen=True)
class Place:
    """A memory that KV waits in, per chip: bytes, byte/s into the chip (infinite: it is there), dollars a byte-hour."""

    name: str
    title: str
    capacity: float
    bandwidth: float
    byte_price: float
    drain: float  # seconds to read all of it once


def places(machine: Machine, price: float) -> tuple[Place, ...]:
    """The chip's own memory at its share of the chip's price, and the machine's tiers, the dearest to hold first."""
    chip = machine.chip
    C, W = chip.memory_capacity.value, chip.memory_bandwidth.value
    own = Place(OWN, f"memory of {chip.title}", C, float("inf"), float(tiers.share_price(price, C)),
                float(operating.drain_time(C, W)))
    return tuple(sorted((own, *map(_place, machine.tiers)), key=lambda p: -p.byte_price))


def _place(tier: Tier) -> Place:
    if tier.price is None:
        raise BadInput(f"--tiers: {tier.name}", "must have a price to be compared", "none", 'such as "0.15 $/GB/month"')
    capacity, bandwidth = tier.capacity.value, tier.bandwidth.value
    return Place(tier.name, tier.title, capacity, bandwidth, tier.price.value,
                 float(operating.drain_time(capacity, bandwidth)))


def priced_tiers(text: str, what: str = "--tiers") -> tuple[Tier, ...]:
    """Tiers from a file, or from bundled names and NAME:CAPACITY@BANDWIDTH@PRICE, per chip; else BadInput."""
    if text.lower().endswith((".toml", ".json")) and ":" not in text:
        found = hardware.tiers(text)
    else:
        found = tuple(_texts(text, what))
    if not 1 <= len(found) <= _MOST:
        raise BadInput(what, f"must be 1 to {_MOST} tiers", text, f"for example {_EXAMPLE}")
    names = [tier.name for tier in found]
    if len({*names, OWN}) <= len(names):
        raise BadInput(what, f"must have names of their own, other than {OWN} (the chip's memory)", text)
    return found


def _texts(text: str, what: str) -> Iterator[Tier]:
    for part in (piece.strip() for piece in text.split(",")):
        if part:
            yield _described(part, what) if ":" in part else hardware.tier(part)


def _described(text: str, what: str) -> Tier:
    match = _FORM.fullmatch(text)
    if not match:
        raise BadInput(what, "must be NAME:CAPACITY@BANDWIDTH@PRICE", text, f"for example {_EXAMPLE}")
    capacity, bandwidth = (_number(match[key], unit, f"{what}: {key}") for key, unit in
                           (("capacity", "bytes"), ("bandwidth", "bytes/s")))
    return Tier(name=match["name"], title=match["name"], capacity=capacity, bandwidth=bandwidth,
                price=_number(match["price"], "dollars/byte/hour", f"{what}: price", zero=True))


def _number(text: str, unit: str, what: str, *, zero: bool = False) -> Fact:
    value = units.parse(text.strip(), unit, what)
    if value < 0 or (value == 0 and not zero):
        raise BadInput(what, "must not be negative" if zero else "must be above zero", text)
    if unit == "dollars/byte/hour" and not re.search(r"[A-Za-z]", text):
        raise BadInput(what, "must carry its unit", text, 'for example "0.15$/GB/month"')
    return Fact(value=value, unit=unit, source=_USER, date="now", kind="published")
