"""Components and pipelines: what they take and give, how steps are bound, what a command becomes."""
