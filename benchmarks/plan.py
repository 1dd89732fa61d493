"""CPU time and memory of a whole `rackline plan` process on a hard common question: python benchmarks/plan.py [RUNS].

DeepSeek-V3 on 72 GB200, time to first token 2 s, 50 ms a token, input 4000, output 500. Beside it, in the same run, the
bare interpreter and numpy's import, so that the share of the search itself can be seen.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys

QUESTION = ["-m", "rackline", "plan", "deepseek-v3", "--on", "gb200-nvl72", "--input", "4000", "--output", "500",
            "--ttft", "2", "--tpot", "0.05", "--json"]
POINTS, CPU_SECONDS, MEGABYTES = 1_000_000, 1.5, 300.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def run(args: list[str]) -> tuple[float, float, str]:
    """CPU seconds (user and system), peak megabytes and stdout of one Python process."""
    process = subprocess.Popen([sys.executable, *args], stdout=subprocess.PIPE, env=os.environ | ONE_THREAD, text=True)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(args)} ended with {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024.0, text


def main() -> int:
    """Prints points, medians and ratios; 1 when a target is missed."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    samples = [(run(QUESTION), run(["-c", "pass"])[0], run(["-c", "import numpy"])[0]) for _ in range(runs)]
    cpu = statistics.median(s[0][0] for s in samples)
    memory = max(s[0][1] for s in samples)
    bare, numpy = (statistics.median(s[i] for s in samples) for i in (1, 2))
    answer = json.loads(samples[0][0][2])
    points = answer["points"]
    print(f"{points:,} (layout × chunk × batch) points over {answer['layouts']['fit']} layouts that fit "
          f"(target {POINTS:,})")
    print(f"whole process {cpu:.2f} CPU-s median of {runs} (target {CPU_SECONDS}), {memory:.0f} MB peak "
          f"(target {MEGABYTES:.0f})")
    print(f"{points / cpu:,.0f} points per CPU-s; {cpu / bare:.1f}× a bare interpreter ({1e3 * bare:.0f} ms), "
          f"{cpu / numpy:.1f}× importing numpy ({1e3 * numpy:.0f} ms)")
    return int(points < POINTS or cpu > CPU_SECONDS or memory > MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
