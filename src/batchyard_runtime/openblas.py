"""Keeps OpenBLAS from starting threads on import, and gives forked workers the threads that they were meant to have.

NumPy and SciPy bring libraries of OpenBLAS that start their threads when they are loaded, by `OPENBLAS_NUM_THREADS`.
With those alive a process must not be forked, so the import is done with one thread; the number is raised after it.
"""

from __future__ import annotations

import os

_VARIABLE = "OPENBLAS_NUM_THREADS"
# What builds call it: plain ones, those with 64-bit integers, and those that NumPy and SciPy rename.
_SETTERS = (
    "openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "scipy_openblas_set_num_threads64_",
)


def import_with_one_thread() -> str:
    """Have OpenBLAS start no threads when it is loaded; give the number meant for workers, "" where none was."""
    meant = os.environ.get(_VARIABLE, "")
    if meant:
        os.environ[_VARIABLE] = "1"
    return meant


def give_threads(meant: str) -> None:
    """Undo it in a forked worker, in the libraries loaded so far too."""
    if not meant:
        return
    os.environ[_VARIABLE] = meant
    if not meant.isdigit() or int(meant) < 2:
        return
    import ctypes

    for path in _loaded():
        library = ctypes.CDLL(path)
        for name in _SETTERS:
            if hasattr(library, name):
                getattr(library, name)(ctypes.c_int(int(meant)))


def _loaded() -> list[str]:
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as lines:
        paths = {line.split(None, 5)[5].rstrip("\n") for line in lines if "openblas" in line}
    return sorted(path for path in paths if "openblas" in os.path.basename(path))
