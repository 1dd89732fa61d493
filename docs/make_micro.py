"""Fits the micro-benchmarks again and makes docs/micro.md and its picture.

    python docs/make_micro.py
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

from rackline import units
from rackline.decisions.accuracy.micro import (
    MicroPrediction,
    Unpredictable,
    coefficients_text,
    fit_micro,
    predict_micro,
    spans,
)
from rackline.decisions.accuracy.micro_points import Point, point
from rackline.facts.micro import COEFFICIENTS, micro, micro_groups, micro_names

PAGE = Path(__file__).with_name("micro.md")
PICTURE = Path(__file__).parent / "img" / "micro.png"
DATE = "2026-11-22"
FORMS = ("gemm", "prefill attention", "decode attention", "collective", "expert exchange")
HEAD = """# Kernels and collectives: what they achieve

{rows:,} published micro-benchmarks, {predicted:,} of them predicted by coefficients fitted to the same tables. The
errors are therefore of points seen; the intervals, and the columns "left out", come from points that the fit had not
seen: each group without one of its shapes at a time, a family or format without one of its chips at a time.

A time is the datasheet's, divided by the share of each rate that is achieved, plus a fixed time:

- products: `fixed + sqrt((compute/e)² + (memory/e)² + (tiles × wave)²) + quantise/e + output × o`. `tiles`: a chip's
  units work on one wave of tiles of 128 × 128 at a time, so that a product takes no less than a wave, which grows with
  its depth k. `quantise`: rounding bf16 activations to the product's format, which these timings include, is a kernel
  of its own. `output`: the share o of writing the output that is not hidden behind the next tile.
- attention over a prompt: `fixed + compute/e + memory/e`, scores below the diagonal only.
- attention of one new token: `fixed + memory/e`.
- collectives and expert exchanges: `(fixed^j + (wire/e)^j)^(1/j)` with j below 1, for protocols change in between; the
  fixed time and e change with the number of chips.

No e is above one. Groups lean on what they belong to (a chip on its family, that on its format, that on all), and a
chip or format that was not measured gets the coefficients of what it belongs to, with their wider interval. Median and
mean errors are absolute, of the predicted value relative to the measured one.
"""
FASTER = """## Faster than the datasheet allows

{count} rows took less time than their largest part takes at the datasheet's rate, by more than 1 %:
{where}. They are predicted, and left out of the fit. They are products of few rows by
weights of {low:.0f} to {high:.0f} MB, and the chip's second-level cache has 96 MB: a benchmark that repeats one product
reads its weights from there, in whole or in part, at up to {most:.1f} times the memory's bandwidth.

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
    found = {name: predict_micro(micro(name)) for name in micro_names()}
    everything = [one for table in found.values() for one in table]
    predicted = [one for one in everything if isinstance(one, MicroPrediction)]
    parts = [HEAD.format(rows=len(everything), predicted=len(predicted)),
             "![Measured against predicted seconds](img/micro.png)\n", *_tables(found), *_refused(everything),
             _faster([one for one in predicted if one.faster]), *_groups(predicted), *_pooled(), *_how()]
    return "\n".join(parts).rstrip() + "\n"


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
    points = [found for one in rows if isinstance(found := point(one.row), Point)]
    megabytes = [one.row.facts["n"] * one.row.facts["k"] * 2.0 / 1e6 for one in rows]
    where = "; ".join(f"{name.split(': ')[1]}, {spans(one.row.id for one in found)} ({len(found)})"
                      for name, found in _by(rows, lambda one: one.group).items())
    most = max(found.parts["memory"] / found.seconds for found in points)
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
        rows = _by((one for one in predicted if micro_groups()[one.group].form == form), lambda one: one.group)
        names = list(micro_groups()[next(iter(rows))].coefficients)
        yield f"### {form[0].upper()}{form[1:]}\n"
        yield f"| group | rows | median error | mean | left out: median | mean | {' | '.join(names)} |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: |" + " ---: |" * len(names)
        for name, found in rows.items():
            errors = [abs(one.error) for one in found]
            facts = micro_groups()[name].coefficients
            shown = " | ".join(_fact(key, facts[key].value, facts[key].low, facts[key].high) for key in names)
            left = " | ".join(f"{error:.1%}" for error in micro_groups()[name].left_out)
            yield (f"| {name.split(': ')[1]} | {len(found)} | {median(errors):.1%} | {fmean(errors):.1%} | {left} | "
                   f"{shown} |")
        yield ""


def _fact(name: str, *ends: float | None) -> str:
    value, low, high = (_number(name, end) for end in ends)
    return f"{value} ({low}–{high})"


def _number(name: str, value: float | None) -> str:
    return "—" if value is None else units.show(value, "seconds", 2) if name == "fixed" else f"{value:.2g}"


def _pooled() -> Iterator[str]:
    """What a chip or format that was not measured gets."""
    yield "## Where nothing was measured\n"
    yield ("Each chip left out in turn, and predicted by the others; of a group of one chip, each shape, with the "
           "factor of\nwhat the group belongs to.\n")
    yield "| coefficients of | rows | median error | mean | 90 % of points lie within a factor of |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for name, group in micro_groups().items():
        if not re.search(r" on \S*\d", name):
            low, high = (math.exp(end) for end in group.spread)
            middle, mean = group.left_out
            yield f"| {name} | {group.count} | {middle:.1%} | {mean:.1%} | {low:.2f} to {high:.2f} |"
    yield ""


def _how() -> Iterator[str]:
    yield "## How this page is made\n"
    yield ("By `docs/make_micro.py`, which fits every coefficient again (about five seconds), writes them to the facts "
           "and makes this page:\ndo not edit. A test fits again, compares, and requires of every share that it is at "
           "most one.")


def picture(path: Path = PICTURE) -> None:
    """Measured over predicted seconds, or rates, of every predicted row, one panel a kind."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [one for name in micro_names() for one in predict_micro(micro(name)) if isinstance(one, MicroPrediction)]
    figure, axes = pyplot.subplots(1, len(FORMS), figsize=(15.0, 3.6), dpi=90)
    for panel, form in zip(axes, FORMS, strict=True):
        shown = [one for one in rows if one.row.unit == "seconds"]
        _panel(panel, form, [one for one in shown if micro_groups()[one.group].form == form])
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
