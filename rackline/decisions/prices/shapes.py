"""Which attention shapes give a number of KV bytes: those of published models, with more or fewer caches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from rackline.facts.formats import bytes_per_number
from rackline.facts.models import model, model_names
from rackline.physics.charges import shared_kv_bytes

FORMATS = ("nvfp4", "fp8", "bf16")
SPARSE = (1.0, 4.0, 16.0, 64.0)  # cached tokens over those that a step reads
LAYERS_MOST = 128
_WITHIN = 1.25


@dataclass(frozen=True)
class Shape:
    """Caches (layers over layers that share one), KV heads, width of a key and of a value, format, sparsity, bytes."""

    caches: int
    kv_heads: int
    width: float
    stored: str
    sparse: float
    kv: float
    like: str


@cache
def heads() -> dict[tuple[int, float], str]:
    """KV heads and half the cached width of every published attention, with a model that has it."""
    found: dict[tuple[int, float], str] = {}
    for name in model_names():
        for attention, _ in model(name).attentions():
            if attention.cached:
                found.setdefault((attention.kv_heads, attention.cache_width / 2), name)
    return found


def shapes(kv: float, formats: tuple[str, ...] = FORMATS) -> list[Shape]:
    """Every shape within 25 % of so many bytes read per cached token: dense before sparse, nearest first."""
    found = [one for key, like in heads().items() for stored in formats for sparse in SPARSE
             if (one := _shape(kv, key, stored, sparse, like))]
    return sorted(found, key=lambda s: (s.sparse, round(abs(float(np.log(s.kv / kv))), 3), s.caches, s.kv_heads))


def _shape(kv: float, head: tuple[int, float], stored: str, sparse: float, like: str) -> Shape | None:
    size = bytes_per_number(stored)
    one = float(shared_kv_bytes(1, head[0], head[1], size, 1, sparse))
    caches = round(kv / one)
    if not 1 <= caches <= LAYERS_MOST or not 1 / _WITHIN <= caches * one / kv <= _WITHIN:
        return None
    return Shape(caches, head[0], head[1], stored, sparse, caches * one, like)
