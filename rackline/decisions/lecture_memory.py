"""Boards of memory: keeping or recomputing a context, a provider's cache prices, and why contexts stopped growing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from rackline.decisions.cache_prices import BASE, LONG, SHORT, TIMES
from rackline.decisions.context_costs import Curve, curve
from rackline.decisions.lecture_bench import Bench
from rackline.decisions.lecture_claim import (
    BALLPARK,
    ORDER,
    STATED,
    Claim,
    Said,
    cases,
    measured_on,
    ratio_of,
    said,
)
from rackline.decisions.mode_points import LECTURE, service
from rackline.decisions.money import chip_price
from rackline.decisions.stepping import Case
from rackline.decisions.tier_costs import Cost, costs
from rackline.decisions.tier_places import OWN, places
from rackline.facts.machine import Tier
from rackline.physics import operating, tiers
from rackline.systems.layout import Layout
from rackline.systems.serving import Server

V3, RACK = "deepseek-v3", "gb200-nvl72"
TIERS = "rackline tiers deepseek-v3 --on gb200-nvl72"
CONTEXT = 32768.0
PREFILL = Layout(data=72, expert=72)  # of the context computed again: the lecture's rack as one domain of experts
ROW = (OWN, "grace-lpddr5x", "nvme-flash", "disk", "recompute")  # the lecture's order


def keeping(bench: Bench) -> Iterator[Claim]:
    """Keeping or recomputing a context."""
    ways = _ways(bench)
    row = [ways[name] for name in ROW]
    in_order = sum(near.hold > far.hold and near.retrieve < far.retrieve for near, far in pairwise(row))
    yield Claim("G1", "neighbours of which the one cheaper to hold is dearer to return from", said("all 4", 4.0,
                "you should expect as this cost goes up, this cost should go down", STATED),
                measured_on("hold and retrieve cost of HBM, DDR, flash, disk, recompute in a row",
                            {"DeepSeek-V3 on a GB200 NVL72, 32,768 tokens": float(in_order)}), "count",
                "So each of them is the cheapest for some hold time.", TIERS + " --context 32768")
    yield _equal_costs(bench)
    yield from _drains(bench)
    yield from _provider(bench, ways)


def _ways(bench: Bench) -> dict[str, Cost]:
    machine = bench.machine(RACK)
    price = chip_price(machine)
    case = Case(Server(bench.model(V3), machine), PREFILL, "prefill", 0.0, price)
    return {way.name: way for way in costs(case, CONTEXT, places(machine, price.value))}


def _tier(bench: Bench, name: str) -> dict[str, float]:
    found: Tier = next(t for t in bench.machine(RACK).tiers if t.name == name)
    return {"C": found.capacity.value, "W": found.bandwidth.value}


def _equal_costs(bench: Bench) -> Claim:
    found = {}
    for title, name in (("flash", "nvme-flash"), ("DDR", "grace-lpddr5x"), ("disk", "disk")):
        tier = _tier(bench, name)
        drain = operating.drain_time(**tier)
        held = tiers.hold_cost(1e9, drain, 1e-13)
        found[title] = (float(held), float(tiers.retrieve_cost(1e9, byte_price=1e-13, **tier)))
    return Claim("G1", "cost of holding for the drain time over cost of returning", said("1×", 1.0, "I want to "
                 "equalize those two fractions. That's a sign that I've hit the right thing"),
                 ratio_of("(n*(C/W)*p)/(n/W*C*p)", found), "count",
                 "Equal whatever the price and the bytes. That is where a memory is used as much for holding as for "
                 "returning, not where it is the cheapest: where it stops being that depends on its neighbours.",
                 TIERS + ' --hold "22 min"')


def _drains(bench: Bench) -> Iterator[Claim]:
    command = TIERS + " --hold 60"
    yield Claim("G2", "time to drain DDR", Said("1 to 10 s", "this is probably on the order of seconds, like 1 to 10 "
                "seconds", 1.0, 10.0),
                cases(operating.drain_time, {"CPU memory of a GB200": _tier(bench, "grace-lpddr5x"),
                                             "DDR5 over PCIe 5": _bundled(bench, "host-ddr5"),
                                             "DDR4 over PCIe 4": _bundled(bench, "host-ddr4")}),
                "seconds", "", command)
    yield Claim("G2", "time to drain flash", said("1 min", 60.0, "flash is plausibly on the order of one minute",
                ORDER), cases(operating.drain_time, {"one NVMe drive a chip": _tier(bench, "nvme-flash"),
                                                     "over the network": _tier(bench, "remote-flash")}), "seconds",
                "Minutes to half an hour: drives have grown faster than their links.", command)
    yield Claim("G2", "time to drain a spinning disk", said("1 h", 3600.0, "spinning disk, which is massively "
                "different, is on the order of one hour", ORDER),
                cases(operating.drain_time, {"one nearline drive": _tier(bench, "disk")}), "seconds",
                "Twenty hours, not one.", command)


def _bundled(bench: Bench, name: str) -> dict[str, float]:
    found = bench.tier(name)
    return {"C": found.capacity.value, "W": found.bandwidth.value}


def _provider(bench: Bench, ways: dict[str, Cost]) -> Iterator[Claim]:
    quotes = {"five minutes": "I would like this to be equal to five minutes",
              "one hour": "this might actually identify the tiers of flash and spinning disk"}
    for (title, quote), seconds in zip(quotes.items(), TIMES, strict=True):
        found = {name: _tier(bench, tier) for name, tier in (
            ("local flash", "nvme-flash"), ("flash over the network", "remote-flash"), ("disk", "disk"),
            ("DDR", "grace-lpddr5x"))}
        found = dict(sorted(found.items(), key=partial(_distance, seconds)))
        yield Claim("F4", f"drain time nearest to a provider's {title}", said(title, seconds, quote, BALLPARK),
                    cases(operating.drain_time, found), "seconds",
                    "Nearest first. Both times look like flash; disk lies far beyond an hour, DDR far below five "
                    "minutes.", TIERS + ' --hold "5 min"')
    again = ways["recompute"]
    names = (("flash", "nvme-flash"), ("DDR", "grace-lpddr5x"), ("disk", "disk"))
    yield Claim("F4", "cost of computing again over a return", said("10×", 10.0, "cache hits are like 10x", ORDER),
                ratio_of("recompute/retrieve", {title: (again.retrieve, ways[name].retrieve) for title, name in names}),
                "count", "A bound for both. A hit is sold far above what a return costs: either the rest is margin, "
                "or the price also pays for holding and for misses.", TIERS)
    for title, fact, seconds in (("five minutes", SHORT, TIMES[0]), ("an hour", LONG, TIMES[1])):
        yield Claim("F4", f"computing and holding for {title} over computing", said(
            f"{fact.value / BASE.value:g}×", fact.value / BASE.value,
            "to write, presumably HBM, for five minutes is 6.25" if fact is SHORT else "Five minutes versus one hour"),
            ratio_of("(recompute + hold*t)/recompute", {
                name: (again.retrieve + ways[tier].hold * seconds, again.retrieve)
                for name, tier in (("DDR", "grace-lpddr5x"), ("HBM", OWN), ("flash", "nvme-flash"))}), "count",
            "At the markup of fresh input the price lies between what DDR and what HBM would ask; flash costs next to "
            "nothing.", TIERS + ' --hold "5 min"')


def _distance(seconds: float, item: tuple[str, dict[str, float]]) -> float:
    return abs(float(np.log(item[1]["C"] / item[1]["W"] / seconds)))


def stopped(bench: Bench) -> Iterator[Claim]:
    """Why contexts stopped growing."""
    names = {"DeepSeek-V3": V3, "Llama-3.1-405B": "llama-3.1-405b", "DeepSeek-V3.2 (sparse)": "deepseek-v3.2"}
    found = {title: _long(bench, name) for title, name in names.items()}
    command = "rackline context deepseek-v3 --on gb200-nvl72 --beside llama-3.1-405b,deepseek-v3.2"
    yield Claim("G4", "cost of an output token at 1M over 200k", Said("prohibitive", "this is the reasonably balanced "
                "cost point, and going massively beyond that would be cost-prohibitive", 2.0, 1e6, 1.0),
                ratio_of("c(1e6)/c(2e5), best layout and most users at each", {
                    title: (float(k.cost[2]), float(k.cost[1])) for title, k in found.items()}), "count",
                "Taken as at least twice. On a GB200 NVL72.", command)
    sparse = found["DeepSeek-V3.2 (sparse)"]
    yield Claim("G4", "growth of that cost with sparse attention", said("√5", 5.0**0.5, "Sparse attention gives you a "
                "get-out for sure, because you get this square root"),
                ratio_of("c(1e6)/c(2e5)", {"DeepSeek-V3.2": (float(sparse.cost[2]), float(sparse.cost[1]))}), "count",
                "It reads a fixed 2,048 tokens, but its indexer reads a key of every token, and all of it is kept: "
                f"cheaper by {float(found['DeepSeek-V3'].cost[2] / sparse.cost[2]):.2g}× at 1M, and still about "
                "linear.", command)
    shares = {title: (float(k.parts["attention's arithmetic"][2]), float(k.cost[2])) for title, k in found.items()}
    yield Claim("G4", "attention's arithmetic in a token's time at 1M", Said("small", "Not because of the compute "
                "cost, because of the memory bandwidth", 0.0, 0.1, 1.0), ratio_of("t_attention/t", shares), "ratio",
                "Taken as at most a tenth. Absorbed latent attention comes near its balance; bandwidth is still "
                "first.", command)


def _long(bench: Bench, name: str) -> Curve:
    machine = bench.machine(RACK)
    return curve(name, Server(bench.model(name), machine), chip_price(machine), np.array([8e3, 2e5, 1e6]))


def drafting(bench: Bench) -> Iterator[Claim]:
    """Fast mode with speculative decoding."""
    machine = bench.machine(RACK)
    found = {}
    for title, drafted in (("3 drafted, 80 % accepted each", 3), ("none", 0)):
        one = service(Server(bench.model(V3), machine), 8192.0, chip_price(machine), drafted, 0.8)
        quicker = one.within(one.slow.tpot / LECTURE[0])
        found[title] = (quicker.cost if quicker else float("nan"), one.slow.cost)
    yield Claim("A7", "price of 2.5 times the speed with tokens drafted", said("6×", LECTURE[1], "There's another "
                "effect, which you can call speculative decoding or multi-token prediction", BALLPARK),
                ratio_of("least cost at ≥ 2.5 × the speed of the cheapest point / its cost", found), "count",
                "Drafting makes speed cheaper still, as long as arithmetic is idle; the cheapest point itself, where "
                "it is not, gets dearer.", "rackline modes deepseek-v3 --on gb200-nvl72 --drafted 3")
