"""How functions of the compiled loop are compiled.

Nothing in them allocates, so numba's reference counts are left out (37 times as fast). numba's cache looks at the
file of the called function only: after an edit of a file that fast.py compiles in, touch fast.py.
"""

from __future__ import annotations

from typing import Any

from numba import njit

_options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
compiled = njit(**_options)
inlined = njit(forceinline=True, **_options)
