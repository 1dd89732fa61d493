"""Models by name: bundled configurations, a file or folder, or the hub's when huggingface_hub is installed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from rackline.errors import BadInput, unknown
from rackline.facts.model import Model
from rackline.facts.models.reader import read_config
from rackline.facts.models.text import read_file

_DATA = Path(__file__).resolve().parent.parent / "data"
_HUB_NAME = re.compile(r"^[\w.-]+/[\w.-]+$")


def model_names() -> tuple[str, ...]:
    """Names of the bundled models."""
    return tuple(sorted(path.stem for path in (_DATA / "models").glob("*.json")))


@cache
def model_aliases() -> dict[str, str]:
    """Other names (hub names, dated releases of the same sizes) of bundled models."""
    import tomllib  # 10 ms that most names do not need

    with (_DATA / "model_aliases.toml").open("rb") as file:
        aliases: dict[str, str] = tomllib.load(file)["aliases"]
    return aliases


def model(name_or_path: str) -> Model:
    """The model of a bundled name, a path to its config.json (or the folder that holds it), or a hub name."""
    name = name_or_path.strip()
    bundled = _bundled(name)
    if bundled is not None:
        return _read_bundled(bundled)
    path = Path(name).expanduser()
    if _exists(path):
        return _read_path(path)
    if path.suffix == ".json" or name.startswith((".", "/", "~")):
        raise BadInput("model", "must be a file that exists", name)
    if _HUB_NAME.match(name):
        return _from_hub(name)
    raise unknown("model", name, (*model_names(), *model_aliases()))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long for a path, or with a zero byte
        return False


def _bundled(name: str) -> str | None:
    key = re.sub(r"[_\s]+", "-", name.lower())
    if re.fullmatch(r"[\w.-]{1,99}", key) and (_DATA / "models" / f"{key}.json").is_file():
        return key
    return model_aliases().get(key)


@cache
def _read_bundled(name: str) -> Model:
    data = read_file(_DATA / "models" / f"{name}.json", name)
    return read_config(data, name, _source(data.pop("_source")))


def _source(source: dict[str, str]) -> str:
    at = f"@{source['commit'][:12]}" if source["commit"] else ""
    note = f"; {source['note']}" if source.get("note") else ""
    terms = f"{source['kind']}, licence {source['licence']}"
    return f"{source['file']}: {source['repo']} {source['path']}{at} ({terms}){note}"


def _read_path(path: Path) -> Model:
    file = path / "config.json" if path.is_dir() else path
    data = read_file(file)
    name = path.name if path.is_dir() else path.parent.name if path.name == "config.json" else path.stem
    return read_config(data, name or path.stem, str(path))


def _from_hub(name: str) -> Model:
    """The hub's config.json; BadInput without huggingface_hub or without a network."""
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        hint = "not bundled; give a path to its config.json, or install rackline[hub] for names of the hub"
        raise BadInput("model", "must be a bundled name or a path", name, _near(name) or hint) from None
    try:
        file = hf_hub_download(name, "config.json")
    except Exception as error:  # the hub's client raises many kinds, and any of them means the same here
        raise BadInput("model", "must be a name that the hub can give", name, _first_line(error)) from None
    return read_config(read_file(Path(file)), name, f"hub: {name}")


def _near(name: str) -> str:
    hint = str(unknown("model", name, (*model_names(), *model_aliases())).hint)
    return f"{hint} Or give a path to its config.json" if hint.startswith("did you mean") else ""


def _first_line(error: Any) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
