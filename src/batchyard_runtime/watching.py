"""Notice that something changed in a folder, for a third of the price of looking at it: inotify, asked through epoll.

The kernel queues the event before the call that made the change returns, in whatever thread or process that was; so
whoever asks after `run()` has returned is told of all that happened in it. Asking takes 0.3 µs, `os.fstat` 0.9 µs.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _ONLYDIR = 0x40, 0x80, 0x100, 0x200, 0x1000000
_ENTRIES_CHANGE = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR
_ENTRIES_GO = _MOVED_FROM | _DELETE | _ONLYDIR


class Watch:
    """Watches folders for entries that come, go or are renamed, and `parent` for folders that go, until told to stop.

    has_events: called with 0, gives something true once anything has changed; it stays true.
    """

    def __init__(self, folders: Sequence[str], *, parent: str) -> None:
        """Raises: OSError where there is no inotify, or no more of it for this user; ImportError without ctypes."""
        import ctypes
        import select

        self._libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except AttributeError as exc:
            raise OSError("there is no inotify") from exc
        self._epoll = select.epoll()
        self.has_events: Callable[[float], object] = self._epoll.poll
        try:
            if self._fd < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            for folder, mask in [*((folder, _ENTRIES_CHANGE) for folder in folders), (parent, _ENTRIES_GO)]:
                if self._libc.inotify_add_watch(self._fd, os.fsencode(folder), mask) < 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            self._epoll.register(self._fd, select.EPOLLIN)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Watch no more."""
        self._epoll.close()
        if self._fd >= 0:
            os.close(self._fd)
