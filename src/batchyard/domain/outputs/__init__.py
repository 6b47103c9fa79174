"""Outputs: formats, contracts, manifests, and how a row leads back to what made it."""
