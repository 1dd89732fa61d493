"""Serving engines: the version that was read, and the options that it has."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from rackline.errors import unknown
from rackline.facts.fact import Record


class Option(Record):
    """One option: what holds without it, the release that has it, and what it counts where that is a trap."""

    default: Any = None
    since: str
    note: str = ""


class Engine(Record):
    """A serving engine in one version; `kv` and `quantize` spell number formats its way ("": its default)."""

    name: str
    title: str
    version: str
    date: str
    source: str
    vendors: tuple[str, ...]
    command: tuple[str, ...]
    kv: dict[str, str]
    quantize: dict[str, str]
    options: dict[str, Option]


@cache
def engines() -> Mapping[str, Engine]:
    """Every engine by name."""
    text = (resources.files("rackline.facts") / "data" / "engines.toml").read_text(encoding="utf-8")
    return {name: Engine(name=name, **fields) for name, fields in tomllib.loads(text).items()}


def engine(name: str) -> Engine:
    """The engine of that name; BadInput for an unknown one."""
    try:
        return engines()[name]
    except KeyError:
        raise unknown("engine", name, engines()) from None
