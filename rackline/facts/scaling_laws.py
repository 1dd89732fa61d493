"""Published laws of quality against size: coefficients of dense models' losses, one point of routed ones."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from rackline.facts.fact import Fact, Record

_FILE = Path(__file__).parent / "data" / "scaling_laws.toml"
_DATE = "2026-11-21"


class DenseLaw(Record):
    """L = E + A/N^alpha + B/D^beta, nats a token; N parameters and D training tokens as pure numbers."""

    title: str
    E: Fact
    A: Fact
    B: Fact
    alpha: Fact
    beta: Fact

    def coefficients(self) -> dict[str, float]:
        """What physics.sparsity.loss takes beside N and D."""
        return {"E0": self.E.value, "A": self.A.value, "B": self.B.value, "alpha": self.alpha.value,
                "beta": self.beta.value}


class RoutedPoint(Record):
    """Experts and active parameters that are as good as a dense model; the part of the active ones that is routed."""

    title: str
    active: Fact
    dense: Fact
    experts: Fact
    share: Fact


@cache
def dense_laws() -> dict[str, DenseLaw]:
    """The dense laws by name."""
    return {name: DenseLaw(**_facts(table, {})) for name, table in _read()["dense"].items()}


@cache
def routed_point() -> RoutedPoint:
    """The published point of routed models."""
    sizes = dict.fromkeys(("active", "dense"), "parameters") | {"share": "ratio"}
    return RoutedPoint(**_facts(_read()["routed"], sizes))


def _read() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def _facts(table: dict[str, Any], units: dict[str, str]) -> dict[str, Any]:
    common = {"source": table["source"], "date": _DATE, "kind": "published"}
    return {"title": table["title"]} | {name: Fact(**(common | {"unit": units.get(name, "count")} | given))
                                        for name, given in table.items() if isinstance(given, dict)}
