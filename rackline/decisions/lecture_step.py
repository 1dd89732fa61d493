"""Boards of one decode step: fast mode, the two times, latency, context, cost, and the batch that balances them."""

from __future__ import annotations

from collections.abc import Iterator
from math import log2

from rackline.decisions import lecture_memory
from rackline.decisions.lecture_bench import BALANCES, PUBLISHED_ACTIVE, PUBLISHED_TOTAL, Bench, attention_of, routed
from rackline.decisions.lecture_claim import (
    ABOUT,
    BALLPARK,
    ORDER,
    Claim,
    Said,
    cases,
    measured_on,
    ratio_of,
    said,
)
from rackline.decisions.lecture_ledger import (
    attention_share,
    bytes_of_cache,
    frontier,
    step_of,
    weights_read,
)
from rackline.physics import attention, blackboard, experts, operating

V3, RACK, H100 = "deepseek-v3", "gb200-nvl72", "dgx-h100"
LONG = 131072.0
INFINITE = float("inf")
TALK_KV = 1667.0  # the lecture's bytes of KV a token


def modes(bench: Bench) -> Iterator[Claim]:
    """Fast and slow mode."""
    found = frontier(bench.model(V3), bench.machine(RACK), 8192.0)
    yield Claim("A8", "price of 2.5 times the speed", said("6×", 6.0, "for 6x the price, they'll stream you tokens "
                "at 2.5x the speed", BALLPARK),
                measured_on("least price multiple at ≥ 2.5 × the speed of the cheapest point of the frontier",
                            {"DeepSeek-V3 on a GB200 NVL72, 8,192 cached tokens": found.price_at(2.5)}), "count",
                "Physics asks much less at the cheap end of the frontier, where KV and not weights fill a step; the "
                "price steepens only near the fast end. The rest of the 6× is how the product is priced.",
                "rackline modes deepseek-v3 --on gb200-nvl72 --context 8192 --drafted 0")
    s = bench.on(V3, RACK)
    floor = blackboard.latency_floor(s.w, s.N_total, s.W)
    yield Claim("A8", "fastest token over reading all weights", said("1×", 1.0, "Could you pay 100x more and somehow "
                "get much faster speeds? … there is a lower bound on latency", ABOUT),
                ratio_of("least time per token of the frontier / (w*N_total/W)",
                         {"DeepSeek-V3 on a GB200 NVL72": (found.fastest_token, floor)}), "count",
                "There is an end, but a lower one: a user alone reads only the experts that his tokens hit. It "
                f"comes at {found.fastest:.0f}× the speed of the cheapest point for {found.dearest:.0f}× its price; "
                f"100× the price buys {found.speed_at(100.0):.0f}×.",
                "rackline modes deepseek-v3 --on gb200-nvl72 --context 8192")
    yield _slow(bench)
    yield from lecture_memory.drafting(bench)


def _slow(bench: Bench) -> Claim:
    s = bench.on(V3, RACK)
    found = {}
    for context in (1024.0, 8192.0, 65536.0):
        known = {"L": context, "N_active": s.N_active, "kv": s.kv, "F": s.F, "W": s.W}
        batch = operating.operating_batch(s.C, weights=s.weights, **known)
        cost = blackboard.token_time(batch, blackboard.step_time(batch, weights=s.weights, **known))
        found[f"{context:,.0f} tokens"] = (float(cost), float(blackboard.token_time_floor(**known)))
    return Claim("A8", "cost over that of an endless batch", said("≈ 1×", 1.0, "would just live on this line. It "
                 "wouldn't help much because you're not able to amortize the KV values over a much bigger batch",
                 ABOUT),
                 ratio_of("c(operating batch)/c(endless batch), c = t/B", found), "count",
                 "Cost per token at the operating batch over that of an endless one, DeepSeek-V3 on a GB200 NVL72: a "
                 "slow mode saves this factor at most.", "rackline modes deepseek-v3 --on gb200-nvl72 --context 8192")


def roofline(bench: Bench) -> Iterator[Claim]:
    """The time of one step."""
    model = bench.model(V3)
    facts = "rackline facts deepseek-v3"
    yield Claim("A1", "active parameters of DeepSeek-V3", said("37 B", 37e9, "DeepSeek V3 model has about 37 billion "
                "active parameters"), measured_on("sum over layers of what one token meets",
                                                  {"config.json": model.active_parameters}),
                "parameters", "Counted from the configuration, embedding and head included.", facts)
    yield Claim("A1", "total parameters of DeepSeek-V3", said("700 B", 700e9, "and 700 billion total parameters"),
                measured_on("sum over layers of what is stored", {"config.json": model.total_parameters}),
                "parameters", "The published total is 671 B; the lecture rounds up.", facts)
    yield _attention_compute(bench)
    yield _against_the_ledger(bench)


def _attention_compute(bench: Bench) -> Claim:
    names = {"DeepSeek-V3": V3, "Llama-3.3-70B": "llama-3.3-70b", "Llama-3.1-405B": "llama-3.1-405b"}
    own, _ = attention_of(bench.model(V3))
    found = {f"{title} at 8,192": attention_share(bench.model(name), 8192.0) for title, name in names.items()}
    return Claim("A1", "attention's FLOPs over the weights'", Said("quite small", "We've ignored the time to do any "
                 "of the attention computation, but that in general will be quite small in comparison", 0.0, 0.1, 1.0),
                 measured_on("r = L·pair_flops/(2·N_active), on the ledger", found), "ratio",
                 "Taken as at most a tenth. Latent attention trades bytes for FLOPs: absorbed, each of its "
                 f"{own.heads} heads scores {own.cache_width} numbers a cached token.",
                 "rackline step deepseek-v3 --on gb200-nvl72 --context 8192 --against context")


def _against_the_ledger(bench: Bench) -> Claim:
    found = {}
    for title, name, machine, batch in (("DeepSeek-V3 on a GB200 NVL72", V3, RACK, 2400.0),
                                        ("Llama-3.1-405B on a GB200 NVL72", "llama-3.1-405b", RACK, 576.0)):
        s = bench.on(name, machine)
        simple = blackboard.step_time(batch, 4096.0, s.N_active, s.weights, s.kv, s.F, s.W)
        ledger = step_of(bench.model(name), bench.machine(machine), batch, 4096.0)
        found[title] = (float(ledger.lower), float(simple))
    return Claim("A1", "the ledger's step over the two terms'", said("≈ 1×", 1.0, "this gives us very strong "
                 "predictive power, even with a simple model", ABOUT),
                 ratio_of("max over resources of the ledger's sums / Max(2*B*N_active/F, (weights + B*L*kv)/W)",
                             found), "count",
                 "At 4,096 cached tokens, the fastest layout that fits. The ledger adds what the two terms leave "
                 "out: attention weights copied on every data rank, copied or uncut KV, whole experts on 72 chips.",
                 "rackline step deepseek-v3 --on gb200-nvl72 --batch 2400 --context 4096")


def latency(bench: Bench) -> Iterator[Claim]:
    """Latency against batch."""
    s = bench.on(V3, RACK)
    model = bench.model(V3)
    moe = routed(model)
    yield Claim("A2", "weights read in a step over all weights", said("all", 1.0, "I need to read all of my total "
                "parameters from memory into the chips … I can't do any better than that"),
                ratio_of("bytes of weights on the ledger / (w*N_total)",
                         {f"batch {batch:,.0f}": (weights_read(model, batch), s.weights)
                          for batch in (1024.0, 1.0)}), "ratio",
                f"The floor is {1e3 * blackboard.latency_floor(s.w, s.N_total, s.W):.3g} ms for DeepSeek-V3 on a "
                f"GB200 NVL72. A single token asks {moe.top_k} of {moe.experts} experts, so it reads far less: the "
                "floor is that of a batch that hits every expert.",
                "rackline step deepseek-v3 --on gb200-nvl72 --batch 1:4096 --context 1024")
    yield Claim("A9", "share of the experts that a step reads", said("all", 1.0, "We need to fetch all of the "
                "weights … the total number of parameters, not just the active parameters"),
                ratio_of("n/experts, n = experts*(1 - (1 - k/experts)**tokens)",
                         {f"batch {batch:,.0f}": (experts.touched(moe.experts, moe.top_k, batch), moe.experts)
                          for batch in (2400.0, 256.0, 64.0, 8.0, 1.0)}), "ratio",
                f"DeepSeek-V3: {moe.top_k} of {moe.experts} experts a token, drawn evenly.",
                "rackline step deepseek-v3 --on gb200-nvl72 --batch 1,8,64,256,2400 --context 1024")
    yield Claim("A2", "slope of KV over slope of compute at 100k", said("≈ 1×", 1.0, "suppose the optimal is 100K "
                "context length", ORDER),
                ratio_of("(L*kv/W)/(2*N_active/F)", {"DeepSeek-V3 on a GB200 NVL72": (
                    blackboard.kv_time(1.0, 1e5, s.kv, s.W), blackboard.compute_time(1.0, s.N_active, s.F))}),
                "count", "Where it is above 1 the KV line lies above the compute line at every batch: memory stays "
                "the limit however large the batch.", "rackline step deepseek-v3 --on gb200-nvl72 --context 100k")


def context(bench: Bench) -> Iterator[Claim]:
    """The balance context and sparse attention."""
    served = {"DeepSeek-V3 on GB200 NVL72": (V3, RACK), "Llama-3.1-405B on GB200 NVL72": ("llama-3.1-405b", RACK),
              "Llama-3.3-70B on DGX H100": ("llama-3.3-70b", H100)}
    known = {title: bench.on(*names).of("N_active", "kv", "F", "W") for title, names in served.items()}
    more = [numbers["kv"] / TALK_KV for numbers in known.values()]
    yield Claim("A5", "balance context L*", Said("100k to 200k", "suppose the optimal is 100K context length", 1e5, 2e5,
                ORDER), cases(blackboard.balance_context, known), "tokens",
                f"Open models keep {min(more):.0f} to {max(more):.0f} times more KV a token than the lecture's "
                f"{TALK_KV:,.0f} bytes, so their balance lies far lower; beyond it they are bound by memory.",
                "rackline step deepseek-v3 --on gb200-nvl72 --context 1k:128k --batch 2048")
    yield _half(bench)
    yield _sparse_growth(bench)
    yield _sparse_share(bench)


def _half(bench: Bench) -> Claim:
    s = bench.on(V3, RACK)
    balance = blackboard.balance_context(s.N_active, s.kv, s.F, s.W)
    endless = blackboard.mfu_large_batch(2 * balance, balance)
    fits = float(operating.operating_batch(s.C, 2 * balance, s.N_active, s.weights, s.kv, s.F, s.W))
    real = blackboard.mfu(fits, 2 * balance, s.N_active, s.weights, s.kv, s.F, s.W)
    return Claim("A5", "MFU at twice the balance context", said("50 %", 0.5, "Does your MFU go down to 50%? … That's "
                 "right. That is true as modeled here"),
                 measured_on("Min(1, L*/L) at L = 2·L*; mfu at the largest batch that fits",
                             {"endless batch": endless, f"batch {fits:,.0f}, all that fits": real}), "ratio",
                 "Exact in the limit of a large batch; the weights' reads take the rest.",
                 f"rackline step deepseek-v3 --on gb200-nvl72 --context {2 * balance:.0f}")


def _sparse_growth(bench: Bench) -> Claim:
    sparse = bench.model("deepseek-v3.2")
    root = _root(LONG) / _root(LONG / 4)
    return Claim("A6", "growth of sparse KV reads, 4 times the context", said("2×", root, "DeepSeek papers that have "
                 "published sparse attention end up putting a square root in this term"),
                 ratio_of("cache bytes of a decode at 128k / at 32k, on the ledger",
                          {"DeepSeek-V3.2": (bytes_of_cache(sparse, LONG), bytes_of_cache(sparse, LONG / 4))}),
                 "count", "DeepSeek-V3.2 reads a fixed 2,048 tokens, and an indexer's small keys for every cached "
                 "token: constant plus linear, no root.",
                 "rackline step deepseek-v3.2 --on gb200-nvl72 --context 32768,131072 --against context --batch 256")


def _root(cached: float) -> float:
    return float(attention.cached_read_root(cached))


def _sparse_share(bench: Bench) -> Claim:
    names = {"DeepSeek-V3.2 (top 2,048 + indexer)": "deepseek-v3.2", "gpt-oss-120b (windows)": "gpt-oss-120b",
             "Gemma-3-27B (windows)": "gemma-3-27b"}
    found = {title: (bytes_of_cache(model, LONG), LONG * model.kv_bytes_per_token())
             for title, model in ((title, bench.model(name)) for title, name in names.items())}
    return Claim("A6", "KV read at 128k over dense attention's", said("0.3 %", _root(LONG) / LONG, "sparse attention "
                                                                      "… gives you a big improvement … you get this "
                                                                      "square root", ORDER),
                 ratio_of("cache bytes of a decode / (L·kv), on the ledger", found), "ratio",
                 "The lecture's figure here is √L/L. What is published saves far less, and of reads only: top-k "
                 "attention keeps the whole cache.", "rackline facts deepseek-v3.2")


def cost(bench: Bench) -> Iterator[Claim]:
    """Cost against batch."""
    prices = {bench.machine(name).title: found.value for name in (H100, "dgx-b200", RACK)
              if (found := bench.machine(name).price)}
    yield Claim("A3", "rent of a chip", said("$2/h", 2.0, "it's $2/hour per GPU or something like that", BALLPARK),
                measured_on("price of the machine's facts", prices), "dollars/hour",
                "Long rentals; each price with its source and interval in the facts.", "rackline facts dgx-h100")
    yield _penalty(bench)
    s = bench.on(V3, RACK)
    yield Claim("A3", "exponent of the batch in the weights' cost", said("parabola", 2.0, "the weight fetch was "
                "constant, and now we've divided by B, so it becomes this parabola"),
                measured_on("log2(c(2·B)/c(B)), c = (weights/W)/B", {"any batch": log2(
                    blackboard.token_time(2.0, blackboard.weight_time(s.weights, s.W))
                    / blackboard.token_time(1.0, blackboard.weight_time(s.weights, s.W)))}), "count",
                "A constant over B is a hyperbola: the exponent is −1.",
                "rackline step deepseek-v3 --on gb200-nvl72 --batch 1:4096 --context 1024")


def _penalty(bench: Bench) -> Claim:
    s, alone = bench.on(V3, RACK), weights_read(bench.model(V3), 1.0)
    known = {"L": 0.0, **s.of("N_active", "kv", "F", "W")}
    return Claim("A3", "cost at batch 1 over the floor", said("1,000×", 1000.0, "if you do not batch together many "
                 "users, the cost and the economics you get can be a thousand times worse", ORDER),
                 cases(blackboard.batch_one_penalty, {"experts counted": known | {"weights_read": alone},
                                                      "all weights charged": known | {"weights_read": s.weights}}),
                 "count", "DeepSeek-V3 on a GB200 NVL72 without KV. The two-term formula gives B* times; a single "
                 "token reads only its own experts, which leaves the machine's balance times.",
                 "rackline step deepseek-v3 --on gb200-nvl72 --batch 1,4096 --context 1")


def batch(bench: Bench) -> Iterator[Claim]:
    """The batch that balances compute and memory."""
    r = bench.balances()
    yield Claim("A4", "balance of a chip, F·w/(2·W)", said("≈ 300", 300.0, "On most GPUs, this ends up being "
                "somewhere around 300", ABOUT),
                cases(blackboard.machine_balance,
                      {title: bench.balance(name) for title, name in zip(r, BALANCES, strict=True)}
                      | {"Rubin fp4, the most announced": bench.announced("rubin")}),
                "count", "True of NVIDIA's data-centre chips in fp8 and of TPU v7; older, export and newest chips "
                "differ.",
                "rackline facts h100")
    talk = [r[title] for title in ("H100 fp8", "A100 bf16", "B200 fp8")]
    yield Claim("A4", "most over least balance through the years", said("stable", 1.0, "From A100 to H100 to B100 … "
                "it has remained reasonably stable", BALLPARK),
                ratio_of("max R / min R", {"A100, H100, B200": (max(talk), min(talk)),
                                           "all thirteen chips looked at": (max(r.values()), min(r.values()))}),
                "count",
                "Stable where chips are made for the same market; chips made for export or for capacity differ far "
                "more.",
                "rackline facts a100")
    yield _sparsity(bench)
    yield _balance_batch(bench)
    yield _doubled()
    yield _with_kv(bench)


def _sparsity(bench: Bench) -> Claim:
    moe = routed(bench.model(V3))
    s = bench.on(V3, RACK)
    return Claim("A4", "sparsity of DeepSeek-V3", said("8", 8.0, "in DeepSeek I activate 32 out of 256 experts, so "
                 "this would be 8"),
                 cases(blackboard.sparsity, {
                     "counted from the configuration": s.of("N_total", "N_active"),
                     "published 671 B / 37 B": {"N_total": PUBLISHED_TOTAL.value, "N_active": PUBLISHED_ACTIVE.value},
                     "the talk's own 700 / 37": {"N_total": 700e9, "N_active": 37e9}}), "count",
                 f"DeepSeek-V3 activates {moe.top_k} of {moe.experts} routed experts, and a shared one; its "
                 "attention serves every token.",
                 "rackline facts deepseek-v3")


def _balance_batch(bench: Bench) -> Claim:
    published = {"N_total": PUBLISHED_TOTAL.value, "N_active": PUBLISHED_ACTIVE.value}
    counted = bench.on(V3, RACK).of("N_total", "N_active")
    return Claim("A4", "balance batch B*", said("2,400", 300.0 * 8.0, "batch size needs to be bigger than "
                 "approximately 300 times sparsity"),
                 cases(blackboard.balance_batch, {
                     "DeepSeek-V3, GB200 fp8": bench.balance("gb200") | counted,
                     "H100 fp8": bench.balance("h100") | counted,
                     "GB200, published 671 B / 37 B": bench.balance("gb200") | published,
                     "H100, published 671 B / 37 B": bench.balance("h100") | published}), "count",
                 "The equation is the lecture's; its sparsity is not DeepSeek-V3's, so the batch is larger.",
                 "rackline step deepseek-v3 --on gb200-nvl72 --batch 1:16k --context 1")


def _doubled() -> Claim:
    lecture = {"F": 2 * 300.0, "W": 1.0, "w": 1.0, "N_total": 8.0, "N_active": 1.0}
    return Claim("A4", "double or triple of 300 × 8", Said("2,000 to 3,000", "take this and maybe double or triple "
                 "it … Okay, so it's two to three thousand tokens per batch", 2000.0, 3000.0),
                 measured_on("times · F*w/(2*W)*(N_total/N_active)",
                             {f"{word} it": times * blackboard.balance_batch(**lecture)
                              for word, times in (("double", 2.0), ("triple", 3.0))}), "count",
                 "Two to three thousand is the balance itself, once.",
                 "rackline step deepseek-v3 --on gb200-nvl72 --batch 4800,7200 --context 1024")


def _with_kv(bench: Bench) -> Claim:
    s = bench.on(V3, RACK)
    bare = blackboard.balance_batch(s.F, s.W, s.w, s.N_total, s.N_active)
    balance = blackboard.balance_context(s.N_active, s.kv, s.F, s.W)
    found = {f"{context:,.0f} tokens": (float(blackboard.balance_batch_with_kv(
        context, s.N_active, s.weights, s.kv, s.F, s.W)), bare) for context in (1024.0, 256.0)}
    return Claim("A4", "growth of B* once KV is read", Said("larger", "if you included the KV cache, the implication "
                 "would be that the optimal batch size... Should grow larger", 1.0, INFINITE, 1.0),
                 ratio_of("B*(L)/B*(0)", found), "count",
                 f"DeepSeek-V3 on a GB200 NVL72. From {balance:,.0f} tokens on (L*) no batch balances: KV alone "
                 "takes longer than compute.",
                 "rackline step deepseek-v3 --on gb200-nvl72 --batch 1:16k --context 1024")
