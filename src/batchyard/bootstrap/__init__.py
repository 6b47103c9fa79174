"""One module per process of the system: each builds its objects by plain calls and runs; no rules live here."""
