"""The lecture's figures computed again: what was said, ours, the equation, the verdict, and how to explore it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rackline.decisions import lecture_cuts
from rackline.decisions.answer import Answer, Column, Line, Source, Table
from rackline.decisions.lecture_bench import PUBLISHED_ACTIVE, PUBLISHED_TOTAL, Bench
from rackline.decisions.lecture_boards import BOARDS, KEY_POINTS, Asked, Board, asked
from rackline.decisions.lecture_claim import CONDITION, DIFFERS, HOLDS, Claim
from rackline.decisions.lecture_plots import PLOTS
from rackline.facts.hardware import all_facts
from rackline.units import show

LECTURE = Source("the lecture", "quoted in --json", "Reiner Pope's blackboard lecture with Dwarkesh Patel, "
                 "transcript; and "
                 "skim.plus, 33 key points of it", "2026-11-21")
_TITLES = ("line", "row", "claim", "lecture", "ours", "verdict", "equation", "explore")


def answer(q: Any) -> Answer:
    """The boards asked for, each line computed now; BadInput for a board that there is not."""
    return of(q.board, Bench())


def of(board: str | None, bench: Bench) -> Answer:
    """The same on any bench."""
    found = asked(board, bench)
    return Answer(
        question="lecture", headline=_headline(found), badge="derived", tables=tuple(_tables(found, bench)),
        plots=tuple(draw(bench) for name, draw in PLOTS.items() if name in {b.name for b, _ in found.boards}),
        notes=tuple(_notes(found)), explain=tuple(_explain(found)), sources=tuple(_sources(bench)), data=_data(found))


def _headline(found: Asked) -> str:
    counts = Counter(claim.verdict for claim in found.claims)
    missing = len(found.missing)
    later = f"{missing} row{'s' * (missing != 1)} of it not built yet" if missing else ""
    if not found.claims:
        return f"{found.boards[0][0].title}: {later}."
    what = "The lecture" if found.all else " and ".join(dict.fromkeys(b.title for b, _ in found.boards))
    lines = len(found.claims)
    text = (f"{what}: {lines} line{'s' * (lines != 1)}: {counts[HOLDS]} hold, {counts[CONDITION]} hold with a "
            f"condition, "
            f"{counts[DIFFERS]} differ")
    return f"{text}; {later}." if later else f"{text}."


def _tables(found: Asked, bench: Bench) -> Iterator[Table]:
    numbers = {board.name: n for n, board in enumerate(BOARDS, start=1)}
    for board, claims in found.boards:
        if claims:
            yield Table(f"{numbers[board.name]}. {board.title} ({board.name})", tuple(map(Column, _TITLES)),
                        tuple(_row(claim) for claim in claims))
        if board.name == "cuts" and any(claim.row == "C7" for claim in claims):
            yield from lecture_cuts.tables(bench)
    if found.missing:
        yield Table("Not built yet", (Column("board"), Column("row"), Column("what")),
                    tuple((f"{numbers[b.name]}. {b.title}", row, text) for b, row, text in found.missing))
    if found.all:
        yield _key_points(found)


def _row(claim: Claim) -> tuple[str, ...]:
    return (f"{claim.row} {claim.what}", claim.said.figure, show(claim.ours.value, claim.unit), claim.verdict,
            claim.ours.equation, claim.command)


def _key_points(found: Asked) -> Table:
    rows = tuple((str(number), title, ", ".join(about), point_verdict(found, about))
                 for number, title, about in KEY_POINTS)
    return Table("The 33 key points", (Column("point"), Column("title"), Column("rows"), Column("lines")), rows)


def point_verdict(found: Asked, rows: tuple[str, ...]) -> str:
    """How the lines of these rows fare; "not built yet" where there are none."""
    counts = Counter(claim.verdict for claim in found.claims if claim.row in rows)
    texts = [f"{counts[verdict]} {word}" for verdict, word in ((HOLDS, "hold"), (CONDITION, "with a condition"),
                                                               (DIFFERS, "differ")) if counts[verdict]]
    return ", ".join(texts) or "not built yet"


def _notes(found: Asked) -> Iterator[str]:
    """Why: of every line of one board, of those that do not simply hold in all of them."""
    for claim in found.claims:
        if claim.reason and not (found.all and claim.verdict == HOLDS):
            yield f"{claim.row} {claim.what}: {claim.reason}"
    yield ("A line holds if ours is within 5 % of a figure stated, 25 % of one said to be about so, a factor of 2 of "
           "a ballpark "
           "and √10 of an order of magnitude; with a condition if some of the cases looked at agree.")
    if found.all:
        yield "rackline lecture BOARD (a name, a number or a row such as A4) shows one board with every reason."


def _explain(found: Asked) -> Iterator[Line]:
    for claim in found.claims:
        case = claim.ours.cases[0]
        yield Line(f"{claim.row} {claim.what} ({case.where})", claim.ours.equation, case.numbers, case.value,
                   claim.unit)


def _sources(bench: Bench) -> Iterator[Source]:
    yield LECTURE
    for name, fact in (("DeepSeek-V3, parameters", PUBLISHED_TOTAL),
                       ("DeepSeek-V3, active parameters", PUBLISHED_ACTIVE)):
        yield Source(name, fact.shown(), fact.source, fact.date)
    for machine in ("gb200-nvl72", "dgx-h100"):
        for path, fact in all_facts(bench.machine(machine)):
            if not path.startswith("tiers"):
                yield Source(f"{machine} {path}", fact.shown(), fact.source, fact.date)


def _data(found: Asked) -> dict[str, Any]:
    counts = Counter(claim.verdict for claim in found.claims)
    return {"lines": [line for board, claims in found.boards for line in (_line(board, claim) for claim in claims)],
            "verdicts": {verdict: counts[verdict] for verdict in (HOLDS, CONDITION, DIFFERS)},
            "not_built": [{"board": board.name, "row": row, "what": text} for board, row, text in found.missing],
            "key_points": [{"point": number, "title": title, "rows": list(rows), "lines": point_verdict(found, rows)}
                           for number, title, rows in KEY_POINTS] if found.all else []}


def _line(board: Board, claim: Claim) -> dict[str, Any]:
    return {"board": board.name, "row": claim.row, "claim": claim.what, "lecture": claim.said.figure,
            "ours": claim.ours.value, "unit": claim.unit, "equation": claim.ours.equation, "verdict": claim.verdict,
            "why": claim.reason, "command": claim.command, "quote": claim.said.quote, "lecture_low": claim.said.low,
            "lecture_high": claim.said.high, "within": claim.said.within,
            "cases": [{"where": case.where, "value": case.value, "agrees": claim.said.agrees(case.value)}
                      for case in claim.ours.cases]}
