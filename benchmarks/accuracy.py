"""CPU time of judging every bundled measurement and of fitting the clock again, as whole processes in one run.

    python benchmarks/accuracy.py [RUNS]

Beside them, in the same run, reading the measurements alone: what any judge of them must do first.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

LIMITS = {"rackline validate": 120.0, "rackline calibrate": 300.0}  # CPU seconds that were asked for
READING = "from rackline.facts.observations import everything; print(len(everything().rows))"
COMMANDS = {"reading the rows": ["-c", READING], "rackline validate": ["-m", "rackline", "validate"],
            "rackline calibrate": ["-m", "rackline", "calibrate"]}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def cpu(args: list[str]) -> float:
    """CPU seconds, user and system, of one Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *args], stdout=subprocess.DEVNULL, check=True, env=os.environ | ONE_THREAD)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Prints the median of each command and its ratio to reading; fails when one is over its limit."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    medians = {name: statistics.median(cpu(args) for _ in range(runs)) for name, args in COMMANDS.items()}
    for name, seconds in medians.items():
        limit = f" (asked: {LIMITS[name]:.0f})" if name in LIMITS else ""
        print(f"{name:20} {seconds:6.1f} CPU-s{limit}, {seconds / medians['reading the rows']:5.1f} × reading")
    return int(any(medians[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
