"""Price tiers that stay profitable at every context, for the least that users pay in all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rackline.facts.api_prices import Offer
from rackline.physics import passes_and_prices
from rackline.physics.charges import context_charge

GRID = 96  # contexts at which a tier may end


@dataclass(frozen=True)
class Design:
    """Tiers by rising context: where each ends, its price over the cost of a short token, what is paid on average."""

    ends: tuple[float, ...]
    prices: tuple[float, ...]
    paid: float  # mean over tokens, in costs of a short token
    cost: float  # mean cost over tokens

    @property
    def premiums(self) -> tuple[float, ...]:
        """Each tier's price over that of the first."""
        return tuple(price / self.prices[0] for price in self.prices)

    @property
    def margin(self) -> float:
        """What is earned in all over what it costs."""
        return self.paid / self.cost - 1.0


def design(lengths: np.ndarray, tokens: np.ndarray, balance: float, window: float, count: int,
           margin: float) -> Design:
    """The best `count` tiers: each charges (1 + margin) of the cost at its end, so no context loses money.

    lengths and tokens: context and billed tokens of each request, shape (requests,). Where each tier ends is chosen
    on a grid to have users pay least in all, as rivals would offer; by dynamic programming.
    """
    inside = np.minimum(lengths, window)
    ends = _grid(inside, balance, window)
    price = (1.0 + margin) * context_charge(ends, balance, 1.0)
    billed = np.concatenate(([0.0], np.cumsum(np.bincount(np.searchsorted(ends, inside), tokens, len(ends)))))
    chosen = _chosen(price, billed / billed[-1], min(count, len(ends)))
    shares = np.diff(np.concatenate(([0.0], billed[1:][chosen]))) / billed[-1]
    cost = float(np.average(context_charge(inside, balance, 1.0), weights=tokens))
    paid = float(shares @ price[chosen])
    return Design(tuple(map(float, ends[chosen])), tuple(map(float, price[chosen])), paid, cost)


def _grid(lengths: np.ndarray, balance: float, window: float) -> np.ndarray:
    """Contexts at which a tier may end: none below the balance, where cost is flat; the window is the last."""
    start = min(balance, window)
    return np.unique(np.append(np.geomspace(start, window, GRID), [start, window]))


def _chosen(price: np.ndarray, billed: np.ndarray, count: int) -> np.ndarray:
    """Indices of the tiers' ends that have the least paid: best[k, j] is the least with k tiers up to end j."""
    n = len(price)
    best = price * billed[1:]
    came = [np.full(n, -1)]
    for _ in range(count - 1):
        # a tier from after end i up to end j
        table = best[:, None] + price[None, :] * (billed[None, 1:] - billed[1:, None])
        table = np.where(np.arange(n)[:, None] < np.arange(n)[None, :], table, np.inf)
        came.append(np.argmin(table, axis=0))
        best = table.min(axis=0)
    at, found = n - 1, []
    for back in reversed(came):
        found.append(at)
        at = int(back[at])
    return np.array(found[::-1])


@dataclass(frozen=True)
class Covered:
    """A provider's own tier: its premium on output, the context it reaches to, the longest that the premium covers."""

    above: float
    premium: float
    reaches: float
    covers: float
    mean: float | None  # premium that the requests in it need on average; None where there are none


def covered(offer: Offer, balance: float, window: float, lengths: np.ndarray) -> list[Covered]:
    """Each tier of an offer against linear KV reads past the balance context; none without output prices."""
    found = []
    for tier, after in zip(offer.tiers, (*offer.tiers[1:], None), strict=True):
        if tier.output and offer.base.output:
            premium = tier.output / offer.base.output
            end = after.above if after else window
            inside = lengths[(lengths > tier.above) & (lengths <= end)]
            found.append(Covered(tier.above, premium, end, float(passes_and_prices.premium_covers(balance, premium)),
                                 float(context_charge(inside, balance, 1.0).mean()) if inside.size else None))
    return found
