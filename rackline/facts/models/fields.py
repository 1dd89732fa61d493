"""Checked reading of one configuration's fields: what is given, what the class defaults, what was used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rackline.errors import BadInput

# Largest value of a size that any model could have; beyond it the file is broken, not large.
_LARGEST = {"hidden_size": 1 << 20, "num_hidden_layers": 10_000, "num_attention_heads": 1 << 16,
            "num_key_value_heads": 1 << 16, "head_dim": 1 << 16, "vocab_size": 10**8,
            "max_position_embeddings": 10**10, "sliding_window": 10**10, "attention_chunk_size": 10**10,
            "intermediate_size": 10**8, "moe_intermediate_size": 10**8, "num_experts": 10**5,
            "num_nextn_predict_layers": 64, "index_topk": 10**10}
_LARGEST_OTHER = 10**8


@dataclass
class Fields:
    """A configuration under canonical names, the class defaults of its family, and the record of what was read."""

    given: Mapping[str, Any]
    defaults: Mapping[str, Any]
    family: str
    asks: frozenset[str] = frozenset()  # optional fields whose absence is written down too
    used: set[str] = field(default_factory=set)
    taken: dict[str, Any] = field(default_factory=dict)  # values that the file leaves to the class
    notes: list[str] = field(default_factory=list)

    def raw(self, name: str) -> Any:
        """The value given, else the class default (written down in `taken`), else None."""
        self.used.add(name)
        if name in self.given:
            return self.given[name]
        value = self.defaults.get(name)
        if value is not None or name in self.asks:
            self.taken[name] = value
        return value

    def has(self, name: str) -> bool:
        """Whether the file gives the field a value that is not null."""
        return self.given.get(name) is not None

    def size(self, name: str, otherwise: int | None = None, low: int = 1) -> int:
        """A whole number of at least `low`; `otherwise` where the file leaves it out. BadInput without either."""
        value = self.optional(name, low)
        if value is not None:
            return value
        if otherwise is None:
            raise BadInput(name, "must be given: it changes the arithmetic and has no default",
                           "null" if name in self.given else "no such field", f"family {self.family}")
        self.taken[name] = otherwise
        return otherwise

    def optional(self, name: str, low: int = 1) -> int | None:
        """A whole number of at least `low`, or None where it is null or left out."""
        value = self.raw(name)
        return None if value is None else whole(name, value, low)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false; the default where it is null or left out."""
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadInput(name, "must be true or false", value)
        return value

    def sequence(self, name: str, length: int | None = None) -> list[Any] | None:
        """A list (of the given length), or None where it is null or left out."""
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise BadInput(name, "must be a list", value)
        if length is not None and len(value) != length:
            raise BadInput(name, f"must have one entry for each of {length} layers", f"{len(value)} entries")
        return value

    def text(self, name: str) -> str | None:
        """A text, or None where it is null or left out."""
        value = self.raw(name)
        if value is not None and not isinstance(value, str):
            raise BadInput(name, "must be a text", value)
        return value

    def touch(self, *names: str) -> None:
        """Marks fields as understood although nothing depends on them here."""
        self.used.update(names)


def whole(name: str, value: Any, low: int = 1) -> int:
    """The value when it is a whole number between `low` and the largest that a model could have; BadInput otherwise."""
    largest = _LARGEST.get(name, _LARGEST_OTHER)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(name, "must be a whole number", f'the text "{value}"' if isinstance(value, str) else value)
    if not low <= value <= largest:
        raise BadInput(name, f"must be between {low:,} and {largest:,}", value)
    return value


def divides(whole_name: str, whole_value: int, part_name: str, part: int) -> None:
    """BadInput unless `part` divides `whole_value`."""
    if whole_value % part:
        raise BadInput(whole_name, f"must be a multiple of {part_name} = {part}", whole_value)
