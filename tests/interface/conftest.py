"""The fake question and one way to run a command line."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from rackline.interface.cli import main
from tests.interface import fake


@dataclass(frozen=True)
class Ran:
    """What a command line left behind."""

    status: int
    out: str
    err: str


def run(*args: str) -> Ran:
    """Runs a command line with the fake question among the others."""
    out, err = io.StringIO(), io.StringIO()
    with fake.installed(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(args)
    return Ran(status, out.getvalue(), err.getvalue())


@pytest.fixture
def rackline_fake() -> Callable[..., Ran]:
    """Runs "rackline fake deepseek-v3 --on h100-sxm" with more arguments."""
    return lambda *more: run("fake", "deepseek-v3", "--on", "h100-sxm", *more)


@pytest.fixture
def with_fake() -> Iterator[None]:
    """The fake question among the others."""
    with fake.installed():
        yield
