"""All prices of an offer together: what they leave of the prior, by importance weights on one seeded ensemble.

The price of a kind is its cost at the chips' peak times a markup: what peaks are not reached, hours idle and margin
add. The markups' mean and spread are those of the bundled sales of open models, whose costs are known but for how
they are served; the model asked about, and whatever has its size, is left out of them and of the prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from rackline.decisions.prices import prior
from rackline.decisions.prices.prior import Aim, Serving, Size, Sizes, costs
from rackline.facts.api_prices import Offer, PriceTier, bundled
from rackline.systems.simulation.arrivals import stream

DRAWS = 2**18
_CALIBRATING = 2048  # draws of how a known model is served
_LEAST_LEFT = 0.25  # of the markups' spread that is the sellers' own, whatever the prior of serving explains
_LONGEST = 4.0  # thresholds that a tier without a stated window reaches to
_WIDER = 1.5  # what is aimed at is this much wider than the markups' spread
EVIDENCE = ("input price", "output price", "cached input price", "long-context step", "speed")


@dataclass(frozen=True, eq=False)
class Markup:
    """Logarithm of price over cost at peak, of input and output: mean, spread without serving's, sales behind it."""

    mean: np.ndarray  # (2,)
    spread: np.ndarray  # (2, 2)
    sales: int
    hit_mean: float  # cached price over input price, against their costs
    hit_spread: float
    hits: int


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws with weights; `used` names the evidence, `likelihoods` its logarithm for each draw."""

    sizes: Sizes
    serving: Serving
    weights: np.ndarray
    used: tuple[str, ...]
    margin: np.ndarray  # price over cost at the drawn utilisation
    markup: Markup
    without: tuple[np.ndarray, ...]  # weights with each of `used` left out

    @property
    def effective(self) -> float:
        """Effective number of draws."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def quantiles(self, values: np.ndarray, at: tuple[float, ...], weights: np.ndarray | None = None) -> np.ndarray:
        """Weighted quantiles of an array over the draws."""
        return weighted(values, self.weights if weights is None else weights, at)


def weighted(values: np.ndarray, weights: np.ndarray, at: tuple[float, ...]) -> np.ndarray:
    """Quantiles of values under weights."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return values[order][np.minimum(np.searchsorted(total, np.asarray(at) * total[-1]), len(values) - 1)]


def posterior(offer: Offer, seed: int = 0, own: Size | None = None, dearer: float = 1.0, draws: int = DRAWS,
              speed: float | None = None) -> Posterior:
    """The posterior of an offer; `own` is the size to leave out, `dearer` the markup over open models' sellers'.

    speed: tokens/s that a user was served at; it excludes whatever could not be that fast, and says no more.
    """
    others = [one for one in prior.open_sizes() if own is None or not one.same(own)]
    how, markup, seen = prior.serving(seed, draws), markups(own), _seen(offer)
    if speed is not None:
        seen[EVIDENCE[4]] = float(np.log(speed))
    drawn = prior.sizes(seed, draws, others, _aim(seen, how, markup, np.log(dearer)))
    cost, quick = costs(drawn, how), prior.fastest(drawn, how)
    tier = offer.step if seen.get("long-context step") is not None else None
    late = _late(offer, tier, seed, draws) if tier else None
    beyond = costs(drawn, how, late)[1] if late is not None else None

    def weigh(used: tuple[str, ...]) -> np.ndarray:
        log = _likelihood({name: seen[name] for name in used}, cost, beyond, markup, np.log(dearer))
        allowed = drawn.weight if speed is None or EVIDENCE[4] not in used else drawn.weight * (quick >= speed)
        return np.exp(log - log.max()) * (allowed if allowed.any() else drawn.weight)

    used = tuple(seen)
    paid = seen.get("input price"), seen.get("output price")
    over = paid[0] - cost[0] if paid[0] is not None else (paid[1] or np.nan) - cost[1]
    left = tuple(weigh(tuple(name for name in used if name != one)) for one in used)
    return Posterior(drawn, how, weigh(used), used, np.exp(over) * how.utilisation, markup, left)


def _seen(offer: Offer) -> dict[str, float]:
    """Logarithms of what an offer shows: two prices, the cached one over input, the output's step."""
    base, step = offer.base, offer.step
    shown: dict[str, float | None] = dict(zip(EVIDENCE[:4], (
        base.input, base.output, base.ratio("cached_input", "input"),
        step.output / base.output if step and step.output and base.output else None), strict=True))
    return {name: float(np.log(value)) for name, value in shown.items() if value}


def _aim(seen: dict[str, float], how: Serving, markup: Markup, dearer: float) -> Aim | None:
    """The active parameters that alone would explain the input price of each draw of serving."""
    if EVIDENCE[0] not in seen:
        return None
    unit = costs(Size(1.0, 1.0, 1.0), how)[0]
    return Aim(seen[EVIDENCE[0]] - unit - markup.mean[0] - dearer, _WIDER * float(np.sqrt(markup.spread[0, 0])))


def _late(offer: Offer, tier: PriceTier, seed: int, draws: int) -> np.ndarray:
    """Contexts of requests beyond a threshold: evenly by ratio up to the window."""
    longest = max(offer.window or 0.0, _LONGEST * tier.above)
    return tier.above * (longest / tier.above) ** stream(seed, "late").random(draws)


def _likelihood(seen: dict[str, float], cost: np.ndarray, beyond: np.ndarray | None, markup: Markup,
                dearer: float) -> np.ndarray:
    log = np.zeros(cost.shape[1])
    paid = [i for i, name in enumerate(EVIDENCE[:2]) if name in seen]
    if paid:
        missed = np.array([seen[EVIDENCE[i]] - cost[i] - markup.mean[i] - dearer for i in paid])
        log += _student(missed, markup.spread[np.ix_(paid, paid)], markup.sales)
    if EVIDENCE[2] in seen:
        missed = seen[EVIDENCE[2]] - (cost[2] - cost[0]) - markup.hit_mean
        log += _student(missed[None], np.array([[markup.hit_spread]]), markup.hits)
    if EVIDENCE[3] in seen and beyond is not None:
        # no open model is sold with a step: its scatter is taken to be that of output prices
        log += _student((seen[EVIDENCE[3]] - (beyond - cost[1]))[None], markup.spread[1:, 1:], markup.sales)
    return log


def _student(missed: np.ndarray, spread: np.ndarray, sales: int) -> np.ndarray:
    """Log density of Student's t for a new one of so many, whose mean and spread were estimated from them."""
    size = len(missed)
    freedom = max(sales - size, 1)
    inner = np.einsum("in,ij,jn->n", missed, np.linalg.inv(spread * (1 + 1 / sales)), missed)
    return -(freedom + size) / 2 * np.log1p(inner / freedom)


def markups(own: Size | None = None) -> Markup:
    """Markups of the bundled sales of open models of other sizes than `own`."""
    table = _residuals()
    rest = np.array([own is None or not one.same(own) for _, one in prior.sold()])
    missed, explained = table[0][rest], table[1][rest]
    hits = ~np.isnan(missed[:, 2])
    hit = missed[hits, 2]
    spread = _left(np.cov(missed[:, :2].T), explained[:, :2, :2].mean(axis=0))
    hit_spread = _left(np.array([[hit.var(ddof=1)]]), explained[hits, 2:, 2:].mean(axis=0))
    return Markup(missed[:, :2].mean(axis=0), spread, int(rest.sum()), float(hit.mean()), float(hit_spread[0, 0]),
                  len(hit))


@cache
def _residuals() -> tuple[np.ndarray, np.ndarray]:
    """Of every sale: logarithms of input, output, and cached over input against cost, (sales, 3); serving's spread."""
    how = prior.serving(0, _CALIBRATING)
    offers = bundled()
    means, explained, seen = [], [], []
    for name, own in prior.sold():
        cost = costs(own, how)
        told = np.array([cost[0], cost[1], cost[2] - cost[0]])
        means.append(told.mean(axis=1))
        explained.append(np.cov(told))
        shown = _seen(offers[name])
        seen.append([shown.get(kind, np.nan) for kind in EVIDENCE[:3]])
    return np.array(seen) - np.array(means), np.array(explained)


def _left(total: np.ndarray, explained: np.ndarray) -> np.ndarray:
    """Total less explained covariance, in every direction at least _LEAST_LEFT of the total."""
    root = np.linalg.cholesky(total)
    inverse = np.linalg.inv(root)
    values, vectors = np.linalg.eigh(np.eye(len(total)) - inverse @ explained @ inverse.T)
    return root @ (vectors * np.maximum(values, _LEAST_LEFT)) @ vectors.T @ root.T
