"""The HTTP door: translates requests into verbs of `control` and their results into answers; it decides nothing."""
