"""Text files of other people's: read whole, or refused in one line that says what they are instead."""

from __future__ import annotations

from pathlib import Path

from rackline import units
from rackline.errors import BadInput

_OTHERS = ((b"\x1f\x8b", "it is compressed: unpack it first"),
           (b"PK\x03\x04", "it is a spreadsheet or a zip: save it as CSV"),
           (b"PAR1", "it is Parquet: save it as CSV"), (b"\xff\xfe", "it is UTF-16: save it as UTF-8"),
           (b"\xfe\xff", "it is UTF-16: save it as UTF-8"))


def read_text(file: Path, what: str, largest: int) -> str:
    """The UTF-8 text in a file of at most so many bytes, a mark of the byte order left out; BadInput for any other."""
    try:
        if not file.is_file():
            raise BadInput(what, "must be an existing file", str(file))
        if file.stat().st_size > largest:
            raise BadInput(what, f"must be at most {units.show(largest, 'bytes')}",
                           units.show(file.stat().st_size, "bytes"))
        content = file.read_bytes()
        return content.decode("utf-8-sig")
    except BadInput:
        raise
    except UnicodeDecodeError as error:
        hint = next((said for start, said in _OTHERS if content.startswith(start)), "")
        raise BadInput(what, "must be UTF-8 text", f"byte {error.object[error.start]:#04x}", hint) from None
    except (OSError, ValueError) as error:
        raise BadInput(what, "must be a readable file", str(error)) from None


def separator(first: str) -> str:
    """What stands between the columns of a table with this first line: a comma, else a semicolon or a tab."""
    return next((sign for sign in (",", ";", "\t") if sign in first), ",")


def first_line(text: str) -> str:
    """The first line of a text, whichever way its lines end."""
    return next(iter(text[:100_000].splitlines()), "")
