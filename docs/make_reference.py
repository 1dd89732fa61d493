"""Makes the pages that only restate the program: docs/reference/questions.md, bundled.md and docs/concepts/ignored.md.

    python docs/make_reference.py
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rackline.decisions.questions import QUESTIONS, Question, defaults, parameters
from rackline.facts.hardware import chip_names, machine_names, tier_names
from rackline.facts.models.catalogue import model_names
from rackline.facts.traces.read import bundled as trace_names
from rackline.interface.usage import COMMON

HERE = Path(__file__).resolve().parents[1]
MADE = "Made by `docs/make_reference.py`: do not edit this page.\n"
STATUSES = ((0, "answered"), (1, "a fault of the program"), (2, "bad input, one line on stderr says what and why"),
            (3, "nothing feasible, the reasons are on stdout"), (130, "interrupted"))
FLOORS = ("facts", "physics", "systems", "decisions", "sweeps", "interface")
IGNORES = re.compile(r"Ignores:\s*(.+?)(?=\s*(?:\n\s*(?:\n|[A-Z][a-z]+:)|\Z))", re.DOTALL)


def made() -> dict[str, str]:
    """The text of every page by its path."""
    return {"docs/reference/questions.md": questions(), "docs/reference/bundled.md": bundled(),
            "docs/concepts/ignored.md": ignored()}


def questions() -> str:
    """The page of questions and their options."""
    common = [(f"`--{name}`", text) for name, text in COMMON.items()]
    return "\n".join([
        "# Questions and their options\n", MADE,
        "On the command line `rackline QUESTION …`, in Python `rackline.QUESTION(…)` with `_` for `-` in a name.\n",
        *(line for question in QUESTIONS.values() for line in _question(question)),
        "## Every question\n", *_table(("option", "what"), common),
        "## Exit status\n", *_table(("status", "means"), STATUSES)]).rstrip() + "\n"


def _question(question: Question) -> Iterator[str]:
    given = defaults(question)
    rows = []
    for name, p in parameters(question).items():
        meaning = p.help + (f": {', '.join(f'`{c}`' for c in p.choices)}" if p.choices else "")
        default = "must be given" if name not in given else "" if given[name] is None else f"`{given[name]}`"
        rows.append((f"`{p.flag}`", default, meaning))
    yield from (f"## {question.name}\n", f"{question.summary}.\n", f"```console\n$ {question.example}\n```\n")
    yield from _table(("option", "default", "what"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    yield from ("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)
    yield ""


def bundled() -> str:
    """The page of names that come with the program."""
    kinds = {"Models": model_names(), "Machines": machine_names(), "Chips": chip_names(), "Memory tiers": tier_names(),
             "Request traces": trace_names()}
    lines = ["# What is bundled\n", MADE, "`rackline facts NAME` shows a model, machine or chip with every source.\n"]
    for kind, names in kinds.items():
        lines += [f"## {kind} ({len(tuple(names))})\n", ", ".join(f"`{name}`" for name in sorted(names)) + "\n"]
    return "\n".join(lines).rstrip() + "\n"


def ignored() -> str:
    """The page of what every function leaves out, from the `Ignores:` of docstrings."""
    lines = ["# What is left out, and how much it matters\n", MADE,
             "The `Ignores:` of every function, floor by floor; functions that ignore nothing are not listed.\n"]
    for floor in FLOORS:
        rows = [(f"`{name}`", text) for name, text in sorted(leaves_out(HERE / "rackline" / floor))]
        if rows:
            lines += [f"## {floor}\n", *_table(("function", "ignores"), rows)]
    return "\n".join(lines).rstrip() + "\n"


def leaves_out(folder: Path) -> Iterator[tuple[str, str]]:
    """module.function and what it ignores, for every function below a folder that says so."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                found = IGNORES.search(ast.get_docstring(node) or "")
                text = " ".join(found.group(1).split()) if found else "nothing"
                if not text.startswith("nothing"):
                    yield f"{path.stem}.{getattr(node, 'name', '')}".rstrip("."), text


def main() -> None:
    """Writes the pages that changed."""
    for path, text in made().items():
        page = HERE / path
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, encoding="utf-8")
            print("wrote", path, file=sys.stderr)


if __name__ == "__main__":
    main()
