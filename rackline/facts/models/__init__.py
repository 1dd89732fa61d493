"""Language models: read from published configurations, bundled, or by path and hub name."""

from rackline.facts.models.reader import read_config

__all__ = ["read_config"]
