"""Rows of micro-benchmarks as points: seconds measured, and the seconds of their parts at the datasheet's rates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rackline import units
from rackline.decisions.accuracy.settings import Refused
from rackline.decisions.accuracy.transfer_points import moved_bytes, network_bandwidth, tokens_of
from rackline.facts.formats import bytes_per_number
from rackline.facts.machine import Machine
from rackline.facts.measurements import Measured
from rackline.facts.micro import micro_format, micro_levels, micro_machine
from rackline.physics.collectives import two_level_all_to_all_time
from rackline.systems.achieved import SENT, collective_wire, prefill_parts, product_parts
from rackline.systems.efficiency import COLLECTIVE, DECODE, EXCHANGE, GEMM, PREFILL, TRANSFER, Form

FP8_SCALED = 1.0 + 4.0 / 128.0  # bytes of an fp8 number with a 4-byte scale per 128

# this release's decode times on the A100 grow by a byte per 3.4 TB/s if the cache is of the stated bf16, 1.7 times what
# the memory can do, and by one per 1.7 TB/s if it is of 8 bits: so it is read as 8 bits
EIGHT_BITS = "TRTLLM 1.0.0"


@dataclass(frozen=True)
class Point:
    """A row as a time: its parts in seconds, the groups it belongs to from special to general, its shape as text.

    place: all its sizes as text, the same on every chip; empty where no other chip could be measured there.

    The row's value is factor * seconds ** power: a latency, or a rate of `factor` per second.
    """

    row: Measured
    form: Form
    levels: tuple[str, ...]
    shape: str
    parts: Mapping[str, float]
    seconds: float
    group: float = 8.0
    factor: float = 1.0
    power: int = 1
    place: str = ""

    @property
    def kind(self) -> str:
        """What kind of kernel or collective it is, whatever the chip."""
        return self.levels[0].partition(": ")[2].partition(" on ")[0]

    @property
    def chip(self) -> str:
        """The bundled chip that it was measured on."""
        return self.levels[0].partition(" on ")[2].partition(",")[0]

    def value(self, seconds: float) -> float:
        """The row's value if the point took so many seconds."""
        return self.factor * seconds**self.power


def point(row: Measured) -> Point | str:
    """A row as a point, or the reason why it is none."""
    make = maker(row.metric)
    if make is None:
        return "no time of a kernel or collective with a stated size"
    if row.value <= 0:
        return "not a positive number"
    if row.unit != _unit(row.metric):
        return f"{row.metric} in {row.unit or row.per or 'no known unit'}, not in {_unit(row.metric)}"
    machine = micro_machine(row.hardware)
    if machine is None:
        return f"no bundled chip {row.hardware}" if row.hardware else "hardware not stated"
    try:
        return make(row, machine)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, ZeroDivisionError):
        return "size not stated"


def _unit(metric: str) -> str:
    """The dimension that a metric's name stands for."""
    if metric.endswith(("latency", "time")):
        return "seconds"
    return "flop/s" if metric.endswith("tflops") else "ratio" if metric.endswith("utilisation") else "bytes/s"


def _levels(what: str, machine: Machine, *kinds: str) -> tuple[str, ...]:
    """Names of the groups a point belongs to: its chip and kinds, its family and kinds, its kinds, everything."""
    return micro_levels(what, machine.chip.name, " ".join(kinds))


def faster(point: Point) -> bool:
    """Whether a point took less than its largest part takes at the datasheet's rate, by more than 1 %."""
    rated = [seconds for name, seconds in point.parts.items() if name in ("compute", "memory", "wire")]
    return max(rated) > 1.01 * point.seconds


# ---- products


def _gemm(row: Measured, machine: Machine) -> Point | str:
    """One product of activations m × k by weights k × n, out in bf16; grouped: as many weights as groups."""
    best = row.metric == "achieved_matmul_tflops"
    shape = _text_shape(row) if best else {key.lower(): value for key, value in row.facts.items()}
    groups = float(shape.get("groups", 1))
    m = float(shape.get("m") or shape["m_per_group"] * groups)
    n, k = float(shape["n"]), float(shape["k"])
    printed = row.formats.compute or row.formats.weights
    found = micro_format(printed)
    if found is None:
        return f"number format not known: {printed}" if printed else "number format not stated"
    work = 2.0 * m * n * k
    parts = product_parts(machine, found, (m, n, k), groups)
    if best or row.engine.startswith("DeepGEMM"):  # they are handed activations that are rounded already
        parts["quantise"] = 0.0
    # DeepGEMM's kernels are of a kind of their own
    own = " DeepGEMM" if row.engine.startswith("DeepGEMM") else " best of a sweep" if best else ""
    kind = f"{found[0]}{own}" if own else found[3]
    levels = _levels("gemm", machine, kind)
    if kind == "fp8 DeepGEMM":  # a month of work between the releases' tables: up to 1.3 times as fast
        levels = (f"{levels[0]}, {' '.join(row.engine.split()[1:3])}", *levels)
    cut = f"{n:g} {k:g} {groups:g}"
    return _timed(row, GEMM, levels, (cut, f"{m:g} {cut} {found[0]}"), (parts, work, parts["bytes"]))


def _text_shape(row: Measured) -> dict[str, float]:
    m, n, k = row.load.context_text.split("x")
    return {"m": float(m), "n": float(n), "k": float(k)}


def _timed(row: Measured, form: Form, levels: tuple[str, ...], shapes: tuple[str, str],
           sizes: tuple[Mapping[str, float], float, float]) -> Point:
    """A point of a latency, of FLOP/s or of bytes/s; shapes: its shape and place; sizes: its parts, FLOPs and bytes."""
    (shape, place), (parts, work, moved) = shapes, sizes
    if row.unit == "seconds":
        return Point(row, form, levels, shape, parts, row.value, place=place)
    factor = work if row.unit == "flop/s" else moved
    return Point(row, form, levels, shape, parts, factor / row.value, factor=factor, power=-1, place=place)


# ---- attention of one layer


def _attention(row: Measured, machine: Machine) -> Point | str:
    facts, load = row.facts, row.load
    batch, head = float(load.batch or 0), float(facts["head_dim"])
    heads, cached = float(facts["num_heads"]), float(facts["num_key_value_heads"] or facts["num_heads"])
    stored = micro_format(row.formats.kv)
    if stored is None:
        return f"number format not known: {row.formats.kv}" if row.formats.kv else "number format not stated"
    if not batch or not load.context:
        return "size not stated"
    width = bytes_per_number(stored[0])
    kind = f"{stored[0]} cache"
    shape = f"{heads:g} {cached:g} {batch:g}"
    place = f"{shape} {head:g} {load.input or 0:g} {load.context:g} {row.formats.compute}"
    if row.metric == "generation_attention_latency":
        if row.engine.startswith(EIGHT_BITS):
            width, kind = 1.0, "8 bits by its times"
        moved = 2.0 * batch * load.context * cached * head * width
        parts = {"memory": moved / machine.chip.memory_bandwidth.value}
        return _timed(row, DECODE, _levels("decode attention", machine, kind), (shape, place), (parts, 0.0, moved))
    parts = prefill_parts(machine, stored, (batch, float(load.input or load.context)), (heads, cached, head))
    return _timed(row, PREFILL, _levels("prefill attention", machine, kind), (shape, place), (parts, 0.0, 0.0))


# ---- collectives


def _collective(row: Measured, machine: Machine) -> Point | str:
    """Payload n over g chips: the buffer of the whole group, as nccl-tests counts it."""
    several = _SEVERAL.search(row.metric)
    n = float(several[1]) * units.parse(f"1 {several[2]}", "bytes") if several else row.load.context
    g = float(row.chips or 0)
    if not n or g < 2:
        return "size or chips not stated"
    name = next(name for name, pattern in _COLLECTIVES.items() if re.match(pattern, row.metric))
    if machine.scale_up is None:
        return "no network of known bandwidth"
    if g > machine.domain and machine.scale_out is None:
        return "more chips than its networks join"
    kind, wire = collective_wire(machine, name, n, g, switch="ENABLE=0" not in row.engine)
    return _collected(row, machine, (kind, wire, n, g))


def _collected(row: Measured, machine: Machine, sizes: tuple[str, float, float, float]) -> Point:
    kind, wire, n, g = sizes
    # what times it decides how a launch is counted: 22 or 44 µs for the same 32 KiB on the same chips
    timed_by = row.engine.split(" ")[0] or "unnamed"
    special, *general = _levels("collective", machine, kind)
    levels = (f"{special}, timed by {timed_by}", special, *general)
    bus = n * SENT[kind.split(" ")[0]](1.0, g)  # bytes that a ring without switches would send
    factor = bus if "busbw" in row.metric else n if "algbw" in row.metric else 1.0
    power = -1 if row.unit == "bytes/s" else 1
    seconds = factor / row.value if power < 0 else row.value
    return Point(row, COLLECTIVE, levels, f"{n:g}", {"wire": wire}, seconds, g, factor, power,
                 f"{n:g} {g:g} {timed_by}")


_COLLECTIVES = {"all_reduce": "all_?reduce", "all_gather": "all_?gather", "reduce_scatter": "reduce_?scatter",
                "all_to_all": "all_?to_?all"}
_SEVERAL = re.compile(r"_\d+x(\d+)([MG]B)$")  # so many messages of so many bytes, one after the other


# ---- dispatch and combine of experts


def _exchange(row: Measured, machine: Machine) -> Point | str:
    """Tokens per chip to their experts' chips and back, bytes counted as the source counts its bandwidth."""
    facts, g = row.facts, float(row.sizes.expert or row.chips or 0)
    batch, hidden, top = float(row.load.batch or 0), float(facts["hidden"]), float(facts["top_k"])
    if g < 2 or not batch:
        return "size or chips not stated"
    dispatch = row.metric.startswith("dispatch")
    engine = row.engine
    one_sided = engine.startswith("NVLinkOneSided")
    width = 2.0 if not dispatch or one_sided else FP8_SCALED
    bytes_per_token = float(facts.get("bytes_per_token", hidden * width))
    copies = min(g, top) if one_sided else top
    bottleneck = "bottleneck" in row.metric  # the bandwidth of the network that limits it, whatever it is
    network = machine.scale_up if one_sided or (bottleneck and g <= machine.domain) else machine.scale_out
    if network is None:
        return "no network of known bandwidth"
    moved = batch * copies * bytes_per_token
    release = ("NVLink" if one_sided else "bottleneck" if bottleneck else
               "RDMA, older release" if "older" in row.notes else "RDMA")
    levels = _levels("expert exchange", machine, row.metric.partition("_")[0], release)
    power = -1 if row.unit == "bytes/s" else 1
    seconds = moved / row.value if power < 0 else row.value
    shape = f"{batch:g} {bytes_per_token:g}" if one_sided else f"{g:g}"
    wire = moved / network.bandwidth.value
    if release == "RDMA" and machine.scale_up is not None:
        # this release sends over NVLink inside a box: its logical bandwidth is up to 2.5 times the cards'
        box = min(g, float(machine.domain))
        wire = two_level_all_to_all_time(moved, g, box, machine.scale_up.bandwidth.value, network.bandwidth.value)
    return Point(row, EXCHANGE, levels, shape, {"wire": wire}, seconds, g,
                 moved if power < 0 else 1.0, power)


# ---- the cache of a prompt, from machine to machine


def _transfer(row: Measured, machine: Machine) -> Point | str:
    """One prompt's cache, over all cards of a box at once."""
    tokens, rate = tokens_of(row), network_bandwidth(row, machine)
    if not tokens or not rate:
        return "tokens not stated" if rate else "no network of known bandwidth"
    try:
        moved = moved_bytes(row, machine)
    except Refused as reason:
        return str(reason)
    wire = moved / rate
    levels = _levels("transfer", machine, row.engine.partition(" ")[0] or "unnamed")
    if row.unit == "seconds":
        return Point(row, TRANSFER, levels, f"{tokens:g}", {"wire": wire}, row.value)
    factor = wire if row.unit == "ratio" else moved
    return Point(row, TRANSFER, levels, f"{tokens:g}", {"wire": wire}, factor / row.value, factor=factor, power=-1)


_MAKERS: tuple[tuple[str, Callable[[Measured, Machine], Point | str]], ...] = (
    ("gemm_(latency|tflops|mem_bw)|achieved_matmul_tflops", _gemm),
    ("(generation|context)_attention_latency", _attention),
    (f"({'|'.join(_COLLECTIVES.values())})_(latency|time|algbw|busbw(_\\d+x\\d+[MG]B)?)", _collective),
    ("(dispatch|combine)_(latency|(logical|rdma|bottleneck)_bw)", _exchange),
    ("kv_transfer_(time|bw)|bw_utilisation", _transfer))


def maker(metric: str) -> Callable[[Measured, Machine], Point | str] | None:
    """What makes a point of a metric's rows; None for one that times no kernel or collective."""
    return next((make for pattern, make in _MAKERS if re.fullmatch(pattern, metric)), None)
