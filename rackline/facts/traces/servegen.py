"""ServeGen's client files, to draw requests from: each client's rate, burstiness and lengths by time of day."""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rackline.errors import BadInput

LARGEST = 500 * 10**6  # bytes of all files together, unpacked
_TRACE, _DATASET = "-trace.csv", "-dataset.json"
_MEDIA = ("image", "audio", "video")
_DEPTH = 4  # folders from the one given down to a service's: ServeGen/data/reason/deepseek-r1
_TOKENS_MOST, _COUNT_MOST = 10**9, 10**4
_FAMILIES = ("gamma", "weibull")


@dataclass(frozen=True, eq=False)
class Histogram:
    """Whole numbers and the chance of each, arrays of shape (k,); the chances sum to 1."""

    values: np.ndarray
    chances: np.ndarray

    @property
    def mean(self) -> float:
        """The expected value."""
        return float(self.values @ self.chances)


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a prompt: tokens of each piece (a text, an image), and how many pieces; None: one."""

    tokens: Histogram
    pieces: Histogram | None = None


@dataclass(frozen=True, eq=False)
class Lengths:
    """Lengths of a client's requests from `start` on: the prompt is the sum of its parts."""

    start: int  # seconds
    input: tuple[Part, ...]
    output: Histogram

    @property
    def mean_input(self) -> float:
        """Expected tokens of a prompt."""
        return sum(part.tokens.mean * (part.pieces.mean if part.pieces else 1.0) for part in self.input)


@dataclass(frozen=True, eq=False)
class Client:
    """One client: arrays of shape (windows,), and its lengths in order of their start."""

    name: str
    rate: np.ndarray  # requests a second
    cv: np.ndarray  # standard deviation over mean of the gaps between requests
    weibull: np.ndarray  # bool: the gaps follow a Weibull instead of a gamma distribution
    lengths: tuple[Lengths, ...]


@dataclass(frozen=True, eq=False)
class Population:
    """Clients of one service over the same windows of time."""

    name: str
    source: str
    starts: np.ndarray  # (windows,) seconds, evenly spaced, from 0
    clients: tuple[Client, ...]

    @property
    def window(self) -> float:
        """Seconds of one window."""
        return float(self.starts[1] - self.starts[0])

    @property
    def span(self) -> float:
        """Seconds that the windows cover."""
        return float(self.starts[-1]) + self.window


def read_population(path: str | Path, service: str = "") -> Population:
    """The clients in ServeGen's files: a folder or tar archive of chunk-N-trace.csv and chunk-N-dataset.json pairs.

    service: the folder inside the archive, such as deepseek-r1, where it holds several. The prompt is input_tokens, or
    text and the images, audio and video beside it, their tokens counted for each piece (no published histogram of
    image tokens passes 1,280, however many images a request has). Requests without output are left out, as failed.
    Errors: BadInput.
    """
    what = f"clients {Path(path).name}"
    found = _services(_files(Path(path), what))
    if not found:
        raise BadInput(what, f"must hold chunk-N{_TRACE} and chunk-N{_DATASET} files", "none of them")
    if not service and len(found) == 1:
        service = next(iter(found))
    if service not in found:
        raise BadInput(what, "holds several services: name one", service or "none named", ", ".join(sorted(found)))
    clients = [_client(name, files, what) for name, files in sorted(found[service].items())]
    starts = clients[0][0]
    if any(not np.array_equal(starts, other) for other, _ in clients):
        raise BadInput(what, "must have the same windows of time for every client", "different ones")
    return Population(service, Path(path).name, starts, tuple(client for _, client in clients))


def population_at(text: str) -> Population | None:
    """The clients at FILE or FILE:SERVICE; None where that is neither a folder nor a tar archive."""
    path, service = Path(text), ""
    if ":" in text and not _there(path):
        before, _, service = text.rpartition(":")
        path = Path(before)
    if not _there(path) or not (path.is_dir() or _is_archive(path)):
        return None
    return read_population(path, service)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a null byte in it
        return False


def _is_archive(path: Path) -> bool:
    try:
        return path.is_file() and tarfile.is_tarfile(path)
    except (OSError, EOFError, zlib.error):
        return False


def _files(path: Path, what: str) -> dict[str, bytes]:
    """Every client file by its path inside."""
    try:
        return _folder(path, what) if path.is_dir() else _archive(path, what)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BadInput(what, "must be a whole tar archive or a folder", str(error), "is it truncated?") from None
    except (OSError, ValueError) as error:
        raise BadInput(what, "must be readable", getattr(error, "strerror", None) or str(error)) from None


def _folder(path: Path, what: str) -> dict[str, bytes]:
    found = (f for depth in range(_DEPTH) for f in path.glob("*/" * depth + "chunk-*"))
    files = [f for f in sorted(found) if f.is_file() and f.name.endswith((_TRACE, _DATASET))]
    _check_size((f.stat().st_size for f in files), what)
    return {str(f.resolve()): f.read_bytes() for f in files}


def _archive(path: Path, what: str) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        members = [m for m in archive if m.isfile() and m.name.endswith((_TRACE, _DATASET))]
        _check_size((m.size for m in members), what)
        return {m.name: found.read() for m in members if (found := archive.extractfile(m))}


def _check_size(sizes: Iterable[int], what: str) -> None:
    total = sum(sizes)
    if total > LARGEST:
        raise BadInput(what, f"must hold at most {LARGEST:,} bytes of client files", total)


def _services(files: dict[str, bytes]) -> dict[str, dict[str, dict[str, bytes]]]:
    """service -> client -> kind of file -> its bytes."""
    found: dict[str, dict[str, dict[str, bytes]]] = {}
    for name, data in files.items():
        kind = _TRACE if name.endswith(_TRACE) else _DATASET
        path = Path(name)
        clients = found.setdefault(path.parent.name or "clients", {})
        clients.setdefault(path.name.removesuffix(kind), {})[kind] = data
    return found


def _client(name: str, files: dict[str, bytes], what: str) -> tuple[np.ndarray, Client]:
    for kind in (_TRACE, _DATASET):
        if kind not in files:
            raise BadInput(f"{what}, {name}", f"must have its {name}{kind}", "none")
    try:
        starts, rate, cv, weibull = _windows(files[_TRACE].decode(), f"{what}, {name}{_TRACE}")
        lengths = _lengths(files[_DATASET].decode(), f"{what}, {name}{_DATASET}")
    except UnicodeDecodeError:
        raise BadInput(f"{what}, {name}", "must be UTF-8 text", "other bytes") from None
    if rate.any() and not lengths:
        raise BadInput(f"{what}, {name}", "must have lengths where it sends requests", "only empty histograms")
    return starts, Client(name, rate, cv, weibull, lengths)


def _windows(text: str, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Start, rate, burstiness and family of each window, from rows: start, rate, cv, family, its two parameters."""
    rows = [line.split(",") for line in text.splitlines() if line.strip()]
    families = [row[3].strip().lower() if len(row) == 6 else "?" for row in rows]
    try:
        if len(rows) < 2 or set(families) - {"", *_FAMILIES}:
            raise ValueError
        starts, rate, cv = np.array([row[:3] for row in rows], dtype=np.float64).T
    except ValueError:
        raise BadInput(what, "must have two or more rows: start, rate, cv, Gamma or Weibull, shape, scale",
                       rows[0] if rows else "nothing") from None
    step = np.diff(starts)
    if not (np.isfinite([rate, cv]).all() and (rate >= 0).all() and (cv >= 0).all() and starts[0] == 0
            and step[0] > 0 and (step == step[0]).all()):
        raise BadInput(what, "must have windows evenly spaced from 0, and rates and cv that are not negative",
                       "others among the rows")
    # a rate too low to have had its gaps fitted is taken as random (Poisson)
    cv = np.where(np.array(families) == "", 1.0, cv)
    return starts, rate, cv, np.array([family == "weibull" for family in families])


def _lengths(text: str, what: str) -> tuple[Lengths, ...]:
    try:
        windows = json.loads(text)
        found = [(int(start), one) for start, one in windows.items() if isinstance(one, dict)]
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadInput(what, "must be a JSON object of histograms by start", str(error)) from None
    lengths = [_lengths_from(start, one, f"{what}, start {start}") for start, one in sorted(found)]
    return tuple(one for one in lengths if one)


def _lengths_from(start: int, window: dict, what: str) -> Lengths | None:
    """The lengths of one window; None where it saw no request."""
    output = _histogram(window, "output_tokens", what, least=1)
    text = "input_tokens" if "input_tokens" in window else "text_tokens"
    tokens = _histogram(window, text, what, least=1 if text == "input_tokens" else 0)
    if output is None or tokens is None:
        return None
    media = [_media(window, kind, what) for kind in _MEDIA if f"{kind}_tokens" in window]
    return Lengths(start, (Part(tokens), *(part for part in media if part)), output)


def _media(window: dict, kind: str, what: str) -> Part | None:
    tokens = _histogram(window, f"{kind}_tokens", what, least=0)
    pieces = _histogram(window, f"{kind}_count", what, least=0, most=_COUNT_MOST)
    return Part(tokens, pieces) if tokens and pieces and tokens.mean and pieces.mean else None


def _histogram(window: dict, name: str, what: str, *, least: int, most: int = _TOKENS_MOST) -> Histogram | None:
    """A histogram from a text such as "{60: 0.25, 61: 0.75}"; None from "{}"."""
    text = window.get(name)
    try:
        inside = str(text).strip().removeprefix("{").removesuffix("}").strip()
        pairs = np.array(inside.replace(":", ",").split(","), dtype=np.float64).reshape(-1, 2) if inside else None
    except ValueError:
        raise BadInput(f"{what}, {name}", "must be a histogram {value: chance, …}", str(text)) from None
    if pairs is None:
        return None
    values, chances = pairs.T
    if not ((values == np.floor(values)) & (values >= 0) & (values <= most) & (chances >= 0) & (chances <= 1.01)).all():
        raise BadInput(f"{what}, {name}", f"must hold whole numbers from 0 to {most:,} and chances", str(text))
    keep = (values >= least) & (chances > 0)
    if not keep.any():
        return None
    return Histogram(values[keep].astype(np.int64), chances[keep] / chances[keep].sum())
