"""What goes into the simulator and what comes out of it: requests, a deployment, a log; arrays and frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.systems.clock import Clock, Roofline
from rackline.systems.layout import Layout

Batching = Literal["continuous", "train"]
Admission = Literal["chunked", "reserved", "whole"]
Ranks = Literal["together", "apart"]
Routing = Literal["round-robin", "least-loaded", "prefix-aware"]


@dataclass(frozen=True)
class Requests:
    """Requests as columns of one length n, in order of arrival (or of issue, where they follow another).

    A request with `after` ≥ 0 arrives `delay` seconds after that (earlier) request has finished: a closed loop is N
    chains without delay, a session is a chain with thinking times. Others arrive at `arrival`.
    """

    arrival: np.ndarray  # (n,) float64, seconds; ignored where after >= 0
    input: np.ndarray  # (n,) int64, prompt tokens, at least 1
    output: np.ndarray  # (n,) int64, output tokens, at least 1
    after: np.ndarray  # (n,) int64, index of the request to wait for, or -1
    delay: np.ndarray  # (n,) float64, seconds between its finish and this arrival
    block_start: np.ndarray  # (n + 1,) int64: request i has prefix blocks block[block_start[i]:block_start[i + 1]]
    block: np.ndarray  # (b,) int64, hashes of whole prompt blocks as dense numbers from 0; empty: nothing shared
    block_tokens: int = 16  # prompt tokens that one hash stands for, and the page of the KV cache


@dataclass(frozen=True)
class KvTier:
    """A memory that keeps evicted prefix blocks: bytes of a replica, byte/s to load back, seconds before they flow."""

    name: str
    capacity: float
    bandwidth: float
    latency: float = 0.0
    eviction: Literal["lru", "fifo"] = "lru"


@dataclass(frozen=True)
class Limits:
    """How an engine fills a pass, per replica; with ranks apart, of each data rank."""

    sequences: int = 256  # sequences that run at once
    tokens: int = 2048  # new tokens of one pass, decoding ones included
    # reserved: cut like chunked ones, but in only when all of a prompt finds pages; whole: in passes without decoding
    admission: Admission = "chunked"
    prefix_caching: bool = False
    kv_blocks: int | None = None  # pages of KV memory; None: what the memory ledger leaves
    batching: Batching = "continuous"
    interval: float = 0.0  # train: seconds between departures
    ranks: Ranks = "together"  # apart: each data rank fills a pass of its own, and they wait for one another


@dataclass(frozen=True)
class Deployment:
    """A model on a machine, ready to be driven by requests.

    prefill: chips of their own for prompts, as a layout with its replicas; None: prompts and tokens share chips.
    drafted and acceptance: tokens drafted a pass and the chance that each is accepted (speculative decoding).
    imbalance: work of the busiest expert group over the mean, 1 is even.
    """

    model: Model
    machine: Machine
    layout: Layout
    limits: Limits = Limits()
    clock: Clock = field(default_factory=Roofline)
    prefill: Layout | None = None
    prefill_limits: Limits | None = None
    routing: Routing = "round-robin"
    tiers: tuple[KvTier, ...] = ()
    drafted: int = 0
    acceptance: float = 0.0
    imbalance: float = 1.0

    @property
    def ranks(self) -> int:
        """Data ranks that fill passes of their own; 1 where they fill one together."""
        return int(self.layout.data) if self.limits.ranks == "apart" else 1


@dataclass(frozen=True)
class Log:
    """What happened to each request, arrays of shape (n,) in the order of Requests; seconds from the start."""

    arrival: np.ndarray
    admitted: np.ndarray  # first time in a pass
    first_token: np.ndarray
    finish: np.ndarray  # nan: not served before the end
    preemptions: np.ndarray  # int64
    cached: np.ndarray  # int64, prompt tokens taken from a cache
    replica: np.ndarray  # int64
    passes: PassLog
    tier_tokens: Mapping[str, int] = field(default_factory=dict)  # prompt tokens loaded back, by name of the KV tier


@dataclass(frozen=True)
class PassLog:
    """One row a pass of every replica: arrays of shape (p,); kept at most every `every`-th pass when there are many."""

    replica: np.ndarray
    start: np.ndarray
    seconds: np.ndarray
    decoding: np.ndarray  # sequences that got a token
    prompt_tokens: np.ndarray  # prompt tokens worked on
    waiting: np.ndarray  # requests queued when it started
    blocks: np.ndarray  # KV blocks in use
    every: int = 1
