"""Where compiled machine code is kept: a folder named by what is in the sources that it was compiled from."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path


def sources_digest(folder: Path) -> str:
    """What names the Python files of a folder and all that is in them."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        found.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def cache_folder(file: str) -> str:
    """The cache for the sources beside a file as they are, earlier ones cleared; empty where none can be made."""
    folder = Path(file).parent
    cache = folder / "__pycache__"
    mine = cache / f"compiled-{sources_digest(folder)}"
    try:
        mine.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    for old in cache.glob("compiled-*"):
        if old != mine:
            shutil.rmtree(old, ignore_errors=True)
    return str(mine)
