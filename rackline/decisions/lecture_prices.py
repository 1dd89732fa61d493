"""What providers' own price lists say of the lecture's figures: ratios, one operating point, tiers, all together."""

from __future__ import annotations

from collections.abc import Iterator

from rackline.decisions import lecture_traffic
from rackline.decisions.lecture_bench import Bench
from rackline.decisions.lecture_claim import ABOUT, ORDER, Claim, cases, measured_on, ratio_of, said
from rackline.decisions.prices import prior
from rackline.decisions.prices.posterior import posterior
from rackline.facts.api_prices import Offer, offer
from rackline.facts.hardware import machine
from rackline.physics import charges, passes_and_prices

_GEMINI = "google/gemini-3.1-pro-preview"
_SOLD = {"Claude Opus 4.8": "anthropic/claude-opus-4-8", "Gemini 3.1 Pro": _GEMINI, "GPT-5.5": "openai/gpt-5.5",
         "DeepSeek-V3": "deepseek/deepseek-chat", "Llama-3.3-70B at Groq": "groq/llama-3.3-70b-versatile",
         "GPT-4o": "openai/gpt-4o", "DeepSeek-V4-Pro": "deepseek/deepseek-v4-pro"}
_ASK = "rackline prices " + _GEMINI
_DRAWS = 2**16


def _ratios(above: str, below: str) -> dict[str, tuple[float, float]]:
    """One price over another of every offer that has both."""
    found: dict[str, Offer] = {title: offer(name) for title, name in _SOLD.items()}
    pairs = ((title, getattr(one.base, above), getattr(one.base, below)) for title, one in found.items())
    return {title: (a, b) for title, a, b in pairs if a and b}


def prices(bench: Bench) -> Iterator[Claim]:
    """Bytes per token from a long-context price, and what the other prices say of it."""
    yield from lecture_traffic.prices(bench)
    gemini = offer(_GEMINI)
    step = gemini.step
    assert step
    yield Claim("F1", "the step of Gemini 3.1 Pro", said("1.5×", 1.5, "Gemini 3.1 is 50% more expensive if you go over "
                "200k tokens than if you're below 200k tokens"),
                ratio_of("price above 200k / price below", {
                    "on output": (step.output or 0.0, gemini.base.output or 1.0),
                    "on input": (step.input or 0.0, gemini.base.input or 1.0)}), "count",
                "The published step is 1.5× on output and 2× on input.", _ASK + " --show alone")
    joint = posterior(gemini, draws=_DRAWS)
    low, middle, high = map(float, joint.quantiles(joint.sizes.kv, (0.05, 0.5, 0.95)))
    yield Claim("F5", "KV bytes a token, all of Gemini 3.1 Pro's prices together", said("2 kB", 1667.0, "1667. Almost "
                "two kilobytes … It's funny that they would leak so much information through their API pricing", ORDER),
                measured_on("posterior quantiles, bf16", {"median": middle, "5 %": low, "95 %": high}), "bytes",
                "Priors from open models on sale, whose own prices are read within the stated intervals "
                "(docs/prices.md); a step alone, read with margins that may differ, says less than the talk takes from "
                "it.", _ASK)
    yield _one_point(gemini)
    yield Claim("F7", "premium that keeps every context to 1M profitable", said("1.5×", 1.5, "You would like to ensure "
                "that no matter what the context length is, you are still profitable. So we've got a two-tier pricing "
                "structure"),
                cases(passes_and_prices.premium_needed, {
                    "to 1M from a balance at 200k": {"L": 1e6, "L0": 2e5}, "to 300k": {"L": 3e5, "L0": 2e5}}), "count",
                "Half as much again covers 300k tokens of linear KV. Why 200k: no tier should end below the balance, "
                "where cost is flat. Why 50 %: it covers the requests there are, not the window.",
                _ASK + " --show tiers")
    yield from _hits(bench)


def _one_point(gemini: Offer) -> Claim:
    ratio = gemini.base.ratio("output", "input") or 1.0
    return Claim("F6", "balance context that the output price says", said("200k", 2e5, "given that the bump is at "
                 "200k, it probably means that this is somewhat aligned with this crossover point"),
                 cases(charges.balance_behind_ratio, {
                     f"Gemini's {ratio:.3g}× at {length:,.0f} tokens": {"L": length, "r": ratio}
                     for length in (prior.CONTEXT.value, prior.CONTEXT.high or 0.0, 1e5)}), "tokens",
                 "If output costs more than input at some context, memory already takes longer than compute there, and "
                 "it only grows: whatever the batch, the two are equal below that context, not at 200k. One margin for "
                 "input and output, or the step as the crossover, must go.", _ASK + " --show point")


def prefill(bench: Bench) -> Iterator[Claim]:
    """Prefill against decode, and providers' output over input."""
    yield from lecture_traffic.prefill(bench)
    yield Claim("F3", "output over input price of providers", said("5×", 5.0, "What I've seen in the past is 3-5x more "
                "expensive … So let's say it's 5x more expensive", ABOUT),
                ratio_of("output price / input price", _ratios("output", "input")), "count",
                "As published; sellers of open models ask 1 to 12 times as much, 3.2 in the middle.",
                "rackline prices anthropic/claude-opus-4-8 --show alone")


def _hits(bench: Bench) -> Iterator[Claim]:
    """What a cache hit costs, and the way back that it pays for."""
    yield Claim("F4", "price of a cache hit over fresh input", said("1/10", 0.1, "cache hits are like 10x … if you do "
                "hit a cache, it's 10x"),
                ratio_of("cached price / input price", _ratios("cached_input", "input")), "ratio",
                "It varies by provider and model: no single ratio describes them.",
                "rackline prices anthropic/claude-opus-4-8 --show alone")
    opus = offer("anthropic/claude-opus-4-8").base
    box = machine("gb200-nvl72")
    kv = {"1,667 bytes a token": 1667.0, "DeepSeek-V3's in fp8": bench.model("deepseek-v3").kv_bytes_per_token("fp8")}
    host = max(tier.bandwidth.value for tier in box.tiers)
    found = {title: float(charges.tier_bandwidth(opus.ratio("cached_input", "input"), size, lecture_traffic.TALK_ACTIVE,
                                                 box.chip.flops["fp8"].value)) for title, size in kv.items()}
    yield Claim("F4", "bandwidth a chip that a hit at a tenth pays for, over that of host memory",
                said("1", 1.0, "the five minutes is HBM and the hour is DDR … it might also turn out that it's one "
                     "tier down, and it's DDR versus flash", ORDER),
                ratio_of("b/W_host, b = kv*F/(2*N_active*r)", {title: (one, host) for title, one in found.items()}),
                "count", "A hit's price covers the way back from any faster tier than this; that rules out slow tiers "
                "for a large KV only.", "rackline prices anthropic/claude-opus-4-8 --show alone")
