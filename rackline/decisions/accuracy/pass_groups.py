"""Groups of single passes that share coefficients: a phase, of an engine, on one maker's chips."""

from __future__ import annotations

import numpy as np

from rackline.systems.pass_parts import PHASES

# engines whose single passes were measured, and makers of chips that it has kernels of their own for
ENGINES = {"llama.cpp": ("NVIDIA", "Apple"), "gpt-fast": (), "vllm": (), "sglang": (), "tensorrt-llm": (),
           "jax/xla": ()}


def family_of(phase: str, engine: str, maker: str) -> str:
    """The family of a phase that an engine's passes on a maker's chips belong to: the narrowest that was measured."""
    if engine not in ENGINES:
        return phase
    return f"{phase} {engine} {maker}" if maker in ENGINES[engine] else f"{phase} {engine}"


def wider(family: str) -> str | None:
    """The family that a family's coefficients are held at: without the maker, then without the engine."""
    return family.rpartition(" ")[0] or None


# where a fit starts: an efficiency of 0.8, or microseconds as engines show them
START = {"layer": 50.0, "hop": 10.0, "pick": 5.0, "stage": 50.0, "cores": 2.0, "unpacking": 2.0, "compute": 1.5,
         "rounded": 2.0, "power": 0.5, "scores": 5.0, "idle": 0.5}
EFFICIENCY = 1.25
AT_LEAST_ONE = ("weights", "experts", "cache", "compute")  # a datasheet says how long these take at least
HELD = 0.05  # rows that a wider family's coefficient counts as much as


def starts(family: str) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms where a family's coefficients start, and the least that physics allows them."""
    names = PHASES[family.split()[0]]
    return (np.log([START.get(name, EFFICIENCY) for name in names]),
            np.array([0.0 if name in AT_LEAST_ONE else -9.0 for name in names]))
