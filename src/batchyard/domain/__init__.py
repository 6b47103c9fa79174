"""Nouns and rules of batch inference, pure: no clock, files, chance, sockets, threads or environment."""
