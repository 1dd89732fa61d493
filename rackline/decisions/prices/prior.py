"""What is believed of a model on sale before its prices are looked at: sizes of open models, and how it is served."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from rackline.facts.api_prices import bundled
from rackline.facts.fact import Fact
from rackline.facts.formats import bytes_per_number, math_format
from rackline.facts.hardware import machine, machine_names
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.facts.models import model, model_names
from rackline.physics import blackboard, charges
from rackline.systems.simulation.arrivals import stream

_DATE = "2026-11-21"
CONTEXT = Fact(value=3_728, unit="tokens", kind="assumed", low=1_155, high=12_035, date=_DATE,
               source="mean prompts of the bundled traces: Azure 2023 1,155 tokens, Mooncake 12,035",
               note="cached tokens of a decoding sequence")
BATCH = Fact(value=1_204, unit="count", kind="assumed", low=256, high=5_667, date=_DATE,
             source="low: vLLM's default of 256 sequences; high: balance batch of DeepSeek-V3 on a GB200 NVL72",
             note="sequences that share one reading of all weights")
LINK = Fact(value=25e9, unit="bytes/s", kind="assumed", low=6.25e9, high=100e9, date=_DATE,
            source="bundled tiers behind a chip: from flash shared by its server to the memory of a Grace processor",
            note="at which a hit's KV comes back")
UTILISATION = Fact(value=0.24, unit="ratio", kind="assumed", low=0.1, high=0.6, date=_DATE,
                   source="high: MFU of prefill in published measurements; low: the same with hours of day that idle",
                   note="prices do not tell it from the margin: only their ratio is learned")
DRAFTS = Fact(value=1.7, unit="count", kind="assumed", low=1.0, high=3.0, date=_DATE,
              source="low: no speculative decoding; high: three tokens kept a pass, of a few drafted",
              note="tokens a pass that a user gets, by which a measured speed may exceed one a pass")
WEIGHTS = ("bf16", "fp8", "nvfp4")  # as they are served, equally likely
CACHES = ("bf16", "fp8")
LEAST, LEAST_CONTEXT = 1e9, 4096  # parameters, tokens: what is smaller or shorter is no longer on sale
_NINETY = 2 * 1.6448536269514722  # standard deviations between the 5th and the 95th percentile
_SAME = math.log(1.05)


@dataclass(frozen=True)
class Size:
    """Active and total parameters, bf16 bytes that a token adds to the KV cache beyond every window."""

    active: float
    total: float
    kv: float

    def same(self, other: Size) -> bool:
        """Whether both count as one model: parameters within 5 %."""
        pairs = ((self.active, other.active), (self.total, other.total))
        return all(abs(math.log(a / b)) < _SAME for a, b in pairs)


def size(one: Model) -> Size:
    """The three numbers of a model; of one with windows only, the cache within them."""
    kv = one.kv_bytes_per_token("bf16", beyond_window=True) or one.kv_bytes_per_token("bf16")
    return Size(one.active_parameters, one.total_parameters, kv + one.index_bytes_per_token())


@cache
def open_sizes() -> tuple[Size, ...]:
    """The distinct sizes of bundled models that a provider could sell."""
    found: list[Size] = []
    for name in model_names():
        one = model(name)
        own = size(one)
        if own.total >= LEAST and own.kv and (one.max_context or LEAST_CONTEXT) >= LEAST_CONTEXT and own not in found:
            found.append(own)
    return tuple(found)


@cache
def sold() -> tuple[tuple[str, Size], ...]:
    """The bundled offers of open models with an input and an output price, each with its true size."""
    return tuple((one.name, size(model(one.weights))) for one in bundled().values()
                 if one.weights and one.base.input and one.base.output)


@cache
def machines() -> tuple[Machine, ...]:
    """What a provider may rent, one machine a chip: fp8 arithmetic, a network of its own, a known price, on sale."""
    found = (machine(name) for name in machine_names())
    rented = [m for m in found if m.price and m.scale_up and m.scale_up.kind != "host" and not m.chip.announced
              and "fp8" in m.chip.flops]
    return tuple({m.chip.name: m for m in reversed(rented)}.values())[::-1]


@dataclass(frozen=True, eq=False)
class Serving:
    """How models are served: arrays of shape (draws,); F, W and price of one chip."""

    chip: np.ndarray  # index into machines()
    stored: np.ndarray  # index into WEIGHTS
    F: np.ndarray
    W: np.ndarray
    price: np.ndarray
    w: np.ndarray  # bytes per weight
    kept: np.ndarray  # bytes per cached number over those of bf16
    batch: np.ndarray
    context: np.ndarray
    link: np.ndarray
    utilisation: np.ndarray
    chips: np.ndarray  # of one domain
    drafts: np.ndarray


@dataclass(frozen=True, eq=False)
class Sizes:
    """Sizes of models, arrays of shape (draws,); `weight` makes them draws of the prior."""

    active: np.ndarray
    total: np.ndarray
    kv: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, eq=False)
class Aim:
    """What half of the draws of log(active parameters) are drawn towards: prices far from the prior need them."""

    middle: np.ndarray  # (draws,)
    width: float


def serving(seed: int, count: int) -> Serving:
    """Draws of how a provider serves; every assumption is a Fact or a list above."""
    rng = stream(seed, "serving")
    boxes = machines()
    chip, stored = rng.integers(0, len(boxes), count), rng.integers(0, len(WEIGHTS), count)
    rates = np.array([[box.chip.flops[math_format(name, box.chip.flops)].value for name in WEIGHTS] for box in boxes])
    kept = np.array([bytes_per_number(name) / bytes_per_number("bf16") for name in CACHES])
    return Serving(
        chip, stored, rates[chip, stored], np.array([b.chip.memory_bandwidth.value for b in boxes])[chip],
        np.array([b.price.value if b.price else np.nan for b in boxes])[chip],
        np.array([bytes_per_number(name) for name in WEIGHTS])[stored], kept[rng.integers(0, len(CACHES), count)],
        spread(BATCH, rng.standard_normal(count)), spread(CONTEXT, rng.standard_normal(count)),
        spread(LINK, rng.standard_normal(count)), np.minimum(1.0, spread(UTILISATION, rng.standard_normal(count))),
        np.array([float(box.domain) for box in boxes])[chip],
        np.maximum(1.0, spread(DRAFTS, rng.standard_normal(count))))


def spread(fact: Fact, normal: np.ndarray) -> np.ndarray:
    """Draws of a lognormal number whose 5th and 95th percentiles are the fact's low and high."""
    assert fact.low
    assert fact.high
    return np.sqrt(fact.low * fact.high) * np.exp(math.log(fact.high / fact.low) / _NINETY * normal)


def sizes(seed: int, count: int, known: Iterable[Size], aim: Aim | None = None) -> Sizes:
    """Draws of sizes: a known model chosen at random, moved by a normal kernel on a logarithmic scale.

    The kernel is n^(-1/7) of the spread of the known ones (Scott 1992, three dimensions), each of which is first drawn
    towards their mean so that the spread stays what it is (West 1993). Dense ones stay dense.
    """
    rng = stream(seed, "sizes")
    active, total, kv = np.log([(one.active, one.total, one.kv) for one in known]).T
    sparse = total - active
    routed = sparse > _SAME
    kernel = len(active) ** (-1 / 7)
    pick, moved = rng.integers(0, len(active), count), kernel * rng.standard_normal((3, count))
    if routed.any():
        moved[1] *= sparse[routed].std()
        sparse[routed] = _kernel(sparse[routed], kernel)
    beyond = np.where(routed[pick], np.maximum(0.0, sparse[pick] + moved[1]), 0.0)
    middle, width = _kernel(active, kernel)[pick], active.std()
    drawn, weight = _aimed(middle + width * moved[0], middle, kernel * width, aim, rng.random(count) < 0.5)
    return Sizes(np.exp(drawn), np.exp(drawn + beyond), np.exp(_kernel(kv, kernel)[pick] + kv.std() * moved[2]), weight)


def _aimed(drawn: np.ndarray, middle: np.ndarray, width: float, aim: Aim | None,
           moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws, those that move put between kernel and aim, and the prior's density over that of the mixture."""
    if aim is None:
        return drawn, np.ones_like(drawn)
    share = width**2 / (width**2 + aim.width**2)
    between, narrow = middle + share * (aim.middle - middle), aim.width * share**0.5
    drawn = np.where(moves, between + narrow * (drawn - middle) / width, drawn)
    there = ((drawn - between) / narrow) ** 2 / 2 + np.log(narrow)
    here = ((drawn - middle) / width) ** 2 / 2 + np.log(width)
    return drawn, 2.0 / (1.0 + np.exp(np.minimum(here - there, 700.0)))


def _kernel(values: np.ndarray, kernel: float) -> np.ndarray:
    """Values drawn towards their mean by what a kernel of that share of their spread adds."""
    return values.mean() + np.sqrt(1.0 - kernel**2) * (values - values.mean())


def fastest(of: Sizes, how: Serving) -> np.ndarray:
    """Most tokens/s that a user can get, with the drawn batch on all chips of a domain, shape (draws,)."""
    step = blackboard.step_time(how.batch, how.context, of.active, how.w * of.total, of.kv * how.kept,
                                how.chips * how.F, how.chips * how.W)
    return how.drafts / step


def costs(of: Sizes | Size, how: Serving, context: np.ndarray | None = None) -> np.ndarray:
    """Logarithms of dollars per million tokens at the chips' peak, shape (3, draws): input, output, cached input."""
    kv = of.kv * how.kept
    at = how.context if context is None else context
    found = (charges.prompt_chip_time(of.active, how.F),
             charges.decode_chip_time(how.batch, at, of.active, how.w * of.total, kv, how.F, how.W),
             charges.hit_chip_time(kv, how.link))
    return np.log(1e6 * charges.rent(np.array(np.broadcast_arrays(*found)), how.price))
