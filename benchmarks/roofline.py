"""The lecture's step time over a grid of batch × context, in one thread: points per second of CPU time.

    python benchmarks/roofline.py [--points 16777216] [--repeats 5]

Beside it, in the same run and taking turns, one plain pass a*b over as many numbers: the machine's limit for one pass.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from rackline.physics.blackboard import step_time

# Points that stay in a core's cache from one pass to the next. Temporaries of 128 KiB and more would be fresh pages
# each time: six times slower.
CHUNK = 12_288
DEEPSEEK_V3_ON_A_GB200_RACK = {"N_active": 37e9, "weights": 671e9, "kv": 35136.0, "F": 72 * 5e15, "W": 72 * 8e12}


def fill(grid: np.ndarray, batch: np.ndarray, context: np.ndarray) -> None:
    """Step times of every batch (rows) at every context (columns) into the grid, some rows at a time."""
    rows = max(1, CHUNK // context.size)
    for first in range(0, batch.size, rows):
        part = slice(first, first + rows)
        grid[part] = step_time(batch[part, None], context[None, :], **DEEPSEEK_V3_ON_A_GB200_RACK)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time that a call takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(points: int, repeats: int) -> dict[str, float]:
    """Best points per second of both, and their ratio."""
    side = int(np.ceil(np.sqrt(points)))
    batch, context = np.geomspace(1, 1e5, side), np.geomspace(1, 1e6, side)
    grid, a, b = np.zeros((side, side)), np.full(side * side, 1.5), np.full(side * side, 2.5)
    product = np.zeros(side * side)
    turns = [(cpu_seconds(lambda: fill(grid, batch, context)), cpu_seconds(lambda: np.multiply(a, b, out=product)))
             for _ in range(repeats)]
    roofline, plain = (grid.size / min(times) for times in zip(*turns, strict=True))
    return {"points": grid.size, "points_per_cpu_second": roofline, "plain_product_per_cpu_second": plain,
            "ratio": roofline / plain}


def main() -> None:
    """Print the figures, as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=16_777_216)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    found = measure(options.points, options.repeats)
    print(f"roofline {found['points_per_cpu_second'] / 1e6:,.0f} M points/s of one core, "
          f"plain a*b {found['plain_product_per_cpu_second'] / 1e6:,.0f} M/s, ratio {found['ratio']:.2f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
