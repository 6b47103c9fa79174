"""Why somebody changes something, as the server wants to be told."""

from __future__ import annotations


def change_headers(reason: str, ticket: str) -> dict[str, str]:
    """Give the headers that carry why something was changed to the audit."""
    given = {"x-batchyard-reason": reason, "x-batchyard-ticket": ticket}
    return {key: value for key, value in given.items() if value}
