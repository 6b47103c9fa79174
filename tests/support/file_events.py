"""What the kernel saw of some folders: every change below them by whatever process, and every try to open for writing
that came through. inotify by ctypes; nothing that happened is missed, as nothing is polled."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_EVENTS = {
    0x2: "modified",
    0x4: "attributes",
    0x8: "closed after writing",
    0x40: "moved from",
    0x80: "moved to",
    0x100: "created",
    0x200: "deleted",
    0x400: "itself deleted",
    0x800: "itself moved",
}
_OVERFLOW = 0x4000
_HEAD = struct.Struct("iIII")


@dataclass(frozen=True)
class FileEvent:
    """One change. path: of what changed; what: in words, one or more."""

    path: Path
    what: str


class Watched:
    """Folders and files that are watched until the end of a `with` block; those below are to be added, too."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "there is no inotify")
        self._paths: dict[int, Path] = {}

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def add(self, path: Path) -> None:
        """Watch one folder, or one file under whatever name it is changed."""
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(path), sum(_EVENTS))
        if number < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
        self._paths[number] = path

    def add_all(self, top: Path) -> None:
        """Watch a folder and everything that is in it now."""
        for path in [top, *top.rglob("*")]:
            self.add(path)

    def events(self) -> list[FileEvent]:
        """Give what happened since this was last asked."""
        return list(self._read())

    def _read(self) -> Iterator[FileEvent]:
        while True:
            try:
                told = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return
            yield from self._told(told)

    def _told(self, told: bytes) -> Iterable[FileEvent]:
        at = 0
        while at < len(told):
            number, mask, _, length = _HEAD.unpack_from(told, at)
            name = told[at + _HEAD.size : at + _HEAD.size + length].rstrip(b"\0")
            at += _HEAD.size + length
            assert not mask & _OVERFLOW, "more events than the kernel kept"
            what = ", ".join(word for bit, word in _EVENTS.items() if mask & bit)
            if what:
                yield FileEvent(self._paths[number] / os.fsdecode(name), what)
