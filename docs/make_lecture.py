"""Makes docs/lecture.md, the walkthrough of the lecture, from the lines that `rackline lecture` prints.

    python docs/make_lecture.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rackline.decisions.lecture import of
from rackline.decisions.lecture_bench import Bench
from rackline.decisions.lecture_boards import BOARDS, Asked, Board, Entry, asked, place
from rackline.units import show

PAGE = Path(__file__).with_name("lecture.md")
OPENING = """# The lecture, computed again

Reiner Pope's two-hour blackboard lecture with Dwarkesh Patel, board by board, and the 33 key points that a third party
made of it: the lecture's figure, ours, the equation, the verdict, and the command that explores it. Made by
`docs/make_lecture.py` from what `rackline lecture` prints: do not edit this page. A test makes it again and compares.

A line is looked at in one or more cases: models, machines, readings of what was said. It holds if all cases agree,
holds with a condition if some do, differs if none does. To agree, ours must lie within 5 % of a figure that was
stated, 25 % of one said to be about so, a factor of 2 of a ballpark, √10 of an order of magnitude.
"""


def page() -> str:
    """The whole page."""
    found = asked(None, Bench())
    answer = of(None, Bench())
    parts = [OPENING, f"**{answer.headline}**\n", *_contents(), *(line for b in BOARDS for line in _board(found, b)),
             *_points(answer.data["key_points"])]
    return "\n".join(parts)


def _contents() -> Iterator[str]:
    for board in BOARDS:
        yield f"{place(board)}. [{board.title}](#{board.name})"
    yield "\n[The 33 key points](#key-points)\n"


def _board(found: Asked, board: Board) -> Iterator[str]:
    yield f'<a id="{board.name}"></a>\n\n## {place(board)}. {board.title}\n'
    entries = found.of(board)
    if entries:
        yield "| line | row | claim | lecture | ours | verdict |\n|---|---|---|---|---|---|"
        yield "\n".join(map(_row, entries)) + "\n"
    yield from map(_details, entries)
    if board.missing:
        yield "Not built yet: " + "; ".join(f"{row}, {text}" for row, text in board.missing) + ".\n"


def _row(entry: Entry) -> str:
    c = entry.claim
    return _cells(entry.number, c.row, c.what, c.said.figure, c.shown, f"**{c.verdict}**")


def _cells(*texts: str) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _details(entry: Entry) -> str:
    c, case = entry.claim, entry.claim.ours.cases[0]
    numbers = f" = {case.numbers}" if case.numbers else f" ({case.where})"
    return (f"**{entry.number}** “{c.said.quote}”\n\n"
            f"`{c.ours.equation}`{numbers} = {show(case.value, c.unit)}. {c.reason}".rstrip() + "\n\n"
            f"`{c.command}`\n")


def _points(points: list[dict]) -> Iterator[str]:
    yield '<a id="key-points"></a>\n\n## The 33 key points\n'
    yield "| point | title | rows | lines |\n|---|---|---|---|"
    for point in points:
        yield _cells(str(point["point"]), point["title"], ", ".join(point["rows"]), point["lines"])
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
