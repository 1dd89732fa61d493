"""Text to SI and back."""

import math

import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline import units
from rackline.errors import BadInput

SHARED = [
    ("3.35 TB/s", "bytes/s", 3.35e12),
    ("80 GB", "bytes", 80e9),
    ("80 GiB", "bytes", 80 * 2**30),
    ("400 Gbit/s", "bytes/s", 50e9),
    ("1.5 ms", "seconds", 1.5e-3),
    ("2 h", "seconds", 7200.0),
    ("1 day", "seconds", 86400.0),
    ("700 W", "watts", 700.0),
    ("10.2 kW", "watts", 10200.0),
    ("3000 lb", "kilograms", 1360.7771),
    ("5 m", "metres", 5.0),
    ("1 min", "seconds", 60.0),
]
OWN = [
    ("989 TFLOP/s", "flop/s", 989e12),
    ("1979 TOPS", "flop/s", 1979e12),
    ("$2", "dollars/hour", 2.0),
    ("2 $/h", "dollars/hour", 2.0),
    ("$3.3/h", "dollars/hour", 3.3),
    ("0.023 $/GB/month", "dollars/byte/hour", 3.1506849e-14),
    ("671B", "parameters", 671e9),
    ("32k", "tokens", 32000.0),
    ("1,024", "count", 1024.0),
    ("50 %", "ratio", 0.5),
    ("2x", "ratio", 2.0),
    ("1e3", "count", 1000.0),
    ("50 ms", "seconds", 0.05),
    ("$0.27/Mtok", "dollars/Mtok", 0.27),
]
WRONG = [
    ("80 GBps", "bytes", "GBps is a unit of bytes/s"),
    ("3 TB", "bytes/s", "TB is a unit of bytes"),
    ("5 GB", "seconds", "GB is a unit of bytes"),
    ("5 m", "seconds", "m is a unit of metres"),
    ("$2", "bytes", "is a unit of dollars"),
    ("700 W", "flop/s", "W is a unit of watts"),
    ("80 gb", "bytes", "for example"),
    ("5 kdays", "seconds", "for example"),
    ("fast", "bytes/s", "3.35 TB/s"),
    ("", "bytes", "80 GB"),
    ("nan", "seconds", "finite"),
    ("inf GB", "bytes", "finite"),
    ("1e999 B", "bytes", "finite"),
    ("1" * 500, "count", "must be a number"),
    ("1 GB 2", "bytes", "for example"),
    ("--5", "count", "must be a number"),
]


@pytest.mark.parametrize(("text", "dimension", "value"), SHARED + OWN)
def test_a_text_with_a_unit_is_its_si_number(text, dimension, value):
    assert units.parse(text, dimension) == pytest.approx(value)


@pytest.mark.parametrize(("text", "dimension", "value"), SHARED)
def test_pint_agrees(text, dimension, value):
    base = {
        "bytes": "byte",
        "bytes/s": "byte/second",
        "seconds": "second",
        "watts": "watt",
        "kilograms": "kilogram",
        "metres": "metre",
    }[dimension]
    assert pint.UnitRegistry()(text).to(base).magnitude == pytest.approx(value)


@pytest.mark.parametrize(("text", "dimension", "says"), WRONG)
def test_a_wrong_unit_or_number_gets_a_hint(text, dimension, says):
    with pytest.raises(BadInput) as caught:
        units.parse(text, dimension, "capacity")
    assert says in str(caught.value)
    assert str(caught.value).startswith("capacity: ")


@pytest.mark.parametrize("given", [None, [], {}, True, 10**400, math.nan, math.inf, -math.inf, b"80 GB"])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(BadInput):
        units.parse(given, "bytes")


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (671e9, "parameters", "671 B"),
        (7.5e9, "parameters", "7.5 B"),
        (1.5e12, "parameters", "1.5 T"),
        (124e6, "parameters", "124 M"),
        (500, "parameters", "500"),
        (999.9e6, "parameters", "1 B"),
        (32000, "tokens", "32,000"),
        (15e12, "tokens", "15 T"),
        (80e9, "bytes", "80 GB"),
        (3.35e12, "bytes/s", "3.35 TB/s"),
        (0.0239, "seconds", "23.9 ms"),
        (71428, "seconds", "19.8 h"),
        (1360, "kilograms", "1,360 kg"),
        (2.5, "dollars/hour", "$2.5/h"),
        (0.023e-9 / 730, "dollars/byte/hour", "$0.023/GB/month"),
        (0.4523, "ratio", "45.2 %"),
        (1e-4, "ratio", "0.01 %"),
        (math.nan, "seconds", "—"),
        (math.inf, "seconds", "∞"),
        (0.0, "bytes", "0 B"),
        (5184, "count", "5,184"),
    ],
)
def test_a_number_is_shown_as_people_write_it(value, dimension, text):
    assert units.show(value, dimension) == text


@settings(max_examples=1000, deadline=None)
@given(
    st.floats(1e-18, 1e24),
    st.sampled_from([d for d in units.dimensions() if d != "year"]),  # a calendar year is shown whole
    st.sampled_from([1.0, -1.0]),
    st.integers(2, 6),
)
def test_what_is_shown_parses_back_within_its_rounding(size, dimension, sign, digits):
    value = sign * size
    assert units.parse(units.show(value, dimension, digits), dimension) == pytest.approx(
        value, rel=0.6 * 10.0 ** (1 - digits)
    )


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=30) | st.text("0123456789.eE+-_, $kMGTBs/%hx", max_size=20),
    st.sampled_from(units.dimensions()),
)
def test_any_text_is_a_finite_number_or_one_line(text, dimension):
    try:
        found = units.parse(text, dimension)
    except BadInput as error:
        found, message = None, str(error)
    assert math.isfinite(found) if found is not None else len(message.splitlines()) == 1


def test_counted_things_are_one_or_several():
    assert [units.counted(n, "chip") for n in (0, 1, 7200)] == ["0 chips", "1 chip", "7,200 chips"]
