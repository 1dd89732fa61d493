"""From chip time to dollars."""

from __future__ import annotations

from rackline.facts.fact import Fact
from rackline.facts.machine import Machine

LECTURE_PRICE = Fact(value=2.0, unit="dollars/hour", kind="assumed", low=1.0, high=10.0, date="2026-11-21",
                     source="Reiner Pope's lecture: \"$2 an hour per GPU or something like that\"",
                     note="used where no rental price of the machine is known; give --price")


def chip_price(machine: Machine, price: float | None = None) -> Fact:
    """The price of a chip-hour: the user's, else the machine's rental price, else the lecture's."""
    if price is not None:
        return Fact(value=price, unit="dollars/hour", kind="published", source="the user's --price", date="now")
    return machine.price or LECTURE_PRICE


def dollars_per_million(price: float, chips: float, tokens_per_second: float) -> float:
    """Dollars per million tokens when `chips` chips at `price` dollars an hour make so many tokens a second.

    Eq: d = price*chips/3600/tokens_per_second*1e6
    """
    return price * chips / 3600.0 / tokens_per_second * 1e6 if tokens_per_second > 0 else float("inf")
