"""Boards' lines on sparsity against quality, the history of domains, and the memory wall."""

from __future__ import annotations

from collections.abc import Iterator

from rackline.decisions import lecture_racks
from rackline.decisions.lecture_bench import Bench
from rackline.decisions.lecture_claim import ABOUT, Claim, Said, cases, measured_on, ratio_of, said
from rackline.decisions.money import chip_price
from rackline.decisions.questions_racks import Sparsity
from rackline.decisions.racks.history import domains
from rackline.decisions.racks.memory import HALF, MEMORY_PRICE, capital
from rackline.decisions.sparsity import exponents, gather
from rackline.facts.scaling_laws import routed_point
from rackline.physics import capacity, designs
from rackline.physics import sparsity as law

V3, RACK = "deepseek-v3", "gb200-nvl72"
INFINITE = float("inf")
COMMAND = "rackline sparsity deepseek-v3 --on gb200-nvl72"
HISTORY = "rackline rack deepseek-v3 --on gb200-nvl72 --about history"
WALL = "rackline rack deepseek-v3 --on gb200-nvl72 --about memory"
_TEN = 10.0  # times the active parameters
_FEW, _MANY = 32.0, 64.0  # experts for each one met, on either side of a doubling


def sparsity(bench: Bench) -> Iterator[Claim]:
    """Sparsity against quality."""
    point = routed_point()
    a, low, high = exponents(point)
    experts, share = point.experts.value, point.share
    yield Claim("C8", "gain of 64 experts in active parameters", said("4×", 4.0, "So in this case, actually it's 4x? "
                "64x for 4x", ABOUT),
                ratio_of("N_dense/N_active", {"Clark et al., as quoted": (point.dense.value, point.active.value)}),
                "count", "1.3 billion over 370 million is 3.5.", COMMAND)
    grown = {f"a third of the active ones routed ({share.value:.2g})": share.value, "a fifth": share.low or 0.0,
             "two thirds": share.high or 1.0}
    yield Claim("C8", "growth of all parameters with 64 experts", said("64×", 64.0, "64x for 4x"),
                cases(law.total_parameters, {title: {"N_active": 1.0, "experts": experts, "share": part}
                                             for title, part in grown.items()}), "count",
                "Only feed-forwards are repeated, in some layers; attention and embedding are not.", COMMAND)
    found = {"through the point": a, "at the least gain read": low, "at the most": high}
    yield Claim("C8", "experts for half the active parameters", said("8×", 8.0, "if you're decreasing this by 2x and "
                "then having this go up by 8x every time you double sparsity", ABOUT),
                measured_on("2**(1/a), a = log(gain)/log(experts)", {t: 2 ** (1 / x) for t, x in found.items()}),
                "count", "A power law through the one point; its interval is that of reading it.", COMMAND)
    wide = float(law.total_parameters(1.0, _TEN ** (1 / a), share.value))
    yield Claim("C8", "growth of all parameters for ten times the active ones",
                Said("over 100×", "you need to increase total parameters a hundredfold to get the equivalent of 10x as "
                     "many active parameters. Actually even more so", 100.0, INFINITE),
                measured_on("1 + share*(10**(1/a) - 1)", {"through the point": wide}), "count",
                "Carried far beyond the point.", COMMAND)
    yield _pure_win(bench)


def _pure_win(bench: Bench) -> Claim:
    asked = Sparsity(model=bench.model(V3), on=bench.machine(RACK), experts=(_FEW, _MANY), batch=(64.0, 16384.0),
                     context=8192.0)
    trade = gather(asked).trade
    doubled = lambda dollars: (float(dollars[1]), float(dollars[0]))  # noqa: E731
    found = {"prompts": doubled(trade.prompts), "decoding 16,384 at 8k": doubled(trade.dollars[1]),
             "decoding 64 at 8k": doubled(trade.dollars[0])}
    return Claim("C8", "cost with twice the experts, at equal quality", Said("below 1", "From the point of view of the "
                 "analysis we've done here, this is a pure win. Keep doing it until you run out of available users",
                 0.0, 1.0, 1.0), ratio_of("cost at 64 experts for each one met / at 32", found), "ratio",
                 "DeepSeek-V3's quality on a GB200 NVL72. A win where arithmetic limits; where KV or weights do, the "
                 "larger model costs more.", COMMAND)


def sizes(bench: Bench) -> Iterator[Claim]:
    """What fits, and when it did."""
    yield from lecture_racks.sizes(bench)
    gpus = [d for d in domains() if d.vendor == "NVIDIA"]
    first = next(d for d in gpus if d.largest >= 5e12)
    yield Claim("C10", "chips of the first GPU domain that holds 5T and its KV", said("72", 72.0, "With Blackwell "
                "finally … a scale-up on the order of 10-20 terabytes, which is enough for a 5T model plus KV cache"),
                measured_on("chips of the first domain with Max(0, C - B*L*kv)/w >= 5e12",
                            {first.title: float(first.chips)}), "count",
                "At one byte a weight beside 2,000 sequences of 100k at the talk's 1,667 bytes, of all of NVIDIA's "
                "domains since 2020.", HISTORY)
    pods = {d.title: d.capacity for d in domains() if "tpu" in d.released.name}
    boxes = {"A100": next(d for d in domains() if d.released.name == "dgx-a100-80gb").capacity,
             "H100": next(d for d in domains() if d.released.name == "dgx-h100").capacity}
    found = dict(zip((f"{pod} over 8 × {box}" for pod, box in zip(pods, boxes, strict=False)),
                     zip(pods.values(), boxes.values(), strict=False), strict=True))
    yield Claim("C10", "memory of a TPU pod over a GPU box of its time", Said("very large", "The Google deployment has "
                "actually had very large scale-up domains for a long time", 8.0, INFINITE),
                ratio_of("C of a pod / C of a box", found), "count",
                "Taken as at least the eight of boxes to racks. A pod is a torus: its reach is not its capacity.",
                HISTORY)


def chips(bench: Bench) -> Iterator[Claim]:
    """Memory per chip, and what it costs."""
    yield from lecture_racks.chips(bench)
    rack = bench.machine(RACK)
    size, cost = rack.chip.memory_capacity.value, capital(chip_price(rack))
    known = {"C": size}
    dear = {"memory_price": MEMORY_PRICE.high or 0.0, "cost": cost.low or cost.value}
    half = float(designs.memory_price_at_share(HALF, cost.value, size))
    yield Claim("D6", "share of spending that is memory", said("50 %", HALF, "hyperscalers are spending 50% of their "
                "CapEx this year on memory"),
                cases(designs.memory_share, {
                    "assumed prices": known | {"memory_price": MEMORY_PRICE.value, "cost": cost.value},
                    "dear memory, cheap chips": known | dear}), "ratio",
                f"One GB200. Prices are assumptions; at ${cost.value:,.0f} a chip it is half at ${1e9 * half:,.0f} a "
                "GB.", WALL)
    yield _eight(bench, rack.domain)


def _eight(bench: Bench, domain: int) -> Claim:
    model = bench.model(V3)
    talk = {"b": 128.0 * domain, "E": float(domain), "weights": model.weight_bytes(),
            "kv": model.kv_bytes_per_token()}
    one = lambda length, stages: float(capacity.memory_per_chip(**talk, L=length, P=stages))  # noqa: E731
    at = lambda length: (one(length, 8.0), one(length, 1.0))  # noqa: E731
    return Claim("D6", "memory a chip needs with the weights in eight racks, over one", Said("less", "I can fit the "
                 "weights in eight racks, then I could have built hardware that didn't have so much HBM per GPU", 0.0,
                 1.0, 1.0),
                 ratio_of("weights/(E*P) + b*L*kv/E at P = 8 over P = 1", {
                     "weights alone": at(0.0), "with 128 sequences a chip of 1k": at(1024.0),
                     "with 128 of 8k": at(8192.0)}), "ratio",
                 "DeepSeek-V3. Less of weights, which are little already; KV a chip stays.", WALL)
