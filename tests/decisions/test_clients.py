"""Questions given client files instead of a trace: requests are drawn from them, by one seed."""

from __future__ import annotations

import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from rackline.decisions.offered import offered
from rackline.decisions.questions import QUESTIONS, ask, prepare
from rackline.errors import BadInput
from rackline.facts.traces import read_trace
from rackline.facts.traces.servegen import Population, population_at
from rackline.interface.cli import main

WINDOWS = "0,2.0,1.0,Gamma,1.0,0.5\n600,4.0,1.0,Gamma,1.0,0.25\n"
LENGTHS = '{"0": {"input_tokens": "{60: 0.25, 100: 0.75}", "output_tokens": "{7: 1.0}"}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for service in ("one", "two"):
        (tmp_path / "data" / service).mkdir(parents=True)
        (tmp_path / "data" / service / "chunk-0-trace.csv").write_text(WINDOWS)
        (tmp_path / "data" / service / "chunk-0-dataset.json").write_text(LENGTHS)
    return tmp_path


def test_a_folder_an_archive_and_one_service_of_them_are_clients(folder, tmp_path):
    archive = tmp_path / "clients.tgz"
    with tarfile.open(archive, "w:gz") as out:
        out.add(folder / "data", "data")
    for text in (f"{folder}/data/two", f"{folder}:two", f"{archive}:two"):
        assert population_at(text).name == "two"
    assert population_at(f"{folder}/data/one/chunk-0-trace.csv") is None
    assert population_at("azure-conv") is None
    assert population_at("x" * 5000 + ":\0") is None


def test_the_trace_question_draws_from_clients_at_a_rate(folder):
    data = ask("trace", f"{folder}:one", duration="10 min", rate=20, seed=3).data
    assert data["rate"] == pytest.approx(20, rel=4 / 12_000**0.5)  # four standard errors of 12,000 random arrivals
    assert data["input_tokens"]["mean"] == pytest.approx(90, rel=0.02)
    again, other = (ask("trace", f"{folder}:one", duration="10 min", rate=20, seed=s).data for s in (3, 4))
    assert again == data != other


def test_a_trace_is_scaled_and_cut_by_the_same_options():
    data = ask("trace", "azure-conv", rate=2 * read_trace("azure-conv").arrival.size / 3501.722, duration=60).data
    recorded = read_trace("azure-conv")
    assert data["requests"] == (recorded.arrival < 120.0).sum()


def question(trace: object, **given: object) -> SimpleNamespace:
    chosen = prepare(QUESTIONS["simulate"], {"model": "llama-3.1-8b", "on": "h100-sxm", "trace": trace} | given)
    assert isinstance(chosen.trace, Population)
    return chosen


def test_a_simulation_is_offered_the_drawn_requests(folder):
    found = offered(question(f"{folder}:one", duration="600 s", rate=5.0))
    assert len(found.trace) == len(found.requests.input)
    assert len(found.trace) == pytest.approx(3000, abs=4 * 3000**0.5)
    assert found.trace.arrival[-1] < 600
    assert offered(question(f"{folder}:one", duration="600 s", rate=5.0)).trace.arrival.tobytes() == (
        found.trace.arrival.tobytes())


@pytest.mark.parametrize(("given", "says"), [
    ({}, "--duration: must be given"), ({"duration": 60, "arrivals": "poisson"}, "--arrivals: are the clients' own"),
    ({"duration": 60, "clients": 3}, "--clients: of a closed loop"),
])
def test_options_that_do_not_go_with_client_files_are_refused(given, says, folder):
    with pytest.raises(BadInput, match=says):
        offered(question(f"{folder}:one", **given))


@pytest.mark.parametrize(("file", "says"), [(":three", "holds several services"), ("", "one, two"),
                                            ("/nothing:one", "must be a file or a bundled trace")])
def test_bad_client_files_are_one_line_and_status_2(file, says, folder, capsys):
    assert main(["trace", f"{folder}{file}", "--duration", "60"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert says in said


SESSIONS = "timestamp,input_tokens,output_tokens,session_id\n0,10,2,a\n4,10,2,b\n6,10,2,a\n11,10,2,a\n"


def asked(tmp_path: Path, **given: object) -> SimpleNamespace:
    path = tmp_path / "sessions.csv"
    path.write_text(SESSIONS)
    return prepare(QUESTIONS["simulate"], {"model": "llama-3.1-8b", "on": "h100-sxm", "trace": path} | given)


def test_turns_wait_for_the_answer_before_only_when_asked_to(tmp_path):
    assert offered(asked(tmp_path)).requests.after.tolist() == [-1] * 4
    found = offered(asked(tmp_path, turns="chained"))
    assert found.requests.after.tolist() == [-1, -1, 0, 2]
    assert found.requests.delay.tolist() == [0, 0, 6, 5]
    assert found.rate is None
    assert found.faster(2.0).requests.delay.tolist() == [0, 0, 3, 2.5]


@pytest.mark.parametrize("given", [{"trace": "azure-conv"}, {"arrivals": "poisson"}, {"clients": 2}])
def test_turns_without_recorded_sessions_are_refused(given, tmp_path):
    with pytest.raises(BadInput, match="--turns"):
        offered(asked(tmp_path, turns="chained", **given))
