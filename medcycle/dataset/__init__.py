"""Prepared scans on disk, and the slices and patches that are learned from."""
