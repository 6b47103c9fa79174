"""Imports a scoring script once and tells whether it can be one; nothing of it is called."""

from __future__ import annotations

import os
import sys

from batchyard_runtime import frames, logs, script


def check(report_fd: int, code_dir: str, name: str) -> None:
    """Write one frame to report_fd and end: kind "checked", error ("" when all is well), message, stack."""
    os.set_inheritable(report_fd, False)
    # The code folder may be a sealed one: importing must leave nothing in it.
    sys.dont_write_bytecode = True
    error, message, stack = "", "", ""
    try:
        script.load(code_dir, name)
    except BaseException as exc:  # noqa: BLE001 - whatever the script raises is the answer, SystemExit too
        _, error, message, stack = script.describe(exc)
    logs.flush()
    frame = frames.encode({"kind": "checked", "error": error, "message": message, "stack": stack})
    try:
        while frame:
            frame = frame[os.write(report_fd, frame) :]
    finally:
        os._exit(0)
