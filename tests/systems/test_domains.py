"""The same chips joined otherwise: hops, bisection, other domains, and what an exchange takes on them."""

from __future__ import annotations

from itertools import product

import pytest

from rackline.decisions.racks.networks import Asked, exchanges
from rackline.errors import BadInput
from rackline.facts.hardware import machine
from rackline.facts.models import model
from rackline.systems.domains import as_torus, bisection, hops, with_domain

RACK, POD = machine("gb200-nvl72"), machine("tpu-v4")


def test_any_chip_of_a_rack_is_two_hops_away():
    assert hops(RACK.scale_up) == (2.0, 2.0)


@pytest.mark.parametrize("axes", [(4, 4, 4), (4, 8), (2, 4, 8)])
def test_hops_of_a_torus_are_those_counted_chip_by_chip(axes):
    net = POD.scale_up.model_copy(update={"axes": axes, "pod": (), "wraps": 1})
    ring = lambda i, n: min(i, n - i)  # noqa: E731
    each = [sum(ring(i, n) for i, n in zip(place, axes, strict=True)) for place in product(*map(range, axes))]
    assert hops(net) == (max(each), pytest.approx(sum(each) / (len(each) - 1)))


def test_lines_that_do_not_close_are_longer():
    closed, line = (POD.scale_up.model_copy(update={"axes": (8,), "pod": (), "wraps": w}) for w in (8, 16))
    assert hops(closed)[0] == 4
    assert hops(line) == (7, pytest.approx(3.0))


def test_the_bisection_of_a_rack_is_half_its_links_and_of_a_torus_a_cut_plane_twice():
    assert bisection(RACK) == 36 * 900e9
    assert bisection(POD) == pytest.approx(2 * 16 * 45e9)


def test_another_domain_changes_nothing_else():
    other = with_domain(RACK, 144, 576)
    assert (other.domain, other.chips, other.chip, other.scale_out) == (144, 576, RACK.chip, RACK.scale_out)
    assert with_domain(POD, 8, 8).scale_up.axes == (2, 2, 2)


def test_a_domain_without_a_network_beyond_it_holds_all_chips():
    alone = machine("tpu-v4").model_copy(update={"scale_out": None})
    with pytest.raises(BadInput, match="no network beyond one domain"):
        with_domain(alone, 8, 16)


def test_two_domains_make_the_exchange_of_the_lecture_half_the_ratio_as_long():
    moe = next(f for f, _ in model("deepseek-v3").feed_forwards() if f.experts)
    slower = RACK.scale_out.model_copy(update={"bandwidth": RACK.scale_up.bandwidth.model_copy(
        update={"value": RACK.scale_up.bandwidth.value / 8})})
    found = {e.network: e for e in exchanges(Asked(RACK.model_copy(update={"scale_out": slower}), moe, 1e5, 7168.0))}
    one = found["one domain of 72"].time
    assert found["two domains of 72, a copy for each expert"].time / one == pytest.approx(4.0, rel=0.06)
    assert found["two domains of 72, one copy a domain"].time < 2 * one
    assert found["one domain of 144"].time / one == pytest.approx(1.0, rel=0.06)
    limited = next(e for name, e in found.items() if name.startswith("the same"))
    every, once = (next(e for name, e in found.items() if name.startswith("8 boxes") and name.endswith(end))
                   for end in ("expert", "box"))
    assert limited.time < once.time < every.time


def test_a_torus_of_the_same_links_takes_longer_to_exchange():
    moe = next(f for f, _ in model("deepseek-v3").feed_forwards() if f.experts)
    found = list(exchanges(Asked(with_domain(RACK, 64, 64), moe, 1e4, 7168.0)))
    torus = next(e for e in found if "torus" in e.network)
    assert "4 × 4 × 4" in torus.network
    assert torus.time > found[0].time
    assert as_torus(with_domain(RACK, 64, 64)).scale_up.bandwidth.value == pytest.approx(900e9)
