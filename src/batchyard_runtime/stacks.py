"""The Python stacks of a worker that hangs: dumped on a signal by the interpreter itself, into a file for its agent.

`faulthandler` writes from within the signal's handler, in C, so a worker that hangs in native code or holds the
interpreter's lock dumps all the same.
"""

from __future__ import annotations

import faulthandler
import os
import signal

# Real-time signals are used by few, and by those from the lower end on.
SIGNAL = int(signal.SIGRTMAX) - 5


def register(path: str) -> None:
    """From now on dump the stacks of all threads into this file when the signal comes; nothing where that cannot be."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        faulthandler.register(SIGNAL, file=fd, all_threads=True)
    except (OSError, ValueError, RuntimeError):
        signal.signal(SIGNAL, signal.SIG_IGN)
