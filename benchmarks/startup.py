"""CPU time of starting rackline, beside an empty interpreter in the same run: python benchmarks/startup.py [RUNS]."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

LIMIT = 150.0  # milliseconds, for the help
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import rackline": ["-c", "import rackline"],
    "rackline": ["-m", "rackline"],
    "rackline --help": ["-m", "rackline", "--help"],
    "rackline plan --help": ["-m", "rackline", "plan", "--help"],
    "rackline plan x (an error)": ["-m", "rackline", "plan", "x"],
}


def cpu(args: list[str]) -> float:
    """CPU milliseconds, user and system, of one Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> int:
    """Prints the median of each command; fails when the help is over the limit."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    slow = False
    for name, args in COMMANDS.items():
        times = [cpu(args) for _ in range(runs)]
        slow |= "help" in name and statistics.median(times) > LIMIT
        print(f"{name:28} {statistics.median(times):6.1f} ms CPU (least {min(times):.1f}, most {max(times):.1f})")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
