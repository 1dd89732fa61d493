"""What a row was measured with: stated sizes taken, what is not stated refused or the least that fits."""

from dataclasses import replace

import pytest

from rackline.decisions.accuracy.settings import MEAN_LENGTH, Refused, setting
from rackline.facts.measurements import Formats, Load, Measured, Sizes


def row(**more):
    given = {"load": Load(1024.0, 512.0, None, 16.0), "sizes": Sizes(4, 1, 1, 1), "chips": 4,
             "formats": Formats("fp8"), "engine": "vllm 0.12.0"}
    return Measured("X-1", "tpot", 0.01, "seconds", model="meta-llama/Llama-3.1-70B", hardware="H100-SXM",
                    **(given | more))


def test_lengths_of_inferencex_are_drawn_below_the_stated_ones_whatever_the_id():
    drawn = setting(row(notes="InferenceX (SemiAnalysis) db dump; measured=2026-04-17"))
    stated = setting(row())
    assert (drawn.input, drawn.output) == (MEAN_LENGTH * 1024.0, MEAN_LENGTH * 512.0)
    assert (stated.input, stated.output) == (1024.0, 512.0)
    assert drawn.bursts
    assert not stated.bursts


def test_more_clients_than_the_batch_are_replicas_of_a_dense_model_and_data_ranks_of_a_routed_one():
    dense = setting(row(load=Load(1024.0, 512.0, 4, 16.0)))
    assert (dense.clients, dense.layout.data) == (4.0, 1)
    routed = setting(Measured("X-1", "tpot", 0.01, "seconds", model="deepseek-ai/DeepSeek-R1", hardware="B200-SXM",
                              chips=8, engine="trtllm 1.3", formats=Formats("fp4"), sizes=Sizes(8, 8, 1, 1),
                              load=Load(1024.0, 512.0, 4, 32.0)))
    assert (routed.clients, routed.layout.data, routed.layout.tensor, routed.layout.expert) == (32.0, 8, 1, 8)


def test_a_decode_pool_has_its_own_layout_and_its_share_of_the_clients():
    notes = ('disagg; prefill={"num_workers": 1, "tp_size": 4, "attention_dp_size": 1, "moe_ep_size": 4}; '
             'decode={"num_workers": 2, "tp_size": 1, "attention_dp_size": 8, "moe_ep_size": 8}')
    found = setting(Measured("X-1", "tpot", 0.01, "seconds", model="deepseek-ai/DeepSeek-R1", hardware="B200-SXM",
                             engine="sglang 0.5.9", formats=Formats("fp4"), sizes=Sizes(notes=notes),
                             load=Load(1024.0, 512.0, 32, 512.0)))
    assert (found.like.mode, found.clients, found.layout.data, found.prompts.tensor) == ("apart", 256.0, 8, 4)


@pytest.mark.parametrize(("more", "why"), [
    ({"load": Load(1024.0, None, None, 16.0)}, "lengths not stated"),
    ({"load": Load(1024.0, 512.0)}, "concurrency not stated"),
    ({"formats": Formats("mixed")}, "weights not known: mixed"),
    ({"formats": Formats("fp8", "odd")}, "cache not known"),
    ({"metric": "output_tokens_per_s", "load": Load(1024.0, 512.0)}, "neither batch nor clients"),
    ({"sizes": Sizes(notes="disagg; prefill={x}; decode={y}")}, "no JSON")])
def test_what_a_row_does_not_say_is_a_reason(more, why):
    metric = more.pop("metric", "tpot")
    with pytest.raises(Refused, match=why):
        setting(replace(row(**more), metric=metric))
