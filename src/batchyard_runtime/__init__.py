"""The guest in users' interpreters: runs a scoring script's `init()`, `run(mini_batch)` and `shutdown()`.

Python 3.8 or later, standard library only, no credentials, no network. It is started by path (`__main__.py`), loads
itself as a package from its own folder and leaves that folder out of the user's path. `frames` is the protocol.
What must not live here: anything that decides about retries, thresholds or jobs.
"""
