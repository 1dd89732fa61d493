"""Two real vLLM runs beside their simulation: the bound holds, one stretch of the passes explains the rest."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from rackline.decisions.vllm_runs import TIMES, measured, predicted, stretch
from rackline.errors import BadInput
from rackline.facts.vllm_logs import run_names, serving_run
from rackline.systems.clock import Roofline, Stretched, pass_time
from rackline.systems.passes import decode
from rackline.systems.simulation.traffic import requests_of

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_simulated", DOCS / "make_simulated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def means(generator, name: str) -> list[tuple[float, float, float]]:
    return [tuple(float(np.nanmean(x[name])) for x in (measured(one.run), predicted(one.log, one.run),
                                                       predicted(one.stretched, one.run))) for one in generator.runs()]


def test_the_committed_page_is_what_the_generator_makes(generator):
    assert (DOCS / "simulated.md").read_text(encoding="utf-8") == generator.page(), "run python docs/make_simulated.py"


def test_the_logs_hold_what_their_source_says():
    first, second = (serving_run(name) for name in run_names())
    assert [len(first.trace), len(second.trace)] == [300, 300]
    # as computed from the source's logs by others: LSS-0001 and LSS-0002 of the published table
    ttft = measured(first)[TIMES[0]]
    assert ttft.mean() == pytest.approx(65.456574, abs=1e-5)
    assert np.median(ttft) == pytest.approx(60.110936, abs=1e-5)
    for run in (first, second):
        assert (run.scheduled >= run.trace.arrival - 1e-9).all()
        assert (run.first_token >= run.scheduled).all()
        assert (run.finish >= run.first_token).all()


@pytest.mark.parametrize("name", TIMES)
def test_the_roofline_is_faster_than_the_engine_at_the_mean(generator, name):
    for real, bound, _ in means(generator, name):
        assert bound < real


def test_with_passes_stretched_to_the_measured_gap_of_tokens_a_queue_of_minutes_follows(generator):
    for name in (TIMES[0], TIMES[1], TIMES[3]):
        real, _, stretched = means(generator, name)[0]
        assert stretched == pytest.approx(real, rel=0.03), name
    one = generator.runs()[0]
    for name in TIMES:
        real, ours = (np.nanpercentile(x[name], 99) for x in (measured(one.run), predicted(one.stretched, one.run)))
        assert ours == pytest.approx(real, rel=0.03), name


def test_end_to_end_of_the_expert_model_follows_too(generator):
    real, _, stretched = means(generator, TIMES[3])[1]
    assert stretched == pytest.approx(real, rel=0.02)


def test_a_stretched_clock_takes_so_many_times_as_long(generator):
    d = generator.runs()[1].deployment
    once = pass_time(d.model, d.machine, d.layout, decode(64.0, 1000.0), Roofline())
    twice = pass_time(d.model, d.machine, d.layout, decode(64.0, 1000.0), Stretched(Roofline(), 2.0))
    assert float(twice.time) == pytest.approx(2 * float(once.time))
    assert float(twice.upper) == pytest.approx(2 * float(once.upper))


def test_the_stretch_is_the_one_whose_mean_gap_of_tokens_is_asked_for(generator):
    one = generator.runs()[1]
    requests = requests_of(one.run.trace)
    own = float(np.nanmean(predicted(one.log, one.run)[TIMES[2]]))
    assert stretch(requests, one.deployment, own) == pytest.approx(1.0, abs=2e-3)
    assert one.stretch > 1.5


def test_an_unknown_run_is_refused():
    with pytest.raises(BadInput, match="serving run"):
        serving_run("nope")
