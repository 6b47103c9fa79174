"""Names of items as text. A path is any bytes but NUL; what is written for people and programs is valid UTF-8."""

from __future__ import annotations

from urllib.parse import quote_from_bytes


def item_text(path: bytes) -> str:
    """Give a path as text that is always valid: bytes that are not UTF-8 are shown as `\\xff`."""
    return path.decode("utf-8", "backslashreplace")


def item_fields(path: bytes) -> dict[str, str]:
    """Give a path for JSON: `item`, and where that cannot be the very name, its bytes in `item_percent_encoded`."""
    try:
        return {"item": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {"item": item_text(path), "item_percent_encoded": quote_from_bytes(path)}
