"""Simulated MR made from CT by random tissue contrast: pairs to learn from, without any MR.

A network that learns to undo contrasts it never sees twice has to go by shapes, not by grey values, and takes any MR
contrast afterwards. The idea is that of SynthSeg (Billot et al. 2023, "SynthSeg: Segmentation of brain MRI scans of any
contrast and resolution without retraining", Medical Image Analysis 86:102789), with CT in place of the labels.
"""

from medcycle.simulation.effects import Effects
from medcycle.simulation.randomizer import ContrastRandomizer

__all__ = ["ContrastRandomizer", "Effects"]
