"""MR and CT of the same patients, brought onto each other and checked."""
