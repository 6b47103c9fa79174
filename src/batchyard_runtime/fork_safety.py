"""Whether a process that has imported a script may be forked, and what a forked worker must not share with others.

What cannot be told for sure counts as a reason against: then workers import the script themselves, as slow and as safe
as ever.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping

    _Words = list[str]
else:
    _Words = list  # Python 3.8 has no list[str] to be a base.

_OWN = "AZUREML_BI_OUTPUT_PATH"
# Threads whose library sees to forks: jemalloc (in pyarrow, which pandas imports) takes its locks before one, and its
# child goes on without the thread (background_thread_postfork_child in its background_thread.c).
_FORK_AWARE_THREADS = ("jemalloc_bg_thd",)
_DEVICE_DRIVERS = ("libcuda.so", "libcuda-", "libhsa-runtime")


class Before:
    """What is true before the import, for telling what the import has left behind."""

    def __init__(self) -> None:
        self._fds = set(_open_files())
        self._plain = type(os.environ)
        self._asked: set[str] = set()
        self._temporary = os.environ.get("TMPDIR", "")
        self._has_own = os.path.isdir(self._temporary) and not os.listdir(self._temporary)
        self._own = os.environ.get(_OWN, "")
        self._watch_environment()

    def watched(self, arguments: list[str]) -> list[str]:
        """Give the arguments of a script as a list that notices when they are read, where one is a worker's own."""
        if not self._own or not any(self._own in word for word in arguments):
            return arguments
        asked = self._asked

        class Watched(_Words):
            def __getitem__(self, key: Any) -> Any:  # Any: as `list` has it
                if key != 0:  # The script's own path, which many libraries read, is that of all.
                    asked.add("sys.argv")
                return list.__getitem__(self, key)

            def __iter__(self) -> Iterator[str]:
                asked.add("sys.argv")
                return list.__iter__(self)

        return Watched(arguments)

    def forget(self) -> None:
        """Watch no longer what the script reads."""
        os.environ.__class__ = self._plain

    def reason_against_forking(self) -> str:
        """Give why workers must not be forked from this process now, "" when nothing speaks against it."""
        return _threads() or _children() or self._files() or self._folder() or _maps() or _cuda() or self._variables()

    def _files(self) -> str:
        # Connections, event loops and file positions would be shared by all workers.
        left = [path for fd, path in _open_files().items() if fd not in self._fds]
        return "its import left %s open" % ", ".join(map(repr, left[:3])) if left else ""

    def _folder(self) -> str:
        # Each worker would write to what it takes for its own, under the same names. A folder that had files before is
        # the deployment's choice, and shared by more than workers.
        left = sorted(os.listdir(self._temporary)) if self._has_own else []
        return "its import left the temporary file %s" % os.path.join(self._temporary, left[0]) if left else ""

    def _variables(self) -> str:
        asked = sorted(self._asked)
        return "its import reads %s, which each worker has for itself" % asked[0] if asked else ""

    def _watch_environment(self) -> None:
        """Notice when the script asks for a variable that each worker has its own value of."""
        asked, plain = self._asked, self._plain

        class Watched(plain):  # type: ignore[valid-type, misc]  # the class of os.environ has no public name
            def __getitem__(self, key: str) -> str:
                if key == _OWN:
                    asked.add(key)
                return str(plain.__getitem__(self, key))

        os.environ.__class__ = Watched


def become_another(environment: Mapping[str, str]) -> None:
    """Give a forked worker its own variables, folders for temporary files, and chance.

    Python's `random` draws anew after every fork by itself.
    """
    shared = os.environ.get("TMPDIR")
    os.environ.update(environment)
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None and getattr(tempfile, "tempdir", None) == shared:
        tempfile.tempdir = None  # type: ignore[attr-defined]  # found anew when it is asked for
    for name in ("numpy.random", "torch"):
        module = sys.modules.get(name)
        if module is not None:
            module.seed()


def _threads() -> str:
    count = sum(_name_of_thread(task) not in _FORK_AWARE_THREADS for task in os.listdir("/proc/self/task"))
    return "its import left %d threads running" % count if count > 1 else ""


def _name_of_thread(task: str) -> str:
    try:
        with open("/proc/self/task/%s/comm" % task, encoding="utf-8", errors="replace") as name:
            return name.read().strip()
    except FileNotFoundError:
        return ""  # One that has just ended may have held a lock.


def _children() -> str:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return ""
    return "its import left a process running"


def _maps() -> str:
    """Look for memory that writers would share, and for drivers of devices, which do not survive a fork."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.split(None, 5)
            path = fields[5].strip() if len(fields) > 5 else "memory"
            if fields[1].startswith("rw") and fields[1].endswith("s"):
                return "its import left %s shared between processes" % path
            if os.path.basename(path).startswith(_DEVICE_DRIVERS):
                return "its import loaded %s" % path
    return ""


def _cuda() -> str:
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    is_initialized = getattr(cuda, "is_initialized", None)
    return "its import initialised CUDA" if is_initialized is not None and is_initialized() else ""


def _open_files() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink("/proc/self/fd/" + name)
        except FileNotFoundError:
            continue  # The folder that was being listed.
    return found
