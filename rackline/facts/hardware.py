"""Chips, machines and memory tiers by bundled name or from a user's file; only what is asked for is read."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from rackline.errors import BadInput, unknown
from rackline.facts.machine import Chip, Machine, Tier
from rackline.facts.reader import build, check_table, table

_DATA = Path(__file__).parent / "data"
_FOLDERS = ("machines", "chips", "tiers")
_MOST_TIERS = 16


def machine(name_or_path: str, chips: int | None = None) -> Machine:
    """A machine, a chip's usual machine, or one from a file of the same form; `chips`: with so many chips.

    Errors: BadInput for an unknown name, a file that is no such record, a number of chips it cannot have.
    """
    found = _machine(name_or_path)
    return found if chips is None else found.with_chips(chips)


def chip(name_or_path: str) -> Chip:
    """A bundled chip or one from a file of the same form; BadInput for anything else."""
    path = _path(name_or_path)
    if path is not None:
        return _chip_of(table(path), path)
    return _bundled_chip(_known("chips", name_or_path, "chip"))


def tier(name_or_path: str) -> Tier:
    """A bundled memory tier or one from a file of the same form; BadInput for anything else."""
    path = _path(name_or_path)
    if path is not None:
        return build(Tier, _titled(table(path)), path.stem)
    return _bundled_tier(_known("tiers", name_or_path, "memory tier"))


def tiers(path: str) -> tuple[Tier, ...]:
    """The memory tiers of a file: one tier, or a list under `tiers` as in a machine's file; else BadInput."""
    file = Path(path)
    data = table(file)
    if "tiers" in data:
        return _nested_tiers(data["tiers"], file.stem)
    return (build(Tier, _titled(data), file.stem),)


def machine_names() -> list[str]:
    """Names of the bundled machines."""
    return _names("machines")


def chip_names() -> list[str]:
    """Names of the bundled chips."""
    return _names("chips")


def tier_names() -> list[str]:
    """Names of the bundled memory tiers."""
    return _names("tiers")


def aliases() -> dict[str, dict[str, str]]:
    """Other names that people use: folder -> alias -> name."""
    return tomllib.loads((_DATA / "aliases.toml").read_text(encoding="utf-8"))


def hardware(name_or_path: str) -> Machine | Chip | Tier:
    """Whatever hardware has that name (a chip before a machine before a tier) or stands in that file."""
    path = _path(name_or_path)
    if path is not None:
        return _any_of(table(path), path)
    if (name := _resolve("chips", name_or_path)) is not None:
        return _bundled_chip(name)
    if (name := _resolve("machines", name_or_path)) is not None:
        return _bundled_machine(name)
    if (name := _resolve("tiers", name_or_path)) is not None:
        return _bundled_tier(name)
    raise unknown("hardware", name_or_path, _everything(_FOLDERS))


def is_hardware(name: str) -> bool:
    """True for the bundled name or alias of a chip, machine or tier."""
    return any(_resolve(folder, name) for folder in _FOLDERS)


def _machine(name_or_path: str) -> Machine:
    path = _path(name_or_path)
    if path is not None:
        found = _any_of(table(path), path)
        if isinstance(found, Tier):
            raise BadInput(path.name, "must describe a machine or a chip", "a memory tier")
        return found if isinstance(found, Machine) else _around(found)
    name = _resolve("machines", name_or_path)
    if name is not None:
        return _bundled_machine(name)
    name = _resolve("chips", name_or_path)
    if name is None:
        raise unknown("machine", name_or_path, _everything(("machines", "chips")))
    return _around(_bundled_chip(name))


def _around(one: Chip) -> Machine:
    """The machine that a chip usually sits in; a chip that names none stands alone."""
    if one.machine is None:
        return Machine(name=one.name, title=one.title, chip=one, chips=1, domain=1)
    box = _bundled_machine(_known("machines", one.machine, f"{one.name}.machine"))
    if box.chip == one:
        return box
    own = {"chip": one, "name": one.name, "title": f"{box.title} with {one.title}"}
    return box.model_copy(update=own | {"price": None, "power": None, "weight": None})


@cache
def _bundled_machine(name: str) -> Machine:
    path = _DATA / "machines" / f"{name}.toml"
    return _machine_of(table(path), path)


@cache
def _bundled_chip(name: str) -> Chip:
    path = _DATA / "chips" / f"{name}.toml"
    return _chip_of(table(path), path)


@cache
def _bundled_tier(name: str) -> Tier:
    path = _DATA / "tiers" / f"{name}.toml"
    return build(Tier, table(path), name)


def _any_of(data: dict[str, Any], path: Path) -> Machine | Chip | Tier:
    if "chip" in data or "chips" in data or "domain" in data:
        return _machine_of(data, path)
    if "capacity" in data:
        return build(Tier, _titled(data), path.stem)
    return _chip_of(data, path)


def _chip_of(data: dict[str, Any], path: Path) -> Chip:
    return build(Chip, _titled(data), path.stem)


def _machine_of(data: dict[str, Any], path: Path) -> Machine:
    check_table(data, tuple(Machine.model_fields), path.stem)
    nested: dict[str, Any] = {}
    if "chip" in data:
        nested["chip"] = _nested_chip(data["chip"], path)
    if "tiers" in data:
        nested["tiers"] = _nested_tiers(data["tiers"], path.stem)
    return build(Machine, _titled(data) | nested, path.stem)


def _nested_chip(given: Any, path: Path) -> Chip:
    if isinstance(given, str):
        beside = _path(given)
        return chip(given if beside is None else str(path.parent / beside))
    return build(Chip, _titled(given) if isinstance(given, dict) else given, f"{path.stem}.chip")


def _nested_tiers(given: Any, where: str) -> tuple[Tier, ...]:
    if not isinstance(given, list) or len(given) > _MOST_TIERS:
        raise BadInput(f"{where}.tiers", f"must be a list of at most {_MOST_TIERS} tiers", given)
    return tuple(_nested_tier(one, where) for one in given)


def _nested_tier(given: Any, where: str) -> Tier:
    if isinstance(given, str):
        return _bundled_tier(_known("tiers", given, "memory tier"))
    return build(Tier, _titled(given) if isinstance(given, dict) else given, f"{where}.tiers")


def _titled(data: dict[str, Any]) -> dict[str, Any]:
    """A user's file may leave out the title."""
    return {"title": data["name"], **data} if "name" in data else data


def _path(given: str) -> Path | None:
    """The path that the text means, or None if it reads as a name."""
    if not isinstance(given, str):
        raise BadInput("name", "must be a name or a path", given)
    looks = "/" in given or "\\" in given or given.lower().endswith((".toml", ".json"))
    return Path(given) if looks else None


def _resolve(folder: str, given: str) -> str | None:
    name = re.sub(r"[\s_]+", "-", given.strip().lower())
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", name):
        return None
    if (_DATA / folder / f"{name}.toml").is_file():
        return name
    return _aliases().get(folder, {}).get(name)


@cache
def _aliases() -> dict[str, dict[str, str]]:
    return aliases()


def _known(folder: str, given: str, what: str) -> str:
    name = _resolve(folder, given)
    if name is None:
        raise unknown(what, given, _everything((folder,)))
    return name


def _everything(folders: tuple[str, ...]) -> set[str]:
    return {name for folder in folders for name in [*_names(folder), *_aliases().get(folder, {})]}


def _names(folder: str) -> list[str]:
    return sorted(path.stem for path in (_DATA / folder).glob("*.toml"))
