"""Where `--set` finds a setting: `settings.error_threshold` in a deployment, `error_threshold` at invoke.

Each of them understands the other one's spelling too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from batchyard.wire.deployment_settings import SETTING_KEYS

_PREFIX = "settings."
_FIRST_KEY = re.compile(r"[^.=\[]*")


def as_at_invoke(assignments: Sequence[str]) -> list[str]:
    """Give assignments as an invocation spells them: settings by their bare names."""
    return [assignment.removeprefix(_PREFIX) for assignment in assignments]


def as_in_deployment(document: Mapping[str, object], assignments: Sequence[str]) -> list[str]:
    """Give assignments as this deployment spells them: below `settings`, or in the legacy form at its root."""
    if "type" not in document and "settings" not in document:
        return as_at_invoke(assignments)
    return [_PREFIX + text if _first_key(text) in SETTING_KEYS else text for text in assignments]


def _first_key(assignment: str) -> str:
    found = _FIRST_KEY.match(assignment)
    return found[0].strip() if found else ""
