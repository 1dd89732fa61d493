"""Labels of hardware as tables print them: the chip they mean, how much of it is enabled, how many there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from rackline.facts.hardware import aliases, chip_names, machine_names

_HYPHENS = re.compile("[\u2010-\u2015\u2212]")
_TIMES = re.compile(r"\s*[*×]\s*(\d{1,4})$|(?<=[\d\s)])x(\d{1,2})$|^(\d{1,4})\s*[x*×](?:\s+|(?=[a-z]))", re.I)
_MEMORY = re.compile(r"(?<![\w.])(\d{1,3})\s*gi?b\b", re.I)
_CORES = re.compile(r"(?<![\w.])(\d{1,3})(?:-core(?:\s+gpu)?|c)\b", re.I)
_NO_PART = re.compile(r"\b(nvidia|geforce|apple|amd|instinct|radeon|tesla|gpus?|graphics|generation|pcap|"
                      r"power[ -]?capped|hbm\d\w*|gddr\d\w*|(max-q )?(workstation|server) edition|oam|ac)\b|"
                      r"\(.*?\)", re.I)
_PREFIXES = ("", "rtx-", "rx-", "gtx-")


@dataclass(frozen=True)
class Label:
    """A label's chip (or machine) by bundled name, its GPU cores where printed, and how many chips (else one)."""

    chip: str
    cores: int | None
    chips: int


def plain(text: str) -> str:
    """The label with one kind of hyphen and single spaces."""
    return " ".join(_HYPHENS.sub("-", text).split())


def counted(text: str) -> tuple[str, int]:
    """The label without its number of chips ("RTX 3090 * 2", "4 x H100"), and that number."""
    found = _TIMES.search(plain(text))
    if found is None:
        return plain(text), 1
    return _TIMES.sub("", plain(text)).strip(), max(1, int(next(filter(None, found.groups()))))


def read_label(text: str) -> Label | None:
    """What a label says; None where no bundled chip has such a name."""
    rest, chips = counted(text)
    cores, memory = _CORES.search(rest), _MEMORY.search(rest)
    words = _NO_PART.sub(" ", _CORES.sub(" ", _MEMORY.sub(" ", rest)))
    base = re.sub(r"[\s_-]+", "-", re.sub(r"\b(sxm)\d\b", r"\1", words.lower())).strip("-")
    known = _known()
    for name in _spellings(base, memory[1] if memory else ""):
        if name in known:
            return Label(known[name], int(cores[1]) if cores else None, chips)
    return None


def _spellings(base: str, memory: str) -> Iterator[str]:
    """Names that a label may stand for, those that say the memory first."""
    head, _, tail = base.partition("-")
    for size in ([f"{memory}gb"] if memory else []):
        for prefix in _PREFIXES:
            yield f"{prefix}{base}-{size}"
        yield f"{head}-{size}-{tail}"
    for prefix in _PREFIXES:
        yield f"{prefix}{base}"
    yield base.removesuffix("-sxm")


@cache
def _known() -> Mapping[str, str]:
    names, other = (*machine_names(), *chip_names()), aliases()
    return {**{name: name for name in names}, **other["machines"], **other["chips"]}
