"""The lecture's boards in their order, what each claims, and the list of key points that a third party made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rackline.decisions import (
    lecture_cuts,
    lecture_memory,
    lecture_prices,
    lecture_racks,
    lecture_rows,
    lecture_step,
    lecture_traffic,
    lecture_work,
)
from rackline.decisions.lecture_bench import Bench
from rackline.decisions.lecture_claim import Claim
from rackline.errors import unknown

Claims = Callable[[Bench], Iterator[Claim]]


@dataclass(frozen=True)
class Board:
    """A board of the lecture: its name, title, what it claims here, and rows of the plan that are not built yet."""

    name: str
    title: str
    claims: Claims | None = None
    missing: tuple[tuple[str, str], ...] = ()  # row, what is not built


def _cuts(bench: Bench) -> Iterator[Claim]:
    yield from lecture_cuts.claims(bench)
    yield from lecture_work.claims(bench)


BOARDS = (
    Board("modes", "Fast and slow mode", lecture_step.modes, (("A7", "speculative decoding, executed"),)),
    Board("roofline", "The time of one step", lecture_step.roofline),
    Board("latency", "Latency against batch", lecture_step.latency),
    Board("context", "The balance context and sparse attention", lecture_step.context),
    Board("cost", "Cost against batch", lecture_step.cost),
    Board("batch", "The balance batch", lecture_step.batch),
    Board("train", "The train and its interval", lecture_traffic.train),
    Board("traffic", "Tokens per second", lecture_traffic.traffic),
    Board("sparsity", "Sparsity against quality", lecture_rows.sparsity),
    Board("experts", "Experts on the chips of a rack", lecture_racks.mixture, (("C1", "an MoE layer, executed"),)),
    Board("racks", "Racks, scale-up and scale-out", lecture_racks.racks),
    Board("sizes", "What fits", lecture_rows.sizes),
    Board("cuts", "Changing rack, and where to cut", _cuts),
    Board("pipeline", "Bubbles and micro-batches", None,
          (("D2", "inference pipeline: four stages, one batch, 75 % idle"),
           ("D3", "training pipelines and their bubble, (P−1)/(m+P−1)"), ("D7", "batch size in training"))),
    Board("capacity", "Memory per chip", lecture_rows.chips),
    Board("hops", "Hops between racks", lecture_racks.hops),
    Board("domain", "Bandwidth of a domain", lecture_racks.domain),
    Board("lifetime", "Training, RL and inference in balance", None,
          (("E1", "total cost, 6·N·D and 2·N·D"), ("E2", "the sum of a falling and a rising cost"),
           ("E3", "over-training: a hundred times Chinchilla"), ("E4", "the inference-aware optimum"))),
    Board("prices", "What a long-context price gives away", lecture_prices.prices),
    Board("prefill", "Prefill against decode", lecture_prices.prefill),
    Board("quadratic", "Attention's own arithmetic", lecture_traffic.quadratic),
    Board("tiers", "Keeping or recomputing a context", lecture_memory.keeping,
          (("G3", "tiers under real traffic, of which the lecture says nothing: rackline tiers --trace"),)),
    Board("ciphers", "Ciphers and reversible networks", None,
          (("H1", "Feistel construction"), ("H2", "avalanche and adversaries"), ("H3", "reversible transformer"),
           ("H4", "compute against memory"))),
)

# number, title as listed, rows of the plan that it is about
KEY_POINTS = (
    (1, "The Batch Size Imperative", ("A3", "A9")),
    (2, "Compute vs. Memory: The Roofline Model", ("A1",)),
    (3, "The Cost of Inference: Amortizing Overheads", ("A3", "A8")),
    (4, "Optimal Batch Size: Sparsity as the Key", ("A4",)),
    (5, "The Train Analogy: Latency and Scheduling", ("B1", "B2")),
    (6, "Sparsity vs. Model Quality", ("C8",)),
    (7, "MoE Layer Architecture and Expert Parallelism", ("C2",)),
    (8, "GPU Rack Configuration and Communication Patterns", ("C3",)),
    (9, "Physical Constraints on Rack Density", ("C4",)),
    (10, "Scale-Up vs. Scale-Out Bandwidth and Model Size", ("C5",)),
    (11, "Pipeline Parallelism for Multi-Rack Deployments", ("D1", "D4")),
    (12, "The Trade-offs of Micro-batching", ("D2", "D3", "D7")),
    (13, "Memory Capacity vs. Bandwidth Bottlenecks", ("C5", "D4")),
    (14, "The Memory Wall", ("D6",)),
    (15, "Deconstructing Parallelism: Expert vs. Pipelining", ("C7", "D1")),
    (16, "Pipelining's Impact on Memory Footprint", ("D4",)),
    (17, "Inference Strategies: Expert Parallelism Dominates", ("C7",)),
    (18, "Latency Costs and Scale-Up Domains", ("D5", "C6")),
    (19, "Optimal Training vs. Inference Compute Balance", ("E1", "E2")),
    (20, "Quantifying Over-training: A Hundredfold Increase", ("E3",)),
    (21, "API Pricing Reveals Cost Structures", ("F1",)),
    (22, "Compute vs. Memory Bandwidth Bottleneck", ("A5",)),
    (23, "Bytes Per Token Calculation", ("F1", "F2")),
    (24, "Dense vs. Sparse Attention Mechanisms", ("A6", "F2")),
    (25, "Decode vs. Prefill Cost Differences", ("B5",)),
    (26, "Memory Tiering and Cost Optimization", ("G1", "G2")),
    (27, "Rematerialization vs. Storage Costs", ("G1",)),
    (28, "AI and Cryptography", ("H2",)),
    (29, "Differentiability", ("H2",)),
    (30, "Adversarial Attacks and Avalanche Effect", ("H2",)),
    (31, "Invertible Layers and Memory Savings", ("H1", "H3")),
    (32, "RevNets", ("H3",)),
    (33, "The Compute vs. Memory Trade-off", ("H4",)),
)


@dataclass(frozen=True)
class Entry:
    """A claim with its number in the walkthrough: board and place on it, as 4.2."""

    number: str
    board: Board
    claim: Claim


@dataclass(frozen=True)
class Asked:
    """What an answer is about: its boards, their lines, and what is not built yet."""

    boards: tuple[Board, ...]
    entries: tuple[Entry, ...]
    missing: tuple[tuple[Board, str, str], ...]  # board, row, what
    all: bool = False

    def of(self, board: Board) -> list[Entry]:
        """The lines of one board."""
        return [entry for entry in self.entries if entry.board == board]


def place(board: Board) -> int:
    """A board's number in the lecture."""
    return BOARDS.index(board) + 1


def everything(bench: Bench) -> Asked:
    """Every board with every line."""
    entries = tuple(Entry(f"{place(board)}.{n}", board, claim) for board in BOARDS if board.claims
                    for n, claim in enumerate(board.claims(bench), start=1))
    return Asked(BOARDS, entries, tuple((b, row, text) for b in BOARDS for row, text in b.missing), all=True)


def asked(given: str | None, bench: Bench) -> Asked:
    """Every board, or one by name or number, a line by its number, the lines of a row such as "A4"; else BadInput."""
    whole = everything(bench)
    if given is None:
        return whole
    wanted = given.strip().lower()
    boards = [b for b in BOARDS if wanted in (b.name, str(place(b)))]
    entries = tuple(e for e in whole.entries if e.board in boards or wanted in (e.number, e.claim.row.lower()))
    missing = tuple(m for m in whole.missing if m[0] in boards or wanted == m[1].lower())
    if not entries and not missing:
        raise unknown("BOARD", given, names(whole))
    found = {e.board.name for e in entries} | {m[0].name for m in missing}
    return Asked(tuple(b for b in BOARDS if b.name in found), entries, missing)


def names(whole: Asked) -> list[str]:
    """Every name, number and row that one may ask for."""
    rows = {e.claim.row for e in whole.entries} | {row for _, row, _ in whole.missing}
    numbers = [str(place(b)) for b in BOARDS] + [e.number for e in whole.entries]
    return [*(b.name for b in BOARDS), *sorted(rows), *numbers]
