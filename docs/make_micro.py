"""Fits the micro-benchmarks again and makes docs/micro.md and its picture.

    python docs/make_micro.py
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

from rackline import units
from rackline.decisions.accuracy.judged_cache import is_cache
from rackline.decisions.accuracy.micro import (
    MicroPrediction,
    Unpredictable,
    bundled_points,
    coefficients_text,
    fit_micro,
    predict_micro,
    spans,
)
from rackline.decisions.accuracy.micro_left_out import LeftOut, left_out
from rackline.decisions.accuracy.micro_points import Point
from rackline.facts.measurements import Measured
from rackline.facts.micro import COEFFICIENTS, micro, micro_groups, micro_names

PAGE = Path(__file__).with_name("micro.md")
PICTURE = Path(__file__).parent / "img" / "micro.png"
DATE = "2026-11-22"
FORMS = ("gemm", "prefill attention", "decode attention", "collective", "expert exchange", "transfer")
HEAD = """# Kernels and collectives: what they achieve

{rows:,} published micro-benchmarks, {predicted:,} of them predicted, and no error here is of a point that its fit had
seen: each is predicted by coefficients fitted without any point of its shape on that chip (a product's n and k, a
collective's bytes), and below, whole chips and formats are left out. What is in sample: the forms of the equations, how
hard groups lean on each other, and the few coefficients of a general group, which lean on what was left out through
the more general one. The coefficients shown are those fitted to all.

A time is the datasheet's, divided by the share of each rate that is achieved, plus a fixed time:

- products: `fixed + sqrt((compute/e)² + (memory/e)² + (k × depth)²) + quantise/e + output × o`. `depth`: a unit steps
  along the product's depth k, however small its share of the output is, at about a nanosecond an element on every
  chip. `quantise`: rounding bf16 activations to the product's format, which these timings include, is a kernel of its
  own. `output`: the share o of writing the output that is not hidden behind the next tile.
- attention over a prompt: `(fixed^j + (compute/e + memory/e)^j)^(1/j)`, scores below the diagonal only.
- attention of one new token: `(fixed^j + (memory/e)^j)^(1/j)`: with j below 1 the memory's rate is reached slowly.
- collectives and expert exchanges: `(fixed^j + (wire/e)^j)^(1/j)` with j below 1, for protocols change in between; the
  fixed time and e change with the number of chips.
- the cache of a prompt, from box to box over all cards: the same. The bytes are the ledger's, copies of tensor ranks
  counted.

Then, where other chips of the family were measured at the very same sizes, what those show beyond their own
coefficients is added, their mean shrunk by n/(n + 1): tiles that do not fill a chip, protocols that change, are alike.

No e is above one. Groups lean on what they belong to (a chip on its family, that on its format, that on all), and a
chip or format that was not measured gets the coefficients of what it belongs to. Its interval is that of such groups
left out; that of another number of chips is of numbers left out. Median and mean errors are absolute, of the predicted
value relative to the measured one.
"""
FASTER = """## Faster than the datasheet allows

{count} rows took less time than their largest part takes at the datasheet's rate, by more than 1 %:
{where}.
They are predicted, and left out of the fit. Those of the L40S are products of few rows by
weights of {low:.0f} to {high:.0f} MB, and the chip's second-level cache has 96 MB: a benchmark that repeats one product
reads its weights from there, in whole or in part, at up to {most:.1f} times the memory's bandwidth. DeepEP's dispatch
of 58 GB/s over cards of 50 counts copies that never leave the box.

What would have been faster, had it been read otherwise:

- A100, attention of one token (TensorRT-LLM 1.0.0): the table says a bf16 cache. 2,147 MB of one in 639 µs would be
  3.4 TB/s on a memory of 2.04; of 8 bits it is 1.7. It is read as 8 bits, at all sizes.
- an fp8 cache with bf16 queries, prompts: up to 0.80 of bf16's rate where a bf16 cache of the same sizes reaches 0.54,
  and the times of fp8 queries. These products are taken at fp8's rate.
- all-reduce of 8 H200: 537 MB in 2,040 µs, for which a ring needs 2,088 at 450 GB/s. The switch adds (NVLS), so that
  each chip sends its buffer once, for more than two chips on H100 and later: the bytes counted are those.
- DeepEP's current release sends over NVLink inside a box: its "RDMA bandwidth" of 98 to 127 GB/s at 8 chips is not of
  the cards' 50 GB/s. The slower of both networks is taken.
"""


def page() -> str:
    """The whole page, from the bundled coefficients."""
    found = {name: predict_micro(_timed(name)) for name in micro_names()}
    everything = [one for table in found.values() for one in table]
    predicted = [one for one in everything if isinstance(one, MicroPrediction)]
    parts = [HEAD.format(rows=len(everything), predicted=len(predicted)),
             "![Measured against predicted seconds](img/micro.png)\n", *_tables(found), *_refused(everything),
             _faster([one for one in predicted if one.faster]), *_whole(), *_groups(predicted), *_how()]
    return "\n".join(parts).rstrip() + "\n"


def _timed(name: str) -> list[Measured]:
    """The rows of a table that are no sizes of caches, which the ledger predicts without a coefficient."""
    return [row for row in micro(name) if not is_cache(row.metric)]


def _tables(found: dict[str, list[MicroPrediction | Unpredictable]]) -> Iterator[str]:
    yield "## By table\n"
    yield "| table | rows | predicted | median error | mean | bias | 90th percentile | in the 90 % interval |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, table in found.items():
        rows = [one for one in table if isinstance(one, MicroPrediction)]
        yield f"| {name} | {len(table)} | {_figures(rows)} |"
    yield ""


def _figures(rows: Sequence[MicroPrediction]) -> str:
    """Count, median, mean, bias, 90th percentile of errors, coverage."""
    errors = [abs(one.error) for one in rows]
    inside = fmean(one.low <= one.row.value <= one.high for one in rows)
    ninth = quantiles(errors, n=10)[-1] if len(errors) > 1 else errors[0]
    return (f"{len(rows)} | {median(errors):.1%} | {fmean(errors):.1%} | {fmean(one.error for one in rows):+.1%} | "
            f"{ninth:.1%} | {inside:.0%}")


def _faster(rows: list[MicroPrediction]) -> str:
    products = [one for one in rows if one.point.form.name == "gemm"]
    megabytes = [one.row.facts["n"] * one.row.facts["k"] * 2.0 / 1e6 for one in products]
    where = "; ".join(f"{name.split(': ')[1]}, {spans(one.row.id for one in found)} ({len(found)})"
                      for name, found in _by(rows, lambda one: one.group).items())
    most = max(one.point.parts["memory"] / one.point.seconds for one in products)
    return FASTER.format(count=len(rows), where=where, low=min(megabytes), high=max(megabytes), most=most)


def _refused(everything: Iterable[MicroPrediction | Unpredictable]) -> Iterator[str]:
    why = Counter(one.reason for one in everything if isinstance(one, Unpredictable))
    yield "Not predicted: " + "; ".join(f"{count} {reason}" for reason, count in sorted(why.items())) + ".\n"


def _by(rows: Iterable[MicroPrediction], key: Callable[[MicroPrediction], str]) -> dict[str, list[MicroPrediction]]:
    grouped: dict[str, list[MicroPrediction]] = defaultdict(list)
    for row in rows:
        grouped[key(row)].append(row)
    return dict(sorted(grouped.items()))


def _groups(predicted: list[MicroPrediction]) -> Iterator[str]:
    yield "## By chip and kind\n"
    for form in FORMS:
        rows = _by((one for one in predicted if one.point.form.name == form), lambda one: one.group)
        names = list(micro_groups()[next(iter(rows))].coefficients)
        yield f"### {form[0].upper()}{form[1:]}\n"
        yield f"| group | rows | median error | mean | inside | {' | '.join(names)} |"
        yield "| --- | ---: | ---: | ---: | ---: |" + " ---: |" * len(names)
        for name, found in rows.items():
            errors = [abs(one.error) for one in found]
            inside = fmean(one.low <= one.row.value <= one.high for one in found)
            facts = micro_groups()[name].coefficients
            shown = " | ".join(_fact(key, facts[key].value, facts[key].low, facts[key].high) for key in names)
            yield (f"| {name.split(': ')[1]} | {len(found)} | {median(errors):.1%} | {fmean(errors):.1%} | "
                   f"{inside:.0%} | {shown} |")
        yield ""


def _fact(name: str, *ends: float | None) -> str:
    value, low, high = (_number(name, end) for end in ends)
    return f"{value} ({low}–{high})"


def _number(name: str, value: float | None) -> str:
    return "—" if value is None else units.show(value, "seconds", 2) if name in ("fixed", "depth") else f"{value:.2g}"


WHOLE: tuple[tuple[str, str, Callable[[Point], Hashable]], ...] = (
    ("gemm", "a chip's format", lambda p: (p.chip, p.kind)), ("prefill attention", "a chip", lambda p: p.chip),
    ("decode attention", "a chip", lambda p: p.chip), ("collective", "a chip", lambda p: p.chip),
    ("collective", "a number of chips of H200 or B200",
     lambda p: (p.chip, p.group) if p.chip in ("h200-sxm", "b200") and "timed by NCCL" in p.levels[0] else None),
    ("expert exchange", "a chip's number of chips", lambda p: (p.chip, p.group)))
RESTS = {"near": "its family, or other numbers", "unseen": "its kind elsewhere"}


def _whole() -> Iterator[str]:
    """What a chip, format or number of chips that was not measured gets, and how far off that is."""
    yield "## Left out whole\n"
    yield ("Each chip, each format of a chip, each number of chips taken out of the fit in turn, intervals and all, "
           "and predicted by\nwhat is left: by a chip of its family, or by other numbers of chips on the same one, "
           "where there are such; else by its\nkind on other families, or by all kinds.\n")
    yield "| left out | rests on | sets | rows | median error | mean | bias | in the 90 % interval |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    points = bundled_points()
    for form, what, label in WHOLE:
        found = left_out([point for point in points if point.form.name == form], label)
        for basis, rests in RESTS.items():
            sets = [one for one in found if one.basis == basis]
            if sets:
                yield f"| {form}: {what} | {rests} | {_summed(sets)} |"
    yield ""


def _summed(sets: Sequence[LeftOut]) -> str:
    errors = [math.exp(-float(error)) - 1.0 for one in sets for error in one.errors]
    inside = fmean(bool(each) for one in sets for each in one.inside)
    size = [abs(error) for error in errors]
    return (f"{len(sets)} | {len(size)} | {median(size):.1%} | {fmean(size):.1%} | {fmean(errors):+.1%} | "
            f"{inside:.0%}")


def _how() -> Iterator[str]:
    yield "## How this page is made\n"
    yield ("By `docs/make_micro.py`, which fits every coefficient again (a few seconds), writes them to the facts "
           "and makes this page:\ndo not edit. A test fits again, compares, and requires of every share that it is at "
           "most one.")


def picture(path: Path = PICTURE) -> None:
    """Measured over predicted seconds, or rates, of every predicted row, one panel a kind."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [one for name in micro_names() for one in predict_micro(_timed(name)) if isinstance(one, MicroPrediction)]
    figure, axes = pyplot.subplots(1, len(FORMS), figsize=(17.0, 3.6), dpi=90)
    for panel, form in zip(axes, FORMS, strict=True):
        shown = [one for one in rows if one.row.unit == "seconds"]
        _panel(panel, form, [one for one in shown if one.point.form.name == form])
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def _panel(axes: Any, form: str, rows: list[MicroPrediction]) -> None:
    for name, found in _by(rows, lambda one: one.row.hardware).items():
        axes.scatter([one.value for one in found], [one.row.value for one in found], s=4, alpha=0.5,
                     label=name.split(" (")[0].removeprefix("NVIDIA ")[:18])
    ends = [min(one.row.value for one in rows), max(one.row.value for one in rows)]
    axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.set(xscale="log", yscale="log", title=form, xlabel="predicted, s", ylabel="measured, s")
    axes.legend(fontsize=5, frameon=False)
    axes.xaxis.set_minor_formatter("")
    axes.yaxis.set_minor_formatter("")


if __name__ == "__main__":
    COEFFICIENTS.parent.mkdir(exist_ok=True)
    COEFFICIENTS.write_text(coefficients_text(fit_micro(), DATE), encoding="utf-8")
    micro_groups.cache_clear()
    PAGE.write_text(page(), encoding="utf-8")
    picture()
