"""What the walkthrough asks of the ledger, the memory map and the search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rackline.decisions.search import Search, Targets, search
from rackline.facts.machine import Machine
from rackline.facts.model import FeedForward, Model
from rackline.physics.experts import chips_hit
from rackline.systems.clock import PassTime, pass_time
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.network import message_time
from rackline.systems.passes import decode
from rackline.systems.placing import layouts, stacked, why_not
from rackline.systems.serving import Kind, Server, Workload
from rackline.systems.work import Message

_RESOLUTION = 24  # batches tried a layout: the frontier moves by 1 % from there to 64
_CACHE = ("scores", ".state")  # terms whose bytes belong to sequences, not to weights


@dataclass(frozen=True)
class Frontier:
    """Points that no other beats: speed for one user and price, as multiples of the cheapest point's."""

    speeds: np.ndarray
    prices: np.ndarray
    fastest_token: float  # seconds

    def price_at(self, speed: float) -> float:
        """The least price multiple of at least so many times the speed; infinite where none is."""
        return float(np.min(self.prices[self.speeds >= speed], initial=np.inf))

    def speed_at(self, price: float) -> float:
        """The most speed multiple at no more than so many times the price."""
        return float(np.max(self.speeds[self.prices <= price], initial=0.0))

    @property
    def fastest(self) -> float:
        """The speed multiple at which the frontier ends."""
        return float(self.speeds.max())

    @property
    def dearest(self) -> float:
        """The price multiple there."""
        return float(self.prices.max())


def frontier(model: Model, machine: Machine, context: float) -> Frontier:
    """The frontier of decoding at a fixed context, over every layout and batch that fits."""
    work = Workload((Kind(context - 0.5, 1.0, 1.0),), "fixed context")
    question = Search(Server(model, machine), work, Targets(), resolution=_RESOLUTION)
    fitting = [x for x in layouts(model, machine) if not why_not(model, machine, x, context)]
    points, most = [], 0.0
    at = search(question, fitting, ("decode",)).at
    for sample in (at[i] for i in sorted(at)):
        if sample.rate > most:
            most = sample.rate
            points.append((1.0 / sample.tpot, sample.rate))
    speeds, rates = np.array(points).T
    cheapest = int(np.argmax(rates))
    return Frontier(speeds / speeds[cheapest], rates[cheapest] / rates, 1.0 / float(speeds.max()))


def step_of(model: Model, machine: Machine, batch: float, context: float) -> PassTime:
    """The fastest decode of a batch over all chips of a machine in one replica, under any layout that fits."""
    whole = [x for x in layouts(model, machine) if x.replicas == 1 and x.pipeline == 1
             and not why_not(model, machine, x, context)]
    times = np.ravel(pass_time(model, machine, stacked(whole), decode(batch, context)).lower)
    return pass_time(model, machine, whole[int(np.argmin(times))], decode(batch, context))


def weights_read(model: Model, batch: float) -> float:
    """Bytes of weights that a decode reads: of the routed experts only those that its tokens ask for."""
    terms = ledger(model, Layout(), decode(batch, 0.0))
    return float(sum(work.bytes for name, work in terms.items() if not name.endswith(_CACHE)))


def bytes_of_cache(model: Model, context: float) -> float:
    """Bytes of cache that a sequence's decode reads at a context, an indexer's keys included."""
    terms = ledger(model, Layout(), decode(1.0, context))
    return float(sum(work.bytes for name, work in terms.items() if name.endswith(_CACHE)))


def attention_share(model: Model, context: float) -> float:
    """FLOPs of a decode's attention over those of its weights."""
    terms = ledger(model, Layout(), decode(1.0, context))
    scores = sum(work.total_flops for name, work in terms.items() if name.endswith(_CACHE))
    return float(scores / sum(work.total_flops for name, work in terms.items() if not name.endswith(_CACHE)))


def network_share(model: Model, machine: Machine, layout: Layout) -> tuple[float, float]:
    """Network seconds of a decode of 2,048 sequences at 4,096 tokens, and those of compute or memory, the longer."""
    timed = pass_time(model, machine, layout, decode(2048.0, 4096.0))
    return float(timed.network), float(np.maximum(timed.compute, timed.memory))


def exchange_time(moe: FeedForward, machine: Machine, chips: int) -> float:
    """Seconds to send one MB of tokens a chip to their experts over so many chips, one copy to each other domain."""
    copies = chips_hit(chips, moe.experts, moe.top_k)
    return float(message_time(machine, Message("all-to-all", chips, 1e6, copies=copies, domains=moe.top_k)))
