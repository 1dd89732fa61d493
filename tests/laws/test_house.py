"""The laws of the house, read from the source: who may import whom, what stays pure, how large things get."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.laws import reading
from tests.laws.reading import Source, functions, imports, parameters, size, sources, without_docstring

FLOORS = ("facts", "physics", "systems", "decisions", "sweeps", "interface")
BASEMENT = {"rackline.units", "rackline.errors", "rackline.code_cache"}
CODE = ("rackline", "tools", "docs", "benchmarks")


# ---- imports go downward


def floor(name: str) -> int:
    """The floor that a module of rackline stands on; -1 below all, the package itself on top."""
    parts = name.split(".")
    if ".".join(parts[:2]) in BASEMENT:
        return -1
    return FLOORS.index(parts[1]) if len(parts) > 1 and parts[1] in FLOORS else len(FLOORS)


def upward(source: Source) -> Iterator[str]:
    """Imports of a file that go up, or sideways out of physics or facts."""
    here = floor(reading.module(source.path))
    for name in imports(source):
        if name.startswith(".") or (name.split(".")[0] == "rackline" and name != "rackline.__version__"
                                    and floor(name) > here):
            yield f"{source.path} imports {name}"


def test_imports_go_only_downward():
    assert [line for source in sources("rackline") for line in upward(source)] == []


@pytest.mark.parametrize(("path", "text"), [
    ("rackline/physics/a.py", "from rackline.systems.ledger import ledger"),
    ("rackline/facts/a.py", "def f():\n    import rackline.interface.text"),
    ("rackline/systems/a.py", "from rackline import decisions"),
    ("rackline/units.py", "from rackline.facts import fact"),
    ("rackline/decisions/a.py", "from . import plan"),
])
def test_an_import_that_goes_upward_is_seen(path, text):
    assert len(list(upward(Source(path, text)))) == 1


def foreign_to_physics(source: Source) -> Iterator[str]:
    """Imports of a file that are neither numpy, nor typing, nor physics itself."""
    own = ("numpy", "math", "typing.", "collections.abc.", "__future__.", "rackline.physics")
    yield from (f"{source.path} imports {name}" for name in imports(source) if not name.startswith(own))


def test_physics_knows_numbers_only():
    assert [line for source in sources("rackline/physics") for line in foreign_to_physics(source)] == []
    assert list(foreign_to_physics(Source("x.py", "from rackline.facts.fact import Fact"))) != []


# ---- no I/O, clock or randomness between the facts and the interface

IMPURE_MODULES = {"os", "sys", "io", "time", "datetime", "random", "secrets", "uuid", "subprocess", "socket",
                  "tempfile", "shutil", "glob", "pathlib", "urllib", "http", "duckdb", "logging", "threading",
                  "asyncio", "sqlite3"}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "read_text", "write_text", "read_bytes", "write_bytes",
                "default_rng", "loadtxt", "savetxt", "is_file", "exists", "is_dir", "iterdir", "glob"}
ALLOWED = {  # each with its reason
    "rackline/decisions/kinds.py: pathlib": "makes a Path of a text; a reader on the floor of facts opens it",
    "rackline/decisions/kinds.py: is_file": "refuses the path of no file by its option's name, before anything is read",
    "rackline/systems/simulation/arrivals.py: random": "named streams of a seed handed in: same seed, same bytes",
}


def impure(source: Source) -> set[str]:
    """What a file imports or calls that reads, writes, tells the time or throws dice."""
    names = list(imports(source))
    found = {name.split(".")[0] for name in names} & IMPURE_MODULES
    found |= {"random" for name in names if name.startswith("numpy.random.") and name != "numpy.random.Generator"}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            found |= {called} & IMPURE_CALLS
        if isinstance(node, ast.Attribute) and node.attr != "Generator":  # a generator handed in is an input
            found |= {getattr(node.value, "attr", "")} & {"random"}
    return {f"{source.path}: {what}" for what in found}


def test_no_io_clock_or_randomness_below_the_interface():
    pure = sources("rackline/physics", "rackline/systems", "rackline/decisions")
    assert set().union(*map(impure, pure)) == set(ALLOWED)


@pytest.mark.parametrize("text", ["import time", "open('x')", "print(1)", "np.random.rand()", "path.read_text()",
                                  "from numpy.random import default_rng", "def f():\n    from datetime import date"])
def test_what_is_impure_is_seen(text):
    assert impure(Source("x.py", text))


def test_a_generator_that_is_handed_in_is_no_randomness():
    assert not impure(Source("x.py", "import numpy as np\ndef f(rng: np.random.Generator): return rng.random(3)"))


# ---- sizes


def test_functions_have_at_most_sixty_lines_and_seven_parameters():
    assert [f"{s.path}: {f.name}" for s in sources(*CODE, "tests") for f in functions(s) if size(f) > 60] == []
    assert [f"{s.path}: {f.name}" for s in sources(*CODE) for f in functions(s) if len(parameters(f)) > 7] == []


@pytest.mark.parametrize("name", FLOORS)
def test_most_functions_of_a_floor_have_fewer_than_ten_lines(name):
    sizes = [size(f) for s in sources(f"rackline/{name}") for f in functions(s)]
    assert sum(lines < 10 for lines in sizes) > 0.6 * len(sizes) > 0


def test_files_have_at_most_four_hundred_lines():
    assert [s.path for s in sources(*CODE, "tests") if len(s.text.splitlines()) > 400] == []


# ---- how things are said


def test_every_public_thing_says_what_it_is():
    assert [what for s in sources("rackline") for what in without_docstring(s)] == []
    assert list(without_docstring(Source("x.py", "'x'\nclass A:\n    'a'\n    def f(self): pass"))) == ["x.py: A.f"]


CATCHES_ALL = {
    "rackline/sweeps/cell.py": "one cell's fault is stored with it, and the other cells go on",
    "rackline/interface/cli.py": "a fault of the program ends as one line with status 1",
    "rackline/facts/models/catalogue.py": "the hub's client raises errors of many kinds that mean one thing here",
}


def catches_all(source: Source) -> bool:
    """Whether a file catches every exception, named or not."""
    broad = ("Exception", "BaseException")
    handlers = (node for node in ast.walk(source.tree) if isinstance(node, ast.ExceptHandler))
    return any(h.type is None or (isinstance(h.type, ast.Name) and h.type.id in broad) for h in handlers)


def test_few_catch_everything_and_say_why():
    assert {s.path for s in sources("rackline") if catches_all(s)} == set(CATCHES_ALL)
    assert catches_all(Source("x.py", "try:\n    f()\nexcept:\n    g()"))


BASES = {"Protocol", "NamedTuple", "BaseModel", "Record", "ValueError"}  # Record: a frozen BaseModel


def inherits(source: Source) -> Iterator[str]:
    """Classes of a file that inherit from more than a record's or an error's root."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            yield from (f"{source.path}: {node.name}({ast.unparse(b)})" for b in node.bases
                        if ast.unparse(b).split("[")[0] not in BASES)


def test_nothing_inherits_but_records_and_errors():
    assert [line for s in sources("rackline") for line in inherits(s)] == []
    assert list(inherits(Source("x.py", "class A(B): pass"))) == ["x.py: A(B)"]


# ---- nothing of one workplace or machine in the project's text

# in two parts each, so that this file does not hold them
FORBIDDEN = ["".join(parts) for parts in (
    ("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("/tmp", "/venv"), ("/opt/", "wheels"), ("/opt/", "pypi"),
    ("pypi", ".org"), ("python", "hosted"), ("npmjs", ".org"), ("deb.debian", ".org"), ("proxy.", "golang"),
    ("farm-", "bench"), ("farm-", "studio"), ("DEVELOPERS", ".md"), ("../", "shared"))]


def forbidden(text: str) -> list[str]:
    """The forbidden words of a text."""
    return [word for word in FORBIDDEN if word in text]


def test_no_file_names_a_machines_paths_or_a_package_host():
    texts = {path: path.read_bytes().decode("utf-8", "ignore") for path in reading.files()}
    assert {str(path): found for path, text in texts.items() if (found := forbidden(text))} == {}
    assert forbidden("see " + FORBIDDEN[0] + "x") == FORBIDDEN[:1]
