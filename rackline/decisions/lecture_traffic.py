"""Boards of traffic and money: the train, tokens per second, long-context prices, prefill against decode, attention."""

from __future__ import annotations

from collections.abc import Iterator

from rackline.decisions import lecture_memory
from rackline.decisions.lecture_bench import DRAINS, Bench, pairs, spoken
from rackline.decisions.lecture_claim import ABOUT, BALLPARK, ORDER, Claim, Said, cases, measured_on, ratio_of, said
from rackline.facts.model import Model
from rackline.physics import attention, blackboard, capacity, operating, parameters, passes_and_prices

V3, RACK = "deepseek-v3", "gb200-nvl72"
TALK_BATCH, TALK_RATE = 2000.0, 64.0  # the talk's batch and trains a second
TALK_STEP = 2e5  # tokens from which a long context costs more
TALK_ACTIVE = 1e11  # "the number of activated parameters is a hundred billion"
STEP = "rackline step deepseek-v3 --on gb200-nvl72"


def train(bench: Bench) -> Iterator[Claim]:
    """The train and its interval."""
    yield Claim("B2", "time to read the whole memory", said("20 ms", 0.02, "capacity divided by bandwidth … tends to "
                "be 20 milliseconds on many different generations of HBM", ABOUT),
                cases(operating.drain_time, {spoken(name): bench.memory(name) for name in DRAINS}), "seconds",
                "True of chips that add bandwidth with capacity; those sold for capacity take longer.",
                "rackline facts h100")
    yield Claim("B2", "the same for Rubin", said("15 ms", 0.015, "on the Rubin generation, it is something like 288 "
                "gigabytes divided by 20 terabytes per second. This comes out to about 15 milliseconds"),
                cases(operating.drain_time, {"Rubin as announced": bench.memory("rubin"),
                                             "the talk's 288 GB / 20 TB/s": {"C": 288e9, "W": 20e12}}), "seconds",
                "The quotient is rounded up, and the announced bandwidth is larger than the talk's.",
                "rackline facts rubin")
    yield Claim("B1", "worst case from arrival to token", said("40 ms", 0.04, "it has to wait for the next train, so "
                "that's up to 20 milliseconds, and then it has to wait for that train to complete"),
                cases(operating.worst_wait, {"interval of 20 ms": {"interval": 0.02}}), "seconds",
                "Wait one interval, ride one.",
                "rackline simulate llama-3.1-8b --on a100-80gb --chips 1 --trace azure-conv --batching train "
                "--interval \"20 ms\"", "trains have room; those a full train leaves behind wait longer, as simulated")
    yield Claim("B1", "longest wait before departure (key point 5)", said("40 ms", 0.04, "Requests arriving after a "
                "train departs must wait for the next, leading to a maximum queuing latency equal to twice the batch "
                "interval"),
                measured_on("2*interval - interval", {"interval of 20 ms": float(operating.worst_wait(0.02)) - 0.02}),
                "seconds", "The list of key points calls both intervals queuing; the second is the ride itself.",
                STEP + " --context 8192")


def traffic(bench: Bench) -> Iterator[Claim]:
    """Tokens per second."""
    s = bench.on(V3, RACK)
    drain = operating.drain_time(s.C, s.W)
    talk = {"B": TALK_BATCH, "interval": 1 / TALK_RATE}
    yield Claim("B3", "least tokens/s that use a system well", said("128,000", 128e3, "around 2,000 x 64, so 128,000 "
                "tokens per second"),
                cases(operating.train_rate, {
                    "DeepSeek-V3 on GB200 NVL72, B* over drain time":
                        {"B": blackboard.balance_batch(s.F, s.W, s.w, s.N_total, s.N_active), "interval": drain},
                    "the talk's 2,000 × 64": talk}), "tokens/s",
                "The product is right; DeepSeek-V3's balance batch is larger than the talk's, its interval longer.",
                STEP + " --batch 1:16k --context 1024")
    yield _saturation(bench, float(operating.train_rate(**talk)))
    fleets = {f"a fleet of {fleet:.0f} M": {"rate": float(operating.train_rate(**talk)), "fleet": fleet * 1e6}
              for fleet in (500.0, 200.0, 128.0)}
    yield Claim("B3", "its share of a large provider's traffic", said("1/1000", 1e-3, "in the hundreds of millions "
                "of tokens per second worldwide. This is one-thousandth of that", ABOUT),
                cases(operating.fleet_share, fleets), "ratio", "A thousandth is right for 128 million a second, not "
                "for the 500 million that the talk uses later. Announced totals may count input tokens.",
                STEP + " --context 1024")
    yield from _joint(bench)


def _saturation(bench: Bench, rate: float) -> Claim:
    s = bench.on(V3, RACK)
    alone = blackboard.latency_floor(s.w, s.N_total, s.W)
    found = {f"{title} on GB200 NVL72": (rate, float(blackboard.saturated_rate(s.F, active)))
             for title, active in (("1e11 active parameters", TALK_ACTIVE), ("DeepSeek-V3", s.N_active))}
    return Claim("A10", "128,000 tokens/s over the rate that saturates compute", said("100 %", 1.0, "when the memory "
                 "time is equal to the compute time … I pick this batch size, and I know that it's going to take, "
                 "for example, 20 milliseconds"), ratio_of("r/(F/(2*N_active))", found), "ratio",
                 f"B* balances weights alone and takes {1e3 * alone:.2g} ms there; 20 ms is a memory full of KV. "
                 "They are two operating points: a train of 2,000 every 1/64 s leaves compute idle.",
                 STEP + " --batch 2000 --context 1024")


def _joint(bench: Bench) -> Iterator[Claim]:
    s = bench.on(V3, RACK)
    known = s.of("N_active", "kv", "F", "W") | {"weights": s.weights}
    yield Claim("A10", "batch of the joint operating point", said("2,000", TALK_BATCH, "the optimal batch size is "
                "something like 2,000", BALLPARK),
                cases(operating.operating_batch, {f"{context:,.0f} tokens": known | {"C": s.C, "L": context}
                                                  for context in (8192.0, 1024.0, 65536.0)}), "count",
                "Smallest batch of most throughput that fits, DeepSeek-V3 on a GB200 NVL72: short contexts saturate "
                "compute first, long ones fill the memory first.", STEP + " --context 8192")
    point = float(operating.operating_batch(s.C, 8192.0, **known))
    yield Claim("A10", "its interval", said("20 ms", 0.02, "it's going to take, for example, 20 milliseconds, which "
                "is a common place this ends up landing", ABOUT),
                measured_on("Max(2*B*N_active/F, (weights + B*L*kv)/W) at that B", {
                    f"{context:,.0f} tokens": float(blackboard.step_time(
                        operating.operating_batch(s.C, context, **known), context, **known))
                    for context in (8192.0, 65536.0, 1024.0)}), "seconds",
                "The drain time wherever KV fills the memory; compute needs less than that there, so "
                f"{100 * float(blackboard.mfu(point, 8192.0, **known)):.0f} % of it is in use at 8,192 tokens.",
                STEP + " --context 8192")
    yield Claim("A10", "context at which 2,000 sequences fill the memory", Said("about 100k", "they shot up from "
                "about 8K to 100-200K … this is the reasonably balanced cost point", 1e5, 2e5, ABOUT),
                cases(capacity.largest_context, {
                    "DeepSeek-V3 on GB200 NVL72": {"C": s.C, "B": TALK_BATCH, "weights": s.weights, "kv": s.kv},
                    "at its B* instead": {"C": s.C, "B": blackboard.balance_batch(s.F, s.W, s.w, s.N_total, s.N_active),
                                          "weights": s.weights, "kv": s.kv}}), "tokens",
                "So 2,000 sequences and 20 ms are one operating point at this context, at a few per cent of compute.",
                STEP + " --batch 2000 --context 65536")


def prices(bench: Bench) -> Iterator[Claim]:
    """Bytes per token from a long-context price."""
    talk = {"w": 1.0, "N_active": TALK_ACTIVE, "R": 300.0, "L0": TALK_STEP}
    yield Claim("F1", "KV bytes a token behind a step at 200k", said("1,667 B", 1667.0, "1667. Almost two kilobytes"),
                cases(passes_and_prices.kv_from_price_step, {
                    "the talk's numbers, one byte a weight": talk,
                    "weights in bf16": talk | {"w": 2.0},
                    "balance of a GB200": talk | {"R": bench.balances()["GB200 fp8"]}}), "bytes",
                "The arithmetic is right; bytes per weight are left out of it.",
                "rackline step deepseek-v3 --on gb200-nvl72 --context 200k --batch 64")
    yield from _contradiction(bench)
    sizes = {"layers": 1.0, "kv_heads": 8.0, "head_dim": 128.0}
    yield Claim("F2", "a plausible architecture's KV bytes a token", said("1,667 B", 1667.0, "8 KV heads and a "
                "d-head of 128. That gives you exactly this number", ABOUT),
                cases(parameters.kv_bytes, {f"1 × 2 × 128 × 8 at {name}": sizes | {"number_bytes": size}
                                            for name, size in (("fp8", 1.0), ("bf16", 2.0))}), "bytes",
                "Somewhat more than the price step gives, and only at one byte a number.", "rackline facts gemma-3-27b")
    names = {"DeepSeek-V3": V3, "gpt-oss-120b beyond its windows": "gpt-oss-120b", "Llama-3.3-70B": "llama-3.3-70b",
             "Llama-3.1-405B": "llama-3.1-405b"}
    found = {title: bench.model(name).kv_bytes_per_token("bf16", beyond_window=True) for title, name in names.items()}
    yield Claim("F2", "KV bytes a token of open models", said("2 kB", 1667.0, "I think this number is plausible, if "
                "maybe a little bit small",
                ORDER), measured_on("sum over layers of numbers cached × 2 bytes", found), "bytes",
                "In bf16. One layer's cache shared by all layers, at one byte a number, is far from what is published.",
                "rackline facts deepseek-v3")


def _contradiction(bench: Bench) -> Iterator[Claim]:
    """Differences between the talk's two readings of prices."""
    s = bench.on(V3, RACK)
    talk = {"w": 1.0, "N_active": TALK_ACTIVE, "R": bench.balances()["GB200 fp8"], "L0": TALK_STEP}
    kv = float(passes_and_prices.kv_from_price_step(**talk))
    known = {"N_active": TALK_ACTIVE, "weights": 8 * TALK_ACTIVE, "kv": kv, "F": s.F, "W": s.W, "B": 1e6}
    yield Claim("A10", "output over input cost, if 200k is the balance", said("5×", 5.0, "So let's say it's 5x more "
                "expensive", ABOUT),
                cases(passes_and_prices.decode_over_prefill,
                      {f"{context:,.0f} tokens": known | {"L": context} for context in (20e3, 200e3)}), "count",
                "The two readings of prices exclude one another: with a balance at 200k a large batch of shorter "
                "contexts is bound by compute, so output would cost what input does. One of the two balances, or the "
                "batch, is not what the talk takes it for.", STEP + " --context 16384")
    yield Claim("F1", "longest context that a 50 % premium covers", said("1M", 1e6, "You would like to ensure that "
                "no matter what the context length is, you are still profitable"),
                cases(passes_and_prices.premium_covers, {"from 200k, linear KV": {"L0": TALK_STEP, "premium": 1.5}}),
                "tokens",
                f"A million tokens would need {float(passes_and_prices.premium_needed(1e6, TALK_STEP)):.0f}× where "
                "KV grows with the context.", STEP + " --context 200k --batch 64")


def prefill(bench: Bench) -> Iterator[Claim]:
    """Prefill against decode."""
    s = bench.on(V3, RACK)
    known = s.of("N_active", "kv", "F", "W") | {"weights": s.weights}
    found = {}
    for context in (8192.0, 1024.0, 65536.0):
        batch = operating.operating_batch(s.C, context, **known)
        found[f"{context:,.0f} tokens"] = known | {"B": batch, "L": context}
    yield Claim("B5", "cost of an output over an input token", said("5×", 5.0, "Output is 5x more expensive … decode "
                "is memory bandwidth-limited", ABOUT), cases(passes_and_prices.decode_over_prefill, found), "count",
                "DeepSeek-V3 at its joint operating point on a GB200 NVL72. The price ratio is one of contexts: "
                "about 1 where compute saturates, more the longer the context. Attention's own FLOPs, which make "
                "long prompts dearer, are left out.", STEP + " --pass prefill --context 8192")
    yield Claim("B5", "MFU of decode that a 5× price implies", said("20 %", 0.2, "this would be at 1, and this would "
                "be at 5 … tremendously memory bandwidth bottlenecked"),
                cases(passes_and_prices.decode_mfu_from_prices,
                      {"input at 1, output at 5": {"input_price": 1.0, "output_price": 5.0}}), "ratio",
                "The gap between memory and compute time of decode is the price ratio.", STEP + " --context 8192",
                "margins on input and output are alike and prefill is bound by compute")
    one = {"B": 256.0, "L": 8192.0} | known
    rise = passes_and_prices.pass_token_time
    read = s.weights + one["B"] * one["L"] * s.kv
    yield Claim("B5", "memory time per token, pass twice as long", said("half", 0.5, "all of this is going to divide "
                "by length of pass, and it's going to make the memory costs cheaper"),
                ratio_of("c(2·T)/c(T), c = Max(2*N_active/F, read/(W*T))", {
                    f"pass of {length:,.0f}": (rise(2 * length * one["B"], read, s.N_active, s.F, s.W),
                                               rise(length * one["B"], read, s.N_active, s.F, s.W))
                    for length in (1.0, 1024.0)}), "ratio",
                f"Until the curves cross at {float(passes_and_prices.crossing_length(**one)):.0f} tokens a sequence "
                "(256 sequences of 8,192 cached tokens); then compute is flat.",
                STEP + " --pass prefill --against context --batch 256 --context 1:1k")


def quadratic(bench: Bench) -> Iterator[Claim]:
    """Attention's own arithmetic."""
    v3 = bench.model(V3)
    forms = {"DeepSeek-V3, prompt": pairs(v3, expanded=True), "DeepSeek-V3, decode (absorbed)": pairs(v3)}
    found = {title: {"N_active": v3.active_parameters, "pair_flops": flops} for title, flops in forms.items()}
    for title, name in (("Llama-3.3-70B", "llama-3.3-70b"), ("Llama-3.1-405B", "llama-3.1-405b")):
        model = bench.model(name)
        found[title] = {"N_active": model.active_parameters, "pair_flops": pairs(model)}
    yield Claim("G4", "context at which attention's FLOPs equal the weights'", Said("millions", "You start to notice "
                "the effect of the quadratic or the linear term up in the millions of tokens or so", 1e6, 1e7),
                cases(attention.equal_context, found), "tokens",
                "\"Notice\" is generous here: at this context attention already doubles the compute.",
                STEP + " --context 4096,16384 --against context --batch 256")
    yield _slopes(bench)
    yield from lecture_memory.stopped(bench)


def _slopes(bench: Bench) -> Claim:
    h100 = bench.chip("h100")
    ridge = float(blackboard.ridge(h100.flops["bf16"].value, h100.memory_bandwidth.value))
    names = {"DeepSeek-V3 absorbed": V3, "Llama-3.3-70B": "llama-3.3-70b", "Llama-3.1-405B": "llama-3.1-405b"}
    models: dict[str, Model] = {title: bench.model(name) for title, name in names.items()}
    found = {title: (float(attention.decode_intensity(pairs(model), model.kv_bytes_per_token("bf16"))), ridge)
             for title, model in models.items()}
    intensities = ", ".join(f"{title} {own:.0f}" for title, (own, _) in found.items())
    return Claim("A1", "attention's compute time over its memory time", Said("much smaller", "The compute cost is "
                 "almost always forced by fundamental principles to be a much smaller slope than the memory "
                 "bandwidth cost",
                 0.0, 0.1, 1.0), ratio_of("(pair_flops/kv)/(F/W)", found), "ratio",
                 f"FLOPs per byte of KV: {intensities}; an H100's ridge in bf16 is {ridge:.0f}. Latent attention has "
                 "many heads share one cache, which is why it comes near.", STEP + " --context 65536")
