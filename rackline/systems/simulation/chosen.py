"""What the compiled loop can run, and running it."""

from __future__ import annotations

import numpy as np

from rackline.systems.simulation.book import Book, log_of, new_book, pass_log
from rackline.systems.simulation.core import Asked, absorbs, asked_of, core_of, rows_of
from rackline.systems.simulation.prepare import Prepared
from rackline.systems.simulation.records import Deployment, Log, Requests


def slow_reasons(requests: Requests, prepared: Prepared, deployment: Deployment) -> tuple[str, ...]:
    """Why a run needs the readable loop; empty: the compiled one gives the same times."""
    pools = prepared.pools
    reasons = {
        "followers behind prefill on chips of its own": len(pools) > 1 and bool((requests.after >= 0).any()),
        "KV tiers": bool(deployment.tiers),
        "a table of shared blocks above 4 GB": max(p.engines for p in pools) * _hashes(requests) * 24 > 4e9,
        "speculative decoding": pools[-1].drafted > 0,
        "more sequences than tokens of a pass": any(p.limits.sequences > p.limits.tokens for p in pools),
        "latent attention that is cheaper expanded in decode": not absorbs(pools[-1].clock.features),
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def _hashes(requests: Requests) -> int:
    return int(requests.block.max()) + 1 if requests.block.size else 0


def simulate_fast(requests: Requests, prepared: Prepared, deployment: Deployment, book: Book | None = None) -> Log:
    """Serves all requests in the compiled loop."""
    from rackline.systems.simulation.fast import run_fast  # numba: half a second

    asked, book, cores = asked_of(requests), book or new_book(len(requests.input)), []
    engines = sum(p.engines for p in prepared.pools)
    first = asked if prepared.transfer is None else asked._replace(output=np.ones_like(asked.output))
    cores.append(core_of(prepared.pools[0], first, deployment.routing, engines))
    run_fast(cores[0], first, book)
    if prepared.transfer is not None and (asked.output > 1).any():
        order, handed = _handed(asked, book, prepared.transfer)
        cores.append(core_of(prepared.pools[1], handed, deployment.routing, engines, handed=True))
        later = new_book(len(order))
        run_fast(cores[1], handed, later)
        _copy(later, order, book, prepared.pools[0].replicas)
    numbered = zip((0, prepared.pools[0].replicas), cores, strict=False)
    return log_of(book, pass_log([rows_of(core, e, first) for first, core in numbered
                                  for e in range(len(core.engine))]))


def _handed(asked: Asked, book: Book, transfer: np.ndarray) -> tuple[np.ndarray, Asked]:
    """Requests that go on to decode, in order of their cache's arrival."""
    arrival = book.finish + transfer
    going = np.flatnonzero(asked.output > 1)
    order = going[np.argsort(arrival[going], kind="stable")]
    none, lengths = np.zeros(0, dtype=np.int64), np.diff(asked.block_start)[order]
    start = np.concatenate([[0], np.cumsum(lengths)])
    block = asked.block[np.repeat(asked.block_start[order] - start[:-1], lengths) + np.arange(start[-1])]
    return order, Asked(arrival[order], asked.input[order], asked.output[order], asked.after[order],
                        asked.delay[order], asked.weight[order], none, none, start, block)


def _copy(later: Book, order: np.ndarray, book: Book, first: int) -> None:
    """What the second pool says of its requests; its replicas are numbered from `first`."""
    book.finish[order], book.replica[order] = later.finish, first + later.replica
    book.preemptions[order] += later.preemptions


