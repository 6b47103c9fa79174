"""Where Azure's own clients log in: tokens for a managed identity or a client's secret, and where everything is."""
