"""The walkthrough: verdicts follow from numbers, numbers follow from models and machines, commands can be run."""

import math
import shlex

import pytest

from rackline.decisions import lecture
from rackline.decisions.lecture_bench import BALANCES, DRAINS, Bench, spoken
from rackline.decisions.lecture_boards import BOARDS, KEY_POINTS, asked, everything
from rackline.decisions.lecture_claim import (
    ABOUT,
    CONDITION,
    DIFFERS,
    HOLDS,
    ORDER,
    Case,
    Claim,
    Ours,
    Said,
    cases,
    said,
)
from rackline.decisions.lecture_cuts import CONTEXT, DENSE, V3, WAYS, cuts
from rackline.decisions.questions import QUESTIONS, prepare
from rackline.errors import BadInput
from rackline.facts import hardware
from rackline.facts.fact import with_fact
from rackline.interface.cli import _parsed
from rackline.physics import blackboard
from rackline.units import dimensions

BENCH = Bench()
WHOLE = everything(BENCH)


def value(what: str, bench: Bench = BENCH) -> float:
    return next(e.claim.ours.value for e in everything(bench).entries if e.claim.what == what)


def by_case(what: str) -> dict[str, float]:
    claim = next(e.claim for e in WHOLE.entries if e.claim.what == what)
    return {case.where: case.value for case in claim.ours.cases}


def faster(times: float) -> Bench:
    """A bench whose chips all read memory so many times as fast."""

    def chip(name):
        found = hardware.chip(name)
        return with_fact(found, ("memory_bandwidth",), found.memory_bandwidth.value * times)

    def machine(name):
        found = hardware.machine(name)
        return with_fact(found, ("chip", "memory_bandwidth"), found.chip.memory_bandwidth.value * times)

    return Bench(machine=machine, chip=chip)


# ---- verdicts


def claim(values, stated=10.0, within=1.05, assumed=""):
    ours = Ours("x = y", tuple(Case(f"case {i}", v, "") for i, v in enumerate(values)))
    return Claim("A1", "x", said("10", stated, "ten", within), ours, "count", "because", "rackline lecture", assumed)


def test_a_line_holds_if_every_case_agrees_and_differs_if_none_does():
    assert claim([10.0, 10.4]).verdict == HOLDS
    assert claim([10.0, 11.0]).verdict == CONDITION
    assert claim([11.0, 9.0]).verdict == DIFFERS


def test_an_assumption_that_numbers_cannot_show_is_a_condition_but_saves_no_line_that_differs():
    assert claim([10.0], assumed="room").verdict == CONDITION
    assert claim([20.0], assumed="room").verdict == DIFFERS


@pytest.mark.parametrize(("within", "inside", "outside"), [(ABOUT, 8.1, 7.9), (ABOUT, 12.4, 12.6), (ORDER, 31.0, 32.0)])
def test_words_of_the_talk_widen_what_agrees(within, inside, outside):
    assert claim([inside], within=within).verdict == HOLDS
    assert claim([outside], within=within).verdict == DIFFERS


def test_an_interval_that_was_said_agrees_within_its_ends():
    interval = Said("1 to 2", "one to two", 1.0, 2.0, 1.0)
    assert [interval.agrees(x) for x in (0.99, 1.0, 2.0, 2.01)] == [False, True, True, False]


def test_the_reason_names_the_cases_on_either_side():
    assert claim([10.0, 20.0]).reason == "because It agrees for case 0 (10); not for case 1 (20)."
    assert claim([20.0, 30.0]).reason == "because Here: case 0 (20), case 1 (30)."


def test_an_equation_is_shown_with_its_numbers_put_in():
    ours = cases(blackboard.machine_balance, {"a chip": {"F": 600.0, "W": 1.0, "w": 1.0}})
    assert (ours.equation, ours.value, ours.cases[0].numbers) == ("R = F*w/(2*W)", 300.0, "600*1/(2*1)")


# ---- lines


@pytest.mark.parametrize("entry", WHOLE.entries, ids=lambda e: e.number)
def test_every_line_has_finite_numbers_a_known_unit_a_quote_an_equation_and_a_reason(entry):
    c = entry.claim
    assert all(math.isfinite(case.value) for case in c.ours.cases)
    assert c.unit in dimensions()
    assert c.said.quote
    assert c.ours.equation
    assert c.reason or c.verdict == HOLDS
    assert 0 <= c.said.low <= c.said.high
    assert len({case.where for case in c.ours.cases}) == len(c.ours.cases)


@pytest.mark.parametrize("entry", WHOLE.entries, ids=lambda e: e.number)
def test_every_command_is_one_that_the_program_takes(entry):
    program, name, *args = shlex.split(entry.claim.command)
    assert program == "rackline"
    question = QUESTIONS[name]
    places, values = _parsed(question, args)
    wanted = next(n for n in question.make.__dataclass_fields__)
    prepare(question, {n: v for n, v in values.items() if v is not None} | {wanted: places[0]})


def test_every_board_has_lines_or_says_what_is_not_built():
    assert all(WHOLE.of(board) or board.missing for board in BOARDS)
    assert len({board.name for board in BOARDS}) == len(BOARDS)


def test_the_33_key_points_are_there_and_each_is_about_rows_of_the_boards():
    rows = {e.claim.row for e in WHOLE.entries} | {row for _, row, _ in WHOLE.missing}
    assert [number for number, _, _ in KEY_POINTS] == list(range(1, 34))
    assert all(row in rows for _, _, about in KEY_POINTS for row in about)


def test_rows_of_issue_2_all_have_lines():
    rows = {e.claim.row for e in WHOLE.entries}
    assert {"A1", "A2", "A3", "A4", "A5", "A6", "A8", "A9", "A10", "B2", "B3", "B5", "C2", "C3", "C4", "C5", "C6", "C7",
            "C9", "D1", "D4", "D5"} <= rows


# ---- check values, computed once by hand from the lecture's equations and data sheets


@pytest.mark.parametrize(("chip", "balance"), [
    ("h100", 295), ("b200", 281), ("gb200", 312.5), ("tpu-v7", 313), ("a100", 153), ("tpu-v5p", 166), ("h200", 206),
    ("mi300x", 247), ("h100-pcie", 378), ("rubin", 398), ("b300", 469), ("tpu-v6e", 560), ("h20", 37)])
def test_balance_of_each_chip(chip, balance):
    found = by_case("balance of a chip, F·w/(2·W)")
    assert found[f"{spoken(chip)} {BALANCES[chip]}"] == pytest.approx(balance, abs=0.6)


@pytest.mark.parametrize(("chip", "drain"), [
    ("h100", 24), ("b200", 22.5), ("rubin", 13), ("a100", 39), ("b300", 36), ("mi300x", 36), ("mi325x", 43),
    ("tpu-v5p", 34)])
def test_drain_time_of_each_chip(chip, drain):
    assert chip in DRAINS
    assert 1e3 * by_case("time to read the whole memory")[spoken(chip)] == pytest.approx(drain, abs=0.5)


@pytest.mark.parametrize(("what", "case", "expected"), [
    ("sparsity of DeepSeek-V3", "published 671 B / 37 B", 18.1),
    ("balance batch B*", "H100, published 671 B / 37 B", 5357),
    ("balance batch B*", "GB200, published 671 B / 37 B", 5667),
    ("double or triple of 300 × 8", "double it", 4800),
    ("double or triple of 300 × 8", "triple it", 7200),
    ("128,000 tokens/s over the rate that saturates compute", "1e11 active parameters on GB200 NVL72", 0.0711),
    ("cost at batch 1 over the floor", "experts counted", 313),
    ("the same for Rubin", "the talk's 288 GB / 20 TB/s", 0.0144),
    ("KV bytes a token behind a step at 200k", "the talk's numbers, one byte a weight", 1667),
    ("a plausible architecture's KV bytes a token", "1 × 2 × 128 × 8 at fp8", 2048),
    ("KV bytes a token of open models", "DeepSeek-V3", 70272),
    ("KV bytes a token of open models", "Llama-3.1-405B", 516096),
    ("context at which attention's FLOPs equal the weights'", "DeepSeek-V3, prompt", 15030),
    ("context at which attention's FLOPs equal the weights'", "DeepSeek-V3, decode (absorbed)", 4420),
    ("context at which attention's FLOPs equal the weights'", "Llama-3.3-70B", 53830),
    ("context at which attention's FLOPs equal the weights'", "Llama-3.1-405B", 98300),
    ("latency of a hop from rack to rack", "wire alone", 9e-6),
    ("scale-up over scale-out bandwidth", "H100", 9),
    ("scale-up over scale-out bandwidth", "GB200, 400 Gbit/s card", 18),
    ("growth of a domain's chips since Hopper", "72 chips for 8", 9),
    ("speed of reading all weights, rack over box", "GB200 NVL72 over 8 × H100", 21.5),
    ("experts on the fullest chip", "on 64 of the rack's chips", 4),
    ("time on scale-up over scale-out, a rack a layer", "8× slower, as said", 2),
    ("time per token with four stages", "the talk's hops, 2.5 ms", 0.03),
    ("MFU at twice the balance context", "endless batch", 0.5),
    ("memory of eight Hoppers", "8 × H100", 640e9),
    ("output over input cost, if 200k is the balance", "20,000 tokens", 1.0),
    ("longest context that a 50 % premium covers", "from 200k, linear KV", 300e3),
    ("balance of a chip, F·w/(2·W)", "Rubin fp4, the most announced", 570),
    ("cost at batch 1 over the floor", "all weights charged", 5584),
    ("time to drain DDR", "DDR5 over PCIe 5", 256 / 63), ("time to drain a spinning disk", "one nearline drive", 71429),
    ("time to drain flash", "one NVMe drive a chip", 1326), ("time to drain flash", "over the network", 2049),
    ("cost of holding for the drain time over cost of returning", "flash", 1.0),
])
def test_check_values(what, case, expected):
    assert by_case(what)[case] == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(("what", "verdict"), [
    ("sparsity of DeepSeek-V3", DIFFERS), ("double or triple of 300 × 8", DIFFERS),
    ("128,000 tokens/s over the rate that saturates compute", DIFFERS), ("balance batch B*", DIFFERS),
    ("balance of a chip, F·w/(2·W)", CONDITION), ("time to read the whole memory", CONDITION),
    ("attention's compute time over its memory time", CONDITION),
    ("exponent of the batch in the weights' cost", DIFFERS),
    ("domain of Rubin", DIFFERS), ("latency of a hop from rack to rack", DIFFERS),
    ("growth of sparse KV reads, 4 times the context", DIFFERS), ("place of the experts among all cuts", HOLDS),
    ("time to drain DDR", HOLDS), ("time to drain flash", DIFFERS), ("time to drain a spinning disk", DIFFERS),
    ("drain time nearest to a provider's one hour", CONDITION), ("cost of an output token at 1M over 200k", HOLDS),
    ("growth of that cost with sparse attention", DIFFERS),
    ("share of an all-to-all that leaves one of two racks", HOLDS), ("worst case from arrival to token", CONDITION)])
def test_known_differences_have_their_verdict(what, verdict):
    assert next(e.claim.verdict for e in WHOLE.entries if e.claim.what == what) == verdict


# ---- nothing typed in


@pytest.mark.parametrize(("what", "factor"), [
    ("time to read the whole memory", 0.5), ("balance of a chip, F·w/(2·W)", 0.5), ("balance batch B*", 0.5),
    ("balance context L*", 2.0), ("slope of KV over slope of compute at 100k", 0.5),
    ("cost at batch 1 over the floor", 0.5), ("least tokens/s that use a system well", 1.0),
    ("cost of an output over an input token", 0.5), ("its interval", 0.5),
    ("growth of a domain's chips since Hopper", 1.0), ("sparsity of DeepSeek-V3", 1.0)])
def test_lines_that_depend_on_memory_bandwidth_move_with_it(what, factor):
    assert value(what, faster(2.0)) == pytest.approx(factor * value(what), rel=1e-9)


def test_ledger_lines_move_with_memory_bandwidth_too():
    for what in ("price of 2.5 times the speed", "the ledger's step over the two terms'",
                 "network time over compute or memory time", "step of the other two cuts over the experts' cut",
                 "speed of a whole step, rack over box", "price of 2.5 times the speed with tokens drafted",
                 "attention's arithmetic in a token's time at 1M"):
        assert value(what, faster(2.0)) != value(what)


def test_another_model_gives_other_numbers():
    other = Bench(model=lambda name: BENCH.model("kimi-k2" if name == "deepseek-v3" else name))
    for what in ("active parameters of DeepSeek-V3", "sparsity of DeepSeek-V3", "balance batch B*",
                 "balance context L*", "experts on the fullest chip", "weights' share of memory"):
        assert value(what, other) != value(what)


# ---- cuts


def test_every_cut_keeps_no_less_than_its_share_and_sends_nothing_only_when_batches_are_cut():
    for name in (V3, DENSE):
        model = BENCH.model(name)
        for cut in cuts(BENCH, name):
            assert cut.weights >= 0.99 * model.weight_bytes() / WAYS
            assert (cut.sent == 0.0) == (cut.name == "batch")
            assert cut.time >= max(cut.memory, cut.network)
    assert CONTEXT > 0


def test_cuts_are_ranked_by_their_step():
    times = [cut.time for cut in cuts(BENCH, V3)]
    assert times == sorted(times)
    assert {"experts", "layers", "model width", "feed-forward width", "batch", "context"} <= {
        cut.name for cut in cuts(BENCH, V3)}


# ---- asking


@pytest.mark.parametrize("given", ["batch", "6", "BATCH", "A4"])
def test_a_board_is_found_by_name_number_or_row(given):
    assert {e.claim.row for e in asked(given, BENCH).entries} == {"A4"}


def test_a_line_is_found_by_its_number():
    assert [e.number for e in asked("4.2", BENCH).entries] == ["4.2"]


def test_a_row_that_is_not_built_yet_says_so():
    answer = lecture.of("E1", BENCH)
    assert answer.data["lines"] == []
    assert [x["row"] for x in answer.data["not_built"]] == ["E1"]
    assert "not built yet" in answer.headline


@pytest.mark.parametrize(("given", "hint"), [("contxt", "did you mean context"), ("", "known"), ("Z9", ""), ("99", "")])
def test_an_unknown_board_is_refused_in_one_line(given, hint):
    with pytest.raises(BadInput) as refused:
        lecture.of(given, BENCH)
    assert "BOARD" in str(refused.value)
    assert hint in str(refused.value)


def test_the_answer_counts_its_lines_and_carries_them_as_data():
    answer = lecture.of(None, BENCH)
    lines = answer.data["lines"]
    assert sum(answer.data["verdicts"].values()) == len(lines) == len(answer.explain)
    assert answer.headline.startswith(f"The lecture: {len(lines)} lines")
    keys = {"board", "row", "claim", "lecture", "ours", "unit", "equation", "verdict", "why", "command"}
    assert all(keys <= set(line) for line in lines)
    assert len(answer.plots) == 3
    assert len(answer.data["key_points"]) == 33
