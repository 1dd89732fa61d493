"""What providers ask for a million tokens: bundled price lists and a user's own table."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from rackline import units
from rackline.errors import BadInput, did_you_mean, unknown

_FILE = Path(__file__).parent / "data" / "prices" / "api.csv"
KINDS = ("input", "cached_input", "cache_write_5m", "cache_write_1h", "output")
MODES = ("standard", "batch", "flex", "fast")
_COLUMNS = ("provider", "model", "mode", "above", "window", "speed", *KINDS, "weights", "source", "date")
_MOST = 1e6  # dollars per million tokens that anybody could mean
_MOST_ROWS = 100_000
_LARGEST = 10_000_000  # bytes of a table


@dataclass(frozen=True)
class PriceTier:
    """Dollars per million tokens of a request with more than `above` input tokens; all of its tokens are repriced."""

    above: float = 0.0
    input: float | None = None
    cached_input: float | None = None
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None
    output: float | None = None

    def ratio(self, kind: str, over: str) -> float | None:
        """One price over another; None where either is missing or the second is zero."""
        above, below = getattr(self, kind), getattr(self, over)
        return None if above is None or not below else above / below


@dataclass(frozen=True)
class Offer:
    """A model that a provider sells: tiers by rising length of input, other modes, the open model behind it."""

    provider: str
    model: str
    tiers: tuple[PriceTier, ...]
    modes: Mapping[str, PriceTier] = field(default_factory=dict)  # batch, flex, fast: their lowest tier
    speeds: Mapping[str, float] = field(default_factory=dict)  # mode -> tokens/s over those of the standard mode
    window: float | None = None
    weights: str = ""  # the bundled model whose weights these are
    source: str = ""
    date: str = ""

    @property
    def name(self) -> str:
        """PROVIDER/MODEL."""
        return f"{self.provider}/{self.model}"

    @property
    def base(self) -> PriceTier:
        """What short requests pay."""
        return self.tiers[0]

    @property
    def step(self) -> PriceTier | None:
        """The first dearer tier."""
        return self.tiers[1] if len(self.tiers) > 1 else None

    def at(self, tokens: float) -> PriceTier:
        """The tier of a request: strictly more input tokens than a threshold reprice every token."""
        return [tier for tier in self.tiers if tier.above == 0 or tokens > tier.above][-1]


@cache
def bundled() -> dict[str, Offer]:
    """Every bundled offer by its name, standard price at the moment that the list was made."""
    return _offers(_rows(_FILE.read_text(encoding="utf-8").splitlines(), "prices"), "prices")


def read_table(path: str | Path) -> dict[str, Offer]:
    """The offers in a user's CSV file by name. BadInput for what is no price list.

    Columns: provider, model; mode (standard, batch, flex, fast), above (input tokens beyond which the row holds),
    window, speed (tokens/s over standard), prices in dollars per million tokens under the names of KINDS, weights,
    source, date. All but model may be left out.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise BadInput(str(path), f"must be at most {units.show(_LARGEST, 'bytes')}", path.stat().st_size)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(path), "must be a readable CSV file in UTF-8", str(error)) from None
    return _offers(_rows(lines, path.name), path.name)


def offer(name: str, table: Mapping[str, Offer] | None = None) -> Offer:
    """The offer PROVIDER/MODEL, or MODEL alone where one provider sells it; BadInput with the nearest names."""
    offers = bundled() if table is None else table
    key = name.strip().lower()
    found = [one for one in offers.values() if one.name.lower() == key]
    found = found or [one for one in offers.values() if one.model.lower() == key or _short(one) == key]
    if len(found) == 1:
        return found[0]
    if found:
        sellers = ", ".join(sorted(one.name for one in found)[:6])
        raise BadInput("MODEL", f"is sold by {len(found)} providers: name one as PROVIDER/MODEL", name, sellers)
    return _unknown(name, offers)


def _short(one: Offer) -> str:
    return f"{one.provider}/{one.model.rsplit('/', 1)[-1]}".lower()


def _unknown(name: str, offers: Mapping[str, Offer]) -> Offer:
    provider, _, model = name.strip().lower().partition("/")
    providers = {one.provider for one in offers.values()}
    if model and provider not in providers:
        raise unknown("provider", provider, providers)
    known = {one.name.lower() if model else one.model.lower() for one in offers.values()
             if not model or one.provider == provider}
    raise unknown("priced model", name.strip(), known)


def _rows(lines: Iterable[str], what: str) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(lines, strict=True)
    try:
        names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        _check_columns(names, what)
        reader.fieldnames = names
        for number, row in enumerate(reader, start=2):
            if number > _MOST_ROWS:
                raise BadInput(what, f"must have at most {_MOST_ROWS:,} rows", "more")
            if None in row:
                raise BadInput(f"{what}, line {number}", f"must have {len(names)} columns", "more")
            yield {"line": str(number)} | {name: (text or "").strip() for name, text in row.items()}
    except csv.Error as error:
        raise BadInput(what, "must be well-formed CSV", str(error)) from None


def _check_columns(names: list[str], what: str) -> None:
    for name in names:
        if name not in _COLUMNS:
            raise BadInput(what, "has an unknown column", name, did_you_mean(name, _COLUMNS))
    if "model" not in names or not set(KINDS) & set(names) or len(set(names)) < len(names):
        raise BadInput(what, "must have the column model and at least one price, each once", ", ".join(names),
                       f"prices: {', '.join(KINDS)} in dollars per million tokens")


def _offers(rows: Iterable[dict[str, str]], what: str) -> dict[str, Offer]:
    grouped: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        for name in ("provider", "model"):
            if not re.fullmatch(r"[^\x00-\x1f]{1,200}", row.get(name) or "user"):
                raise BadInput(f"{what}, line {row['line']}", f"must have a {name} of 1 to 200 characters", row[name])
        grouped.setdefault((row.get("provider") or "user", row["model"]), []).append(row)
    if not grouped:
        raise BadInput(what, "must have at least one row", "none")
    offers = [_offer(provider, model, group, what) for (provider, model), group in grouped.items()]
    return {one.name: one for one in offers}


def _offer(provider: str, model: str, rows: list[dict[str, str]], what: str) -> Offer:
    if not model:
        raise BadInput(f"{what}, line {rows[0]['line']}", "must name a model", "nothing")
    by_mode: dict[str, list[PriceTier]] = {}
    speeds: dict[str, float] = {}
    for row in rows:
        where, mode = f"{what}, line {row['line']}", row.get("mode") or "standard"
        if mode not in MODES:
            raise BadInput(where, "must be of a known mode", mode, did_you_mean(mode, MODES))
        by_mode.setdefault(mode, []).append(_tier(row, where))
        if row.get("speed"):
            speeds[mode] = _number(row["speed"], f"{where}: speed", 1e3)
    tiers = _ordered(by_mode.get("standard", []), f"{what}: {provider}/{model}")
    windows = [_number(row["window"], f"{what}: window", 1e12) for row in rows if row.get("window")]
    first = rows[0]
    return Offer(provider, model, tiers, {mode: _ordered(found, what)[0] for mode, found in by_mode.items()
                                          if mode != "standard"}, speeds, windows[0] if windows else None,
                 first.get("weights", ""), first.get("source") or what, first.get("date") or "now")


def _tier(row: Mapping[str, str], where: str) -> PriceTier:
    prices = {kind: _number(row[kind], f"{where}: {kind}", _MOST) for kind in KINDS if row.get(kind)}
    above = _number(row["above"], f"{where}: above", 1e12) if row.get("above") else 0.0
    return PriceTier(above, **prices)


def _number(text: str, what: str, most: float) -> float:
    value = units.parse(text.removeprefix("$"), "count", what)
    if not 0 <= value <= most:
        raise BadInput(what, f"must lie between 0 and {most:,.0f}", text)
    return value


def _ordered(tiers: list[PriceTier], what: str) -> tuple[PriceTier, ...]:
    """Tiers by rising threshold; a missing price of a higher tier is the one below it."""
    if not tiers:
        raise BadInput(what, "must have a standard price", "none")
    found = sorted(tiers, key=lambda tier: tier.above)
    if len({tier.above for tier in found}) < len(found):
        raise BadInput(what, "must have one row for each threshold", f"{len(found)} rows")
    if found[0].above:
        raise BadInput(what, "must have a tier for short requests (above 0)", f"above {found[0].above:,.0f}")
    return tuple(found)
