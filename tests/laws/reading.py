"""Reads the program's own source: what the laws of the house are checked on."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
MADE = {".git", ".venv", "out", "build", "dist", "shared", "__pycache__"}  # not part of the project's text
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """A Python file: its path from the project's folder, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text)


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, without what is made from it."""
    return tuple(sorted(path for path in HERE.rglob("*") if path.is_file() and not _made(path.relative_to(HERE))))


def _made(path: Path) -> bool:
    return any(part in MADE or part.endswith(("_cache", ".egg-info")) or part == ".hypothesis" for part in path.parts)


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """The Python files below folders of the project."""
    return tuple(Source(str(path.relative_to(HERE)), path.read_text(encoding="utf-8")) for path in files()
                 if path.suffix == ".py" and str(path.relative_to(HERE)).startswith(tuple(f + "/" for f in folders)))


def module(path: str) -> str:
    """The dotted name of a file: rackline/facts/fact.py is rackline.facts.fact."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(source: Source) -> Iterator[str]:
    """Every name that a file imports, at its head or inside a function: `from a import b` is a.b."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def functions(source: Source) -> Iterator[Function]:
    """Every function and method of a file."""
    yield from (node for node in ast.walk(source.tree) if isinstance(node, Function))


def size(function: Function) -> int:
    """Lines of a function with its head and docstring."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: Function) -> list[str]:
    """Names of a function's parameters but self and cls."""
    a = function.args
    found = [*a.posonlyargs, *a.args, *filter(None, (a.vararg,)), *a.kwonlyargs, *filter(None, (a.kwarg,))]
    return [p.arg for p in found if p.arg not in ("self", "cls")]


def without_docstring(source: Source) -> Iterator[str]:
    """The file and each public class, function and method of it that says nothing about itself."""
    if not ast.get_docstring(source.tree):
        yield source.path
    for name, node in _public(source.tree.body):
        if not ast.get_docstring(node):
            yield f"{source.path}: {name}"


def _public(body: Iterable[ast.stmt], of: str = "") -> Iterator[tuple[str, ast.ClassDef | Function]]:
    for node in body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield of + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, f"{of}{node.name}.")
