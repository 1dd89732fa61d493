"""Language models: read from published configurations, bundled, or by path and hub name."""

from rackline.facts.models.catalogue import model, model_aliases, model_names
from rackline.facts.models.reader import read_config

__all__ = ["model", "model_aliases", "model_names", "read_config"]
