"""What a kernel or a collective achieves: its seconds at the datasheet's rates, with a few coefficients, as a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Number = Any


@dataclass(frozen=True)
class Form:
    """Which parts of a time overlap, which are added, and whether coefficients change with the size of the group.

    power: of the norm over the overlapping parts, from 1 (a sum) to infinity (the largest). joint: whether the fixed
    time and the work join by an exponent of their own, below one where a kernel reaches its rate only slowly.
    """

    name: str
    overlapping: tuple[str, ...]
    added: tuple[str, ...] = ()
    power: float = 2.0
    joint: bool = False
    groups: bool = False

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the form's coefficients."""
        joint = ("joint",) if self.joint else ()
        over_groups = ("fixed_growth", "wire_growth") if self.groups else ()
        return ("fixed", *self.overlapping, *self.added, *joint, *over_groups)


# a product's units step along its depth k, however few of them work; its operands are read while it computes;
# low-precision activations are rounded by a kernel of their own first; some output is written after all is computed
GEMM = Form("gemm", ("compute", "memory", "depth"), ("quantise", "output"))
# positions are rotated and the cache is written by kernels of their own before attention
PREFILL = Form("prefill attention", ("compute",), ("memory",), joint=True)
DECODE = Form("decode attention", ("memory",), joint=True)
COLLECTIVE = Form("collective", ("wire",), joint=True, groups=True)
EXCHANGE = Form("expert exchange", ("wire",), joint=True, groups=True)
TRANSFER = Form("transfer", ("wire",), joint=True)
FORMS = {form.name: form for form in (GEMM, PREFILL, DECODE, COLLECTIVE, EXCHANGE, TRANSFER)}
# coefficients that are no share of a datasheet's rate: seconds, seconds for each of k, exponents
SCALES = ("fixed", "depth")
EXPONENTS = ("fixed_growth", "wire_growth")
REFERENCE_GROUP = 8.0  # chips that `fixed` and `wire` are stated for


def achieved_time(form: Form, parts: Mapping[str, Number], given: Mapping[str, float], group: Number = 8.0) -> Number:
    """Seconds of a kernel or collective whose parts take `parts` seconds at the datasheet's rates.

    Eq: t = ((fixed*growth)**j + work**j)**(1/j), work = norm(overlapping/e) + sum(added/e), e <= 1; of depth, k*step;
    of the output, the share that is not hidden
    Ignores: the caches: operands that stay in one are read faster than the memory's bandwidth
    Source: docs/micro.md; with every e at 1 and fixed at 0 it is the roofline
    """
    times = {name: _part(name, parts[name], given, group) for name in (*form.overlapping, *form.added)}
    work = sum(times[name] ** form.power for name in form.overlapping) ** (1.0 / form.power)
    work = work + sum(times[name] for name in form.added)
    fixed = given["fixed"] * (group / REFERENCE_GROUP) ** given["fixed_growth"] if form.groups else given["fixed"]
    if not form.joint:
        return fixed + work
    return (fixed ** given["joint"] + work ** given["joint"]) ** (1.0 / given["joint"])


def _part(name: str, part: Number, given: Mapping[str, float], group: Number) -> Number:
    """Seconds of one part: all steps of the depth, the output not hidden, else over the share that is achieved."""
    if name in ("depth", "output"):
        return part * given[name]
    if name != "wire" or "wire_growth" not in given:
        return part / given[name]
    return part / share_in(given["wire"], given["wire_growth"], group)


def share_in(share: float, growth: float, group: Number) -> Number:
    """The share of a rate that a group of chips achieves, from that of eight: never above one.

    Eq: s = 1/(1 + (1/share - 1)*2**(-growth*log2(group/8)))
    """
    odds = (1.0 / share - 1.0) * (group / REFERENCE_GROUP) ** (-growth)
    return 1.0 / (1.0 + odds)


def free(name: str, value: Number) -> Number:
    """A coefficient as a number without bounds: log for scales, log-odds for shares, itself for exponents."""
    if name in EXPONENTS:
        return value
    return np.log(value) if name in SCALES else np.log(value / (1.0 - value))


def bounded(name: str, value: Number) -> Number:
    """The coefficient that a number without bounds stands for; the inverse of `free`."""
    if name in EXPONENTS:
        return value
    value = np.minimum(np.maximum(value, -40.0), 40.0)
    return np.exp(value) if name in SCALES else 1.0 / (1.0 + np.exp(-value))
