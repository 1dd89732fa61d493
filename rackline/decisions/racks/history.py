"""Domains and models from 2020 to 2027 on one chart: what a domain holds, what models weigh, how far they read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rackline import units
from rackline.decisions.answer import Axis, Column, Plot, Series, Source, Table
from rackline.decisions.racks.case import Case, Part
from rackline.facts.hardware import machine
from rackline.facts.history import Released, releases
from rackline.facts.machine import Machine
from rackline.facts.model import Model
from rackline.facts.models import model
from rackline.physics import capacity

_KV_CONTEXT, _KV_USERS = 1e5, 2000.0  # the lecture's users: 2,000 sequences of 100k tokens
_KV_BYTES = 1667.0  # its bytes a token
_KV_MODEL = "deepseek-v3"  # whose KV the picture of contexts counts


@dataclass(frozen=True)
class Domain:
    """A machine's scale-up domain: year, chips, bytes, byte/s, the largest model beside the lecture's KV at a byte."""

    released: Released
    title: str
    vendor: str
    chips: int
    capacity: float
    bandwidth: float
    largest: float


@dataclass(frozen=True)
class Size:
    """A model: year, parameters, active parameters, the longest context it was made for."""

    released: Released
    total: float
    active: float
    context: float | None


@cache
def domains() -> tuple[Domain, ...]:
    """Every bundled machine whose year is known."""
    return tuple(_domain(r, machine(r.name)) for r in releases() if r.kind == "machine")


@cache
def sizes() -> tuple[Size, ...]:
    """Every bundled model whose year is known."""
    return tuple(_size(r, model(r.name)) for r in releases() if r.kind == "model")


def _domain(r: Released, m: Machine) -> Domain:
    net = m.scale_up
    chips = 1
    if net is not None:
        chips = m.domain
        for have, most in zip(net.axes, net.pod, strict=False):
            chips = chips // have * most
    held = float(capacity.domain_capacity(chips, m.chip.memory_capacity.value))
    largest = capacity.largest_model(held, 1.0, _KV_USERS, _KV_CONTEXT, _KV_BYTES)
    return Domain(r, m.title, m.chip.vendor, chips, held, chips * m.chip.memory_bandwidth.value, float(largest))


def _size(r: Released, m: Model) -> Size:
    return Size(r, float(m.total_parameters), float(m.active_parameters), m.max_context)


def part(case: Case | None = None) -> Part:
    """The subject, the same for every machine."""
    return Part(_sentence(), (_domain_table(), _model_table()), (_plot(), _contexts()), (
        "Sizes are counted from the bundled files; years are from memory but where the table names a source. A TPU's "
        "domain is its whole pod. Closed models are left out: their sizes are rumours (the lecture: GPT-4, 2023, over "
        "a trillion).",
        "The largest model is what a domain holds at one byte a parameter beside the KV of 2,000 sequences of 100,000 "
        f"tokens at the lecture's 1,667 bytes: {_holds('dgx-h100')} in a box of eight H100, {_holds('gb200-nvl72')} in "
        "a GB200 NVL72. Open models stayed near what a box holds until 2024; TPU pods held more all along.",
    ), sources=(Source("years", "in the table", "general knowledge where the table says so, else the lecture",
                       "2026-11-21"),), data=_data())


def _holds(name: str) -> str:
    return units.show(next(d.largest for d in domains() if d.released.name == name), "parameters")


def _sentence() -> str:
    box = next(d for d in domains() if d.released.name == "dgx-h100")
    rack = next(d for d in domains() if d.released.name == "gb200-nvl72")
    largest = max(sizes(), key=lambda s: s.total)
    return (f"From a box of 2022 to a rack of 2025 a domain's memory grew {rack.capacity / box.capacity:.3g}×; the "
            f"largest open model here is {largest.released.name}.")


def _domain_table() -> Table:
    columns = (Column("year"), Column("domain"), Column("packages", "count"), Column("memory", "bytes"),
               Column("bandwidth", "bytes/s"), Column("largest model beside KV", "parameters"), Column("year's source"))
    rows = tuple((f"{d.released.year:.1f}", d.title, d.chips, d.capacity, d.bandwidth, d.largest, d.released.source)
                 for d in domains())
    return Table("Scale-up domains", columns, rows)


def _model_table() -> Table:
    columns = (Column("year"), Column("model"), Column("parameters", "parameters"), Column("active", "parameters"),
               Column("context", "tokens"), Column("year's source"))
    return Table("Open models", columns, tuple((f"{s.released.year:.1f}", s.released.name, s.total, s.active, s.context,
                                                s.released.source) for s in sizes()))


def _plot() -> Plot:
    gpu = [d for d in domains() if "tpu" not in d.released.name]
    tpu = [d for d in domains() if "tpu" in d.released.name]
    year = lambda found: [x.released.year for x in found]  # noqa: E731
    frontier = _rising(gpu)
    return Plot("Memory of a domain against sizes of models, one byte a parameter", Axis("year", "year"),
                Axis("bytes", "bytes", log=True), (
        Series("largest GPU domain", *_steps(frontier)),
        Series("GPU domains", year(gpu), [d.capacity for d in gpu], marks=True),
        Series("TPU pods", year(tpu), [d.capacity for d in tpu], marks=True),
        Series("open models, all parameters", year(sizes()), [s.total for s in sizes()], marks=True),
        Series("active parameters", year(sizes()), [s.active for s in sizes()], marks=True)))


def _contexts() -> Plot:
    found = [s for s in sizes() if s.context]
    gpu = _rising([d for d in domains() if "tpu" not in d.released.name])
    return Plot("Contexts of open models", Axis("year", "year"), Axis("tokens", "tokens", log=True), (
        Series("longest context", [s.released.year for s in found], [float(s.context or 0) for s in found], marks=True),
        Series(f"tokens of {_KV_MODEL}'s KV that the largest GPU domain holds",
               *_steps(gpu, model(_KV_MODEL).kv_bytes_per_token()))))


def _rising(found: list[Domain]) -> list[Domain]:
    kept: list[Domain] = []
    for d in found:
        if not kept or d.capacity > kept[-1].capacity:
            kept.append(d)
    return kept


def _steps(found: list[Domain], size: float = 1.0) -> tuple[list[float], list[float]]:
    x: list[float] = []
    y: list[float] = []
    for d in found:
        x += [d.released.year, d.released.year]
        y += [(y[-1] if y else d.capacity / size), d.capacity / size]
    return x, y


def _data() -> dict:
    return {"domains": [{"name": d.released.name, "year": d.released.year, "year_from_memory": d.released.from_memory,
                         "packages": d.chips, "memory": d.capacity, "bandwidth": d.bandwidth,
                         "largest_model": d.largest} for d in domains()],
            "models": [{"name": s.released.name, "year": s.released.year, "year_from_memory": s.released.from_memory,
                        "parameters": s.total, "active": s.active, "context": s.context} for s in sizes()]}
