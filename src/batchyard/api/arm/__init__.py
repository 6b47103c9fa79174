"""ARM routes below the workspace, a file a noun."""
