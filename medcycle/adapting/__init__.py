"""A trained model fitted to a few registered pairs of a hospital's own."""

from medcycle.adapting.run import Adaptation, adapt

__all__ = ["Adaptation", "adapt"]
