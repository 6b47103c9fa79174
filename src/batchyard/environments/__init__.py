"""The environment cache: a definition is read, locked, installed once and then found by its hash.

resolve reads a conda file (conda its specs, pip_lines its pip part), pythons finds the interpreter, lock asks uv for
the exact packages, build installs them, cache ties it together behind `ports/environment.py`. Nothing here knows
deployments, endpoints or Azure's envelopes.
"""
