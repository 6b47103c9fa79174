"""The process of a step's command: waits until it is known to whoever may have to end it, then becomes the shell."""

import os
import signal

# Python has these ignored, and a program would inherit it: a pipe's writer would not end with its reader.
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")


def become_shell(gate_fd, command):  # type: (int, str) -> None
    """Wait for a byte, then run the command by `sh -c` in the place of this process; end when none comes."""
    if not os.read(gate_fd, 1):
        os._exit(3)
    os.close(gate_fd)
    for name in _IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execv("/bin/sh", ["sh", "-c", command])
