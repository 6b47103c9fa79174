"""Where consumers invoke endpoints."""
