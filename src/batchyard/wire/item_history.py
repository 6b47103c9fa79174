"""Items of a job by name: how a name is asked for, and what is told of them."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.item_history import FoundItems, ItemHistory
from batchyard.domain.item_names import item_fields

_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")


def spellings_of(item: str, encoded: str) -> list[bytes]:
    """Give the paths that may be meant: as given, then with `%FF` and with `\\xff` read as bytes.

    Both forms stand in the list of failed items and on terminals. Raises: InvalidInput when nothing is asked for.
    """
    given = unquote_to_bytes(encoded) if encoded else item.encode("utf-8", "surrogateescape")
    if not given.strip(b"/") or b"\0" in given:
        raise InvalidInput("request", [Mistake("item", repr(item or encoded), "the path of an item, or its end")])
    unescaped = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), given)
    return list(dict.fromkeys([given, unquote_to_bytes(given), unescaped]))


def found_to_history(found: FoundItems) -> dict[str, object]:
    """Give the items as JSON; matches counts those that were left out too."""
    return {"value": [_item(history) for history in found.items], "matches": found.matches}


def _item(history: ItemHistory) -> dict[str, object]:
    fields = {("itemPercentEncoded" if k != "item" else k): v for k, v in item_fields(history.path).items()}
    return {
        **fields,
        "position": history.position,
        "miniBatch": history.mini_batch,
        "outcome": history.outcome.value,
        "attempts": [
            {
                "attempt": attempt.number,
                "worker": attempt.worker,
                "log": attempt.log,
                "errorClass": attempt.error_class,
                "error": attempt.error,
                "message": attempt.message,
                "stack": attempt.stack,
            }
            for attempt in history.attempts
        ],
    }
