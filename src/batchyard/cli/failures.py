"""What ends a command early, and how each is told: exit code and text. No stack ever reaches a user without --debug."""

from __future__ import annotations

from collections.abc import Sequence

from batchyard.domain.errors import CallerError, NotFound

EXIT_ERROR, EXIT_USAGE, EXIT_MISSING = 1, 2, 3

# Azure: its words, which its SDK looks for and explains; what a version is made of never changes.
_PATHS_ARE_FIXED = "(UserError) Asset paths cannot be updated."
_ANOTHER_VERSION = "This version is registered with other files. Register these under another `--version`."


class UsageMistake(Exception):
    """The command was put together wrongly: flags that exclude each other, a flag that is missing."""


class CommandFailed(Exception):
    """The command could not do what was asked; the message says what to do."""


class NotCompared(CommandFailed):
    """A comparison could not be made; apart from 1, which says that something differs."""


class Unreachable(CommandFailed):
    """Nothing answered where the server should be."""


class ServerError(Exception):
    """The server answered with an error.

    status: of HTTP. code, message: of its envelope. details: one line for each mistake, without the message itself.
    """

    def __init__(self, status: int, code: str, message: str, details: Sequence[str] = ()) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.details = tuple(details)
        super().__init__(f"({code}) {message}")


def exit_code(error: BaseException) -> int:
    """Give the exit code of B.0: 1 generic, 2 usage or nothing compared, 3 a missing resource."""
    if isinstance(error, UsageMistake | NotCompared):
        return EXIT_USAGE
    if isinstance(error, NotFound) or (isinstance(error, ServerError) and error.status == 404):
        return EXIT_MISSING
    return EXIT_ERROR


def explain(error: BaseException) -> str:
    """Say in the user's words what went wrong, every mistake on its own line."""
    if isinstance(error, ServerError):
        return _server_text(error)
    if isinstance(error, (UsageMistake, CommandFailed, CallerError, OSError)):
        return str(error)
    return f"batchyard ended unexpectedly: {type(error).__name__}: {error}. Run it again with `--debug` for the stack."


def _server_text(error: ServerError) -> str:
    # The message of a refused document already lists its mistakes; each is printed once.
    new = [line for line in error.details if line and line not in error.message]
    if error.message == _PATHS_ARE_FIXED:
        new.append(_ANOTHER_VERSION)
    return "\n".join([f"({error.code}) {error.message}", *(f"  - {line}" for line in new)])
