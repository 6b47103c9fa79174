"""Following what the server does after it accepted a request: provisioning of a deployment."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any  # JSON of the server's answers
from urllib.parse import quote

from batchyard.cli.failures import CommandFailed, ServerError, Unreachable
from batchyard.cli.visible import visible

if TYPE_CHECKING:
    from batchyard.cli.rest import Answer, Server

log = logging.getLogger("cli.batchyard.operation")

_POLL_S = 0.5
_LONGEST_POLL_S = 5.0
_LOG_LINES, _LONGEST_END = 20, 1 << 16


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
        told = f"{what} ended {state}: ({error.get('code', 'Failed')}) {error.get('message', 'no reason')}"
        raise CommandFailed(f"{told.rstrip('.')}.{_end_of_log(server, found.body)}")
    return server.get(path).body


def log_place(server: Server, uri: str) -> str:
    """Give where a user finds a log: the path on this machine where the embedded server keeps it, else its URI."""
    from batchyard.domain.resource_ids import parse_datastore_uri

    place = parse_datastore_uri(uri)
    if place is None or not server.connection.reads_in_place:
        return uri
    path = server.settings.home / "datastores" / place.datastore / place.path
    return str(path) if path.is_file() else uri


def _end_of_log(server: Server, operation: Any) -> str:
    """Say the last lines of an operation's log on stderr, and give the sentence that names the log."""
    uri = str((operation.get("properties") or {}).get("log") or "")
    if not uri:
        return ""
    lines = _last_lines(server, uri)
    if lines:
        server.say("The log ends with:")
        for line in lines:
            # Marked as quoted: a stack in it is that of the user's script, not one of ours.
            server.say(f"  | {line}")
    return f" The log: {log_place(server, uri)}"


def _last_lines(server: Server, uri: str) -> list[str]:
    from batchyard.cli.upload import container_url
    from batchyard.domain.resource_ids import parse_datastore_uri

    place = parse_datastore_uri(uri)
    if place is None:
        return []
    end = b""
    try:
        for piece in server.read_bytes(f"{container_url(server, place.datastore)}/{quote(place.path)}"):
            end = (end + piece)[-_LONGEST_END:]
    except (ServerError, Unreachable) as exc:
        # The reason is told without it.
        log.debug("log not read: %s", exc)
    return end.decode(errors="replace").splitlines()[-_LOG_LINES:]


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
        print(f"\r{visible(line)}\x1b[K", end="", file=sys.stderr, flush=True)
