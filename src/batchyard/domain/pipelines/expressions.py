"""Expressions in pipelines and commands: `${{inputs.x}}`, and the groups `$[[…]]` that go where an input is not given.

A command is handed to a shell, and values come from whoever invokes the endpoint. So a value never becomes part of
the command's text: it is the value of a variable, and the expression becomes that variable, quoted as its place in the
command asks. (Azure pastes values as they are: a consumer's text `; rm -rf ~` would be run.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batchyard.domain.pipelines.shell_quotes import Place, Quotes

_EXPRESSION = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
_GROUP = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_BEGINNING = re.compile(r"\$\{\{[^\s{}]*|\$\[\[\S*")
_VARIABLE = "BATCHYARD_VALUE_"


@dataclass(frozen=True, slots=True)
class Expression:
    """One `${{…}}`: its path, and where in a command it stands. is_optional: in a group `$[[…]]`."""

    path: tuple[str, ...]
    is_optional: bool = False
    place: Place = Place.PLAIN

    def __str__(self) -> str:
        return "${{" + ".".join(self.path) + "}}"


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A command for `sh -c`, and the variables that it reads."""

    text: str
    variables: Mapping[str, str]


def whole_expression(text: str) -> tuple[str, ...] | None:
    """Give the path of a text that is one expression and nothing else, else None."""
    found = _EXPRESSION.fullmatch(text.strip())
    return tuple(found[1].split(".")) if found else None


def expressions_of(text: str) -> Iterator[Expression]:
    """Give every expression of a text, in order."""
    groups = [found.span() for found in _GROUP.finditer(text)]
    quotes, at = Quotes(), 0
    for found in _EXPRESSION.finditer(text):
        quotes.read(text[at : found.start()])
        at = found.end()
        is_optional = any(start <= found.start() < stop for start, stop in groups)
        yield Expression(tuple(found[1].split(".")), is_optional, quotes.place)
        quotes.word()


def unread(text: str) -> list[str]:
    """Give what begins as an expression or a group and is none: without an end, or a group without an expression."""
    groups = list(_GROUP.finditer(text))
    empty = [found[0] for found in groups if not _EXPRESSION.search(found[1])]
    rest = _EXPRESSION.sub("", _GROUP.sub(lambda found: found[1], text))
    return empty + [found[0] for found in _BEGINNING.finditer(rest)]


def render_command(command: str, values: Mapping[tuple[str, ...], str | None]) -> ShellCommand:
    """Put a variable in the place of every expression; each stays one word, whatever its value holds.

    values: path of the expression -> its text, None where an optional input was not given. A group with such a one
    goes; outside of a group it is the empty word. Raises: KeyError for an expression that nothing is known of.
    """

    def kept(group: re.Match[str]) -> str:
        is_given = all(values[one.path] is not None for one in expressions_of(group[1]))
        return group[1] if is_given else ""

    text = _GROUP.sub(kept, command)
    pieces: list[str] = []
    variables: dict[str, str] = {}
    quotes, at = Quotes(), 0
    for found in _EXPRESSION.finditer(text):
        before = text[at : found.start()]
        quotes.read(before)
        name = f"{_VARIABLE}{len(variables) + 1}"
        variables[name] = values[tuple(found[1].split("."))] or ""
        pieces += [before, _reference(name, quotes.place)]
        quotes.word()
        at = found.end()
    return ShellCommand("".join(pieces) + text[at:], variables)


def _reference(variable: str, place: Place) -> str:
    """Name a variable so that its value is one word, or a part of one."""
    match place:
        case Place.PLAIN | Place.COMMENT:
            return f'"${{{variable}}}"'
        case Place.SINGLE:
            return f"'\"${{{variable}}}\"'"
        case Place.DOUBLE | Place.ARITHMETIC:
            return f"${{{variable}}}"
