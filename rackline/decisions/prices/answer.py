"""rackline prices: what a provider's prices imply for the model behind them."""

from __future__ import annotations

from typing import Any

from rackline.decisions.answer import Answer, Column, Table
from rackline.decisions.prices import view
from rackline.decisions.prices.found import found
from rackline.facts.api_prices import Offer, bundled, offer, read_table


def answer(q: Any) -> Answer:
    """The readings of one offer; without a name, the offers that are known. BadInput for an unknown one."""
    offers = bundled() if q.table is None else read_table(q.table)
    if q.offer is None and len(offers) > 1:
        return _listing(offers)
    one = next(iter(offers.values())) if q.offer is None else offer(q.offer, offers)
    return view.answer(found(q, one), q.show)


def _listing(offers: dict[str, Offer]) -> Answer:
    providers: dict[str, list[Offer]] = {}
    for one in offers.values():
        providers.setdefault(one.provider, []).append(one)
    rows = tuple((name, len(group), ", ".join(one.model for one in group)) for name, group in sorted(providers.items()))
    table = Table("Offers", (Column("provider"), Column("models", "count"), Column("names")), rows)
    data = {name: [one.model for one in group] for name, group in providers.items()}
    return Answer("prices", f"{len(offers)} offers of {len(providers)} providers.", "datasheet", (table,), data=data,
                  notes=("rackline prices PROVIDER/MODEL reads one of them; --table FILE reads a list of your own.",))
