"""Makes docs/measured.md and its picture: every prediction beside the published measurement.

    python docs/make_measured.py
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rackline import units
from rackline.decisions import day6
from rackline.decisions.against import against
from rackline.decisions.comparing import Comparison, Unpredicted
from rackline.decisions.pope_contexts import longest_contexts
from rackline.facts.measurements import measurements, reasons

PAGE = Path(__file__).with_name("measured.md")
PICTURE = Path(__file__).parent / "img" / "measured.png"
TABLES = {
    "gpt-fast": "gpt-fast: decode of one sequence, tensor parallel over 1 to 8 chips",
    "llamacpp-gpus": "llama.cpp: one sequence on one GPU, or its layers split over several",
    "llamacpp-scoreboards": "llama.cpp: scoreboards of Apple, GeForce and DGX Spark",
    "palm-tpuv4": "Pope et al. 2022: PaLM on TPU v4, and the GPUs it is compared with",
    "deepseek-day6": "DeepSeek, day 6: one unit of prefilling and one of decoding nodes",
    "inferencex-sample": "InferenceX and NVIDIA's sweeps: time per output token, the bound only",
    "trtllm-overview-sample": "TensorRT-LLM's overview: throughput and first token, the bound only",
}
# what is not recorded is taken at its best there, so that only the bound means something
BOUND_ONLY = ("inferencex-sample", "trtllm-overview-sample")
TITLE = "# Predicted and measured\n"
HEAD_TEXT = """{rows:,} published measurements beside the roofline, no coefficient fitted. lower/measured is the share
of the measured time in which the busiest resource must have worked; time/measured is what the roofline accounts for.
{faster} points are faster than the bound by more than 1 %, and each has a reason on the page of measurements. They
are what is left: sixteen more of the sources' rows lay below the bound as it was first computed. What was corrected
then, after seeing them, and the rates and engine defaults that this assumes, is told there too.
"""
HOW = """## How this page is made

By `docs/make_measured.py`: do not edit it. A test makes it again and compares, requires of every measured point that
it is not faster than the predicted lower bound by more than 1 % or has its reason below, of every reason that it
still has such a point, and of every predicted pass that no resource works for longer than the pass takes.

`lower` lets arithmetic, memory and network overlap entirely, `time` lets arithmetic and memory overlap within a term
and nothing else. What time/measured leaves below 1 is what a roofline does not know: launches of kernels, bandwidth
that is not reached, small products, the engine. A median far below 1 says as much of an engine as of the prediction.
"""
COUNTS = "## What is compared\n"
HEAD = "| model | chip | chips | weights | phase | rows | lower/measured, median | time/measured, median (range) |"


def page() -> str:
    """The whole page."""
    found = {name: against(measurements(name)) for name in TABLES}
    everything = [one for table in found.values() for one in table]
    sections = [TITLE, *_overview(found), HOW, *_picture_section(), *_counts(found), *_extremes(everything), *_faster(),
                *_contexts(), *_day(), *_lessons()]
    for name, table in found.items():
        sections += _bounds(TABLES[name], table) if name in BOUND_ONLY else _groups(TABLES[name], table)
    return "\n".join(sections).rstrip() + "\n"


def compared(found: Iterable[Comparison | Unpredicted]) -> list[Comparison]:
    """Those that have a prediction."""
    return [one for one in found if isinstance(one, Comparison)]


def _counts(found: dict[str, list[Comparison | Unpredicted]]) -> Iterator[str]:
    yield COUNTS
    yield "| table | rows | compared | not compared, and why |\n| --- | ---: | ---: | --- |"
    for name, table in found.items():
        why = Counter(one.reason for one in table if isinstance(one, Unpredicted))
        listed = "; ".join(f"{count} {reason}" for reason, count in sorted(why.items()))
        yield f"| {name} | {len(table)} | {len(compared(table))} | {listed} |"
    yield ""


def _picture_section() -> list[str]:
    return ["![Measured seconds against the predicted lower bound](img/measured.png)\n"]


def _overview(found: dict[str, list[Comparison | Unpredicted]]) -> Iterator[str]:
    rows = [row for table in found.values() for row in compared(table)]
    yield HEAD_TEXT.format(rows=len(rows), faster=sum(len(reason.ids) for reason in reasons()))
    yield "| table | phase | rows | lower/measured, median | largest | time/measured, median | smallest |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for name, table in found.items():
        for what, rows in _by(compared(table), lambda c: c.what).items():
            lower, time = _ratios(rows)
            times = "|  | |" if name in BOUND_ONLY else f"| {median(time):.2f} | {min(time):.2f} |"
            yield f"| {name} | {what} | {len(rows)} | {median(lower):.2f} | {max(lower):.2f} {times}"
    yield ""


def _by(rows: Iterable[Comparison], key: Callable[[Comparison], object]) -> dict[object, list[Comparison]]:
    grouped: dict[object, list[Comparison]] = defaultdict(list)
    for row in rows:
        grouped[key(row)].append(row)
    return dict(grouped)


def _ratios(rows: Sequence[Comparison]) -> tuple[list[float], list[float]]:
    return [row.utilisation for row in rows], [row.time / row.seconds for row in rows]


def _groups(title: str, table: Sequence[Comparison | Unpredicted]) -> Iterator[str]:
    yield f"## {title}\n"
    yield HEAD
    yield "| --- | --- | ---: | --- | --- | ---: | ---: | ---: |"
    key = lambda c: (c.measured.model, c.measured.hardware.split(" (")[0], c.measured.chips or 1,  # noqa: E731
                     c.measured.formats.weights, c.what)
    for (model, chip, chips, weights, what), rows in _by(compared(table), key).items():
        lower, time = _ratios(rows)
        spread = f" ({min(time):.2f}–{max(time):.2f})" if len(rows) > 1 else ""
        yield (f"| {model} | {chip} | {chips} | {weights or 'as published'} | {what} | {len(rows)} | "
               f"{median(lower):.2f} | {median(time):.2f}{spread} |")
    yield ""


def _bounds(title: str, table: Sequence[Comparison | Unpredicted]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| model | chip | weights | phase | rows | lower/measured, median | smallest | largest |"
    yield "| --- | --- | --- | --- | ---: | ---: | ---: | ---: |"
    key = lambda c: (c.measured.model, c.measured.hardware, c.measured.formats.weights, c.what)  # noqa: E731
    for (model, chip, weights, what), rows in _by(compared(table), key).items():
        lower = _ratios(rows)[0]
        yield (f"| {model} | {chip} | {weights or 'as published'} | {what} | {len(rows)} | {median(lower):.2f} | "
               f"{min(lower):.2f} | {max(lower):.2f} |")
    yield ""


def _extremes(everything: Sequence[Comparison | Unpredicted]) -> Iterator[str]:
    rows = sorted(compared(everything), key=lambda c: c.utilisation)
    yield from _listed("## Closest to the bound\n", reversed(rows[-8:]))
    yield from _listed("## Furthest from it\n", rows[:8])


def _listed(title: str, rows: Iterable[Comparison]) -> Iterator[str]:
    yield title
    yield "| row | model | chip | weights | phase | measured | lower | lower/measured | limited by |"
    yield "| --- | --- | --- | --- | --- | ---: | ---: | ---: | --- |"
    for row in rows:
        of = row.measured
        chip = f"{of.chips or 1} × {of.hardware.split(' (')[0]}"
        yield (f"| {of.id} | {of.model} | {chip} | {of.formats.weights} | {row.what} | "
               f"{units.show(row.seconds, 'seconds')} | {units.show(row.lower, 'seconds')} | {row.utilisation:.2f} | "
               f"{row.limiter} |")
    yield ""


def _faster() -> Iterator[str]:
    yield "## Points faster than the lower bound\n"
    yield "As printed, each needs more than its chips' bandwidth. None is in the tables of one sequence or Pope's.\n"
    for reason in reasons():
        yield f"### {reason.title}\n\n{reason.text.strip()}\n\nRows: {', '.join(reason.ids)}.\n"


def _contexts() -> Iterator[str]:
    yield "## Pope et al., table 1: longest context, 30 % of memory for the cache\n"
    yield "| attention | batch | published | ours, 32 GB a chip | ours, 32 GiB | GiB/published |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for one in longest_contexts(measurements("palm-tpuv4")):
        of = one.measured
        yield (f"| {of.facts['layout']} | {of.load.batch} | {of.value:,.0f} | {one.low:,.0f} | {one.high:,.0f} | "
               f"{one.high / of.value:.3f} |")
    yield "\nThe published lengths follow with GiB, so the range of the chip's memory holds both.\n"


def _day() -> Iterator[str]:
    yield "## DeepSeek's day: its figures from its own inputs\n"
    yield "| figure | published | ours | ours/published | equation |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for one in day6.arithmetic(measurements("deepseek-day6")):
        yield (f"| {one.name} | {one.published:,.10g} {one.unit} | {one.ours:,.7g} {one.unit} | "
               f"{one.ours / one.published:.4f} | {one.equation} |")
    yield _DAY_AGREES


_DAY_AGREES = """
The day's tokens at the published rates of a prefilling and of a decoding node keep as many nodes busy as the overview
says were in use: the statistics agree with one another, cache hits counted among the 73.7k.
"""


def _lessons() -> list[str]:
    return [LESSONS]


LESSONS = """## What the comparison corrected, and what it rests on

Three rows were faster than the bound as it was first computed; each time the bound was at fault.

- 16-bit accumulation (XDL-0044, prefill of Llama 3 8B F16 on an RTX 4080, 5 % faster than the bound). GeForce chips
  multiply 16-bit numbers twice as fast when they also add in 16 bits, as the chip's file said of the upper end of its
  rate. The chips now have that rate as `fp16`. They also have an `int8` rate, as the data-centre chips had already:
  llama.cpp multiplies quantised weights by 8-bit activations, and a bound may not leave that out. It lowers the bound
  of quantised prefill on them fourfold (LCP-0171 on an RTX 3090 from 0.95 to 0.25 of the measured time) without any
  row having asked for it. Both rates are assumed, from memory, with intervals, and so is which arithmetic llama.cpp
  used: no source was read for either.
- How a prompt is cut (LCP-0207, prefill of gpt-oss-120b on the DGX Spark, 10 % faster). Pieces of 512 tokens would
  each read nearly all experts again, so that benchmark took larger ones. One chip's bound is now one pass over the
  whole prompt, which no way of cutting can beat.
- Layers split over chips (XDL-0237, prefill of Llama 3 70B F16 on eight RTX 4090, 3 % faster). Decode waits for each
  chip in turn: the sum over stages. Prefill does not: 8192 tokens of the 8B model take four chips a third of the time
  of one (2.7 to 3.0 times as fast on most). The bound now lets pieces of 512 tokens, llama.cpp's default from memory,
  follow one another through the stages.

What else the numbers rest on:

- The last two tables are samples: two rows (lowest and highest concurrency) of every series of InferenceX's
  aggregated rows, and one of every series of the TensorRT-LLM overview, plus the rows named above and their
  neighbours. The same check over all 1,811 and 982 rows of the sources, before sampling, found these points and no
  others.
- With every request of the stated concurrency in one pass, 19 of the 1,811 rows were faster than the bound, not 6.
  Three are NVIDIA's sweeps (Qwen3-32B NVFP4), where concurrency/batch is a hidden number of ranks or replicas: there
  the batch counts. Ten hold more sequences than fit, so that some must wait: the batch is now at most what fits. Two
  of them, SIL-7000 (2 %) and SIL-6414 (4 %, flagged as those on 48 chips), stayed below with the whole memory for
  weights and cache. The share is now 85 %, the low end of what engines take: this was decided after seeing them, but
  it is the end that cannot put a bound on a pass too high. Where all requests are queued the batch is what fits in
  the whole memory: there a larger one makes more tokens.
- Lengths are 0.9 of the stated ones in InferenceX's rows and NVIDIA's, as InferenceX draws them; KV is fp8 where a
  row does not say.
- Rows flagged for multi-token prediction are there too: a pass makes more than one token, so the bound on a pass does
  not bind them, and none happens to lie below it.
- ggml's formats. Q4_K_M is a mixture: with half of the value and down matrices and the head in Q6_K the sizes of
  Llama 3 8B and 70B come out as printed (4.58 and 39.59 GiB). Of the embedding only the rows of the new tokens are
  read.
- Slow and not explained: F16 prefill of Llama 3 8B on the A100 SXM is about ten times slower than on the A100 PCIe in
  the same table, an anomaly of the source. llama.cpp's decode of the 8B model uses a quarter to a half of the
  bandwidth of A100 and H100.
- Apple's arithmetic rates are assumed too (from memory); the bandwidths, which bound decode, were read.
- PaLM computes attention and feed-forward from the same input, so that one all-reduce serves both, and cuts matrices
  in two dimensions; the ledger counts two all-reduces over all chips. That weighs in `time`, and in the bound of
  POPE-0031 (0.36), which the network sets.
"""


def picture(path: Path = PICTURE) -> None:
    """Measured seconds over the predicted lower bound, every compared row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 6.0), dpi=110)
    for (name, title), marker in zip(TABLES.items(), "so^DvPx", strict=True):
        rows = compared(against(measurements(name)))
        axes.scatter([r.lower for r in rows], [r.seconds for r in rows], s=14, marker=marker, alpha=0.6,
                     label=f"{title.split(':')[0]} ({name}, {len(rows)})")
    _frame(axes)
    path.parent.mkdir(exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def _frame(axes: Any) -> None:
    low, high = 1e-4, 1e4
    axes.plot([low, high], [low, high], color="black", linewidth=1, label="the bound: points below are explained")
    axes.plot([low, high], [2 * low, 2 * high], color="gray", linewidth=0.8, linestyle="--",
              label="half of the bound's speed")
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), xlabel="predicted lower bound, s",
             ylabel="measured, s", title="Published measurements against the roofline's lower bound")
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    axes.grid(alpha=0.25)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    picture()
