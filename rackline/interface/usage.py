"""What --help prints. Plain text by hand: it takes 25 ms where rich-click takes 110."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TextIO

from rackline.decisions.questions import QUESTIONS, Question, defaults, parameters

COMMON = {
    "json": "the answer as JSON on stdout",
    "csv": "the answer's tables as CSV on stdout, in SI units",
    "out": "also write a file, in the form of its ending: .svg .png .html .json .csv .txt",
    "force": "let --out overwrite a file",
    "explain": "every equation with its numbers put in",
    "cite": "every source, the strongest first",
}
_TAKES = {
    "tokens": "TOKENS", "seconds": "SECONDS", "bytes": "BYTES", "dollars_per_hour": "$/H", "ratio": "RATIO",
    "count": "N", "int": "N", "count_range": "N|RANGE", "token_range": "TOKENS|RANGE",
    "format": "FORMAT", "path": "FILE", "place": "PATH", "machine": "MACHINE",
    "model": "MODEL", "layout": "SIZES", "flag": "", "new_file": "FILE", "trace": "FILE", "number": "X",
    "tiers": "TIERS", "kept_file": "FILE", "priced_tiers": "TIERS|FILE", "machines": "MACHINES", "models": "MODELS",
    "routing": "RULE|FILE", "dollars": "$", "dollars_per_byte": "$/GB",
}


def width() -> int:
    """Columns of the terminal; 100 where there is none."""
    return max(40, min(shutil.get_terminal_size((100, 24)).columns, 200))


def colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal that wants colours."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def overview() -> str:
    """The list of questions."""
    questions = [(name, question.summary) for name, question in QUESTIONS.items()]
    return "\n".join([
        _bold("rackline QUESTION [MODEL] --on MACHINE [OPTIONS]"),
        "From first principles: how large language models are served, at what speed and what cost.", "",
        _bold("Questions"), *_columns(questions), "",
        _bold("Example"), f"  {QUESTIONS['plan'].example}", "",
        "rackline QUESTION --help lists its options; rackline facts lists models and machines.", "",
    ])


def of(question: Question) -> str:
    """The help of one question: its parameters, what every question takes, an example."""
    places = [p.flag for p in parameters(question).values() if not p.flag.startswith("-")]
    head = " ".join(["rackline", question.name, *places, "[OPTIONS]"])
    common = [(f"--{name}{' FILE' if name == 'out' else ''}", text) for name, text in COMMON.items()]
    return "\n".join([
        _bold(head), *textwrap.wrap(question.summary, width()), "",
        _bold("Options"), *_columns(_rows(question)), "",
        _bold("Every question"), *_columns([*common, ("--help", "this text")]), "",
        _bold("Example"), f"  {question.example}", "",
    ])


_WIDEST = 34  # letters of choices that stand beside their option; more are named in the text


def _rows(question: Question) -> list[tuple[str, str]]:
    filled = defaults(question)
    rows = []
    for name, p in parameters(question).items():
        takes, listed = "|".join(p.choices) if p.choices else _TAKES.get(p.kind, "TEXT"), ""
        if len(takes) > _WIDEST:
            takes, listed = "CHOICE", f" (one of {', '.join(p.choices)})"
        left = f"{p.flag} {takes}".rstrip() if p.flag.startswith("-") else p.flag
        tail = " (required)" if name not in filled else f" [{filled[name]}]" if filled[name] is not None else ""
        rows.append((left, p.help + listed + tail))
    return rows


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    """Two columns; a left part too long for its column stands on its own line."""
    left = min(max(len(name) for name, _ in rows), 26)
    lines = []
    for name, text in rows:
        wrapped = textwrap.wrap(text, max(width() - left - 4, 20))
        if len(name) > left:
            lines += [f"  {name}", *(f"  {'':{left}}  {line}" for line in wrapped)]
        else:
            lines += [f"  {name:{left}}  {wrapped[0]}", *(f"  {'':{left}}  {line}" for line in wrapped[1:])]
    return lines


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if colour(sys.stdout) else text
