"""Steps of pipelines: jobs that run a command once, and what a step that scores has beside its rows."""
