"""Anything known by its name or file: a model, chip, machine or memory tier."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from rackline.errors import BadInput, unknown

_READERS = {"machines": "machine_names", "chips": "chip_names", "memory tiers": "tier_names"}
_OF_HARDWARE = {"flops", "memory_capacity", "memory_bandwidth", "chip", "scale_up", "capacity"}


def names() -> dict[str, list[str]]:
    """The names of everything bundled, by what it is."""
    hardware, models = _floors()
    return {kind: list(getattr(hardware, reader)()) for kind, reader in _READERS.items()} | {
        "models": list(models.model_names())}


def thing(name_or_path: str) -> Any:
    """The record of that name, or in that file; BadInput that knows the names of all kinds."""
    hardware, models = _floors()
    if hardware.is_hardware(name_or_path) or _is_hardware_file(name_or_path):
        return hardware.hardware(name_or_path)
    try:
        return models.model(name_or_path)
    except BadInput:
        if "/" in name_or_path or name_or_path.endswith(".json") or name_or_path in models.model_names():
            raise
        raise unknown("name", name_or_path, (name for group in names().values() for name in group)) from None


def _floors() -> tuple[Any, Any]:
    return import_module("rackline.facts.hardware"), import_module("rackline.facts.models")


def _is_hardware_file(text: str) -> bool:
    """A .toml, or a .json whose fields are a chip's, machine's or tier's; a broken one is for the reader of models."""
    path = Path(text)
    if path.suffix.lower() != ".json":
        return path.suffix.lower() == ".toml"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and bool(_OF_HARDWARE & set(fields)) and "model_type" not in fields
