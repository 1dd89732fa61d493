"""Where to cut a model over a domain's chips: every dimension's step, traffic and reason, the shortest step first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.systems.clock import pass_time
from rackline.systems.layout import Layout
from rackline.systems.ledger import ACTIVATION_BYTES, ledger
from rackline.systems.memory import memory
from rackline.systems.network import message_time
from rackline.systems.passes import decode
from rackline.systems.work import Message, total


@dataclass(frozen=True)
class Cut:
    """A model cut some ways along one dimension: step seconds, what a chip keeps and sends, and why it goes so."""

    name: str
    time: float
    memory: float  # seconds of memory traffic
    network: float
    weights: float  # bytes a chip
    cache: float
    sent: float  # bytes a chip hands to the network in a step
    fits: bool
    reason: str


@dataclass(frozen=True)
class Cutting:
    """What is cut: a model over so many chips of a machine, decoding a batch over all of them at a context."""

    model: Model
    machine: Machine
    ways: int
    batch: float
    context: float

    @property
    def routed(self) -> bool:
        """Whether there are experts to cut."""
        return any(f.experts for f, _ in self.model.feed_forwards())

    def layouts(self) -> dict[str, Layout]:
        """The layout of each cut that one layout describes."""
        n = self.ways
        if not self.routed:
            return {"feed-forward width and heads": Layout(tensor=n), "context": Layout(context=n)}
        return {"experts": Layout(data=n, expert=n), "feed-forward width": Layout(data=n, expert=1),
                "heads": Layout(tensor=n, expert=n), "context": Layout(context=n, expert=n)}


_REASONS = {
    "experts": "weights are read once by the whole domain; a token travels to its few experts only",
    "feed-forward width": "every token travels to every chip, for slivers of an expert",
    "feed-forward width and heads": "weights divide, but KV heads are copied once they run out, and every chip adds "
                                    "up every token",
    "heads": "one latent cache serves all heads, so each chip keeps and reads all of it",
    "context": "KV divides without copies, but every chip adds up every token",
    "model width": "the sums inside every feed-forward have to be added up over all chips, too",
    "batch": "nothing is sent, but every chip keeps and reads all weights",
    "layers": "capacity only: stages read their weights in turn, so no time is saved on them",
}


def cuts(cutting: Cutting) -> list[Cut]:
    """Every cut of a model, the shortest step first; the same sequences in each.

    Ignores: mixtures of cuts, which `plan` searches
    """
    found = [_cut(cutting, title, layout, cutting.batch) for title, layout in cutting.layouts().items()]
    found.append(_by_width(cutting, next(c for c in found if c.name.startswith("feed-forward"))))
    found.append(_cut(cutting, "batch", Layout(), cutting.batch / cutting.ways))
    stages = min(cutting.ways, cutting.model.depth)
    found.append(_cut(cutting, "layers", Layout(pipeline=stages), cutting.batch))
    return sorted(found, key=lambda c: c.time)


def _cut(cutting: Cutting, name: str, layout: Layout, batch: float) -> Cut:
    model, machine, stages = cutting.model, cutting.machine, int(layout.pipeline)
    pass_ = decode(batch / stages, cutting.context)
    timed = pass_time(model, machine, layout, pass_)
    held = memory(model, machine, layout, batch, cutting.context)
    sent = sum(_sent(message) for message in total(ledger(model, layout, pass_)).messages)
    return Cut(name, stages * float(timed.time), stages * float(timed.memory), stages * float(timed.network),
               float(held.weights), float(held.cache), stages * sent, bool(held.fits), _REASONS[name])


def _sent(m: Message) -> float:
    """Bytes that a chip hands to the network: an all-reduce passes its buffer twice."""
    if m.group == 1:
        return 0.0
    return float(m.payload * m.count * (2.0 if m.kind == "all-reduce" else m.copies))


def _by_width(cutting: Cutting, like: Cut) -> Cut:
    """The cut of the model dimension: that of the feed-forward width, and its inner sums added up over all chips."""
    sums = [Message("all-reduce", cutting.ways, cutting.batch * inner * ACTIVATION_BYTES, count)
            for inner, count in _inner(cutting.model)]
    extra = sum(float(message_time(cutting.machine, m)) for m in sums)
    return Cut("model width", like.time + extra, like.memory, like.network + extra, like.weights, like.cache,
               like.sent + sum(_sent(m) for m in sums), like.fits, _REASONS["model width"])


def _inner(model: Model) -> Iterator[tuple[float, float]]:
    """Numbers between a feed-forward's two halves that one token has, and the layers that have so many."""
    for f, count in model.feed_forwards():
        matrices = [(m, float(f.top_k)) for m in f.expert_matrices] or [(m, 1.0) for m in f.matrices]
        yield sum(m.outputs * times for m, times in matrices if m.outputs != model.hidden), float(count)
