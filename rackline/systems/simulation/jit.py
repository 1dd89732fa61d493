"""How functions of the compiled loop are compiled.

Nothing in them allocates, so numba's reference counts are left out: they took 37 parts in 38 of the time.
"""

from __future__ import annotations

from typing import Any

from numba import njit

_options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
compiled = njit(**_options)
inlined = njit(forceinline=True, **_options)
