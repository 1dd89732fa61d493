"""ServeGen's client files: read, refused in one line, and drawn from with the rates and lengths they hold."""

from __future__ import annotations

import io
import json
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rackline.errors import BadInput
from rackline.facts.traces import servegen as module
from rackline.facts.traces import summary
from rackline.facts.traces.servegen import Population, read_population
from rackline.systems.simulation.arrivals import stream, weibull_shape
from rackline.systems.simulation.drawing import drawn

Z = 4.0
STEADY = "0,2.0,1.0,Gamma,1.0,0.5\n600,4.0,1.0,Gamma,1.0,0.25\n1200,0,0,,0,0\n1800,0.5,2.0,Gamma,0.25,8.0\n"
BURSTY = "0,1.0,3.0,Weibull,0.4,0.3\n600,0,0,,0,0\n1200,3.0,2.5,Weibull,0.45,0.13\n1800,0.01,0,,0,0\n"
EMPTY = {"input_tokens": "{}", "output_tokens": "{}", "reason_ratio": "{}"}
TEXT = {"0": {"input_tokens": "{60: 0.25, 100: 0.75}", "output_tokens": "{7: 0.5, 9: 0.5}", "reason_ratio": "{0.5: 1}"},
        "1200": {"input_tokens": "{1000: 1.0}", "output_tokens": "{0: 0.5, 30: 0.5}", "reason_ratio": "{}"}}
LATE = {"0": EMPTY, "1200": TEXT["0"]}
IMAGES = {"0": {"text_tokens": "{10: 1.0}", "image_tokens": "{100: 0.5, 200: 0.5}", "image_count": "{1: 0.5, 3: 0.5}",
                "audio_tokens": "{0: 1.0}", "audio_count": "{0: 1.0}", "output_tokens": "{5: 1.0}"}}


def files(clients: dict[str, tuple[str, dict]], folder: str = "data/reason/m") -> dict[str, str]:
    return {f"{folder}/{name}{end}": text for name, (windows, lengths) in clients.items()
            for end, text in (("-trace.csv", windows), ("-dataset.json", json.dumps(lengths)))}


TWO = files({"chunk-0": (STEADY, TEXT), "chunk-1": (BURSTY, LATE)})


def archive(folder: Path, contents: dict[str, str | bytes], pack: str = "gz") -> Path:
    path = folder / "clients.tar"
    with tarfile.open(path, f"w:{pack}") as out:
        for name, text in contents.items():
            data = text if isinstance(text, bytes) else text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
    return path


def unpacked(folder: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def sound(population: Population) -> bool:
    return all(c.rate.shape == c.cv.shape == c.weibull.shape == population.starts.shape and (c.rate >= 0).all()
               for c in population.clients)


@pytest.mark.parametrize("pack", [archive, unpacked], ids=["archive", "folder"])
def test_clients_are_read_with_their_windows_and_lengths(pack, tmp_path):
    found = read_population(pack(tmp_path, TWO | {"LICENSE": "text"}))
    steady, bursty = found.clients
    assert (found.name, found.window, found.span) == ("m", 600.0, 2400.0)
    assert steady.rate.tolist() == [2, 4, 0, 0.5]
    assert bursty.weibull.tolist() == [True, False, True, False]
    assert bursty.cv.tolist() == [3.0, 1.0, 2.5, 1.0]  # without fitted gaps: at random
    assert [one.mean_input for one in steady.lengths] == [90.0, 1000.0]
    assert steady.lengths[1].output.values.tolist() == [30]  # requests without output have failed
    assert [one.start for one in bursty.lengths] == [1200.0]


def test_an_image_counts_its_tokens_for_each_image(tmp_path):
    found = read_population(archive(tmp_path, files({"chunk-0": (STEADY, IMAGES)})))
    assert found.clients[0].lengths[0].mean_input == 10 + 150 * 2
    trace = drawn(found, stream(1, "images"), 1200.0)
    assert abs(trace.input_tokens.mean() - 310) < Z * trace.input_tokens.std() / math.sqrt(len(trace))
    assert trace.input_tokens.min() == 110
    assert trace.input_tokens.max() == 610


def test_one_of_several_services_is_named(tmp_path):
    path = archive(tmp_path, TWO | files({"chunk-0": (STEADY, TEXT)}, "data/other/k"))
    assert len(read_population(path, "k").clients) == 1
    with pytest.raises(BadInput, match=r"name one; got none named .*k, m"):
        read_population(path)


# ---- drawn


def test_drawn_requests_have_each_windows_rate(tmp_path):
    population = read_population(archive(tmp_path, TWO))
    runs = np.array([np.histogram(drawn(population, stream(seed, "d"), 2400.0).arrival, 4, (0, 2400))[0]
                     for seed in range(200)])
    for window, rate in enumerate((3.0, 4.0, 3.0, 0.51)):
        assert abs(runs[:, window].mean() - 600 * rate) < Z * runs[:, window].std() / math.sqrt(200)


def test_a_rate_scales_every_client_alike_and_keeps_their_shares(tmp_path):
    population = read_population(archive(tmp_path, TWO))
    runs = [drawn(population, stream(seed, "d"), 1200.0, rate=7.0) for seed in range(60)]
    found = np.array([len(run) for run in runs]) / 1200.0
    assert abs(found.mean() - 7) < Z * found.std() / math.sqrt(60)
    halves = np.array([(run.arrival < 600).mean() for run in runs])
    assert abs(halves.mean() - 3 / 7) < Z * halves.std() / math.sqrt(60)


def test_drawn_requests_have_the_burstiness_and_lengths_of_their_client(tmp_path):
    bursty = "0,5.0,3.0,Weibull,0.4,0.3\n50000,5.0,3.0,Weibull,0.4,0.3\n"
    trace = drawn(read_population(archive(tmp_path, files({"chunk-0": (bursty, TEXT)}))), stream(2, "b"), 50_000.0)
    assert summary(trace)["interarrival_cv"] == pytest.approx(3.0, rel=0.05)
    assert set(trace.input_tokens[trace.arrival < 1200]) == {60, 100}
    assert abs((trace.output_tokens == 7).mean() - 0.5) < Z * 0.5 / math.sqrt(len(trace))


def test_the_day_repeats_and_lengths_change_with_its_hours(tmp_path):
    population = read_population(archive(tmp_path, files({"chunk-0": (STEADY, TEXT)})))
    trace = drawn(population, stream(3, "day"), 4800.0)
    morning = np.mod(trace.arrival, 2400.0) < 1200
    assert set(trace.input_tokens[morning]) == {60, 100}
    assert set(trace.input_tokens[~morning]) == {1000}
    assert trace.arrival[-1] > 2400
    later = drawn(population, stream(3, "day"), 600.0, start=1800.0)
    assert set(later.input_tokens) == {1000}
    assert 0 <= later.arrival[0] <= later.arrival[-1] < 600


def test_the_same_seed_draws_the_same_bytes(tmp_path):
    population = read_population(archive(tmp_path, TWO))
    one, again, other = (drawn(population, stream(seed, "s"), 1200.0) for seed in (1, 1, 2))
    assert one.arrival.tobytes() + one.input_tokens.tobytes() == again.arrival.tobytes() + again.input_tokens.tobytes()
    assert one.arrival.tobytes() != other.arrival.tobytes()


@pytest.mark.parametrize("cv", [0.05, 0.3, 1.0, 3.0, 20.0])
def test_a_weibulls_shape_has_the_burstiness_it_was_made_from(cv):
    shape = weibull_shape(cv)
    ratio = math.lgamma(1 + 2 / shape) - 2 * math.lgamma(1 + 1 / shape)
    assert math.sqrt(math.expm1(ratio)) == pytest.approx(cv, rel=1e-6)


# ---- refused

REFUSED = {
    "no clients": ({"a.txt": "x"}, "none of them"),
    "half a pair": ({k: v for k, v in TWO.items() if "chunk-1-trace" not in k}, "chunk-1-trace.csv"),
    "no rows": (files({"chunk-0": ("", TEXT)}), "two or more rows"),
    "one window": (files({"chunk-0": ("0,1,1,Gamma,1,1\n", TEXT)}), "two or more rows"),
    "other columns": (files({"chunk-0": ("0,1\n600,1\n", TEXT)}), "two or more rows"),
    "another family": (files({"chunk-0": (STEADY.replace("Gamma", "Cauchy"), TEXT)}), "Gamma or Weibull"),
    "negative rate": (files({"chunk-0": (STEADY.replace("2.0", "-2.0"), TEXT)}), "not negative"),
    "no number": (files({"chunk-0": (STEADY.replace("2.0", "nan"), TEXT)}), "not negative"),
    "uneven windows": (files({"chunk-0": (STEADY.replace("1800", "1900"), TEXT)}), "evenly spaced"),
    "windows of two lengths": (files({"chunk-0": (STEADY, TEXT), "chunk-1": (STEADY[:49], TEXT)}), "same windows"),
    "no lengths": (files({"chunk-0": (STEADY, {"0": EMPTY})}), "lengths where it sends"),
    "a list": ({**TWO, "data/reason/m/chunk-0-dataset.json": "[1]"}, "JSON object"),
    "a start that is no time": ({**TWO, "data/reason/m/chunk-0-dataset.json": '{"nan": {}}'}, "JSON object"),
    "cut JSON": ({**TWO, "data/reason/m/chunk-0-dataset.json": '{"0": {'}, "JSON object"),
    "no histogram": (files({"chunk-0": (STEADY, {"0": TEXT["0"] | {"input_tokens": "{a: 1}"}})}), "histogram"),
    "half tokens": (files({"chunk-0": (STEADY, {"0": TEXT["0"] | {"input_tokens": "{1.5: 1}"}})}), "whole numbers"),
    "negative chance": (files({"chunk-0": (STEADY, {"0": TEXT["0"] | {"input_tokens": "{1: -1}"}})}), "whole numbers"),
    "not text": ({**TWO, "data/reason/m/chunk-0-trace.csv": b"\xff\xfe"}, "UTF-8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_clients_is_refused_in_one_line(case, tmp_path):
    contents, says = REFUSED[case]
    with pytest.raises(BadInput, match=says) as caught:
        read_population(archive(tmp_path, contents))
    assert "\n" not in str(caught.value)


def test_a_truncated_missing_or_huge_archive_is_refused(tmp_path, monkeypatch):
    path = archive(tmp_path, TWO)
    data = path.read_bytes()
    for broken in (data[:len(data) // 2], b"", b"no archive"):
        path.write_bytes(broken)
        with pytest.raises(BadInput):
            read_population(path)
    with pytest.raises(BadInput, match="readable"):
        read_population(tmp_path / "nothing")
    path.write_bytes(data)
    monkeypatch.setattr(module, "LARGEST", 100)
    with pytest.raises(BadInput, match="at most 100 bytes"):
        read_population(path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(TWO)), st.integers(0, 10**4), st.binary(max_size=3), st.integers(0, 5))
def test_mutated_client_files_give_sound_clients_or_one_line(tmp_path, name, at, put, cut):
    data = TWO[name].encode()
    at %= len(data)
    path = archive(tmp_path, TWO | {name: data[:at] + put + data[at + cut:]}, pack="")
    try:
        population = read_population(path)
    except BadInput as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right, each has its own law
    else:
        assert sound(population)


@pytest.mark.parametrize(("given", "says"), [
    ({"duration": 0.0}, "time above zero"), ({"duration": 600.0, "rate": 0.0}, "above zero"),
    ({"duration": 600.0, "rate": 1e9}, "at most"), ({"duration": 1e12}, "million windows"),
    ({"duration": 1e-9}, "at least one request"), ({"duration": 60.0, "start": math.nan}, "start of at least zero"),
])
def test_what_cannot_be_drawn_from_clients_is_refused(given, says, tmp_path):
    with pytest.raises(BadInput, match=says):
        drawn(read_population(archive(tmp_path, TWO)), stream(0, "x"), **given)
