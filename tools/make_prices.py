"""Makes rackline/facts/data/prices/api.csv from the package genai-prices, which must be installed.

    python tools/make_prices.py

Every model of the makers in OWN, and of other sellers every model whose name is that of a bundled one.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rackline.facts.models.catalogue import model_aliases, model_names

FILE = Path(__file__).resolve().parents[1] / "rackline" / "facts" / "data" / "prices" / "api.csv"
MOMENT = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWN = ("anthropic", "openai", "google", "deepseek", "moonshotai", "zai", "x-ai", "mistral", "minimax", "cohere")
RESELLERS = ("openrouter", "github-copilot", "cursor", "quicksilverpro", "zhipuai")  # pass on others' prices
FIELDS = {"input": "input_mtok", "cached_input": "cache_read_mtok", "cache_write_5m": "cache_write_mtok",
          "cache_write_1h": "cache_write_1h_mtok", "output": "output_mtok"}
HEAD = ("provider", "model", "mode", "above", "window", *FIELDS, "weights", "source", "date")
MODES = {("processing", "batch"): "batch", ("speed", "fast"): "fast", ("service_tier", "fast"): "fast",
         ("service_tier", "flex"): "flex"}
# names under which sellers offer a bundled model, where neither the name nor its end says so
SOLD_AS = {"deepseek-chat": "deepseek-v3", "deepseek-reasoner": "deepseek-r1", "deepseek-v3p2": "deepseek-v3.2",
           "llama-v3p1-8b-instruct": "llama-3.1-8b", "llama3.1-8b": "llama-3.1-8b", "qwen-3-32b": "qwen3-32b",
           "qwen-3-coder-480b": "qwen3-coder-480b-a35b", "zai-glm-4.7": "glm-4.7", "deepseek.r1-v1:0": "deepseek-r1"}
ENDS = re.compile(r"(-turbo|-fp8|-nvfp4|-versatile|-instant|-instruct|-maas|-it|:0|-1:0|-v1:0)$")


def bundled(name: str) -> str:
    """The bundled model that a seller's name means; empty where it means none."""
    short = name.lower().rsplit("/", 1)[-1]
    for prefix in ("databricks-", "openai.", "qwen.", "minimax.", "moonshotai.", "moonshot.", "zai.", "google."):
        short = short.removeprefix(prefix)
    while True:
        if short in SOLD_AS or short in model_names() or short in model_aliases():
            return SOLD_AS.get(short) or model_aliases().get(short, short)
        shorter = ENDS.sub("", short)
        if shorter == short:
            return ""
        short = shorter


def rows(providers: Any) -> Iterator[dict[str, Any]]:
    """A row for every price of every model that is kept."""
    for provider in sorted(providers, key=lambda p: p.id):
        if provider.id in RESELLERS:
            continue
        for model in sorted(provider.models, key=lambda m: m.id):
            weights = bundled(model.id)
            if weights or provider.id in OWN:
                head = {"provider": provider.id.removeprefix("huggingface_"), "model": model.id, "weights": weights,
                        "window": model.context_window or ""}
                for mode, prices in modes(model):
                    yield from ({**head, "mode": mode, **row} for row in tiers(prices))


def modes(model: Any) -> Iterator[tuple[str, Any]]:
    """The standard price at the moment, and those of the other modes that are sold."""
    yield "standard", model.get_prices(MOMENT)
    seen = set()
    for variant in model.price_variants or ():
        mode = MODES.get(next(iter(variant.when.items())))
        if mode and mode not in seen and (variant.constraint is None or variant.constraint.active(MOMENT)):
            seen.add(mode)
            yield mode, variant.prices


def tiers(prices: Any) -> Iterator[dict[str, Any]]:
    """A row for every context tier: `above` is the number of input tokens beyond which it holds."""
    given = {name: getattr(prices, key, None) for name, key in FIELDS.items()}
    starts = {0} | {tier.start for price in given.values() for tier in getattr(price, "tiers", ())}
    for start in sorted(starts):
        found = {name: at(price, start) for name, price in given.items()}
        if any(found.values()):
            yield {"above": start, **found}


def at(price: Any, start: int) -> str:
    """The price in the tier that starts there, as text; empty where there is none."""
    if price is None:
        return ""
    if not hasattr(price, "tiers"):
        return f"{float(price):.10g}"
    found = [tier.price for tier in price.tiers if tier.start <= start]
    return f"{float(found[-1] if found else price.base):.10g}"


def kept(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what costs nothing, is not text, or is listed twice under one seller and name."""
    unlike: dict[tuple, dict[str, Any]] = {}
    for row in found:
        sold = row["output"] not in ("", "0") and row["input"] not in ("", "0")
        if sold and not re.search(r"audio|image|realtime|tts|transcribe|embed|live|veo|imagen|whisper|moderation|ocr",
                                  row["model"].lower()):
            name = row["model"].lower().rsplit("/", 1)[-1]
            unlike.setdefault((row["provider"], name, row["mode"], row["above"]), row)
    return list(unlike.values())


def main() -> None:
    """Writes the file."""
    from genai_prices.data import providers

    source = f"genai-prices {version('genai-prices')}"
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEAD, lineterminator="\n")
        writer.writeheader()
        found = kept(list(rows(providers)))
        writer.writerows({**row, "source": source, "date": MOMENT.date().isoformat()} for row in found)
    print(f"{len(found)} rows, {len({(r['provider'], r['weights']) for r in found if r['weights']})} sales of bundled "
          "models", file=sys.stderr)


if __name__ == "__main__":
    main()
