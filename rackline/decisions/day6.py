"""DeepSeek's "day 6": throughput of a node beside the ledger's, and the day's arithmetic from its own inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rackline.decisions.comparing import Case, Comparison, Step, timed
from rackline.decisions.money import dollars_per_million
from rackline.facts.measured_things import measured_machine, measured_model
from rackline.facts.measurements import Measured
from rackline.systems.layout import Layout
from rackline.systems.passes import Part, Pass, decode

DAY = 86400.0  # seconds
NODE = 8  # chips
PREFILL, DECODE = "prefill_input_tokens_per_s_per_node", "decode_output_tokens_per_s_per_node"


def figures(rows: Sequence[Measured]) -> dict[str, float]:
    """The published figures by name, in SI units."""
    return {row.metric: row.value for row in rows}


def compare(rows: Sequence[Measured]) -> list[Comparison]:
    """The two throughputs of a node as passes of one unit (4 nodes that prefill, 18 that decode).

    rows: of the overview, and others, which are passed over.
    """
    rows = [row for row in rows if row.id.startswith("DSK")]
    known = figures(rows)
    cases = {PREFILL: _prefill, DECODE: _decode}
    found = []
    for row in rows:
        if row.metric in cases:
            unit = known["prefill_unit_nodes" if row.metric == PREFILL else "decode_unit_nodes"]
            model, machine = measured_model(row), measured_machine(row)
            assert model is not None
            assert machine is not None
            chips = int(unit * NODE)
            found.append(timed(row, cases[row.metric](row, known, chips), model, machine.with_chips(chips)))
    return found


def _decode(row: Measured, known: Mapping[str, float], chips: int) -> Case:
    """One token of every sequence of a unit; how many there are follows from rate and speed of a sequence.

    Ignores: multi-token prediction, of which the overview says nothing.
    """
    speed = (known["avg_output_speed_low"] + known["avg_output_speed_high"]) / 2.0
    batch = row.value * chips / NODE / speed
    step = Step(decode(batch, row.load.context or 0.0), Layout(data=chips, expert=chips))
    return Case("decode", 1.0 / speed, (step,))


def _prefill(row: Measured, known: Mapping[str, float], chips: int) -> Case:
    """A pass of 16 Ki computed tokens a chip, as the published profile's, over prompts of 4096; hits are only read.

    The published rate counts tokens found in the cache, so a computed token stands for 1/(1 - hit) published ones.
    """
    hit = hit_share(known)
    prompt = _PROMPT
    computed = known["prefill_profile_config"] * chips
    sequences = computed / (prompt * (1.0 - hit))
    pass_ = Pass((Part(sequences, prompt * (1.0 - hit), prompt * hit),))
    seconds = computed / (1.0 - hit) / (row.value * chips / NODE)
    return Case("prefill", seconds, (Step(pass_, Layout(data=chips, expert=chips)),))


_PROMPT = 4096.0  # tokens, of the published profile


# ---- the arithmetic of the day


@dataclass(frozen=True)
class Derived:
    """A figure of the overview beside ours from its inputs; `unit` as printed."""

    name: str
    published: float
    ours: float
    unit: str
    equation: str


def hit_share(known: Mapping[str, float]) -> float:
    """Share of the day's input tokens that were found in the cache."""
    return known["input_tokens_cache_hit_24h"] / known["input_tokens_24h"]


def daily_cost(known: Mapping[str, float]) -> float:
    """Dollars of rent a day of the average number of nodes: dollars per million output tokens times the output."""
    output = known["output_tokens_24h"]
    return dollars_per_million(known["gpu_lease_cost"], known["avg_nodes"] * NODE, output / DAY) * output / 1e6


def daily_revenue(known: Mapping[str, float]) -> float:
    """Dollars a day if every token were sold at R1's list price.

    Eq: r = hit*p_hit + (input - hit)*p_miss + output*p_out
    """
    hit = known["input_tokens_cache_hit_24h"]
    return (hit * known["price_input_hit"] + (known["input_tokens_24h"] - hit) * known["price_input_miss"]
            + known["output_tokens_24h"] * known["price_output"]) / 1e6


def nodes_needed(known: Mapping[str, float]) -> float:
    """Nodes that the day's tokens keep busy at the published rates of a prefilling and of a decoding node."""
    return known["input_tokens_24h"] / DAY / known[PREFILL] + known["output_tokens_24h"] / DAY / known[DECODE]


def arithmetic(rows: Sequence[Measured]) -> list[Derived]:
    """Every figure of the overview that follows from others."""
    known = figures(rows)
    cost, revenue = known["daily_cost"], known["theoretical_daily_revenue"]
    return [
        Derived("share of input found in the cache", _PUBLISHED_HIT, hit_share(known), "", "hit / input"),
        Derived("cost of a day", cost, daily_cost(known), "$", "nodes × 8 × 24 h × $2"),
        Derived("revenue of a day at R1's prices", revenue, daily_revenue(known), "$",
                "hit × 0.14 + miss × 0.55 + output × 2.19 a million"),
        Derived("profit over cost", known["cost_profit_margin"], revenue / cost - 1.0, "", "revenue / cost − 1"),
        Derived("average nodes in use", known["avg_nodes"], nodes_needed(known), "nodes",
                "input / day / 73.7k + output / day / 14.8k"),
    ]


_PUBLISHED_HIT = 0.563  # beside the cached tokens in the same list of statistics
