"""An Answer as text for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from rackline import units
from rackline.decisions.answer import Answer, Column, Heat, Plot, Table
from rackline.interface import canvas

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

BADGES = {
    "bound": "bound: the roofline at datasheet rates, no overhead; a real system reaches part of it",
    "calibrated": "calibrated: a bound with efficiencies fitted to measurements",
    "simulated": "simulated: request by request, from predicted pass times",
    "measured": "measured on real hardware",
    "datasheet": "datasheet: as makers and others state it, each number with its kind and source",
    "derived": "derived: arithmetic on published facts",
}
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")
_MOST_ROWS = 40
_SENTENCE = 26  # characters below which a column of words is not squeezed
_GAP = 2  # characters between columns


@dataclass(frozen=True)
class Look:
    """How the text is to look: columns of the terminal, colours, and what to add."""

    width: int = 100
    colour: bool = False
    explain: bool = False
    cite: bool = False


def to_text(answer: Answer, look: Look) -> str:
    """The answer as text: sentence, tables, plots, notes, and what was asked for beside."""
    from rich.console import Console

    look = replace(look, width=max(look.width, 40))
    out = io.StringIO()
    console = Console(file=out, width=look.width, force_terminal=look.colour, highlight=False, markup=False,
                      emoji=False, color_system="standard" if look.colour else None, legacy_windows=False)
    for part in _parts(answer, look):
        console.print(part, soft_wrap=getattr(part, "no_wrap", None))  # what is to be copied is never cut
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().split("\n")) + "\n"


def _parts(answer: Answer, look: Look) -> Iterator[RenderableType]:
    yield _styled(answer.headline, "bold" if answer.feasible else "bold red")
    yield _styled(BADGES.get(answer.badge, answer.badge), "dim")
    if answer.reasons:
        yield from _listed("Why not" if not answer.feasible else "Reasons", answer.reasons)
    for table in answer.tables:
        yield from _table(table, look)
    for plot in answer.plots:
        yield from _plot(plot, look)
    for title, block in answer.text:
        yield from ("", _styled(title, "bold"), _verbatim(block))
    if answer.notes:
        yield from _listed("Notes", answer.notes)
    yield from _explained(answer, look) if look.explain else ()
    yield from _cited(answer, look) if look.cite else _rests_on(answer)


def _styled(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style=style)


def _verbatim(block: str) -> Text:
    from rich.text import Text

    return Text(block.rstrip("\n"), no_wrap=True)


def _listed(title: str, lines: tuple[str, ...]) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.table import Table as Grid

    yield ""
    yield _styled(title, "bold")
    grid = Grid.grid(padding=(0, 1, 0, 0))
    for line in lines:
        grid.add_row("•", _styled(line, ""))
    yield Padding(grid, (0, 0, 0, 2))


def _table(table: Table, look: Look) -> Iterator[RenderableType]:
    """The table; one too wide is broken into blocks of columns, each led by the first column."""
    rows = [[cell(value, column) for value, column in zip(row, table.columns, strict=True)]
            for row in table.rows[:_MOST_ROWS]]
    needs = [_needs(column, [row[i] for row in rows]) for i, column in enumerate(table.columns)]
    yield ""
    yield _titled(table, table.title)
    for number, block in enumerate(_blocks([least for least, _ in needs], look.width)):
        yield from ("",) if number else ()
        widths = _shared([needs[i] for i in block], look.width)
        yield _block([table.columns[i] for i in block], [[row[i] for i in block] for row in rows], widths)
    if len(table.rows) > _MOST_ROWS:
        yield _styled(f"{len(table.rows) - _MOST_ROWS:,} more rows: --csv gives all {len(table.rows):,}", "dim")


def _titled(part: Table | Plot, title: str) -> Text:
    """A title, with the badge where it is not the answer's."""
    return _styled(title + badged(part.badge), "bold")


def badged(badge: str | None) -> str:
    """What a title says of figures that are of another kind than the answer's."""
    return f" [{badge}]" if badge else ""


def _needs(column: Column, texts: list[str]) -> tuple[int, int]:
    """Characters that a column needs at least (numbers and words whole, sentences and titles wrapped) and at best."""
    whole = max((len(text) for text in texts), default=1)
    least = min(whole, _SENTENCE) if column.unit == "text" else whole
    return max([least, *map(len, column.title.split())]), max(whole, len(column.title))


def _blocks(widths: list[int], width: int) -> list[list[int]]:
    blocks: list[list[int]] = [[0]]
    for i in range(1, len(widths)):
        if len(blocks[-1]) > 1 and sum(widths[k] + _GAP for k in [*blocks[-1], i]) - _GAP > width:
            blocks.append([0])
        blocks[-1].append(i)
    return blocks


def _shared(needs: list[tuple[int, int]], width: int) -> list[int]:
    """The width of each column: what it needs, then what is left to those that lack least."""
    widths = [least for least, _ in needs]
    left = width - sum(widths) - _GAP * (len(widths) - 1)
    for i in sorted(range(len(needs)), key=lambda i: needs[i][1] - needs[i][0]):
        more = max(0, min(needs[i][1] - widths[i], left))
        widths[i], left = widths[i] + more, left - more
    return widths


def _block(columns: list[Column], rows: list[list[str]], widths: list[int]) -> RenderableType:
    from rich import box
    from rich.table import Table as Rich

    rich = Rich(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", collapse_padding=True)
    for column, width in zip(columns, widths, strict=True):
        side: Literal["left", "right"] = "left" if column.unit == "text" else "right"
        rich.add_column(_styled(column.title, ""), justify=side, overflow="fold", width=width)
    for row in rows:
        rich.add_row(*(_styled(text, "") for text in row))
    return rich


def cell(value: Any, column: Column) -> str:
    """One value of a table as text in its column's unit."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.unit == "text" or isinstance(value, str):
        return str(value)
    return units.show(float(value), column.unit)


def _plot(plot: Plot, look: Look) -> Iterator[RenderableType]:
    if plot.heat is not None:
        yield from _heat(plot, plot.heat, look)
        return
    both = canvas.scales(plot)
    if both is None:
        return
    marks = canvas.ticks(both[1], 6)
    gutter = max(len(text) for _, text in marks)
    width = min(look.width - gutter - 3, 84)
    grid = canvas.draw(plot, width, 12)
    if grid is None:
        return
    yield ""
    yield _titled(plot, plot.title)
    yield _styled(f"{plot.y.label} ↑", "dim")
    yield from _rows(grid, both[1], marks, gutter)
    yield _styled(" " * gutter + " └" + "─" * width, "dim")
    yield _styled(" " * (gutter + 2) + _x_ticks(both[0], width), "dim")
    yield _styled(" " * (gutter + 2) + f"{plot.x.label} →".rjust(width), "dim")
    yield _legend(plot, look.width)


def _heat(plot: Plot, heat: Heat, look: Look) -> Iterator[RenderableType]:
    low, high = canvas.spread(heat)
    yield ""
    yield _styled(plot.title, "bold")
    yield _styled(f"{plot.y.label} ↓", "dim")
    rows = canvas.shades(heat, min(look.width - 4, 96), 24)
    for row in rows:
        line = _styled("  │", "dim")
        yield line.append(row, style="not dim").append("│")
    yield _styled(f"   {plot.x.label} →".rjust(min(len(rows[0]) + 4, look.width)), "dim")
    yield _styled(f"  {heat.label}: “ ” from {units.show(low, heat.unit)}, █ to {units.show(high, heat.unit)}", "dim")


def _rows(grid: canvas.Grid, y: canvas.Scale, marks: list[tuple[float, str]], gutter: int) -> Iterator[Text]:
    from rich.text import Text

    at = {round((1 - (y.place(value) or 0.0)) * (grid.height - 1)): text for value, text in marks}
    for row in range(grid.height):
        line = Text(at.get(row, "").rjust(gutter) + (" ┤" if row in at else " │"), style="dim", no_wrap=True)
        for sign, owner in grid.row(row):
            line.append(sign, style=_colour(owner))
        yield line


def _colour(owner: int) -> str:
    return "dim" if owner < 0 else f"not dim {_COLOURS[owner % len(_COLOURS)]}"


def _x_ticks(x: canvas.Scale, width: int) -> str:
    line = [" "] * width
    free_from = 0
    for value, text in canvas.ticks(x, max(2, width // 12)):
        start = round((x.place(value) or 0.0) * (width - 1)) - len(text) // 2
        start = min(max(start, 0), width - len(text))
        if start >= free_from:
            line[start:start + len(text)] = text
            free_from = start + len(text) + 1
    return "".join(line).rstrip()


def _legend(plot: Plot, width: int) -> Text:
    from rich.text import Text

    text, used = Text(), 0
    for item, style in _names(plot):
        gap = "" if not used else "   " if used + 3 + len(item) <= width else "\n"
        used = len(item) + (used + len(gap) if gap != "\n" else 0)
        text.append(gap).append(item, style=style)
    return text


def _names(plot: Plot) -> Iterator[tuple[str, str]]:
    for number, series in enumerate(plot.series):
        letter = canvas.LETTERS[number % len(canvas.LETTERS)]
        band = " (dots: low and high)" if series.low is not None or series.high is not None else ""
        yield f"{letter} {series.name}{band}", _COLOURS[number % len(_COLOURS)]
    both = canvas.scales(plot)
    for x, label in plot.marks:
        beyond = "" if both and both[0].shows(x) else ", beyond"
        yield f"┊ {label} ({units.show(x, plot.x.unit)}{beyond})", "dim"


def _explained(answer: Answer, look: Look) -> Iterator[RenderableType]:
    yield from ("", _styled("The arithmetic", "bold"))
    for line in answer.explain:
        yield _styled(line.what, "")
        yield _styled(f"    {line.equation}", "cyan")
        yield _styled(f"    = {line.numbers}", "")
        yield _styled(f"    = {units.show(line.result, line.unit)}", "bold")
    if not answer.explain:
        yield "This answer has no equations to show."


def _cited(answer: Answer, look: Look) -> Iterator[RenderableType]:
    if not answer.sources:
        yield from ("", "This answer names no sources.")
        return
    columns = (Column("fact"), Column("value"), Column("moves the headline", "count"), Column("source"), Column("date"))
    ranked = sorted(answer.sources, key=lambda source: -abs(source.elasticity or 0.0))
    rows = tuple((s.name, s.shown, _moves(s.elasticity), s.source, s.date) for s in ranked)
    yield from _table(Table("Sources (+1: 1 % more of the fact is 1 % more of the headline)", columns, rows), look)


def _moves(elasticity: float | None) -> str:
    return "—" if elasticity is None else "0" if abs(elasticity) < 0.005 else f"{elasticity:+.2f}"


def _rests_on(answer: Answer) -> Iterator[RenderableType]:
    if not answer.sources:
        return
    ranked = sorted(answer.sources, key=lambda source: -abs(source.elasticity or 0.0))
    strongest = [f"{s.name} {s.shown} ({_moves(s.elasticity)})" for s in ranked[:3] if s.elasticity]
    most = f", most of all {', '.join(strongest)}" if strongest else ""
    yield ""
    facts = "1 fact" if len(ranked) == 1 else f"{len(ranked)} facts"
    yield _styled(f"Rests on {facts}{most}; --cite lists each with its source.", "dim")
