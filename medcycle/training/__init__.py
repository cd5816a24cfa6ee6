"""The optimisation: devices, the step, the loop, and what is kept of it."""
