"""Methods: which networks there are and which losses they learn from."""
