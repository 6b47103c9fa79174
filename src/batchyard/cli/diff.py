"""`batchyard diff`: what differs between two workspaces, two folders of YAML, or one of each, field by field."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any  # results are JSON values
from urllib.parse import urlsplit

from batchyard.cli.failures import CommandFailed, NotCompared, ServerError, UsageMistake, explain
from batchyard.cli.grammar import Command
from batchyard.domain.errors import CallerError, InvalidInput, Mistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.differences import Difference, Side

_WORKSPACE = "workspace"
_EXAMPLE = ("What would applying the files change?", "batchyard diff workspace:prod ./yaml")


def table(result: Any) -> Any:
    """Show the differences, a row for each field."""
    return [
        OrderedDict(
            Subject=f"{row['noun']}/{row['name']}",
            Field=row["field"],
            Left=_shown(row["left"]),
            Right=_shown(row["right"]),
        )
        for row in result
    ]


COMMANDS = (Command("diff", "diff", table, example=_EXAMPLE),)


def diff(server: Server, *, left: str, right: str) -> Any:
    """Show every field that differs: exit 0 without output when none does, 1 on any difference, 2 when it failed.

    LEFT and RIGHT are each a folder or file of YAML, or `workspace`, `workspace:NAME` (`workspace:GROUP/NAME` where the
    name alone is not clear), or one of another server: `workspace:NAME@HOME` (a home on this machine) or
    `workspace:NAME@https://HOST`. Order, ids and defaults that are written or left out make no difference. Secret
    values are shown as changed and never printed.
    """
    from batchyard.domain.differences import compare

    try:
        found = compare(*_sides(server, left, right))
    except InvalidInput as exc:
        raise NotCompared(str(InvalidInput(exc.subject, map(_without_secret, exc.mistakes)))) from exc
    except (CommandFailed, UsageMistake, ServerError, CallerError, OSError) as exc:
        raise NotCompared(explain(exc)) from exc
    if found:
        # Not a failure of the command: its result says what the exit code says.
        server.exit_code = 1
    if server.is_format_asked:
        return [_row(one) for one in found]
    for one in found:
        print(_line(one))
    return None


def _sides(server: Server, left: str, right: str) -> tuple[Side, Side]:
    """Read both sides; what the files call `@latest` is the newest version of the workspace they are held against."""
    from batchyard.wire.comparisons import with_latest

    readers = [_reader(server, operand) for operand in (left, right)]
    a, b = (read() for read in readers)
    return (
        replace(a, subjects=with_latest(dict(a.subjects), b.newest)),
        replace(b, subjects=with_latest(dict(b.subjects), a.newest)),
    )


def _reader(server: Server, operand: str) -> Callable[[], Side]:
    from batchyard.cli.declared_files import side_of_files
    from batchyard.cli.declared_workspace import side_of_workspace

    named, at, place = operand.partition("@")
    noun, colon, name = named.partition(":")
    if noun != _WORKSPACE or (colon and not name) or (at and not place):
        return lambda: side_of_files(Path(operand).expanduser(), say=server.say)
    there = _server_at(server, place) if place else server
    return lambda: side_of_workspace(_of_workspace(there, name) if name else there)


def _server_at(server: Server, place: str) -> Server:
    """Give the server of another home on this machine, or a remote one that knows the token of the environment."""
    settings = server.settings
    if urlsplit(place).scheme in ("https", "http"):
        return _opened(server, replace(settings, url=place.rstrip("/")))
    home = Path(place).expanduser().absolute()
    if not (home / "token").is_file():
        raise CommandFailed(f"{str(home)!r} is not the home of a server. Name one, or the URL of a server.")
    return _opened(server, replace(settings, home=home, url="", token="", ca_file=""))


def _opened(server: Server, settings: Any) -> Server:
    import functools

    from batchyard.cli import embedded
    from batchyard.cli.rest import Server

    connect = functools.partial(embedded.connect, settings, say=server.say)
    return Server(connect, scope=server.scope, settings=settings, say=server.say, shows_progress=False)


def _of_workspace(server: Server, name: str) -> Server:
    from batchyard.cli.declared_workspace import scope_named
    from batchyard.cli.rest import Server

    scope = scope_named(server, name)
    return Server(
        lambda: server.connection, scope=scope, settings=server.settings, say=server.say, shows_progress=False
    )


def _without_secret(mistake: Mistake) -> Mistake:
    """Give a mistake that does not show what was found where that may be a secret."""
    from batchyard.domain.differences import SECRET, may_hold_secret

    return replace(mistake, found=SECRET) if may_hold_secret(mistake.field, mistake.found) else mistake


def _row(one: Difference) -> dict[str, object]:
    """Give a difference as JSON prints it; null stands for what a side does not have."""
    noun, _, name = str(one.subject).partition("/")
    return {
        "field": one.field,
        "is_secret": one.is_secret,
        "left": one.left,
        "name": name,
        "noun": noun,
        "right": one.right,
    }


def _line(one: Difference) -> str:
    from batchyard.cli.visible import visible

    return visible(f"{one.subject}  {one.field}  {_shown(one.left)} → {_shown(one.right)}")


def _shown(value: object) -> str:
    from batchyard.domain.differences import OTHER_SECRET, SECRET

    if value is None:
        return "(none)"
    return str(value) if value in (SECRET, OTHER_SECRET) else json.dumps(value, ensure_ascii=False, default=str)
