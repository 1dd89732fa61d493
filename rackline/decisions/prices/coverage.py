"""The intervals held against the truth: every sale of an open model, itself and its like left out of what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from rackline import units
from rackline.decisions.prices import prior
from rackline.decisions.prices.posterior import posterior, weighted
from rackline.facts.api_prices import bundled

NINETY = (0.05, 0.5, 0.95)
QUANTITIES = {"active parameters": "active", "total parameters": "total", "KV bytes a token": "kv"}
_DRAWS = 2**14


@dataclass(frozen=True)
class Checked:
    """One quantity of one sale: the truth, the 90 % interval with its median, and the prior's interval."""

    sale: str
    weights: str
    quantity: str
    truth: float
    low: float
    middle: float
    high: float
    prior_low: float
    prior_high: float

    @property
    def holds(self) -> bool:
        """Whether the interval holds the truth."""
        return self.low <= self.truth <= self.high

    @property
    def narrower(self) -> float:
        """Width of the prior's interval over the posterior's, in logarithms."""
        return float(np.log(self.prior_high / self.prior_low) / np.log(self.high / self.low))


@dataclass(frozen=True)
class Summary:
    """One quantity over all sales: share of intervals that hold, of models weighted alike, median narrowing."""

    quantity: str
    sales: int
    held: float
    held_by_model: float
    narrower: float
    width: float  # median of high over low
    off: float  # median of the larger of middle over truth and truth over middle

    def text(self) -> str:
        """The line that the benchmark prints."""
        return (f"{self.quantity}: 90 % interval holds the truth in {units.show(self.held, 'ratio')} of {self.sales} "
                f"sales ({units.show(self.held_by_model, 'ratio')} with every model weighted alike), is "
                f"{self.narrower:.2f}× narrower than the prior's (×{self.width:.3g} wide), its middle off by "
                f"{self.off:.2f}×")


def coverage(seed: int = 0, draws: int = _DRAWS) -> list[tuple[Checked, ...]]:
    """Every bundled sale of an open model, checked in every quantity."""
    offers = bundled()
    return [_check(name, own, seed, draws, offers[name].weights) for name, own in prior.sold()]


def _check(name: str, own: prior.Size, seed: int, draws: int, weights: str) -> tuple[Checked, ...]:
    found = posterior(bundled()[name], seed, own, draws=draws)
    rows = []
    for quantity, field in QUANTITIES.items():
        values = getattr(found.sizes, field)
        low, middle, high = map(float, found.quantiles(values, NINETY))
        before = weighted(values, found.sizes.weight, NINETY)
        rows.append(Checked(name, weights, quantity, getattr(own, field), low, middle, high, float(before[0]),
                            float(before[2])))
    return tuple(rows)


def summary(found: Sequence[tuple[Checked, ...]]) -> list[Summary]:
    """Coverage and width of each quantity."""
    return [_summed([sale[i] for sale in found]) for i in range(len(QUANTITIES))]


def _summed(rows: list[Checked]) -> Summary:
    by_model: dict[float, list[bool]] = {}
    for row in rows:
        by_model.setdefault(round(float(np.log(row.truth)), 2), []).append(row.holds)
    return Summary(rows[0].quantity, len(rows), float(np.mean([row.holds for row in rows])),
                   float(np.mean([np.mean(group) for group in by_model.values()])),
                   median(row.narrower for row in rows), median(row.high / row.low for row in rows),
                   median(max(row.middle / row.truth, row.truth / row.middle) for row in rows))
