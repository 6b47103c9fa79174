"""What the SDK reads of jobs beside ARM: runs with their logs, and the list of an endpoint's jobs."""
