"""Changing what a job left behind its back, as an accident or somebody else would."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def changed(path: Path, content: bytes | None) -> Iterator[None]:
    """Have other bytes at a path, or nothing for None, in spite of its mode; afterwards it is as before."""
    before, mode = (path.read_bytes(), path.stat().st_mode) if path.exists() else (None, 0)
    folder_mode = path.parent.stat().st_mode
    os.chmod(path.parent, 0o755)
    try:
        path.unlink(missing_ok=True)  # Never written in place: sealed files are links to what was uploaded.
        if content is not None:
            path.write_bytes(content)
            os.chmod(path, mode or 0o644)
        yield
    finally:
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)
            os.chmod(path, mode)
        os.chmod(path.parent, folder_mode)
