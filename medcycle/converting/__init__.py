"""CT to what other programs calculate with: PET attenuation, density for dose, the skull for ultrasound. No torch."""

from medcycle.converting.run import convert
from medcycle.converting.wanted import TARGETS, Target

__all__ = ["TARGETS", "Target", "convert"]
