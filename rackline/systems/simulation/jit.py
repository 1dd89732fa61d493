"""How functions of the compiled loop are compiled, and where numba keeps them.

Nothing in them allocates, so numba's reference counts are left out (37 times as fast). numba's cache looks at the
file of the called function only, so that an edit of a file that it compiles in would go unseen: the machine code
lies in a folder named by what is in all of these files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from rackline import code_cache

_config: Any = numba.config
_FOLDER = code_cache.cache_folder(__file__)
_options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def _made(function: Callable[..., Any], **more: Any) -> Any:
    """numba reads where its cache lies when a function is declared; a user's own choice goes first."""
    chosen = _config.CACHE_DIR
    _config.CACHE_DIR = chosen or _FOLDER
    try:
        return numba.njit(**_options, **more)(function)
    finally:
        _config.CACHE_DIR = chosen


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code."""
    return _made(function)


def inlined(function: Callable[..., Any]) -> Any:
    """The function as machine code that every caller takes in."""
    return _made(function, forceinline=True)
