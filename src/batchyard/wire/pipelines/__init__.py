"""Components, pipelines and their jobs, in both dialects."""
