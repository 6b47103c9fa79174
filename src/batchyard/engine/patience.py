"""Patience with a datastore: what does not answer is asked again for a moment, before the process gives up on it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from batchyard.domain.errors import PlatformError

log = logging.getLogger(__name__)

PAUSES_S = (0.1, 0.5, 2.0)

_Answer = TypeVar("_Answer")


def patiently(call: Callable[[], _Answer], *, pause: Callable[[float], None] = time.sleep) -> _Answer:
    """Call, and call again after a pause when the platform failed, four times in all.

    call: safe to repeat when it has failed. Any other error passes at once. Raises: PlatformError, the last one; then
    this process ends, and the next owner is as patient again (rule 6).
    """
    for pause_s in PAUSES_S:
        try:
            return call()
        except PlatformError as exc:
            log.warning("tried again", extra={"after_s": pause_s, "reason": str(exc)})
        pause(pause_s)
    return call()
