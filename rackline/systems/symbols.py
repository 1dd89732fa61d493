"""The lecture's symbols for a model on chips: what its equations (physics.blackboard) take."""

from __future__ import annotations

from dataclasses import dataclass

from rackline.facts.formats import bytes_per_number, math_format
from rackline.facts.machine import Machine
from rackline.facts.model import Model


@dataclass(frozen=True)
class Symbols:
    """Parameters, bytes per weight and per cached token, FLOP/s, byte/s and bytes of all chips together."""

    N_total: float
    N_active: float
    w: float
    kv: float
    F: float
    W: float
    C: float

    @property
    def weights(self) -> float:
        """Bytes of all weights, as the lecture counts them."""
        return self.w * self.N_total

    def of(self, *names: str) -> dict[str, float]:
        """Some symbols by name, to call an equation with."""
        return {name: getattr(self, name) for name in names}


def symbols(model: Model, machine: Machine, chips: float) -> Symbols:
    """What the lecture would write down for a model on so many chips.

    Ignores: all but one number format (that of most parameters), windows and top-k, which read less than kv a token.
    """
    chip, stored = machine.chip, main_format(model)
    return Symbols(model.total_parameters, model.active_parameters, bytes_per_number(stored),
                   model.kv_bytes_per_token() + model.index_bytes_per_token(),
                   chips * chip.flops[math_format(stored, chip.flops)].value, chips * chip.memory_bandwidth.value,
                   chips * chip.memory_capacity.value)


def main_format(model: Model) -> str:
    """The number format that most parameters of the layers are stored in."""
    sizes = {"bf16": 0.0}
    for a, count in model.attentions():
        for m in a.matrices:
            _add(sizes, model.formats[m.role], count * m.parameters)
    for f, count in model.feed_forwards():
        for m in f.matrices:
            _add(sizes, model.formats[m.role], count * m.parameters)
        _add(sizes, model.formats["experts"], count * f.experts * f.expert_parameters)
    return max(sizes, key=lambda stored: sizes[stored])


def _add(sizes: dict[str, float], stored: str, size: float) -> None:
    sizes[stored] = sizes.get(stored, 0.0) + size
