"""Prints the lines of each floor, and the longest file and function of each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
FLOORS = ("rackline", "rackline/facts", "rackline/physics", "rackline/systems", "rackline/decisions",
          "rackline/sweeps", "rackline/interface", "tests", "tools", "docs", "benchmarks")


def files(floor: str) -> list[Path]:
    """The Python files of a floor; the package's own level has only its modules."""
    folder = HERE / floor
    return sorted(folder.glob("*.py") if floor == "rackline" else folder.rglob("*.py"))


def functions(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and name of every function in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{path.name}:{node.name}"


def lines(path: Path) -> int:
    """How many lines a file has."""
    return len(path.read_text(encoding="utf-8").splitlines())


def row(floor: str) -> str:
    """One floor as a line of the table."""
    paths = files(floor)
    inside = [function for path in paths for function in functions(path)]
    file_lines, file = max(((lines(p), p.name) for p in paths), default=(0, "-"))
    most, name = max(inside, default=(0, "-"))
    short = sum(size < 10 for size, _ in inside) / max(1, len(inside))
    return (f"{floor:20} {len(paths):5} {sum(map(lines, paths)):7,} {len(inside):9,} {short:9.0%}  "
            f"{file_lines:4} {file:28} {most:3} {name}")


def main() -> None:
    """Prints the table."""
    print(f"{'floor':20} files   lines functions <10 lines  longest file{'':21} longest function")
    for floor in FLOORS:
        print(row(floor))


if __name__ == "__main__":
    main()
