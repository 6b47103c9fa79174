"""Which quotes are open at a place of a shell command: as much of the shell's grammar as putting values in needs.

Where this reads a command otherwise than the shell does (a here-document, `case … in a)`), a value may be split into
words or stand in quotes that the user sees; it is the value of a variable all the same, and never read as a command.
"""

from __future__ import annotations

from enum import Enum


class Place(Enum):
    """Where a text stands in a command."""

    PLAIN = "plain"
    SINGLE = "in single quotes"
    DOUBLE = "in double quotes"
    ARITHMETIC = "in $((…))"
    COMMENT = "in a comment"


class _Open(Enum):
    """What has been opened and not closed."""

    SINGLE = "'"
    DOUBLE = '"'
    SUBSTITUTION = "$("
    PARENTHESIS = "("
    BACKTICK = "`"
    ARITHMETIC = "$(("
    COMMENT = "#"


_PLACES = {
    _Open.SINGLE: Place.SINGLE,
    _Open.DOUBLE: Place.DOUBLE,
    _Open.ARITHMETIC: Place.ARITHMETIC,
    _Open.COMMENT: Place.COMMENT,
}
_ENDS_A_WORD = " \t\n;&|()<>"


class Quotes:
    """Reads a command piece by piece, and tells the place that it has come to."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._before = "\n"

    @property
    def place(self) -> Place:
        """Where the next character stands."""
        return _PLACES.get(self._open[-1], Place.PLAIN) if self._open else Place.PLAIN

    def word(self) -> None:
        """Pass over something that is part of a word."""
        self._before = "x"

    def read(self, text: str) -> None:
        """Pass over a piece of the command."""
        at = 0
        while at < len(text):
            at += self._step(text[at : at + 3])

    def _step(self, text: str) -> int:
        """Read what the text begins with. Gives: how many characters that is."""
        before, self._before = self._before, text[0]
        match self.place:
            case Place.SINGLE:
                return self._close("'", text)
            case Place.COMMENT:
                return self._close("\n", text)
            case Place.DOUBLE:
                return self._in_double_quotes(text)
            case Place.ARITHMETIC:
                return self._in_arithmetic(text)
            case Place.PLAIN:
                return self._in_plain(text, before)

    def _close(self, end: str, text: str) -> int:
        if text.startswith(end):
            self._open.pop()
        return 1

    def _in_double_quotes(self, text: str) -> int:
        if text[0] == "\\":
            return 2
        if text[0] == '"':
            return self._close('"', text)
        return self._opened(text, (_Open.ARITHMETIC, _Open.SUBSTITUTION)) or self._backtick(text)

    def _in_arithmetic(self, text: str) -> int:
        if text.startswith("))"):
            self._open.pop()
            return 2
        return self._opened(text, (_Open.ARITHMETIC, _Open.SUBSTITUTION)) or 1

    def _in_plain(self, text: str, before: str) -> int:
        if text[0] == "\\":
            self._before = "x"
            return 2
        if text[0] == "#" and before in _ENDS_A_WORD:
            self._open.append(_Open.COMMENT)
            return 1
        if text[0] == ")" and self._open and self._open[-1] in (_Open.SUBSTITUTION, _Open.PARENTHESIS):
            self._open.pop()
            return 1
        kinds = (_Open.ARITHMETIC, _Open.SUBSTITUTION, _Open.PARENTHESIS, _Open.SINGLE, _Open.DOUBLE)
        return self._opened(text, kinds) or self._backtick(text)

    def _opened(self, text: str, kinds: tuple[_Open, ...]) -> int:
        """Open the first of these that the text begins with. Gives: its length, 0 where it is none."""
        for kind in kinds:
            if text.startswith(kind.value):
                self._open.append(kind)
                return len(kind.value)
        return 0

    def _backtick(self, text: str) -> int:
        if text[0] == "`":
            if _Open.BACKTICK in self._open:
                while self._open.pop() is not _Open.BACKTICK:
                    pass
            else:
                self._open.append(_Open.BACKTICK)
        return 1
