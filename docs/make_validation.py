"""Makes docs/validation.md and its picture: how accurate the calibrated clock is, on what it has seen and has not.

    python docs/make_validation.py
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rackline.decisions.accuracy import judging
from rackline.decisions.accuracy.calibrated_from import band
from rackline.decisions.accuracy.calibrating import PACE, held_out, parted
from rackline.decisions.accuracy.judging import Judged
from rackline.decisions.accuracy.pass_families import is_pass, keys_of, left_out, phase_of
from rackline.decisions.accuracy.sample import TRAINING, Sample
from rackline.decisions.accuracy.served_samples import USED
from rackline.decisions.accuracy.settings import setting
from rackline.decisions.accuracy.training_figures import figure_of
from rackline.decisions.intervals import around_pass
from rackline.facts.calibration import calibration
from rackline.facts.observations import bundled
from rackline.systems.calibrated import FIRST, calibrated
from rackline.systems.serving import Kind, Server, Workload, decode_time, together

PAGE = Path(__file__).with_name("validation.md")
PICTURE = Path(__file__).parent / "img" / "validation.png"
HEAD = "| {} | rows | median | mean | bias | p90 | in the 90 % interval |"
RULE = "| --- | --- | --- | --- | --- | --- | --- |"
_KEYS = ("median_ape", "mape", "bias", "p90_ape", "coverage90")
CHUNK = 8192.0  # new tokens of a pass, as engines take by default on large chips
SHOWN = 40  # rows that a group must have to be listed here

TITLE = """# How accurate is it?

Made by `docs/make_validation.py` from `rackline validate`; a test makes it again and compares. Every bundled row is
predicted from the others: its configuration, whatever the version it was measured with, is left out of the correction
of its series. The {rows:,} rows are public (InferenceX, NVIDIA's sweeps and overview tables, Splitwise, gpt-fast,
llama.cpp, PaLM on TPU v4; of training: Megatron, Megatron-Bridge, llm-foundry, papers); {refused} more have no
prediction, with the reason below.

![Predicted against measured](img/validation.png)
"""
HELD = """## What it has not seen

The same fit with whole models, chips, series (model, chip, engine, precision) or parallel sizes of a series left out.
Unseen models, chips and series get the pooled clock alone: what engines, chips or versions showed elsewhere was tried
as a shrunk offset and helped some unseen ones at the cost of others (docs/LOG.md). The parallel sizes and the series
are one division into fifths. Terms and widths of the correction were chosen on these rows: new rows may do worse.
The intervals, too, are quantiles of these errors. How they would do on what nobody looked at is the column "inside":
the interval for a model (chip, series) is made from the errors of all the others alone, and holds so many of its rows.
"""
NEAR = """Of bundled rows alone in their parallel sizes, predicted from others of the series, the intervals hold {tpot}
tokens and {ttft} first tokens.
"""
PLANS = """`rackline plan` takes the same clock without a series' correction, and its first token is that of requests
that come at random, not of clients that start at once. Of every fifth of these rows, unflagged, its intervals hold:
"""
ENGINES = """By engine (median and mean), with a model or a chip left out:
"""
TRAINING_TEXT = """## Training

A step is forward and backward passes of micro-batches and what idles and travels between chips, as parts of seconds at
the datasheet's rates. The pooled coefficients are corrected by what is left of all other steps: coefficients of one
stack may be off together on a chip, a design of chips, in a number format or a release, the whole step of a model on
a chip, neighbours in size and load. Every measurement counts once, however many of its figures are printed, and none
is predicted from another figure of its own. Parallel sizes, micro-batches and pieces that a row does not state are
taken as is usual. How far what is shared may be off was chosen on these same errors; two published figures may be of
one run (Megatron's README prints the share of the peak of steps that their paper times), and then one helps the other.
"""
HOW = """## What it is made of

A pass is a ledger of work. Each of its terms takes its arithmetic or its memory, whichever is longer, at the share of
the datasheet's rate that micro-benchmarks reach for the chip and the format ([micro](micro.md)); routed experts count
at the memory's full rate, as nobody timed their products. Weights, experts, KV cache, arithmetic and messages then have
a coefficient of at least one each. Counted in microseconds: messages and doublings of their group, layers, experts that
a token picks, sequences. New tokens read and write their activations once a layer (`token`) and once for every expert
picked (`routed`). Beside decoding run the prompts that ride on its passes: batch/output prompts a pass.

How many run at once is what the memory holds: {used} of the datasheet's bytes less the weights, as those rows show
whose clients queue for room; the cache is reserved for the whole output by TensorRT-LLM, for half of it by the others.
Where a row does not state its format, the cache of a quantised checkpoint is in fp8 under TensorRT-LLM and in
InferenceX's rows but those on H100. The coefficients are shared by all models and chips. What a group differs in is a
factor held at one, so that few rows do not move it: an engine's time a layer, formats of four bits, in first tokens an
engine's work, launches, burst and clients, and products in fp8 and in four bits.

A first token waits for the work of its prompt, for its launches, for a pass, for the opening burst (all clients start
at once and the burst is one tenth of the requests: (c - 1)/20 prompts on average) and, where the clients are more than
the memory holds, for one of those that run to end. Rows of a series count together as the square root of their number.

Then, for series that were measured, a smooth correction from the series' own residuals, marked `seen` or `near` (other
parallel sizes) in the answer, `unseen` where there is none. No coefficient belongs to a row. Cards and boxes whose
chips meet over the host's bus have a clock of their own (`tpot cards`): coefficients over the datasheet's rates that
start from micro-benchmarks, single decodes and what serving shows, moved by whole runs of vLLM, request by request.

Rows that time single passes (llama.cpp, gpt-fast, Splitwise, TensorRT-LLM's first tokens, PaLM, blogs) have families of
their own: a phase, then an engine, then a maker of chips, the narrower held at the wider, a dozen coefficients at most.
Beside the parts above: arithmetic of quantised weights, what the 32-bit cores do where memory limits, what the chip's
watts sustain, attention scores written out, and stages of a layer split that wait. What is left over is shared among
kin, shrunk: rows of one table, chip, model, format or series of an engine lend each other what they show.
"""
OFF = """## What is known to be off, and why

- `flag` marks suspects, from version and date, not from the value: multi-token prediction that is not recorded, chip
  counts that look disaggregated. Flagged rows are in the tables and are left out of the pooled fit.
- First tokens of what was never seen miss the 28 % at the median that were asked for, those of a model also the 42 % at
  the mean. vLLM's own keep to both, SGLang's and TensorRT-LLM's to neither (the table by engine): NVIDIA's sweeps do
  not record how requests come, and SGLang's rows of November 2025 and of its 0.5.1 have broken first tokens.
- Parallel sizes never seen: a few series in which one size was measured twice as fast as the next, DeepSeek fp8 under
  TensorRT-LLM and Qwen3.5 under SGLang on B200 foremost.
- Disaggregated rows often record neither workers nor layout of their pools; what is not stated is taken as the least
  that fits. Their first token is the worst of all serving figures.
- TensorRT-LLM's tables before 0.14 are static batches. Later ones do not say how many sequences ran: as many as fit,
  2,048 a data rank at most.
- llama.cpp: its table of GPUs has prompts in fp16 that are two to thirteen times slower than their neighbours (A100
  SXM, L40S, four RTX 5000 Ada, all of the 8B model); no model predicts them unseen, and they make the means.
- Splitwise: 64 prompts on two chips do not fit together, and the time printed is that of a few; outputs over 512 tokens
  ended earlier than stated (a request takes as long with 2,048 as with 8,192). Only their own kin show that.
- PaLM: twenty rows, collectives of a two-dimensional cut counted as one-dimensional; unseen ones are far off (above).
- Training of routed models under Megatron-Bridge: releases differ by up to half for the same sizes (grouped products,
  graphs, fused routing), which no row records. Qwen3-30B on H100 is off by a factor of two.
- Rows of TensorRT-LLM 1.3.0rc1 for Qwen3-32B on GB200 are over three times slower than the pooled clock says.
"""


def page() -> str:
    """The whole page."""
    judged = judging.judge(bundled())
    title = TITLE.format(rows=len(judged.predicted), refused=len(judged.refused))
    parts = [title, *_metrics(judged), HELD, *_held(judged), *_plans(), *_passes(), TRAINING_TEXT, *_training(judged)]
    how = HOW.format(used=f"{100 * USED.value:.1f} %")
    parts += [*_groups(judged), how, *_coefficients(), OFF, *_refused(judged)]
    return "\n".join(parts) + "\n"


def _line(name: str, m: dict[str, Any]) -> str:
    return f"| {name} | {m['n']:,} | " + " | ".join(f"{100 * m[key]:.1f} %" for key in _KEYS) + " |"


def _metrics(judged: Judged) -> Iterator[str]:
    yield "## Configurations left out\n"
    yield HEAD.format("what")
    yield RULE
    for name, chosen in _cuts(judged):
        yield _line(name, judging.summary(chosen))
    for name, found in judging.metrics(judged).items():
        if found["n"] and name not in ("tpot", "ttft"):
            yield _line(name, found)
    yield ""


def _cuts(judged: Judged) -> Iterator[tuple[str, Sequence[Any]]]:
    of = lambda metric, mode: [p for p in judged.predicted if p.row.metric == metric  # noqa: E731
                               and p.like.mode == mode]
    for metric in ("tpot", "ttft"):
        every = of(metric, "together")
        yield f"{metric}, together, unflagged", [p for p in every if not p.like.flag]
        yield f"{metric}, together, every row", every
        yield f"{metric}, apart", of(metric, "apart")


_HELD = (("layout", "a fifth of the series' parallel sizes"), ("series", "a fifth of the series"),
         ("model", "a model"), ("chip", "a chip"))


def _held(judged: Judged) -> Iterator[str]:
    yield "| left out | tpot: median | mean | inside | ttft: median | mean | inside |"
    yield "| --- |" + " --- |" * 6
    sound = {family: [s for s in judging.known() if s.family == family and not s.like.flag]
             for family in (PACE, FIRST)}
    logs = {(family, key): held_out(family, rows, sound[PACE], key)[0]
            for family, rows in sound.items() for key, _ in _HELD}
    for key, name in _HELD:
        cells = []
        for family, rows in sound.items():
            error = logs[family, key]
            inside = "" if key == "layout" else f"{100 * _inside(error, parted(rows, key)):.1f} %"
            cells += [_middle(np.abs(np.expm1(-error)), [True] * len(rows)), inside]
        yield f"| {name} | {' | '.join(cells)} |"
    yield "\n" + NEAR.format(**{metric: _held_near(judged, metric) for metric in ("tpot", "ttft")})
    yield ENGINES
    yield "| engine | rows | tpot: a model | a chip | ttft: a model | a chip |"
    yield "| --- |" + " --- |" * 5
    for engine in sorted({s.like.engine for s in sound[PACE]}):
        yield _of_engine(engine, sound, logs)
    yield ""


def _plans() -> Iterator[str]:
    yield PLANS
    yield "| clients | rows | tpot: inside | predicted/measured, median | ttft: inside | predicted/measured, median |"
    yield "| --- |" + " --- |" * 5
    known = {family: [s for s in judging.known() if s.family == family and not s.like.flag] for family in (PACE, FIRST)}
    found = {family: [(s.clients, *_planned(s)) for s in rows[::5]] for family, rows in known.items()}
    for low, high in ((0, 8), (8, 64), (64, math.inf), (0, math.inf)):
        cells = [f"over {low}" if low and high == math.inf else "all" if high == math.inf else f"{low + 1} to {high}"]
        for i, rows in enumerate(found.values()):
            chosen = [one for one in rows if low < one[0] <= high]
            inside, ratio = (np.array([one[place] for one in chosen]) for place in (1, 2))
            cells += [f"{len(chosen):,}"] * (not i) + [f"{100 * inside.mean():.1f} %", f"{np.median(ratio):.2f}"]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _planned(s: Sample) -> tuple[bool, float]:
    """Whether a plan's interval at the row's layout and batch holds it, and the plan's time over the measured."""
    one, batch = setting(s.row), s.running
    server = Server(one.model, one.machine, calibrated(one.like.engine))
    work = Workload((Kind(one.input, one.output, 1.0),))
    decode, micro = decode_time(server, one.layout, work, batch), batch / one.layout.pipeline
    point = together(server, one.layout, work, batch, CHUNK, decode)
    tokens = s.family == PACE
    mixed = work.decoding(micro) + work.prompting(micro / one.output)
    passed = mixed if tokens else work.prompting(one.layout.data * 1.0)
    around = around_pass(server, one.layout, passed, s.family)
    assert around is not None
    value = float(point.tpot if tokens else point.ttft)
    low, high = (np.ravel(end(value))[0] for end in (around.low, around.high))
    return bool(low <= s.seconds <= high), value / s.seconds


def _of_engine(engine: str, sound: dict[str, list[Sample]], logs: dict[tuple[str, str], np.ndarray]) -> str:
    cells = [_middle(np.abs(np.expm1(-logs[family, key])), [s.like.engine == engine for s in rows]).replace("|", "·")
             for family, rows in sound.items() for key in ("model", "chip")]
    count = sum(s.like.engine == engine for s in sound[PACE])
    return f"| {engine} | {count:,} | {' | '.join(cells)} |"


def _inside(error: np.ndarray, parts: Sequence[Any]) -> float:
    """The share of errors inside the interval that those of the other parts make."""
    held = 0
    for part in dict.fromkeys(parts):
        own = np.array([one == part for one in parts])
        others = band(error[~own])
        held += int(((others.low <= error[own]) & (error[own] <= others.high)).sum())
    return held / len(error)


def _held_near(judged: Judged, metric: str) -> str:
    rows = [p for p in judged.predicted if p.row.metric == metric and p.basis == "near"]
    return f"{sum(p.inside for p in rows)} of {len(rows)}"


_STACKS = {"mosaicml": "llm-foundry", "megatron-lm": "Megatron-LM", "megatron-bridge": "Megatron-Bridge"}
_APART = (*_HELD[:2], ("pair", "a model on a chip"), *_HELD[2:], ("version", "a release"))


def _training(judged: Judged) -> Iterator[str]:
    yield HEAD.format("configurations left out")
    yield RULE
    steps = [p for p in judged.predicted if figure_of(p.row)]
    for stack, name in _STACKS.items():
        yield _line(name, judging.summary([p for p in steps if p.like.engine == stack]))
    yield _line("papers without either", judging.summary([p for p in steps if p.like.engine not in _STACKS]))
    sizes = [p for p in judged.predicted if p.like.mode == judging.DERIVED]
    yield _line("bytes and FLOPs that follow from sizes", judging.summary(sizes))
    yield "\n| left out | " + " | ".join(f"{name}: median | mean" for name in _STACKS.values()) + " |"
    yield "| --- |" + " --- |" * 2 * len(_STACKS)
    known = [s for s in judging.known() if s.family == TRAINING]
    for key, name in _APART:
        error = np.abs(np.expm1(-held_out(TRAINING, known, (), key)[0]))
        cells = [_middle(error, [s.like.engine == stack for s in known]) for stack in _STACKS]
        yield f"| {name} | {' | '.join(cells)} |"
    yield "\nStacks without named releases are left out whole in the last line: what a stack never seen gives.\n"


def _middle(error: np.ndarray, rows: Sequence[bool]) -> str:
    mine = error[np.array(rows)]
    return f"{100 * np.median(mine):.1f} % | {100 * mine.mean():.1f} %"
_PASSES = """Single passes, of an engine that was seen; median and mean:
"""


def _passes() -> Iterator[str]:
    yield _PASSES
    keys = ("size", "series", "model", "chip")
    yield "| engine: metric | rows | a fifth of the sizes | a fifth of the series | a model | a chip |"
    yield "| --- | --- | --- | --- | --- | --- |"
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    known = [s for s in judging.known() if is_pass(s)]
    for family in sorted({s.family for s in known}):
        phase, rows = phase_of(family, known), [s for s in known if s.family == family]
        for key in keys:
            error = left_out(family, phase, rows, keys_of(rows, key))[0]
            for s, log in zip(rows, error, strict=True):
                ratio = np.expm1(-log if s.row.unit == "seconds" else log)
                found.setdefault((s.like.engine, s.row.metric), {}).setdefault(key, []).append(abs(ratio))
    for (engine, metric), errors in sorted(found.items()):
        cells = [f"{100 * np.nanmedian(errors[key]):.1f} % · {100 * np.nanmean(errors[key]):.1f} %" for key in keys]
        yield f"| {engine}: {metric} | {len(errors['chip']):,} | {' | '.join(cells)} |"
    yield ""


def _groups(judged: Judged) -> Iterator[str]:
    yield f"## By group, of {SHOWN} rows and more\n"
    yield HEAD.format("source, model, chip, engine, precision, together or apart: metric")
    yield RULE
    for group in judging.groups(judged):
        if group["n"] >= SHOWN:
            yield _line(", ".join(group[key] for key in judging.GROUP) + f": {group['metric']}", group)
    yield ""


def _coefficients() -> Iterator[str]:
    yield "| family | rows | coefficients with 90 % intervals |"
    yield "| --- | --- | --- |"
    for name, family in calibration().families.items():
        cells = [f"{part} {fact.value:.3g} ({fact.low:.3g} … {fact.high:.3g})"
                 for part, fact in family.coefficients.items()]
        yield f"| {name} | {family.rows:,} | {'; '.join(cells)} |"
    yield ("\nMicroseconds of message, hop, layer, pick, sequence, stage, routing, expert and client, milliseconds of "
           "start and step; others times what micro-benchmarks reach (serving) or the datasheet's.\n")


def _refused(judged: Judged) -> Iterator[str]:
    yield "## Rows without a prediction\n"
    yield "| metric | why | rows |"
    yield "| --- | --- | --- |"
    for metric, found in judging.metrics(judged).items():
        for why, count in found["refused"].items():
            yield f"| {metric} | {why} | {count} |"


def picture(path: Path = PICTURE) -> None:
    """Predicted seconds against measured, by metric."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    judged = judging.judge(bundled())
    figure, axes = pyplot.subplots(2, 2, figsize=(9.0, 8.0), dpi=90)
    for at, (title, metrics) in zip(axes.flat, _PANELS.items(), strict=True):
        for metric in metrics:
            rows = [p for p in judged.predicted if p.row.metric == metric]
            at.scatter([p.measured for p in rows], [p.seconds for p in rows], s=5, alpha=0.4, label=metric)
        high = max(p.measured for p in judged.predicted if p.row.metric in metrics)
        at.set(xscale="log", yscale="log", title=title, xlabel="measured, s", ylabel="predicted, s")
        ends = [min(p.measured for p in judged.predicted if p.row.metric in metrics), high]
        at.plot(ends, ends, color="black", linewidth=0.8)
        at.legend(fontsize=7, frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


_PANELS = {"time per output token": ("tpot", "token_time"), "time to first token": ("ttft",),
           "throughput tables and single passes": ("output_tokens_per_s", "decode_tokens_per_s",
                                                   "prefill_tokens_per_s", "e2e_time"),
           "training step": ("train_tokens_per_s_per_gpu", "MFU", "iteration_time")}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    picture()
