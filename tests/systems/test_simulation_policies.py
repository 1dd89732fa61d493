"""Each policy of the simulator on a case that can be counted by hand; a pass takes 10 ms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rackline.errors import BadInput
from rackline.systems.clock import pass_time
from rackline.systems.layout import Layout
from rackline.systems.passes import Part, Pass
from rackline.systems.serving import Kind, Server, Workload, transfer_time
from rackline.systems.simulation import KvTier, Limits, simulate
from rackline.systems.simulation.policies import departure, uniform
from rackline.systems.simulation.prepare import kv_memory
from tests.systems.simulating import A100, DGX, LLAMA, Constant, deployment, requests

PASS = 0.01


def test_a_chunked_prompt_shares_passes_with_decoding():
    log = simulate(requests([0.0, 0.0], [10, 100], [5, 2]), deployment(PASS, tokens=32, sequences=8))
    # 10 + 22 tokens, then 1 + 31, 1 + 31, 1 + 16
    assert log.first_token == pytest.approx([PASS, 4 * PASS])
    assert log.finish == pytest.approx([5 * PASS, 5 * PASS])
    assert list(log.passes.prompt_tokens) == [32, 31, 31, 16, 0]
    assert list(log.passes.decoding) == [1, 1, 1, 2, 2]


def test_whole_prompts_stop_decoding_and_one_above_the_limit_runs_alone():
    traffic = requests([0.0, 0.005, 0.005], [10, 100, 5], [3, 2, 2])
    log = simulate(traffic, deployment(PASS, tokens=32, sequences=8, admission="whole"))
    assert list(log.passes.prompt_tokens) == [10, 100, 5, 0, 0]
    assert list(log.passes.decoding) == [1, 1, 1, 3, 1]
    assert log.finish == pytest.approx([5 * PASS, 4 * PASS, 4 * PASS])


def test_the_last_admitted_gives_way_and_computes_its_tokens_again():
    # 8 pages of 4: both hold 3 after their prompts of 12; at 16 tokens both have 4, and the first wants a fifth
    traffic = requests([0.0, 0.0], 12, 9, block_tokens=4)
    log = simulate(traffic, deployment(PASS, tokens=64, sequences=8, kv_blocks=8))
    assert list(log.preemptions) == [0, 1]
    assert log.finish[0] == pytest.approx(9 * PASS)
    # the second had 5 tokens; with pages again it recomputes 17 tokens in one pass for its sixth
    assert log.finish[1] == pytest.approx(13 * PASS)
    assert log.first_token == pytest.approx([PASS, PASS])


def test_a_wrapped_pipeline_serves_as_many_micro_batches_as_stages_in_the_time_of_one():
    served = deployment(layout=Layout(pipeline=4), tokens=512, sequences=8)
    served = replace(served, machine=DGX)
    one = simulate(requests([0.0], 100, 50), served)
    four = simulate(requests([0.0] * 4, 100, 50), served)
    assert four.finish == pytest.approx(np.full(4, one.finish[0]), rel=1e-12)
    stage = pass_time(LLAMA, DGX, Layout(pipeline=4), Pass((Part(1, 100, 0),))).time
    assert one.first_token[0] == pytest.approx(4 * float(stage), rel=1e-9)


def test_a_prompt_s_cache_travels_from_its_own_chips():
    served = replace(deployment(PASS), prefill=Layout(replicas=2), prefill_limits=Limits(8, 1024))
    log = simulate(requests([0.0, 0.0, 0.0], [300, 300, 300], [3, 3, 1]), served)
    moved = float(transfer_time(Server(LLAMA, DGX), Layout(), Workload((Kind(300, 1, 1.0),))))
    assert log.first_token == pytest.approx([PASS, PASS, PASS])
    assert log.finish == pytest.approx([PASS + moved + 2 * PASS, PASS + moved + 2 * PASS, PASS])


def test_routers():
    traffic = requests([0.0, 0.0, 0.001, 0.002], [400, 10, 10, 10], [5, 50, 5, 5],
                       hashes=[[0, 1, 2], [9], [0], [7]], block_tokens=128)
    served = replace(deployment(PASS, tokens=512, prefix_caching=True), layout=Layout(replicas=2))
    went = {routing: simulate(traffic, replace(served, routing=routing)).replica.tolist()
            for routing in ("round-robin", "least-loaded", "prefix-aware")}
    assert went == {"round-robin": [0, 1, 0, 1], "least-loaded": [0, 1, 1, 1], "prefix-aware": [0, 1, 0, 1]}


def test_a_prompt_seen_before_is_computed_but_for_its_last_token():
    traffic = requests([0.0, 1.0, 2.0], [40, 40, 48], 2, hashes=[[1, 2, 3], [1, 2, 3], [1, 2, 4]])
    log = simulate(traffic, deployment(PASS, prefix_caching=True))
    assert list(log.cached) == [0, 39, 32]


def test_the_prefix_used_longest_ago_leaves_first_and_a_prompt_s_end_before_its_start():
    hashes = [[1, 2], [3, 4], [1, 2], [5, 6, 7, 8], [1, 2], [3, 4]]
    traffic = requests(np.arange(6.0), [len(h) * 4 for h in hashes], 1, hashes=hashes, block_tokens=4)
    log = simulate(traffic, deployment(PASS, prefix_caching=True, kv_blocks=6))
    assert list(log.cached) == [0, 0, 7, 0, 7, 0]


def test_blocks_come_back_from_a_lower_tier_before_their_prompt_is_admitted():
    page = 4 * LLAMA.kv_bytes_per_token()
    hashes = [[1, 2, 3], [4, 5, 6], [1, 2, 3]]
    traffic = requests([0.0, 1.0, 2.0], 12, 1, hashes=hashes, block_tokens=4)
    served = deployment(PASS, prefix_caching=True, kv_blocks=4)
    for room, loaded in ((8, 8), (0, 0)):
        tier = KvTier("host", room * page, page / 0.1, latency=0.03)
        log = simulate(traffic, replace(served, tiers=(tier,)))
        # the second prompt pushes out two of the first one's blocks, its end; the start is still there
        assert dict(log.tier_tokens) == {"host": loaded}
        waited = 0.03 + 0.2 if loaded else 0.0
        assert log.admitted[2] == pytest.approx(2.0 + waited)
        assert log.cached[2] == (11 if loaded else 4)


def test_uniform_draws_are_uniform_and_independent_of_order():
    drawn = np.array([uniform(3, request, token) for request in range(300) for token in range(30)])
    assert drawn.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * drawn.size))
    counts = np.histogram(drawn, 20, (0, 1))[0]
    assert ((counts - drawn.size / 20) ** 2 / (drawn.size / 20)).sum() < 43.8  # chi², 19 degrees, 0.1 %


@pytest.mark.parametrize("interval", [0.02, 0.1, 1 / 3])
def test_a_train_leaves_at_the_next_multiple(interval):
    for k in range(1, 2000, 37):
        assert departure(k * interval, interval) == k * interval
        assert departure((k - 0.5) * interval, interval) == k * interval


def test_pages_are_what_weights_leave():
    served = deployment()
    blocks, sequences = kv_memory(served, Layout(), served.limits, 1000, 16)
    room = 0.9 * A100.chip.memory_capacity.value - LLAMA.weight_bytes()
    assert blocks == int(room // (16 * LLAMA.kv_bytes_per_token()))
    assert sequences == served.limits.sequences


BAD = {
    "context": ({"input": [131_072]}, {}, r"request 0: must fit into llama-3.1-8b's context of 131,072 tokens"),
    "memory": ({"input": [10, 500]}, {"kv_blocks": 30}, r"request 1: must fit into the KV memory of 480 tokens"),
    "order": ({"arrival": [1.0, 0.0], "input": [5, 5]}, {}, r"requests: must be in order of arrival"),
    "nan": ({"arrival": [np.nan], "input": [5]}, {}, r"request: must arrive at a finite time"),
    "zero": ({"input": [0]}, {}, r"at least one token"),
    "none": ({"arrival": [], "input": []}, {}, r"requests: must hold at least one"),
    "sequences": ({"input": [5]}, {"sequences": 0}, r"sequences: must be at least 1"),
    "tokens": ({"input": [5]}, {"tokens": 0}, r"tokens: must be at least 1"),
    "train": ({"input": [5]}, {"batching": "train"}, r"interval: must be above 0 seconds"),
    "tiers": ({"input": [5]}, {"admission": "whole", "prefix_caching": True}, r"admission: must be chunked"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_can_never_be_served_is_refused_by_name(case):
    columns, limits, message = BAD[case]
    traffic = requests(columns.get("arrival", [0.0] * len(columns["input"])), columns["input"], 2)
    served = deployment(**limits)
    with pytest.raises(BadInput, match=message):
        simulate(traffic, replace(served, tiers=(KvTier("host", 1e9, 1e9),) if case == "tiers" else ()))


def test_a_model_that_does_not_fit_is_refused():
    chip = A100.chip
    small = chip.model_copy(update={"memory_capacity": chip.memory_capacity.model_copy(update={"value": 17e9})})
    with pytest.raises(BadInput, match="room for weights and one request of 110 tokens"):
        simulate(requests([0.0], 100, 11), replace(deployment(), machine=A100.model_copy(update={"chip": small})))


def test_a_clock_with_a_constant_is_a_clock():
    assert simulate(requests([0.0], 5, 3), deployment(PASS)).finish[0] == pytest.approx(3 * PASS)
    assert Constant(2.0)({}, DGX).time == 2.0
