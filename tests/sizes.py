"""Overrides that make networks small enough for tests."""

TINY = ["network.filters=4", "network.blocks=1", "network.discriminator_filters=4"]
