"""Reads mutated real configurations: `python benchmarks/fuzz_configs.py [COUNT] [SEED]`; status 1 when one fails.

A failure is a traceback, an answer of more than one line, or a number that is NaN, negative, absurd or guessed.
"""

from __future__ import annotations

import collections
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from rackline.facts.models.text import read_file
from tests.facts.config_mutations import outcome, spoilt

CORPUS = Path(__file__).resolve().parent.parent / "rackline" / "facts" / "data" / "models"


def main(count: int = 10_000, seed: int = 2026) -> int:
    """Mutates and reads `count` configurations; prints what became of them."""
    rng, began = random.Random(seed), time.process_time()
    corpus = {path.stem: read_file(path) for path in sorted(CORPUS.glob("*.json"))}
    found: collections.Counter[str] = collections.Counter()
    for _ in range(count):
        name, config = rng.choice(list(corpus.items()))
        kinds, text = spoilt(rng, config)
        result = outcome(name, config, kinds, text)
        found[result] += 1
        if result.startswith("FAILED"):
            print(f"{name}: {kinds}: {result}")
    for result, times in found.most_common(60):
        print(f"{times:7,}  {result}")
    failed = sum(times for result, times in found.items() if result.startswith("FAILED"))
    print(f"{count:,} mutated configurations of {len(corpus)}: {found['read']:,} read, {failed:,} failed, "
          f"{count - found['read'] - failed:,} refused; {time.process_time() - began:.1f} CPU-s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*(int(text) for text in sys.argv[1:3])))
