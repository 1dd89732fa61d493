"""Which work needs the domain: training, RL rollouts, prefill and decode on chips in one domain or in boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rackline.decisions.answer import Column, Table
from rackline.decisions.lecture_bench import Bench
from rackline.decisions.lecture_claim import Claim, Said, ratio_of
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.systems.clock import PassTime, pass_time
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.memory import cache_bytes, weight_bytes
from rackline.systems.passes import Pass, decode, prefill
from rackline.systems.work import Message, total

V3, RACK = "deepseek-v3", "gb200-nvl72"
CHIPS, BOX = 72, 8
WHOLE = Layout(data=CHIPS, expert=CHIPS)
STAGES = Layout(data=BOX, expert=BOX, pipeline=CHIPS // BOX)  # each box a stage
TRAINED = 16.0  # bytes a parameter while training: weight and gradient in bf16, master copy and Adam in fp32 (ZeRO)


@dataclass(frozen=True)
class Kind:
    """A kind of work: sequences a chip, tokens cached or of a prompt, and how often FLOPs and messages of a forward
    pass happen."""

    name: str
    sequences: float
    tokens: float
    decoding: bool
    repeats: float  # of arithmetic and memory
    sends: float  # of messages
    trained: bool
    why: str


KINDS = (
    Kind("decode", 64, 8192, True, 1, 1, False, "stages read their weights in turn, so a token waits for all of "
         "them; one all-to-all waits for the slow network in every layer"),
    Kind("RL rollouts, their long tail", 4, 32768, True, 1, 1, False, "few sequences are left: their messages are "
         "short on any network, but stages that read weights in turn cost most here"),
    Kind("prefill", 1, 8192, False, 1, 1, False, "as many bytes a token as decode and little time for them, so one "
         "all-to-all is worst across boxes; stages keep it inside them"),
    Kind("training", 1, 8192, False, 3, 2, True, "as prefill, with three times the arithmetic for twice the messages; "
         "its memory asks for many chips, not for one domain"),
)


@dataclass(frozen=True)
class Needed:
    """What a kind of work does on one chip: seconds in one domain and two ways in boxes, bytes sent and kept."""

    kind: Kind
    domain: float
    across: float  # experts over all boxes
    staged: float  # a box a stage
    network: float  # share of the time in one domain, messages hidden behind nothing
    sent: float  # bytes a token
    kept: float

    @property
    def slower(self) -> float:
        """Time in boxes, the better way, over time in one domain."""
        return min(self.across, self.staged) / self.domain


def needed(bench: Bench) -> list[Needed]:
    """Every kind of work, that which needs the domain most first."""
    model, rack = bench.model(V3), bench.machine(RACK)
    boxes = rack.model_copy(update={"domain": BOX})
    return sorted((_needed(kind, model, rack, boxes) for kind in KINDS), key=lambda n: -n.slower)


def _pass(kind: Kind, layout: Layout) -> Pass:
    sequences = kind.sequences * CHIPS / layout.pipeline
    return decode(sequences, kind.tokens) if kind.decoding else prefill(sequences, kind.tokens)


def _needed(kind: Kind, model: Model, rack: Machine, boxes: Machine) -> Needed:
    own = pass_time(model, rack, WHOLE, _pass(kind, WHOLE))
    across, staged = (_seconds(kind, pass_time(model, boxes, x, _pass(kind, x))) * x.pipeline for x in (WHOLE, STAGES))
    time = _seconds(kind, own)
    sent = sum(_sent(m) for m in total(ledger(model, WHOLE, _pass(kind, WHOLE))).messages) * kind.sends
    tokens = float(_pass(kind, WHOLE).tokens) / CHIPS
    kept = (TRAINED * model.total_parameters / CHIPS if kind.trained else
            float(weight_bytes(model, WHOLE) + kind.sequences * cache_bytes(model, WHOLE, kind.tokens)))
    return Needed(kind, time, across, staged, float(own.network) * kind.sends / time, sent / tokens, kept)


def _seconds(kind: Kind, timed: PassTime) -> float:
    """Kernels one after the other, messages after them."""
    alone = float(timed.time - timed.network)
    return kind.repeats * alone + kind.sends * float(timed.network)


def _sent(m: Message) -> float:
    return float(m.payload * m.count * m.copies) if m.group > 1 else 0.0


def table(bench: Bench) -> Table:
    """The ranking with its reasons."""
    columns = (Column("work"), Column("one domain", "seconds"), Column("experts over all boxes", "seconds"),
               Column("a box a stage", "seconds"), Column("lost at least", "ratio"), Column("messages' share", "ratio"),
               Column("sent a token", "bytes"), Column("kept a chip", "bytes"), Column("because"))
    rows = tuple((n.kind.name, n.domain, n.across, n.staged, n.slower - 1.0, n.network, n.sent, n.kept, n.kind.why)
                 for n in needed(bench))
    return Table("Which work needs the domain: DeepSeek-V3 on 72 GB200 chips, one domain or nine boxes", columns, rows)


def claims(bench: Bench) -> Iterator[Claim]:
    """What each kind of work loses without the domain."""
    found = needed(bench)
    order = ", ".join(n.kind.name for n in found)
    command = "rackline plan deepseek-v3 --on gb200-nvl72 --context 8192"
    yield Claim("B6", "experts over nine boxes, over one domain", Said("favors one rack", "All-to-all very "
                "strongly favors full connectivity … and it favors being within one rack", 1.5, 1e3, 1.0),
                ratio_of("t(all-to-all across boxes of 8)/t(one domain of 72)", {
                    n.kind.name: (n.across, n.domain) for n in found}), "count",
                "Taken as at least half as long again. Short messages travel as well on a slow network.", command)
    yield Claim("B6", "a box a stage, over one domain", Said("a better fit", "data parallelism and pipeline "
                "parallelism. They can be a much better fit for using multiple racks", 0.5, 1.0, 1.25),
                ratio_of("t(boxes of 8 as stages)/t(one domain of 72)", {
                    n.kind.name: (n.staged, n.domain) for n in found}), "count",
                f"Taken as at most a quarter longer. Those that need the domain, the most needy first: {order}. "
                "Bubbles and the gradients' all-reduce are left out.", command)
