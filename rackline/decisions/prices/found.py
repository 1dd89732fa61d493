"""What a question about prices found: the record behind its answer, before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rackline.decisions.prices import prior
from rackline.decisions.prices.design import Covered, Design, covered, design
from rackline.decisions.prices.point import Point, point
from rackline.decisions.prices.posterior import Posterior, posterior, weighted
from rackline.decisions.prices.readings import Reader, Reading, readings
from rackline.decisions.prices.shapes import Shape, shapes
from rackline.errors import BadInput
from rackline.facts.api_prices import Offer
from rackline.facts.models import model, model_aliases, model_names
from rackline.facts.traces import Trace
from rackline.physics import charges

AT = (0.05, 0.5, 0.95)
COUNTS = (1, 2, 3)  # tiers of a design
_WINDOW = 1e6  # tokens, where an offer names none
_LEAST_DRAWS = 10.0  # effective draws below which there is no interval to speak of
_SAVES = 1e-3  # of what is paid, below which a further tier is none


@dataclass(frozen=True)
class Quantity:
    """One quantity: prior's and posterior's 5th, 50th and 95th percentiles, the truth where known, and its draws.

    `left_out`: width of the 90 % interval over that with all evidence, with each kind of evidence left out.
    """

    name: str
    unit: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    values: np.ndarray
    left_out: tuple[float, ...]
    truth: float | None = None

    @property
    def narrower(self) -> float | None:
        """Width of the prior's interval over the posterior's, in logarithms; None where nothing is left of it."""
        left = float(np.log(self.after[2] / self.after[0]))
        return float(np.log(self.before[2] / self.before[0])) / left if left > 0 else None


@dataclass(frozen=True)
class Designed:
    """Tiers for one balance context: whose reading it is, the context, and a design for each number of tiers."""

    reading: str
    balance: float
    designs: tuple[Design, ...]
    own: tuple[Covered, ...]


@dataclass(frozen=True)
class Found:
    """Everything that an offer's prices gave."""

    offer: Offer
    reader: Reader
    readings: tuple[Reading, ...]
    joint: Posterior | None  # None: no price to infer from, or prices beyond the prior
    quantities: tuple[Quantity, ...]
    point: Point
    designed: tuple[Designed, ...]
    kv: float  # bytes a token that the shapes are for
    shapes: tuple[Shape, ...]
    window: float
    known: prior.Size | None
    beyond: bool  # the prices cannot be explained by any draw of the prior


def found(q: Any, offer: Offer) -> Found:
    """The readings of an offer, alone and together."""
    reader = Reader(offer, q.balance_of, float(q.active), float(q.context))
    known = _known(offer)
    priced = bool(offer.base.input or offer.base.output)
    joint = posterior(offer, q.seed, known, q.markup, speed=q.speed) if priced else None
    joint = joint if joint and joint.effective >= _LEAST_DRAWS else None
    quantities = tuple(_quantities(joint, known)) if joint else ()
    window = max(offer.window or _WINDOW, offer.tiers[-1].above * 2.0)
    kv = reader.kv or (quantities[2].after[1] if quantities else float(model("deepseek-v3").kv_bytes_per_token()))
    return Found(offer, reader, tuple(readings(reader)), joint, quantities, point(reader),
                 tuple(_designed(q, reader, window)), kv, tuple(shapes(kv)), window, known, priced and joint is None)


def _known(offer: Offer) -> prior.Size | None:
    """The true size of an offer of open weights; BadInput for weights that are not bundled."""
    if not offer.weights:
        return None
    if offer.weights.lower() not in (*model_names(), *model_aliases()):
        raise BadInput(f"{offer.name}: weights", "must be a bundled model or empty", offer.weights)
    return prior.size(model(offer.weights))


def _quantities(joint: Posterior, known: prior.Size | None) -> list[Quantity]:
    s, how = joint.sizes, joint.serving
    active, total, kv = s.active, s.total, s.kv
    truth = (None,) * 3 if known is None else (known.active, known.total, known.kv)
    rows = (("active parameters", "parameters", active, truth[0]), ("total parameters", "parameters", total, truth[1]),
            ("KV bytes a token, bf16", "bytes", kv, truth[2]),
            ("sparsity, total over active", "count", total / active, known and known.total / known.active),
            ("batch on one reading of weights", "count", how.batch, None),
            ("cached tokens of a sequence", "tokens", how.context, None),
            ("utilisation of peak and hours", "ratio", how.utilisation, None),
            ("price over cost at it", "count", joint.margin, None))
    return [_quantity(joint, *row) for row in rows]


def _quantity(joint: Posterior, name: str, unit: str, values: np.ndarray, truth: float | None) -> Quantity:
    before, after = weighted(values, joint.sizes.weight, AT), joint.quantiles(values, AT)
    wide = max(float(np.log(after[2] / after[0])), 1e-9)
    ends = [joint.quantiles(values, (AT[0], AT[2]), weights) for weights in joint.without]
    left_out = tuple(float(np.log(high / low)) / wide for low, high in ends)
    return Quantity(name, unit, tuple(map(float, before)), tuple(map(float, after)), values, left_out, truth)


def _designed(q: Any, reader: Reader, window: float) -> list[Designed]:
    trace: Trace = q.trace
    lengths, billed = (trace.input_tokens + trace.output_tokens).astype(float), trace.output_tokens.astype(float)
    offer, places = reader.offer, []
    if offer.step:
        places.append(("the step is the balance context", offer.step.above))
    ratio = offer.base.ratio("output", "input")
    if ratio and ratio > 1:
        places.append(("output over input says where it is",
                       float(charges.balance_behind_ratio(reader.context, ratio))))
    return [Designed(name, balance, _useful([design(lengths, billed, balance, window, n, q.margin) for n in COUNTS]),
                     tuple(covered(offer, balance, window, lengths))) for name, balance in places]


def _useful(designs: list[Design]) -> tuple[Design, ...]:
    """Without the designs whose further tier saves nobody anything: no request of the trace is that long."""
    return tuple(one for one, fewer in zip(designs, [None, *designs], strict=False)
                 if fewer is None or one.paid < fewer.paid * (1 - _SAVES))
