"""The one exception a user can cause."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BadInput(ValueError):
    """Input that breaks a rule: says what, which rule, what was given, and a hint.

    The interface prints it as one line and exits with status 2.
    """

    def __init__(self, what: str, rule: str, given: object, hint: str = "") -> None:
        # names of files, ids and fields are a user's too: whatever they hold, the error stays one line
        self.what, self.rule, self.hint = (_one_line(text) for text in (what, rule, hint))
        self.given = _short(given)
        tail = f" (hint: {self.hint})" if self.hint else ""
        super().__init__(f"{self.what}: {self.rule}; got {self.given}{tail}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _short(given: object, limit: int = 120) -> str:
    try:
        text = given if isinstance(given, str) else repr(given)
    except ValueError:  # a whole number of thousands of digits
        text = type(given).__name__
    text = _one_line(text) or repr(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """The closest known names as a hint, or how many names there are."""
    names = sorted(set(known))
    near = difflib.get_close_matches(given.lower(), names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {', '.join(near)}?"
    return f"known: {', '.join(names[:8])}" + (f", … ({len(names)} in all)" if len(names) > 8 else "")


def unknown(what: str, given: str, known: Iterable[str]) -> BadInput:
    """A BadInput for a name that is not among the known ones."""
    return BadInput(what, "must be a known name", given, did_you_mean(given, known))
