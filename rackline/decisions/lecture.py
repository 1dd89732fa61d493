"""The lecture's figures computed again: what was said, ours, the equation, the verdict, and how to explore it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from rackline.decisions import lecture_cuts, lecture_work
from rackline.decisions.answer import Answer, Column, Line, Source, Table
from rackline.decisions.lecture_bench import PUBLISHED_ACTIVE, PUBLISHED_TOTAL, Bench
from rackline.decisions.lecture_boards import KEY_POINTS, Asked, Entry, asked, place
from rackline.decisions.lecture_claim import CONDITION, DIFFERS, HOLDS
from rackline.decisions.lecture_plots import PLOTS
from rackline.facts.fact import named_facts

LECTURE = Source("the lecture", "quoted in --json", "Reiner Pope's blackboard lecture with Dwarkesh Patel, "
                 "transcript; and skim.plus, 33 key points of it", "2026-11-21")
_TITLES = ("line", "row", "claim", "lecture", "ours", "verdict", "equation", "explore")


def answer(q: Any) -> Answer:
    """The boards asked for, each line computed now; BadInput for a board that there is not."""
    return of(q.board, Bench())


def of(board: str | None, bench: Bench) -> Answer:
    """The same on any bench."""
    found = asked(board, bench)
    drawn = {b.name for b in found.boards}
    return Answer(
        question="lecture", headline=_headline(found), badge="derived", tables=tuple(_tables(found, bench)),
        plots=tuple(draw(bench) for name, draw in PLOTS.items() if name in drawn), notes=tuple(_notes(found)),
        explain=tuple(_explain(found)), sources=tuple(_sources(bench)), data=_data(found))


def _counts(entries: Iterable[Entry]) -> Counter[str]:
    return Counter(entry.claim.verdict for entry in entries)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _headline(found: Asked) -> str:
    title = "The lecture" if found.all else " and ".join(b.title for b in found.boards)
    later = f"{_plural(len(found.missing), 'row')} not built yet" if found.missing else ""
    if not found.entries:
        return f"{title}: {later}."
    counts = _counts(found.entries)
    text = (f"{title}: {_plural(len(found.entries), 'line')}, of which {counts[HOLDS]} hold, {counts[CONDITION]} "
            f"hold with a condition, {counts[DIFFERS]} differ")
    return f"{text}; {later}." if later else f"{text}."


def _tables(found: Asked, bench: Bench) -> Iterator[Table]:
    for board in found.boards:
        entries = found.of(board)
        if entries:
            yield Table(f"{place(board)}. {board.title} ({board.name})", tuple(map(Column, _TITLES)),
                        tuple(map(_row, entries)))
        if any(entry.claim.row == "C7" for entry in entries):
            yield from lecture_cuts.tables(bench)
        if any(entry.claim.row == "B6" for entry in entries):
            yield lecture_work.table(bench)
    if found.missing:
        yield Table("Not built yet", (Column("board"), Column("row"), Column("what")),
                    tuple((f"{place(b)}. {b.title}", row, text) for b, row, text in found.missing))
    if found.all:
        yield _key_points(found)


def _row(entry: Entry) -> tuple[str, ...]:
    claim = entry.claim
    return (entry.number, claim.row, claim.what, claim.said.figure, claim.shown, claim.verdict,
            claim.ours.equation, claim.command)


def _key_points(found: Asked) -> Table:
    rows = tuple((str(number), title, ", ".join(about), point_verdict(found, about))
                 for number, title, about in KEY_POINTS)
    return Table("The 33 key points", (Column("point"), Column("title"), Column("rows"), Column("lines")), rows)


def point_verdict(found: Asked, rows: tuple[str, ...]) -> str:
    """How the lines of these rows fare; "not built yet" where there are none."""
    counts = _counts(entry for entry in found.entries if entry.claim.row in rows)
    texts = [f"{counts[verdict]} {word}" for verdict, word in ((HOLDS, "hold"), (CONDITION, "with a condition"),
                                                               (DIFFERS, "differ")) if counts[verdict]]
    return ", ".join(texts) or "not built yet"


def _notes(found: Asked) -> Iterator[str]:
    """What was said and why, of every line of a board; of those that do not simply hold in the whole lecture, why."""
    for entry in found.entries:
        claim = entry.claim
        if not found.all:
            yield f"{entry.number} “{claim.said.quote}” {claim.reason}".rstrip()
        elif claim.verdict != HOLDS:
            yield f"{entry.number} {claim.what}: {claim.reason}"
    if found.entries:
        yield ("A line holds if ours lies within 5 % of a figure stated, 25 % of one said to be about so, a factor "
               "of 2 of a ballpark, √10 of an order of magnitude; with a condition if only some of the cases do.")
    if found.all:
        yield "rackline lecture BOARD (a board's name or number, a line as 4.2, a row as A4) shows only that."


def _explain(found: Asked) -> Iterator[Line]:
    for entry in found.entries:
        claim, case = entry.claim, entry.claim.ours.cases[0]
        yield Line(f"{entry.number} {claim.what} ({case.where})", claim.ours.equation,
                   case.numbers or f"{case.value:.4g} ({case.where})", case.value, claim.unit)


def _sources(bench: Bench) -> Iterator[Source]:
    yield LECTURE
    for name, fact in (("DeepSeek-V3, parameters", PUBLISHED_TOTAL),
                       ("DeepSeek-V3, active parameters", PUBLISHED_ACTIVE)):
        yield Source(name, fact.shown(), fact.source, fact.date)
    for machine in ("gb200-nvl72", "dgx-h100"):
        for path, fact in named_facts(bench.machine(machine)):
            if not path.startswith("tiers"):
                yield Source(f"{machine} {path}", fact.shown(), fact.source, fact.date)


def _data(found: Asked) -> dict[str, Any]:
    counts = _counts(found.entries)
    return {"lines": [_line(entry) for entry in found.entries],
            "verdicts": {verdict: counts[verdict] for verdict in (HOLDS, CONDITION, DIFFERS)},
            "not_built": [{"board": board.name, "row": row, "what": text} for board, row, text in found.missing],
            "key_points": [{"point": number, "title": title, "rows": list(rows), "lines": point_verdict(found, rows)}
                           for number, title, rows in KEY_POINTS] if found.all else []}


def _line(entry: Entry) -> dict[str, Any]:
    claim = entry.claim
    return {"line": entry.number, "board": entry.board.name, "row": claim.row, "claim": claim.what,
            "lecture": claim.said.figure, "ours": claim.ours.value, "unit": claim.unit,
            "equation": claim.ours.equation, "verdict": claim.verdict, "why": claim.reason, "command": claim.command,
            "quote": claim.said.quote, "lecture_low": claim.said.low, "lecture_high": claim.said.high,
            "within": claim.said.within,
            "cases": [{"where": case.where, "value": case.value, "agrees": claim.said.agrees(case.value)}
                      for case in claim.ours.cases]}
