"""Keeping secrets out of build logs and messages."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"//[^/\s@'\"]+@")
_SECRET_QUERY = re.compile(r"([?&](?:sig|token|access_token|password|key)=)[^&\s'\"]+", re.IGNORECASE)


def mask(text: str) -> str:
    """Give the text with user names and passwords of URLs, and secret query values, replaced by `***`."""
    return _SECRET_QUERY.sub(r"\1***", _USER_INFO.sub("//***@", text))
