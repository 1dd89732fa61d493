"""The simulator on the Azure conversation trace, Llama-3.1-8B on one A100-80GB, chunks of 512, 128 sequences.

    python benchmarks/simulate.py [--repeats 9] [--naive 4000] [--many 0]

Requests per second of CPU time, warm, beside the readable loop's on the trace's first requests, taking turns; a whole
process from its start, once numba's cache is there; --many: so many requests resampled from the trace at its rate.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

COLD = "from benchmarks.simulate import azure, served; from rackline.systems.simulation import simulate; " \
       "import resource; simulate(azure(), served()); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def azure():
    """The trace's requests."""
    from rackline.facts.traces import read_trace
    from rackline.systems.simulation.traffic import requests_of

    return requests_of(read_trace("azure-conv"))


def served():
    """The deployment."""
    from rackline.facts.hardware import machine
    from rackline.facts.models import model
    from rackline.systems.layout import Layout
    from rackline.systems.simulation import Deployment, Limits

    return Deployment(model("llama-3.1-8b"), machine("a100-80gb-sxm", 1), Layout(), Limits(128, 512))


def first(requests, n: int):
    """The first n requests."""
    columns = {name: getattr(requests, name)[:n] for name in ("arrival", "input", "output", "after", "delay")}
    return replace(requests, **columns, block_start=requests.block_start[:n + 1])


def resampled(requests, n: int):
    """n requests drawn from a trace's, with Poisson arrivals at its rate."""
    rng = np.random.default_rng(1)
    which = rng.integers(0, len(requests.input), n)
    arrival = np.cumsum(rng.exponential(requests.arrival[-1] / len(requests.input), n))
    return replace(requests, arrival=arrival, input=requests.input[which], output=requests.output[which],
                   after=np.full(n, -1, dtype=np.int64), delay=np.zeros(n), block_start=np.zeros(n + 1, dtype=np.int64))


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time that a call takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def warm(repeats: int, naive: int) -> dict[str, float]:
    """Medians of both loops, taking turns."""
    from rackline.systems.simulation import simulate
    from rackline.systems.simulation.naive import simulate_naive
    from rackline.systems.simulation.prepare import prepare

    requests, deployment = azure(), served()
    part = first(requests, naive)
    log = simulate(requests, deployment)
    turns = [(cpu_seconds(lambda: simulate(requests, deployment)),
              cpu_seconds(lambda: simulate_naive(part, prepare(part, deployment), deployment)) if i % 4 == 0 else 0.0)
             for i in range(repeats)]
    fast = statistics.median(t[0] for t in turns)
    slow = statistics.median(t[1] for t in turns if t[1])
    passes = len(log.passes.start) * log.passes.every
    return {"requests": len(requests.input), "passes": passes, "requests_per_cpu_second": len(requests.input) / fast,
            "passes_per_cpu_second": passes / fast, "readable_requests_per_cpu_second": naive / slow,
            "ratio": len(requests.input) / fast / (naive / slow)}


def cold() -> dict[str, float]:
    """CPU time and memory of a whole process.

    Asked before all else: Linux counts the memory of the process that starts another as the other's own peak.
    """
    subprocess.run([sys.executable, "-c", COLD], capture_output=True, check=True)  # fills numba's cache
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cold_cpu_seconds": spent, "cold_bytes": int(done.stdout) * 1024}


def many(n: int) -> dict[str, float]:
    """So many requests in one run."""
    from rackline.systems.simulation import simulate

    requests, deployment = resampled(azure(), n), served()
    spent = cpu_seconds(lambda: simulate(requests, deployment))
    return {"many_requests": n, "many_cpu_seconds": spent,
            "many_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def main() -> None:
    """Print the figures, as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--naive", type=int, default=4000)
    parser.add_argument("--many", type=int, default=0)
    options = parser.parse_args()
    found = cold() | warm(options.repeats, options.naive) | (many(options.many) if options.many else {})
    print(f"{found['requests_per_cpu_second']:,.0f} requests/s of CPU ({found['passes_per_cpu_second'] / 1e6:.1f} M "
          f"passes), readable loop {found['readable_requests_per_cpu_second']:,.0f}/s, ratio {found['ratio']:,.0f}; "
          f"cold {found['cold_cpu_seconds']:.2f} CPU-s, {found['cold_bytes'] / 1e6:.0f} MB")
    if options.many:
        print(f"{options.many:,} requests: {found['many_cpu_seconds']:.1f} CPU-s, "
              f"{found['many_bytes'] / 2**30:.2f} GiB")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
