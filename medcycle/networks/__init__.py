"""Generators and discriminators: plain modules, generic in the number of dimensions."""
