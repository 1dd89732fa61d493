"""Each ratio of prices read alone, as the lecture reads it: one equation, its numbers, what it takes for granted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rackline import units
from rackline.decisions.answer import Line
from rackline.decisions.equations import line
from rackline.facts.api_prices import Offer
from rackline.facts.fact import Fact
from rackline.facts.formats import bytes_per_number, math_format
from rackline.facts.machine import Machine
from rackline.facts.models import model
from rackline.physics import blackboard, charges, passes_and_prices
from rackline.physics.operating import drain_time

ACTIVE = Fact(value=1e11, unit="parameters", kind="assumed", low=1e10, high=1e12, date="2026-11-21",
              source="the lecture: \"maybe the number of activated parameters is a hundred billion\"")
BALANCE = Fact(value=300.0, unit="count", kind="assumed", low=37, high=570, date="2026-11-21",
               source="the lecture: \"reasonably stable across many different hardware platforms\"",
               note="tokens a weight; one byte a weight")
FAST_PRICE, FAST_SPEED = 6.0, 2.5  # the lecture's fast mode
_SHORT, _LONG = 300.0, 3600.0  # seconds of the two kinds of cache write
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Reading:
    """One ratio read alone: the plan's row, what was read, what it says, and what it takes for granted."""

    row: str
    what: str
    seen: str
    says: str
    assumes: str
    line: Line


@dataclass(frozen=True)
class Reader:
    """What every reading needs: the offer, the machine it is taken to run on, active parameters, a typical context."""

    offer: Offer
    machine: Machine
    active: float
    context: float

    @property
    def rate(self) -> float:
        """FLOP/s of one chip with one byte a weight."""
        chip = self.machine.chip
        return chip.flops[math_format("fp8", chip.flops)].value

    @property
    def bandwidth(self) -> float:
        """Byte/s of one chip's memory."""
        return self.machine.chip.memory_bandwidth.value

    @property
    def kv(self) -> float | None:
        """KV bytes a token behind the long-context step, one byte a weight, the lecture's balance; None without."""
        step = self.offer.step
        if step is None:
            return None
        return float(passes_and_prices.kv_from_price_step(1.0, self.active, BALANCE.value, step.above))


def readings(reader: Reader) -> list[Reading]:
    """All that the offer's prices allow."""
    return [*_steps(reader), *_output(reader), *_hits(reader), *_writes(reader), *_modes(reader)]


def _steps(reader: Reader) -> Iterator[Reading]:
    step = reader.offer.step
    if step is None:
        return
    own = float(blackboard.machine_balance(reader.rate, reader.bandwidth, 1.0))
    cases = ((f"{BALANCE.value:.0f}, one byte a weight", BALANCE.value, "fp8"),
             (f"{BALANCE.value:.0f}, two bytes a weight", BALANCE.value, "bf16"),
             (f"{own:.0f} of {reader.machine.chip.title}, one byte a weight", own, "fp8"))
    for name, balance, stored in cases:
        found = line(f"KV bytes a token behind the step, balance {name}", passes_and_prices.kv_from_price_step, "bytes",
                     w=bytes_per_number(stored), N_active=reader.active, R=balance, L0=step.above)
        yield Reading("F1", f"step at {units.show(step.above, 'tokens')}, balance {name}", _step_shown(reader.offer),
                      f"{found.result:,.0f} bytes of KV a token",
                      f"{units.show(reader.active, 'parameters')} active parameters; the step is where KV reading "
                      "takes as long as compute; the batch is so large that weights cost nothing", found)


def _step_shown(offer: Offer) -> str:
    step = offer.step
    assert step
    ratios = ((kind, _over(getattr(step, kind), getattr(offer.base, kind))) for kind in ("input", "output"))
    return ", ".join(f"{kind} {ratio:.3g}×" for kind, ratio in ratios if ratio)


def _over(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def _output(reader: Reader) -> Iterator[Reading]:
    base = reader.offer.base
    if not base.input or not base.output:
        return
    found = line("MFU of decode", passes_and_prices.decode_mfu_from_prices, "ratio", input_price=base.input,
                 output_price=base.output)
    ratio = base.output / base.input
    bound = f"decode is {ratio:.3g}× from its compute bound" if ratio > 1 else "decode is bound by compute"
    yield Reading("F3", "output over input", f"{ratio:.3g}×", f"{bound}: {units.show(found.result, 'ratio')} MFU",
                  "one margin for both, prefill bound by compute", found)


def _hits(reader: Reader) -> Iterator[Reading]:
    base = reader.offer.base
    if not base.input or not base.cached_input:
        return
    ratio, kv = base.cached_input / base.input, reader.kv
    if kv is None:
        kv = _open_kv()
    found = line("bandwidth a chip that a hit's price pays for", charges.tier_bandwidth, "bytes/s", r=ratio, kv=kv,
                 N_active=reader.active, F=reader.rate)
    says = f"pays for any tier of {units.show(found.result, 'bytes/s')} a chip or more: {_tiers(reader, found.result)}"
    if ratio > 1:
        says = "dearer than computing it again: nobody should use it"
    source = "from the step" if reader.kv else "of DeepSeek-V3 in fp8, as there is no step"
    yield Reading("F4", "cached over fresh input", f"{ratio:.3g}×", says,
                  f"{kv:,.0f} bytes of KV a token ({source}), one margin for both", found)


def _open_kv() -> float:
    """KV bytes a token of DeepSeek-V3 in fp8, where no step tells any."""
    return model("deepseek-v3").kv_bytes_per_token("fp8")


def _tiers(reader: Reader, bandwidth: float) -> str:
    names = [tier.title.split(" (")[0] for tier in reader.machine.tiers if tier.bandwidth.value >= bandwidth]
    return ", ".join(["HBM", *names])


def _writes(reader: Reader) -> Iterator[Reading]:
    base = reader.offer.base
    short, long = base.cache_write_5m, base.cache_write_1h
    if not short or not long:
        return
    kv = reader.kv or _open_kv()
    found = line("rent of a byte between five minutes and an hour", charges.holding_price, "count", dearer=long * 1e-6,
                 cheaper=short * 1e-6, kv=kv, longer=_LONG, shorter=_SHORT)
    hour = units.show(found.result * _SECONDS_PER_HOUR, "dollars/byte/hour")
    drains = {tier.title.split(" (")[0]: float(drain_time(tier.capacity.value, tier.bandwidth.value))
              for tier in reader.machine.tiers}
    near = ", ".join(f"{units.show(seconds, 'seconds')} like {min(drains, key=lambda n: _apart(drains[n], seconds))}"
                     for seconds in (_SHORT, _LONG)) if drains else "no tier is known"
    yield Reading("F4", "cache writes, 1 hour over 5 minutes", f"{long / short:.3g}×", f"holding at {hour}; by drain "
                  f"time, {near}", f"{kv:,.0f} bytes of KV a token; margins do not grow with time", found)


def _apart(seconds: float, wanted: float) -> float:
    return max(seconds / wanted, wanted / seconds)


def _modes(reader: Reader) -> Iterator[Reading]:
    offer, base = reader.offer, reader.offer.base
    for mode in ("batch", "flex"):
        ratio = _over(offer.modes[mode].output, base.output) if mode in offer.modes else None
        if ratio:
            found = Line(f"share of a standard step that reads weights, from {mode}", "x = 1 - discounted/standard",
                         f"1 - {ratio:.4g}", 1 - ratio, "ratio")
            yield Reading("A8", f"{mode} mode over standard", f"{ratio:.3g}×", "waiting for an endless batch saves "
                          f"that much if weights take {units.show(1 - ratio, 'ratio')} of a standard step",
                          "the discount is all batch size: none of it fills idle hours", found)
    ratio = _over(offer.modes["fast"].output, base.output) if "fast" in offer.modes else None
    speed = offer.speeds.get("fast")
    if ratio and speed and ratio > 1 and speed > 1:
        found = line("share of a standard step that reads weights, from fast mode", charges.weights_share_of_step,
                     "ratio", m=ratio, s=speed)
        yield Reading("A8", f"fast mode, {speed:.3g}× the speed", f"{ratio:.3g}×", f"weights take "
                      f"{units.show(found.result, 'ratio')} of a standard step; no batch is faster than "
                      f"{1 / found.result:.3g}×", "speed is bought with a smaller batch alone", found)
    elif ratio:
        found = line("price of the lecture's speed at the lecture's share", charges.fast_price_multiple, "count",
                     x=float(charges.weights_share_of_step(FAST_PRICE, FAST_SPEED)), s=FAST_SPEED)
        yield Reading("A8", "fast mode, speed not listed", f"{ratio:.3g}×", f"the lecture's 2.5× costs "
                      f"{found.result:.3g}×; give the speed in a --table for this one's own reading",
                      "speed is bought with a smaller batch alone", found)
