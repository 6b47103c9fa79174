"""Rows of a frozen table as data frames: what `run()` of a parallel step with tabular input is given.

The engine writes rows, offsets and columns once (`<listing>.rows`, `.rows.index`, `.columns`); every attempt, bisecting
ones too, reads the same bytes and gives columns of the same types.
"""

from __future__ import annotations

import json
import mmap
from importlib import import_module

from batchyard_runtime.listing import Listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

    from batchyard_runtime.script import Script

    _Names = list[str]
else:
    _Names = list  # Python 3.8 has no list[str] to be a base.


class RowNames(_Names):
    """The names of consecutive rows. first: the position of the first one."""

    first = 0

    def __getitem__(self, key: Any) -> Any:  # Any: as `list` has it
        found = list.__getitem__(self, key)
        if not isinstance(key, slice):
            return found
        names = RowNames(found)
        names.first = self.first + key.indices(len(self))[0]
        return names


class TableListing(Listing):
    """A listing of rows, whose items are no files."""

    are_files = False

    def mini_batches(self, first: int, count: int) -> Iterator[list[str]]:
        """Give the names of the rows of each mini-batch. Raises: IndexError."""
        for number, names in enumerate(Listing.mini_batches(self, first, count), first):
            rows = RowNames(names)
            rows.first = self.position(number)
            yield rows


class Frames:
    """Makes data frames of rows."""

    def __init__(self, listing: str) -> None:
        """listing: its path, which the others begin with. Raises: OSError."""
        with open(listing + ".columns", encoding="utf-8") as stream:
            about = json.load(stream)
        self.columns = about["columns"]
        self.keys = about["keys"]
        self._rows = _map(listing + ".rows")
        self._offsets = memoryview(_map(listing + ".rows.index")).cast("Q")

    def frame(self, names: RowNames) -> Any:  # Any: a pandas.DataFrame
        """Give the rows of these names."""
        import pandas  # Of the user's environment.

        start, stop = self._offsets[names.first], self._offsets[names.first + len(names)]
        rows = json.loads(b"[" + self._rows[start:stop].rstrip(b"\n").replace(b"\n", b",") + b"]")
        columns = [name for name, _ in self.columns]
        frame = pandas.DataFrame(rows, columns=columns, dtype=object)
        for name, dtype in self.columns:
            frame[name] = _typed(frame[name], dtype)
        return frame


def need_pandas() -> None:
    """Raises: ImportError, in words that say what to do."""
    try:
        import_module("pandas")
    except ImportError as exc:
        raise ImportError(
            "The step's input is a table, and run() gets a pandas.DataFrame: add pandas to the step's environment (%s)"
            % exc
        ) from exc


def give_frames(script: Script, listing: str) -> None:
    """Let `run()` be given data frames from now on. Raises: OSError."""
    frames, run = Frames(listing), script.run
    keys = frames.keys

    def run_frame(names: RowNames) -> Any:  # Any: whatever a script returns
        return run(frames.frame(names))

    def run_frame_in_context(names: RowNames, context: Any) -> Any:  # Any: as above
        frame = frames.frame(names)
        context.partition_key_value = {key: frame[key].iloc[0] for key in keys}
        return run(frame, context)

    chosen: Callable[..., Any] = run_frame_in_context if script.takes_context else run_frame
    script.run = chosen


def _typed(column: Any, dtype: str) -> Any:  # Any: a pandas.Series
    if dtype == "bool":
        return column.map(lambda cell: cell if isinstance(cell, bool) else cell.lower() == "true").astype(bool)
    return column.astype(dtype)


def _map(path: str) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
