"""Azure's JSON and YAML to and from the domain: the only room that knows casing, envelopes and ISO durations.

A file a noun, both dialects in it. Nothing is decided here, no file or socket is opened, and no pydantic model leaves.
"""
