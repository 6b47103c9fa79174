"""A wall clock that jumps when a test says so, for one process: the one it reads itself, and that of its SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

_JULIAN_EPOCH = 2440587.5
_DAY_S = 86400.0


def jumping_clock(offset: Path) -> Callable[[], float]:
    """Give the time as this process is to see it; databases that are opened from now on see the same.

    offset: a file with the seconds that the clock is wrong by, read each time.
    """

    def now() -> float:
        return time.time() + float(offset.read_text() or 0)

    def connected(connection: sqlite3.Connection, _: Any) -> None:  # Any: SQLAlchemy's record of the connection
        # Stands in for SQLite's own function, which is asked for nothing but julianday('now').
        connection.create_function("julianday", 1, lambda _: now() / _DAY_S + _JULIAN_EPOCH)

    event.listen(Engine, "connect", connected)
    return now
