"""The trained models that ship with medcycle: what they are and what they may be used for, without loading them.

Each has a folder of its name with two files: `NAME.json`, which describes it, and `NAME.safetensors`, its weights.
Neither holds code.
"""

from medcycle.models.card import card_of
from medcycle.models.description import FORMAT, Description, model_in, require_unaltered, shipped_file, shipped_names

__all__ = ["FORMAT", "Description", "card_of", "model_in", "require_unaltered", "shipped_file", "shipped_names"]
