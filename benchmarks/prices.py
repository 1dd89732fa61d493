"""How often the 90 % intervals read from prices hold the truth of open models, and how much narrower they are.

    python benchmarks/prices.py
"""

from __future__ import annotations

import time

from rackline.decisions.prices.coverage import coverage, summary


def main() -> None:
    """Prints coverage and width over every bundled sale of an open model, each left out of what it is judged by."""
    start = time.process_time()
    found = coverage()
    for row in summary(found):
        print(row.text())
    print(f"{len(found)} sales in {time.process_time() - start:.1f} CPU-s")


if __name__ == "__main__":
    main()
