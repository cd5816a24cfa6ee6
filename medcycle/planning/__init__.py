"""A configuration for the scans and the device, and what it costs."""
