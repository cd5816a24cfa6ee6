"""Trained models as MONAI Bundles, which run without medcycle."""
