"""Following what the server does after it accepted a request: provisioning of a deployment."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.failures import CommandFailed

if TYPE_CHECKING:
    from batchyard.cli.rest import Answer, Server

_POLL_S = 0.5
_LONGEST_POLL_S = 5.0


def finish(server: Server, answer: Answer, path: str, *, what: str) -> Any:
    """Wait for what a PUT began and give the resource as it is then; at once when nothing is under way.

    what: how messages call it. Raises: CommandFailed with the operation's error and log when it failed.
    """
    link = answer.headers.get("azure-asyncoperation")
    if not link:
        _refuse_failed(answer.body, what)
        return answer.body
    started = time.monotonic()
    while True:
        found = server.get(link)
        state = str(found.body.get("status"))
        if state not in ("InProgress", "Running", "NotStarted", "Accepted"):
            break
        _show(f"{what}: {state}, {time.monotonic() - started:.0f} s")
        server.sleep(_pause(found))
    _show("")
    if state != "Succeeded":
        error = found.body.get("error") or {}
        raise CommandFailed(
            f"{what} ended {state}: ({error.get('code', 'Failed')}) {error.get('message', 'no reason')}"
        )
    return server.get(path).body


def _refuse_failed(body: Any, what: str) -> None:
    properties = (body or {}).get("properties") or {}
    if properties.get("provisioningState") == "Failed":
        raise CommandFailed(f"{what} ended Failed: {properties.get('provisioningError') or 'no reason given'}")


def _pause(answer: Answer) -> float:
    try:
        return min(_LONGEST_POLL_S, float(answer.headers.get("retry-after", _POLL_S)))
    except ValueError:
        return _POLL_S


def _show(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
