"""Scoring one job: mini-batches, leases, attempts, budgets, the ledger; `machine` decides, `events` is its language."""
