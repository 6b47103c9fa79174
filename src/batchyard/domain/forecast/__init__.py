"""Knowing before the night: a measured sample of an input, and what follows from it."""
