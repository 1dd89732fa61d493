"""CPU time of a tier envelope, and of the whole answers around it: python benchmarks/tiers.py [RUNS].

The envelope: places, a prefill on the ledger, every place's costs and the cheapest at every hold time, for DeepSeek-V3
on a GB200 NVL72 with its layout chosen. Models and machines are read beforehand.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import rackline
from rackline.decisions.money import chip_price
from rackline.decisions.questions import Step
from rackline.decisions.step_case import asked, choose
from rackline.decisions.tier_costs import costs, envelope
from rackline.decisions.tier_places import places
from rackline.facts.hardware import machine
from rackline.facts.models import model

TARGET = 0.050  # CPU seconds of an envelope
ASKED = {"model": "deepseek-v3", "on": "gb200-nvl72"}


def one_envelope() -> None:
    """Layout, prefill, costs, envelope."""
    on = machine("gb200-nvl72")
    step = Step(model=model("deepseek-v3"), on=on, context=(32768.0,), pass_="prefill")
    case = choose(step, asked(step)).case
    assert case is not None
    envelope(costs(case, 32768.0, places(on, chip_price(on).value)))


def cpu(what: Callable[[], object], runs: int) -> float:
    """Median CPU seconds of one call, after one that warms caches."""
    what()
    found = []
    for _ in range(runs):
        start = time.process_time()
        what()
        found.append(time.process_time() - start)
    return statistics.median(found)


def main() -> int:
    """Prints medians; 1 when the envelope misses its target."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    own = cpu(one_envelope, runs)
    print(f"tier envelope {1e3 * own:.1f} CPU-ms median of {runs} (target {1e3 * TARGET:.0f})")
    questions: dict[str, dict[str, str]] = {"tiers": {}, "tiers under mooncake-conv": {"trace": "mooncake-conv"},
                                            "modes": {}, "context": {}}
    for title, more in questions.items():
        seconds = cpu(partial(rackline.ask, title.split()[0], **ASKED, **more), runs)
        print(f"rackline {title}: {seconds:.2f} CPU-s")
    return int(own > TARGET)


if __name__ == "__main__":
    sys.exit(main())
