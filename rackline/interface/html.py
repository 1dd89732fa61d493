"""An Answer as one page that stands alone: no script, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from rackline import units
from rackline.decisions.answer import Answer, Column, Plot, Source, Table
from rackline.interface.text import BADGES, badged, cell

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --soft: #5b5b60; --line: #d9d9de; --paper: #fff;
  --tint: #f4f4f6; --link: #0060a8 }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --soft: #a9a9b2; --line: #3a3a40; --paper: #161618;
  --tint: #232327; --link: #74b9ff } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 0 0 .4rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
.badge { color: var(--soft); font-size: .875rem }
.wide { overflow-x: auto } .wide:focus-visible { outline: 2px solid var(--link) }
table { width: max-content; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { max-width: 24rem; padding: .3rem .8rem .3rem 0; vertical-align: top; text-align: left;
  border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 600 } .number { text-align: right }
td.number, .short { white-space: nowrap }
figure { margin: 1.5rem 0; padding: .5rem; background: #fff; border: 1px solid var(--line); border-radius: 6px }
figure svg { display: block; width: 100%; min-width: 34rem; height: auto }
pre { background: var(--tint); padding: .8rem; overflow-x: auto; border-radius: 6px; font-size: .85rem }
a { color: var(--link); overflow-wrap: anywhere }
dt { margin-top: .8rem } dd { margin: 0 0 0 1rem; font-family: monospace }
@media print { .wide { overflow: visible } }
"""
_SHORT = 24  # characters of a cell that are not wrapped
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
"""


def to_html(answer: Answer) -> str:
    """The answer as a page: sentence, pictures, tables, arithmetic, sources."""
    head = _HEAD.format(title=escape(f"rackline {answer.question}: {answer.headline}"), style=_STYLE)
    return head + "\n".join(_parts(answer)) + "\n</main>\n</body>\n</html>\n"


def _parts(answer: Answer) -> Iterator[str]:
    yield f"<h1>{escape(answer.headline)}</h1>"
    yield f'<p class="badge">{escape(BADGES.get(answer.badge, answer.badge))}</p>'
    yield from _list("Why not" if not answer.feasible else "Reasons", answer.reasons)
    for number, plot in enumerate(answer.plots):
        yield _figure(plot, f"p{number}-")
    for table in answer.tables:
        yield from _table(table)
    for title, block in answer.text:
        yield f'<h2>{escape(title)}</h2>\n<pre tabindex="0">{escape(block)}</pre>'
    yield from _list("Notes", answer.notes)
    yield from _arithmetic(answer)
    yield from _sources(answer.sources)


def _list(title: str, lines: tuple[str, ...]) -> Iterator[str]:
    if lines:
        items = "\n".join(f"<li>{escape(line)}</li>" for line in lines)
        yield f"<h2>{escape(title)}</h2>\n<ul>\n{items}\n</ul>"


def _figure(plot: Plot, prefix: str) -> str:
    from rackline.interface.figures import one_svg

    svg = one_svg(plot)
    svg = svg[svg.index("<svg"):]  # the XML head and the doctype do not belong inside a page
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'((?: id|href)="#?|url\(#)', rf"\1{prefix}", svg)  # ids are unique in a page, not in a picture
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(_described(plot))}"', 1)
    return f'<figure class="wide" tabindex="0">\n{svg}\n</figure>'


def _described(plot: Plot) -> str:
    names = plot.heat.label if plot.heat else ", ".join(series.name for series in plot.series)
    return f"{plot.title}: {plot.y.label} against {plot.x.label}; {names}"


def _table(table: Table) -> Iterator[str]:
    yield f"<h2>{escape(table.title + badged(table.badge))}</h2>"
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{escape(table.title)}"><table>'
    yield "<thead><tr>" + "".join(_header(column) for column in table.columns) + "</tr></thead>\n<tbody>"
    for row in table.rows:
        yield "<tr>" + "".join(_cell(value, column) for value, column in zip(row, table.columns, strict=True)) + "</tr>"
    yield "</tbody></table></div>"


def _header(column: Column) -> str:
    return f'<th scope="col"{_class(column)}>{escape(column.title)}</th>'


def _class(column: Column) -> str:
    return "" if column.unit == "text" else ' class="number"'


def _cell(value: object, column: Column) -> str:
    text = cell(value, column)
    short = ' class="short"' if column.unit == "text" and len(text) <= _SHORT else ""
    return f"<td{_class(column)}{short}>{_linked(text)}</td>"


def _linked(text: str) -> str:
    return re.sub(r"https?://[^\s<>()\"']+[^\s<>()\"'.,;]", lambda m: f'<a href="{m[0]}" rel="noreferrer">{m[0]}</a>',
                  escape(text, quote=False))


def _arithmetic(answer: Answer) -> Iterator[str]:
    if not answer.explain:
        return
    yield "<h2>The arithmetic</h2>\n<dl>"
    for line in answer.explain:
        yield f"<dt>{escape(line.what)}</dt>"
        for text in (line.equation, f"= {line.numbers}", f"= {units.show(line.result, line.unit)}"):
            yield f"<dd>{escape(text)}</dd>"
    yield "</dl>"


def _sources(sources: tuple[Source, ...]) -> Iterator[str]:
    if not sources:
        return
    columns = (Column("fact"), Column("value"), Column("elasticity", "count"), Column("source"), Column("date"))
    ranked = sorted(sources, key=lambda source: -abs(source.elasticity or 0.0))
    rows = tuple((s.name, s.shown, s.elasticity, s.source, s.date) for s in ranked)
    yield from _table(Table("Where each number comes from", columns, rows))
