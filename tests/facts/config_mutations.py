"""Broken configurations made from real ones, and what a reader may answer to them."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from rackline.errors import BadInput
from rackline.facts.formats import FORMATS
from rackline.facts.model import Model
from rackline.facts.models import read_config
from rackline.facts.models.text import parse

Config = dict[str, Any]
ODD = (None, True, False, 0, -1, -7168, 1, 3, 7, 1.5, 1e30, 10**30, 10**400, float("nan"), float("inf"), "", "4096",
       "x", [], {}, [1], [0, 1, 2], {"a": 1}, ["full_attention"], "NaN")


def _places(config: Any, path: tuple = ()) -> list[tuple]:
    """Paths to every value but those under _source and the text of the source."""
    if isinstance(config, dict):
        inside = [(key, value) for key, value in config.items() if key != "_source"]
    elif isinstance(config, list):
        inside = list(enumerate(config))[:4]
    else:
        return []
    return [p for key, value in inside for p in ((*path, key), *_places(value, (*path, key)))]


def _holder(config: Any, path: tuple) -> Any:
    for key in path[:-1]:
        config = config[key]
    return config


def delete(rng: random.Random, config: Config) -> None:
    """One field left out."""
    path = rng.choice([p for p in _places(config) if isinstance(p[-1], str)])
    del _holder(config, path)[path[-1]]


def shorten(rng: random.Random, config: Config) -> None:
    """One entry of a list left out."""
    paths = [p for p in _places(config) if isinstance(p[-1], int)]
    if paths:
        path = rng.choice(paths)
        del _holder(config, path)[path[-1]]


def replace(rng: random.Random, config: Config) -> None:
    """One value of another type, sign or size."""
    path = rng.choice(_places(config))
    holder = _holder(config, path)
    old = holder[path[-1]]
    number = isinstance(old, int | float) and not isinstance(old, bool)
    # a copy: a list put in twice would be changed in both places, or end up inside itself
    holder[path[-1]] = deepcopy(rng.choice((*ODD, str(old), [old], *(
        (old * 2, old + 1, -old, old * 10**9) if number else ()))))


def rename(rng: random.Random, config: Config) -> None:
    """One field under a misspelt name."""
    path = rng.choice([p for p in _places(config) if isinstance(p[-1], str)])
    holder, name = _holder(config, path), path[-1]
    cut = rng.randrange(len(name))
    holder[rng.choice((name + "_x", name.upper(), name[:cut] + name[cut + 1:], "n_" + name))] = holder.pop(name)


def swap(rng: random.Random, config: Config) -> None:
    """Two values exchanged."""
    one, other = rng.choice(_places(config)), rng.choice(_places(config))
    if one[:len(other)] == other or other[:len(one)] == one:
        return
    a, b = _holder(config, one), _holder(config, other)
    a[one[-1]], b[other[-1]] = b[other[-1]], a[one[-1]]


MUTATIONS: dict[str, Callable[[random.Random, Config], None]] = {
    "delete": delete, "shorten": shorten, "replace": replace, "rename": rename, "swap": swap}


def spoil_text(rng: random.Random, text: bytes) -> bytes:
    """The file cut short, with a broken byte, with a field twice, too deep, or not an object."""
    cut = rng.randrange(len(text))
    return rng.choice((text[:cut], text[:cut] + bytes([rng.randrange(256)]) + text[cut + 1:], b"[" + text + b"]",
                       b'{"hidden_size": 1, ' + text[1:], b'{"a": ' * 2000 + text + b"}" * 2000, b"", b"null", b'"x"',
                       text[:-2] + b', "num_hidden_layers": ' + b"9" * 6000 + b"}", b"\xff\xfe" + text))


def spoilt(rng: random.Random, config: Config) -> tuple[str, bytes]:
    """One to three mutations of a configuration, as a file; its name says which."""
    config = json.loads(json.dumps(config))
    kinds = [rng.choice((*MUTATIONS, "text")) for _ in range(rng.choice((1, 1, 2, 3)))]
    for kind in kinds:
        if kind != "text" and _places(config):
            MUTATIONS[kind](rng, config)
    text = json.dumps(config).encode()
    return " + ".join(kinds), spoil_text(rng, text) if "text" in kinds else text


def outcome(name: str, original: Config, kinds: str, text: bytes) -> str:
    """"read", the rule that refused the file, or "FAILED: …" with what no reader may answer."""
    try:
        model = read_config(parse(text, name), name)
    except BadInput as error:
        return f"refused: {error.rule.split(':')[0][:60]}" if "\n" not in str(error) else "FAILED: more than one line"
    except Exception as error:  # the very thing looked for
        return f"FAILED: {type(error).__name__}: {error}"
    return wrong(model) or _guessed(model, read_config(original, name), kinds) or "read"


def wrong(model: Model) -> str:
    """What no model may have: numbers that are not finite, negative, absurd or inconsistent."""
    whole = (model.total_parameters, model.active_parameters, model.mtp_parameters, model.depth)
    numbers = (*whole, model.weight_bytes(), model.kv_bytes_per_token(), model.state_bytes(),
               model.index_bytes_per_token(), model.kv_bytes_per_token(beyond_window=True))
    if any(type(n) is not int for n in whole):
        return f"FAILED: a count that is not whole: {whole}"
    if any(not math.isfinite(n) or n < 0 or n > 1e16 for n in numbers):
        return f"FAILED: absurd numbers {numbers}"
    if not 0 < model.active_parameters <= model.total_parameters or not set(model.formats.values()) <= FORMATS.keys():
        return f"FAILED: active {model.active_parameters} of {model.total_parameters}, {dict(model.formats)}"
    return ""


def _guessed(model: Model, before: Model, kinds: str) -> str:
    """A file from which fields were only taken away may answer otherwise only when a note says what was assumed."""
    taken_away = set(kinds.split(" + ")) <= {"delete", "rename"}
    if taken_away and _answer(model) != _answer(before) and model.notes == before.notes:
        return f"FAILED: silently guessed: {_answer(model)} was {_answer(before)}"
    return ""


def _answer(model: Model) -> tuple:
    return (model.total_parameters, model.active_parameters, model.kv_bytes_per_token("bf16"), model.state_bytes(),
            model.kv_bytes_per_token("bf16", beyond_window=True), model.index_bytes_per_token())
