"""Elasticities: the exponents of a product of powers, and the slopes of what is not one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from rackline.decisions.cite import cite
from rackline.facts.fact import Fact, Record, facts_of, with_fact


class Part(Record):
    speed: Fact


class Toy(Record):
    a: Fact
    b: Fact
    parts: tuple[Part, ...] = ()
    rates: dict[str, Fact] = Field(default_factory=dict)
    name: str = "toy"


def _fact(value: float, **more: Any) -> Fact:
    return Fact(value=value, unit="count", source="s", date="2026-11-01", **more)


def _toy() -> Toy:
    parts = (Part(speed=_fact(5.0)), Part(speed=_fact(7.0)))
    return Toy(a=_fact(3.0), b=_fact(2.0), parts=parts, rates={"fp8": _fact(9.0)})


def test_the_elasticity_of_a_quotient_is_plus_and_minus_one():
    found = {source.name: source.elasticity for source in cite(lambda toy: toy.a.value / toy.b.value, _toy())}
    assert found == {"a": 1.0, "b": -1.0}


def test_a_fact_that_is_read_but_does_not_limit_is_cited_with_no_elasticity():
    found = {source.name: source.elasticity for source in cite(lambda toy: max(toy.b.value, toy.a.value), _toy())}
    assert found == {"a": 1.0, "b": 0.0}


@settings(max_examples=50, deadline=None)
@given(powers=st.tuples(*[st.floats(-3, 3)] * 3))
def test_the_elasticity_of_a_product_of_powers_is_its_exponents_strongest_first(powers: tuple[float, ...]):
    def f(toy: Toy) -> float:
        return toy.a.value ** powers[0] * toy.parts[1].speed.value ** powers[1] * toy.rates["fp8"].value ** powers[2]

    sources = cite(f, _toy())
    found = {source.name: source.elasticity for source in sources}
    for name, power in zip(("a", "parts.1.speed", "rates.fp8"), powers, strict=True):
        assert found[name] == pytest.approx(power, abs=1e-8)
    strengths = [abs(source.elasticity or 0.0) for source in sources]
    assert strengths == sorted(strengths, reverse=True)


def test_the_elasticities_of_a_sum_are_the_shares_of_its_terms():
    found = {source.name: source.elasticity for source in cite(lambda toy: toy.a.value + toy.b.value, _toy())}
    assert found["a"] == pytest.approx(0.6, abs=1e-4)
    assert found["b"] == pytest.approx(0.4, abs=1e-4)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_no_elasticity_where_the_headline_is_no_positive_number(value: float):
    cited = cite(lambda toy: toy.a.value * 0.0 + value, _toy())
    assert {source.name: source.elasticity for source in cited} == {"a": None}


def test_a_fact_of_zero_has_no_elasticity():
    found = {s.name: s.elasticity for s in cite(lambda toy: 1.0 + toy.a.value, Toy(a=_fact(0.0), b=_fact(1.0)))}
    assert found == {"a": None}


def _values(record: Record) -> dict:
    return {path: fact.value for path, fact in facts_of(record)}


def test_every_fact_is_found_and_replaced_where_it_stands_and_nowhere_else():
    toy = _toy()
    paths = [path for path, _ in facts_of(toy)]
    assert paths == [("a",), ("b",), ("parts", 0, "speed"), ("parts", 1, "speed"), ("rates", "fp8")]
    for path in paths:
        assert _values(with_fact(toy, path, 11.0)) == _values(toy) | {path: 11.0}
    assert dict(facts_of(toy))[("a",)].value == 3.0


def test_an_interval_scales_with_its_value():
    toy = with_fact(Toy(a=_fact(10.0, low=8.0, high=20.0), b=_fact(1.0)), ("a",), 11.0)
    assert (toy.a.low, toy.a.high) == pytest.approx((8.8, 22.0))
