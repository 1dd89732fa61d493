"""The boards on where to cut a model: changing rack between layers, and each dimension's saving and traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from rackline.decisions import cuts as cutting
from rackline.decisions.answer import Column, Table
from rackline.decisions.cuts import Cut
from rackline.decisions.lecture_bench import Bench, routed
from rackline.decisions.lecture_claim import ABOUT, Claim, Said, cases, measured_on, ratio_of, said
from rackline.facts.machine import Chip, Machine
from rackline.facts.model import Model
from rackline.physics import collectives
from rackline.systems.clock import pass_time
from rackline.systems.layout import Layout
from rackline.systems.ledger import ACTIVATION_BYTES
from rackline.systems.passes import decode

V3, DENSE, RACK, H100 = "deepseek-v3", "llama-3.1-405b", "gb200-nvl72", "dgx-h100"
WAYS = 64
CONTEXT = 8192.0
BATCH = {V3: 2048.0, DENSE: 512.0}  # sequences over all 64 chips
PLAN = "rackline plan deepseek-v3 --on gb200-nvl72 --context 8192"


def cuts(bench: Bench, name: str) -> list[Cut]:
    """Every cut of a model over 64 chips of a GB200 NVL72, the shortest step first; the same sequences in each."""
    return cutting.cuts(cutting.Cutting(bench.model(name), bench.machine(RACK), WAYS, BATCH[name], CONTEXT))


def tables(bench: Bench) -> tuple[Table, ...]:
    """The ranking for a routed and a dense model."""
    columns = (Column("cut 64 ways along"), Column("step", "seconds"), Column("memory", "seconds"),
               Column("network", "seconds"), Column("sent a chip", "bytes"), Column("weights a chip", "bytes"),
               Column("KV a chip", "bytes"), Column("because"))
    return tuple(Table(f"Where to cut {title}: decode of {BATCH[name]:,.0f} sequences at 8,192 tokens, GB200 NVL72",
                       columns, tuple((c.name, c.time, c.memory, c.network, c.sent, c.weights, c.cache, c.reason)
                                      for c in cuts(bench, name)))
                 for title, name in (("DeepSeek-V3", V3), ("Llama-3.1-405B", DENSE)))


def claims(bench: Bench) -> Iterator[Claim]:
    """Changing rack, and where to cut."""
    yield _change_of_rack(bench)
    found = {c.name: c for c in cuts(bench, V3)}
    order = list(found)
    yield Claim("C7", "place of the experts among all cuts", said("1st", 1.0, "The standard practice here, and it is "
                "the best solution, is to use expert parallelism"),
                measured_on("rank of the step's time among seven cuts", {"DeepSeek-V3 on GB200 NVL72":
                                                                        order.index("experts") + 1.0}), "count",
                f"In order: {', '.join(order)}.", PLAN)
    best = found["experts"].time
    yield Claim("C7", "step of the other two cuts over the experts' cut", Said("not profitable", "We have selected "
                "two of them. The other two, in the way models are typically sized, are not profitable",
                1.0, float("inf"), 1.0),
                ratio_of("step cut along it / step cut along the experts",
                         {name: (found[name].time, best) for name in ("model width", "feed-forward width")}), "count",
                "DeepSeek-V3. For a dense model without experts to cut, the feed-forward width is what is left: see "
                "the second ranking.", "rackline plan llama-3.1-405b --on gb200-nvl72 --context 8192")
    yield _tensor(bench)
    yield _neutral(bench)


def _change_of_rack(bench: Bench) -> Claim:
    moe = routed(bench.model(V3))
    ratios = {"8× slower, as said": 8.0, "GB200 NVL72": bench.ratio(RACK),
              "with the slower card": bench.ratio(RACK, slow=True)}
    return Claim("D1", "time on scale-up over scale-out, a rack a layer", Said("≥ 1 (2)", "So we need the product of "
                 "these three things to be bigger than 8 … Typically we have a fairly large number of activated "
                 "experts. It could be 8 by itself", 1.0, float("inf"), 1.0),
                 cases(collectives.stage_traffic_ratio, {title: {"ratio": ratio, "k": float(moe.top_k), "layers": 1.0}
                                                         for title, ratio in ratios.items()}), "count",
                 f"{ceil(max(ratios.values()) / (2 * moe.top_k))} layers a rack are enough at any of them.",
                 "rackline plan deepseek-v3 --on gb200-nvl72 --chips 288 --context 8192")


def _link(chip: Chip, stored: str, machine: Machine) -> dict[str, float]:
    assert machine.scale_up
    return {"axes": 1.0, "link": 2 * machine.scale_up.bandwidth.value, "wire": ACTIVATION_BYTES,
            "F": chip.flops[stored].value}


def _width(model: Model) -> float:
    """Numbers between a feed-forward's two halves, of one expert where it is routed."""
    f = [f for f, _ in model.feed_forwards()][-1]
    return float(max(m.inputs + m.outputs - model.hidden for m in f.expert_matrices or f.matrices))


def _tensor(bench: Bench) -> Claim:
    rack, box = bench.machine(RACK), bench.machine(H100)
    small, large = (_width(bench.model(name)) for name in (V3, DENSE))
    found = {"DeepSeek-V3's experts, GB200": {"d_ff": small} | _link(rack.chip, "fp8", rack),
             "the same, H100": {"d_ff": small} | _link(box.chip, "fp8", box),
             "Llama-3.1-405B, GB200": {"d_ff": large} | _link(rack.chip, "bf16", rack)}
    return Claim("C7", "chips that may share one expert", Said("none", "there was tensor parallelism, which was "
                 "cutting up within an expert, but the experts are so small now that that is not a profitable "
                 "optimization",
                 0.0, 2.0, 1.0),
                 cases(collectives.largest_tensor_cut, found), "count",
                 f"Below 2 the collectives of a cut in two already take longer than the FLOPs: {small:,.0f} numbers "
                 f"wide in DeepSeek-V3, {large:,.0f} in Llama-3.1-405B.",
                 "rackline plan llama-3.1-405b --on gb200-nvl72 --context 8192")


def _neutral(bench: Bench) -> Claim:
    rack = bench.machine(RACK)
    four = rack.with_chips(4 * rack.domain)
    found = {}
    for title, name, one in (("DeepSeek-V3", V3, Layout(data=rack.domain, expert=rack.domain)),
                             ("Llama-3.1-405B", DENSE, Layout(tensor=8, data=rack.domain // 8))):
        model, pass_ = bench.model(name), decode(1440.0, CONTEXT)
        racks = 4 * float(pass_time(model, four, replace(one, pipeline=4), pass_).time)
        found[f"{title}, four racks"] = (racks, float(pass_time(model, rack, one, pass_).time))
    return Claim("C7", "latency through a pipeline of racks over one rack", said("≈ 1×", 1.0, "Pipelining is neither "
                 "better nor worse for latency", ABOUT),
                 ratio_of("P·stage time / time in one rack, same micro-batch", found), "count",
                 "Bound by the fullest stage: layers do not divide evenly, and one stage has the head.",
                 "rackline plan deepseek-v3 --on gb200-nvl72 --chips 288 --context 8192")
