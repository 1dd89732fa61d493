"""Where the walkthrough's lines take models and hardware from; a test replaces it by a faster one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rackline.facts import hardware
from rackline.facts.fact import Fact
from rackline.facts.formats import bytes_per_number
from rackline.facts.machine import Chip, Machine, Tier
from rackline.facts.model import Attention, FeedForward, Model
from rackline.facts.models import model as read_model
from rackline.physics.attention import pair_flops
from rackline.physics.blackboard import machine_balance
from rackline.systems.symbols import Symbols, symbols

REPORT = "DeepSeek-V3 technical report (arXiv 2412.19437), abstract: 671B total parameters with 37B activated"
PUBLISHED_TOTAL = Fact(value=671e9, unit="parameters", kind="published", source=REPORT,
                       date="2026-11-21")
PUBLISHED_ACTIVE = Fact(value=37e9, unit="parameters", kind="published", source=REPORT,
                       date="2026-11-21")

# the number format in which a chip's balance is stated: its narrowest that most models of its time are served in
BALANCES = {"h100": "fp8", "b200": "fp8", "gb200": "fp8", "tpu-v7": "fp8", "a100": "bf16", "tpu-v5p": "bf16",
            "h200": "fp8", "mi300x": "fp8", "h100-pcie": "fp8", "rubin": "fp8", "b300": "fp4", "tpu-v6e": "bf16",
            "h20": "fp8"}
DRAINS = ("h100", "b200", "gb200", "a100", "b300", "mi300x", "mi325x", "tpu-v5p", "rubin")


@dataclass(frozen=True)
class Bench:
    """Readers of models, machines, chips and memory tiers by name."""

    model: Callable[[str], Model] = read_model
    machine: Callable[[str], Machine] = hardware.machine
    chip: Callable[[str], Chip] = hardware.chip
    tier: Callable[[str], Tier] = hardware.tier

    def on(self, model: str, machine: str) -> Symbols:
        """The lecture's symbols of a model on all chips of a machine."""
        found = self.machine(machine)
        return symbols(self.model(model), found, found.chips)

    def balance(self, chip: str) -> dict[str, float]:
        """What the balance of a chip is made of: FLOP/s, byte/s, bytes per weight."""
        found, stored = self.chip(chip), BALANCES[chip]
        return {"F": found.flops[stored].value, "W": found.memory_bandwidth.value, "w": bytes_per_number(stored)}

    def announced(self, chip: str) -> dict[str, float]:
        """The same with the most FLOP/s in fp4 that a maker has announced."""
        found = self.chip(chip)
        fp4 = found.flops["fp4"]
        return {"F": fp4.value if fp4.high is None else fp4.high, "W": found.memory_bandwidth.value,
                "w": bytes_per_number("fp4")}

    def balances(self) -> dict[str, float]:
        """The balance of every chip, under its name and number format."""
        return {f"{spoken(name)} {stored}": float(machine_balance(**self.balance(name)))
                for name, stored in BALANCES.items()}

    def memory(self, chip: str) -> dict[str, float]:
        """Bytes and byte/s of a chip's memory."""
        found = self.chip(chip)
        return {"C": found.memory_capacity.value, "W": found.memory_bandwidth.value}

    def networks(self, machine: str, *, slow: bool = False) -> tuple[float, float]:
        """Scale-up and scale-out byte/s of a chip; slow: with the slowest network card that it is sold with."""
        found = self.machine(machine)
        assert found.scale_up
        assert found.scale_out
        out = found.scale_out.bandwidth
        return found.scale_up.bandwidth.value, out.low if slow and out.low is not None else out.value

    def ratio(self, machine: str, *, slow: bool = False) -> float:
        """Scale-up over scale-out bandwidth of a chip."""
        inside, outside = self.networks(machine, slow=slow)
        return inside / outside


def spoken(chip: str) -> str:
    """A chip's name as people say it."""
    named = {"h100-pcie": "H100 PCIe", "rubin": "Rubin"}
    return chip.replace("tpu-", "TPU ") if chip.startswith("tpu") else named.get(chip, chip.upper())


def routed(model: Model) -> FeedForward:
    """The routed feed-forward of a model."""
    return next(f for f, _ in model.feed_forwards() if f.experts)


def attention_of(model: Model) -> tuple[Attention, int]:
    """The attention that most layers of a model have, and its layers."""
    return max(model.attentions(), key=lambda pair: pair[1])


def pairs(model: Model, *, expanded: bool = False) -> float:
    """FLOPs of one (query, key) pair in all layers; expanded: as latent attention computes a prompt."""
    attention, layers = attention_of(model)
    width = attention.expanded_width if expanded else attention.score_width
    return float(pair_flops(layers, attention.heads, width, 0))
