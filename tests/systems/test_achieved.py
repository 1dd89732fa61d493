"""What kernels and collectives achieve: below the datasheet's rates, over arrays, wider where nothing was measured."""

import numpy as np
import pytest

from rackline.errors import BadInput
from rackline.facts.hardware import machine
from rackline.systems import achieved

H100, B200, A100, MI300X = (machine(name) for name in ("dgx-h100", "dgx-b200", "dgx-a100-80gb", "mi300x-8"))
M = np.array([1.0, 16.0, 256.0, 8192.0])


def test_products_take_longer_than_the_datasheet_says_and_reach_most_of_it_when_large():
    found = achieved.product(H100, "bf16", (M, 8192.0, 8192.0))
    assert found.seconds.shape == found.low.shape == found.rated.shape == (4,)
    assert np.all(found.rated < found.seconds)
    assert np.all((found.low < found.seconds) & (found.seconds < found.high))
    assert 0.65 < found.share[-1] < 0.9
    assert 0.75 < found.share[0] < 0.95  # of the memory's bandwidth
    each = [float(achieved.product(H100, "bf16", (m, 8192.0, 8192.0)).seconds) for m in M]
    assert found.seconds == pytest.approx(each, rel=1e-12)


def test_what_a_launch_takes_can_be_left_out():
    with_launch, without = (achieved.product(H100, "bf16", (1.0, 512.0, 512.0), launch=one) for one in (True, False))
    assert 1e-6 < with_launch.seconds - without.seconds < 2e-5


def test_activations_that_come_rounded_need_no_rounding():
    plain, rounded = (achieved.product(B200, "nvfp4", (M, 4096.0, 4096.0), rounded=one) for one in (False, True))
    assert np.all(rounded.seconds < plain.seconds)


def test_a_chip_that_was_not_measured_has_a_wider_interval():
    for call in (lambda m: achieved.product(m, "bf16", (64.0, 4096.0, 4096.0)),
                 lambda m: achieved.collective(m, "all_gather", 8, 1e8)):
        seen, unseen = call(H100), call(MI300X)
        assert (seen.seen, unseen.seen) == (True, False)
        assert unseen.high / unseen.low > seen.high / seen.low


def test_the_cache_is_read_at_most_of_the_bandwidth():
    found = achieved.decode_attention(H100, "fp8", np.array([1e6, 1e8, 1e10]))
    assert np.all(np.diff(found.share) > 0)
    assert 0.7 < found.share[-1] < 1.0


def test_attention_over_a_prompt_achieves_less_than_a_product():
    found = achieved.prefill_attention(H100, "bf16", (1.0, np.array([512.0, 16384.0])), (32.0, 8.0, 128.0))
    assert found.share[1] > found.share[0]
    assert 0.3 < found.share[1] < 0.9


@pytest.mark.parametrize("kind", achieved.KINDS)
def test_collectives_grow_with_bytes_and_chips_and_need_two(kind):
    size = np.array([1e3, 1e6, 1e9])
    found = achieved.collective(A100, kind, 8, size)
    assert np.all(np.diff(found.seconds) > 0)
    assert np.all(found.rated < found.seconds)
    group = achieved.collective(A100, kind, np.array([1, 2, 8]), 1e9)
    assert group.seconds[0] == group.high[0] == 0.0
    assert group.seconds[1] < group.seconds[2]
    alone = achieved.collective(A100, kind, 2, 1e9)
    assert (group.seconds[1], group.high[1]) == (alone.seconds, alone.high)


@pytest.mark.parametrize("kind", achieved.KINDS)
def test_over_boxes_the_slower_network_counts(kind):
    one, two = (achieved.collective(H100.with_chips(16), kind, g, 1e9) for g in (8, 16))
    assert two.seconds > one.seconds
    assert two.rated < two.seconds


def test_the_switch_adds_an_all_reduce_of_more_than_two_chips():
    assert achieved.collective_wire(H100, "all_reduce", 1e9, 8.0)[0] == "all_reduce in the switch"
    assert achieved.collective_wire(H100, "all_reduce", 1e9, 8.0, switch=False)[0] == "all_reduce"
    assert achieved.collective_wire(H100, "all_reduce", 1e9, 2.0)[0] == "all_reduce"
    assert achieved.collective_wire(A100, "all_reduce", 1e9, 8.0)[0] == "all_reduce"


def test_an_unknown_format_or_kind_is_named():
    with pytest.raises(BadInput, match="fp3"):
        achieved.product(H100, "fp3", (1.0, 2.0, 3.0))
    with pytest.raises(BadInput, match="all_ruduce"):
        achieved.collective(H100, "all_ruduce", 8, 1e9)
    assert achieved.product(H100, "q4_k_m", (1.0, 4096.0, 4096.0)).seconds > 0
