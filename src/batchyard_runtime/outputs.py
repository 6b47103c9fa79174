"""Files that a script writes itself: each attempt has a folder of its own, behind one symlink for the worker's life.

`AZUREML_BI_OUTPUT_PATH` is the symlink. Before each `run()` it points at an empty folder, which is kept while it stays
empty: one `fstat` a mini-batch, or, for leases of very many mini-batches, one question to a watch (see `watching`).
What an attempt that failed has written is left where it is and adopted by nobody. During import, `init()` and
`shutdown()` the link points at `_workers/<prefix>`. Directories that `init()` made are made in each attempt's folder
too, for scripts that write to `<output>/<folder>/…`.
"""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Sequence

    from batchyard_runtime.watching import Watch

WORKERS = "_workers"
# A folder's time of change is set to this, long ago, when it is empty: any later change of its entries shows, whatever
# the grain of the file system's clock is.
_UNTOUCHED_NS = 10**18
_LARGEST_TREE_FOLDERS = 64


class Outputs:
    """Points the link, tells whether an attempt wrote files, and where."""

    def __init__(self, *, link: str, root: str, prefix: str, folders: Sequence[str] = ()) -> None:
        """root: the job's `files`; prefix: names what is this worker's alone. folders: that are always there.

        Raises: OSError.
        """
        self._link = link
        self._root = root
        self._prefix = prefix
        self._fd = -1
        self._below: list[int] = []
        self._watch: Watch | None = None
        self._tree: list[str] = []
        self._number = 0
        self._name = ""
        for folder in ("", *folders):
            os.makedirs(os.path.join(root, WORKERS, prefix, folder), exist_ok=True)
        self._point_at(os.path.join(WORKERS, prefix))

    def begin_runs(self) -> None:
        """Leave the folder of `init()`; it goes away when nothing is in it. Raises: OSError."""
        own = os.path.join(self._root, WORKERS, self._prefix)
        self._tree = _folders(own)
        os.makedirs(os.path.join(self._root, self._prefix), exist_ok=True)  # In a sandbox it was there before.
        self.renew()
        with contextlib.suppress(OSError):  # It holds something; or this is a sandbox, whose agent removes it.
            os.rmdir(own)

    def end_runs(self) -> None:
        """Point at the worker's own folder again, for `shutdown()`. Raises: OSError."""
        own = os.path.join(WORKERS, self._prefix)
        os.makedirs(os.path.join(self._root, own), exist_ok=True)
        self._point_at(own)

    def watch(self) -> None:
        """Watch the current folder, unless the script has written files: then it does so again, and looking is exact.

        Only for who asks very often: a user has 128 such watches by default, and other programs want some. Nothing
        changes where there is none to be had.
        """
        if self._watch is not None or self._number > 1:
            return
        from batchyard_runtime.watching import Watch

        folder = os.path.join(self._root, self._name)
        with contextlib.suppress(OSError, ImportError):
            folders = [os.path.join(folder, below) for below in ("", *self._tree)]
            self._watch = Watch(folders, parent=os.path.dirname(folder))
            if self._look(0):  # It was touched before the watch began.
                self.unwatch()

    def unwatch(self) -> None:
        """Look again, from now on."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    @property
    def is_touched(self) -> Callable[[float], object]:
        """A function that, called with 0, tells whether anything was made, renamed or removed in the current folder.

        To be asked for again after `take` and `renew`.
        """
        return self._look if self._watch is None else self._watch.has_events

    def _look(self, _wait_s: float) -> bool:
        found = os.fstat(self._fd)
        if found.st_mtime_ns != _UNTOUCHED_NS or not found.st_nlink:
            return True
        return bool(self._below) and any(os.fstat(fd).st_mtime_ns != _UNTOUCHED_NS for fd in self._below)

    def take(self) -> str | None:
        """Give the name of the current folder, relative to the root, if files are in it, and go on with a new one.

        None when it holds nothing after all (a file was made and removed). Raises: OSError.
        """
        name = self._name
        holds_files = any(files for _, _, files in os.walk(os.path.join(self._root, name)))
        self.renew()
        return name if holds_files else None

    def renew(self) -> None:
        """Point at a new, empty folder, whatever is in the current one. Raises: OSError."""
        self._number += 1
        self._name = os.path.join(self._prefix, "%d" % self._number)
        folder = os.path.join(self._root, self._name)
        os.mkdir(folder)
        for below in self._tree:
            os.mkdir(os.path.join(folder, below))
        self.close()
        fds = []
        for below in ["", *self._tree]:
            path = os.path.join(folder, below)
            os.utime(path, ns=(_UNTOUCHED_NS, _UNTOUCHED_NS))
            fds.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        self._fd, *self._below = fds
        self._point_at(self._name)

    def close(self) -> None:
        """Let go of the current folder's descriptors and of the watch."""
        self.unwatch()
        if self._fd >= 0:
            for fd in (self._fd, *self._below):
                os.close(fd)
        self._fd = -1
        self._below = []

    def _point_at(self, name: str) -> None:
        beside = self._link + ".new"
        os.symlink(os.path.join(self._root, name), beside)
        os.replace(beside, self._link)


def _folders(root: str) -> list[str]:
    """Give the folders below root, parents first. A tree of many is left out: it would cost more than it helps."""
    found = [
        os.path.relpath(os.path.join(folder, name), root)
        for folder, names, _ in os.walk(root)
        for name in sorted(names)
    ]
    return found if len(found) <= _LARGEST_TREE_FOLDERS else []
