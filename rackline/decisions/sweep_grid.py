"""The cells of a sweep: every combination of options that a sweep file names, each with a key of its own."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rackline.decisions.kinds import Param, read
from rackline.decisions.questions import Question, defaults, parameters
from rackline.errors import BadInput, unknown

MOST_CELLS = 1_000_000
_PARTS = ("grid", "fixed", "cases")
# kinds whose texts may name files; a worker reads those, and its cell says what was wrong
FILES = ("model", "machine", "trace", "traffic", "path")
_WRITES = "new_file"
Value = str | int | float | bool


@dataclass(frozen=True)
class Grid:
    """Options in every cell, lists of options to combine, and cases that take options together."""

    fixed: Mapping[str, Value]
    lists: Mapping[str, tuple[Value, ...]]
    cases: tuple[Mapping[str, Value], ...] = ({},)

    def __len__(self) -> int:
        return math.prod(map(len, self.lists.values()), start=len(self.cases))

    def __iter__(self) -> Iterator[dict[str, Value]]:
        """The options of each cell, in the order of the file: the last list runs fastest."""
        for case in self.cases:
            for values in itertools.product(*self.lists.values()):
                yield {**self.fixed, **case, **dict(zip(self.lists, values, strict=True))}

    def varied(self) -> tuple[str, ...]:
        """The options that differ between cells."""
        several = {name for name, values in self.lists.items() if len(set(values)) > 1}
        named = dict.fromkeys(name for case in self.cases for name in case)
        cased = [name for name in named if len({case.get(name) for case in self.cases}) > 1]
        return (*cased, *(name for name in self.lists if name in several))


def named(made: Grid) -> Iterator[tuple[str, Value]]:
    """Every option with every value that some cell has, each once."""
    cased = (pair for case in made.cases for pair in case.items())
    listed = ((name, value) for name, values in made.lists.items() for value in values)
    yield from dict.fromkeys((*made.fixed.items(), *cased, *listed))


def key(options: Mapping[str, Value], files: Mapping[str, str] | None = None) -> str:
    """The name of a cell, 64 hexadecimal digits: the same for the same options in any order.

    files: digests of the contents of those options that are files, so that a changed file is another cell.
    """
    whole: dict[str, Any] = {name: _canonical(value) for name, value in options.items()}
    text = json.dumps([whole, dict(files)] if files else whole, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def grid(document: Mapping[str, Any], question: Question) -> Grid:
    """The grid of a sweep file's tables; BadInput names the option that is unknown, missing, twice there or wrong."""
    for name in document:
        if name not in _PARTS:
            raise unknown("sweep file: table", name, _PARTS)
    lists = {name: _values(name, found) for name, found in _options(document, "grid", question).items()}
    fixed = {name: _value(name, found) for name, found in _options(document, "fixed", question).items()}
    made = Grid(fixed, lists, tuple(_cases(document, question)))
    _check_places(made)
    _check_values(made, question)
    _check_required(made, question)
    return made


def _options(document: Mapping[str, Any], part: str, question: Question) -> dict[str, Any]:
    return _named(document.get(part, {}), f"[{part}]", question)


def _named(table: Any, what: str, question: Question) -> dict[str, Any]:
    """The options of one table under the names of their parameters."""
    if not isinstance(table, Mapping):
        raise BadInput(f"sweep file: {what}", "must be a table of options", table)
    known, found = _known(question), {}
    for given, value in table.items():
        name = given.removeprefix("--").replace("-", "_")
        if name not in known:
            raise unknown(f"sweep file: option of {question.name} in {what}", given, known)
        if name in found:
            raise BadInput(f"sweep file: {what}", "may name an option once", given)
        found[name] = value
    return found


def _known(question: Question) -> dict[str, Param]:
    return {name: p for name, p in parameters(question).items() if p.kind != _WRITES}


def _cases(document: Mapping[str, Any], question: Question) -> Iterator[dict[str, Value]]:
    cases = document.get("cases", [{}])
    if not isinstance(cases, list) or not cases:
        raise BadInput("sweep file: cases", "must be tables, each under [[cases]]", cases)
    if len(cases) > MOST_CELLS:
        raise BadInput("sweep file", f"must have at most {MOST_CELLS:,} cells", f"{len(cases):,} cases")
    for case in cases:
        table = _named(case, "[[cases]]", question)
        yield {name: _value(name, found) for name, found in table.items()}


def _values(name: str, given: Any) -> tuple[Value, ...]:
    if not isinstance(given, list) or not given:
        raise BadInput(f"sweep file: {name} in [grid]", "must be a list of one value or more", given,
                       "one value for every cell stands in [fixed]")
    return tuple(dict.fromkeys(_value(name, one) for one in given))


def _value(name: str, given: Any) -> Value:
    good = isinstance(given, str | bool | int) or (isinstance(given, float) and math.isfinite(given))
    if not good:
        raise BadInput(f"sweep file: {name}", "must be a text, a finite number, true or false", given)
    if isinstance(given, int) and abs(given) >= 2**63:
        raise BadInput(f"sweep file: {name}", "must be a number below 2^63", given)
    return given


def _check_places(made: Grid) -> None:
    cased = {name for case in made.cases for name in case}
    for name in made.fixed:
        if name in made.lists or name in cased:
            raise BadInput(f"sweep file: {name}", "may stand in one of [fixed], [grid] and [[cases]]", "two of them")
    for name in cased & set(made.lists):
        raise BadInput(f"sweep file: {name}", "may stand in one of [fixed], [grid] and [[cases]]", "two of them")
    if not made.lists and made.cases == ({},):
        raise BadInput("sweep file", "must have a [grid] of lists, or [[cases]]", "neither",
                       'for example [grid] and below it rate = [1, 2, 4]')
    if len(made) > MOST_CELLS:
        raise BadInput("sweep file", f"must have at most {MOST_CELLS:,} cells", f"{len(made):,}",
                       "take fewer values, or several files into the same results")


def _check_values(made: Grid, question: Question) -> None:
    """Reads each value once by its kind, so that a slip is seen before a thousand cells are refused."""
    declared = _known(question)
    for name, value in named(made):
        if declared[name].kind not in FILES:
            read(declared[name], value)


def _check_required(made: Grid, question: Question) -> None:
    given = set(made.fixed) | set(made.lists)
    for name, p in parameters(question).items():
        if name not in defaults(question) and name not in given and any(name not in case for case in made.cases):
            raise BadInput(f"sweep file: {name}", f"must be given: {p.help}", "nothing", f'for example {name} = "…"')


def settings(options: Mapping[str, Value], names: Sequence[str]) -> str:
    """Some of a cell's options as words: "chips 8, layout tp8"."""
    return ", ".join(f"{name} {options[name]}" for name in names if name in options)
