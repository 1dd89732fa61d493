"""Measured rows as samples: what a fit weighs, or the reason why it cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rackline.decisions.accuracy import published_rates
from rackline.decisions.accuracy.pass_samples import of_passes
from rackline.decisions.accuracy.sample import Sample
from rackline.decisions.accuracy.served_samples import of_servers
from rackline.decisions.accuracy.settings import Refused, Setting, made_or_refused, setting
from rackline.decisions.accuracy.training_figures import figure_of
from rackline.decisions.accuracy.training_samples import measurements_of, of_training
from rackline.facts.measurements import Measured

SERVED = ("tpot", "ttft", "output_tokens_per_s", "output_tokens_per_s_per_gpu")
_STATISTICS = ("", "mean", "median")
_UNITS = {**dict.fromkeys(("tpot", "ttft", "prompt_time", "token_time", "e2e_time", "first_token_latency",
                           "prefill_latency", "decode_latency", "total_latency"), "seconds"),
          **dict.fromkeys(("decode_tokens_per_s", "prefill_tokens_per_s"), "tokens/s"),
          **dict.fromkeys(("prefill_mfu", "decode_mfu", "mfu"), "ratio")}


def samples(rows: Iterable[Measured]) -> tuple[list[Sample], list[tuple[Measured, str]]]:
    """The rows as samples, and those refused with the reason; of a training step one, however many its figures."""
    whole = list(rows)
    trained, refused = steps([row for row in whole if figure_of(row)])
    made, others = made_or_refused([_averaged(row) for row in whole if not figure_of(row)], _served_or_pass)
    passes = [one for one in made if isinstance(one, Sample)]
    served = [one for one in made if isinstance(one, Setting)]
    return passes + of_servers(served) + measurements_of(trained), refused + others


def _served_or_pass(row: Measured) -> Sample | Setting:
    _check(row)
    return setting(row) if row.metric in SERVED else of_passes(row)


def _averaged(row: Measured) -> Measured:
    """A request's time by the name of its metric, and which statistic of it: "tpot_mean" is tpot, a mean."""
    metric, _, statistic = row.metric.partition("_")
    if metric not in ("ttft", "tpot") or not statistic:
        return row
    return replace(row, metric=metric, statistic=statistic)


def steps(rows: Iterable[Measured]) -> tuple[list[Sample], list[tuple[Measured, str]]]:
    """Rows of training steps as samples, one of each figure, and those refused with the reason."""
    return made_or_refused(rows, _step)


def _step(row: Measured) -> Sample:
    _check(row)
    return of_training(row)


def _check(row: Measured) -> None:
    if row.from_memory:
        raise Refused("not read in a source")
    if not row.unit and not figure_of(row):
        raise Refused(f"unit not known: {row.per or 'none'}")
    if not row.value > 0.0:
        raise Refused("value is not above zero")
    if row.statistic not in _STATISTICS:
        raise Refused(f"a {row.statistic}, not a mean or median")
    if row.metric in SERVED and published_rates.SPECULATION.search(row.notes):
        raise Refused("multi-token prediction: tokens of a pass are not its sequences")
    wanted = _UNITS.get(row.metric)
    if wanted and row.unit != wanted:
        raise Refused(f"{row.metric} in {row.unit}, not in {wanted}")
