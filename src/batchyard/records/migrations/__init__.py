"""How the database came to its present shape: one file in `versions/` for each step, never edited once released."""
