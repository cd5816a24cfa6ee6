"""Trained generators as files that run without medcycle."""
