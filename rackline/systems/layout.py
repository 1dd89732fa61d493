"""How a model is spread over chips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Every size may be an int or an integer array; arrays of one broadcastable shape describe many layouts at once.
Size = Any


@dataclass(frozen=True)
class Layout:
    """Parallel sizes of one replica, and the number of replicas.

    A pipeline stage is tensor × context × data chips. Attention heads are cut `tensor` ways, the cached tokens of a
    sequence `context` ways, sequences `data` ways. Dense feed-forward weights are cut tensor × context ways, repeated
    on every data rank. Routed experts are dealt to `expert` groups of the stage's chips, each expert cut over the
    chips of its group.
    """

    tensor: Size = 1
    data: Size = 1
    context: Size = 1
    pipeline: Size = 1
    expert: Size = 1
    replicas: Size = 1

    @property
    def stage(self) -> Size:
        """Chips of one pipeline stage."""
        return self.tensor * self.context * self.data

    @property
    def replica(self) -> Size:
        """Chips of one replica."""
        return self.stage * self.pipeline

    @property
    def chips(self) -> Size:
        """Chips of all replicas."""
        return self.replica * self.replicas

    def name(self) -> str:
        """A short name such as "tp8·dp9·ep72·pp1×1"."""
        parts = {"tp": self.tensor, "cp": self.context, "dp": self.data, "ep": self.expert, "pp": self.pipeline}
        shown = "·".join(f"{k}{v}" for k, v in parts.items() if v > 1 or k == "tp")
        return f"{shown}×{self.replicas}" if self.replicas > 1 else shown
