"""Logs as JSON lines."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from batchyard.bootstrap.log_lines import JsonLines


def line(message: str, **fields: object) -> dict[str, object]:
    record = logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "n", "created": 0.0, **fields})
    found: dict[str, object] = json.loads(JsonLines("doors").format(record))
    return found


def test_a_record_is_one_object_with_its_event_and_fields() -> None:
    assert line("doors open", port=5, home=Path("/h"), name="x") == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "process": "doors",
        "logger": "x",
        "event": "doors open",
        "port": 5,
        "home": "/h",
    }


def test_a_line_break_does_not_break_the_line() -> None:
    record = logging.makeLogRecord({"msg": "a\nb"})

    assert "\n" not in JsonLines("doors").format(record)


def test_a_stack_is_a_field() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        found = line("failed", exc_info=sys.exc_info())

    assert "ValueError: broken" in str(found["stack"])
