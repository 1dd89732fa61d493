"""What the compiled loop can run, and running it."""

from __future__ import annotations

from rackline.systems.simulation.book import Book, log_of, new_book, pass_log
from rackline.systems.simulation.core import absorbs, asked_of, core_of, rows_of
from rackline.systems.simulation.prepare import Prepared
from rackline.systems.simulation.records import Deployment, Log, Requests


def slow_reasons(requests: Requests, prepared: Prepared, deployment: Deployment) -> tuple[str, ...]:
    """Why a run needs the readable loop; empty: the compiled one gives the same times."""
    pool = prepared.pools[-1]
    reasons = {
        "prefill on chips of its own": len(prepared.pools) > 1,
        "prefix caching": pool.limits.prefix_caching and requests.block.size > 0,
        "speculative decoding": pool.drafted > 0,
        "more sequences than tokens of a pass": pool.limits.sequences > pool.limits.tokens,
        "latent attention that is cheaper expanded in decode": not absorbs(pool.clock.features),
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def simulate_fast(requests: Requests, prepared: Prepared, deployment: Deployment, book: Book | None = None) -> Log:
    """Serves all requests in the compiled loop."""
    from rackline.systems.simulation.fast import run_fast  # numba: half a second

    asked, pool, book = asked_of(requests), prepared.pools[0], book or new_book(len(requests.input))
    core = core_of(pool, asked, deployment.routing)
    run_fast(core, asked, book)
    return log_of(book, pass_log([rows_of(core, e) for e in range(pool.engines)]))
