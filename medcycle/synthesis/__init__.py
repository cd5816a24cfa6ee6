"""From a source volume to a synthetic one in real units on the same grid."""
