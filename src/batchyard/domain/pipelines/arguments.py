"""The arguments of a parallel step's script: `program_arguments` as the words that its `sys.argv` has.

Words are split as a shell splits them, quotes and backslashes as there; nothing else of a shell is done. A value is
part of one word, whatever it holds.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.pipelines.expressions import expressions_of

_EXPRESSION = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
_GROUP = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_PLACE = re.compile("\0([0-9]+)\0")


def words_of(program_arguments: str, values: Mapping[tuple[str, ...], str | None]) -> tuple[str, ...]:
    """Give the words, with the value of each expression in its place.

    values: path of the expression -> its text, None where an optional input was not given. A group `$[[…]]` with such
    a one goes; outside of a group it is the empty text.
    Raises: InvalidInput for a quote that nothing closes; KeyError for an expression that nothing is known of.
    """

    def kept(group: re.Match[str]) -> str:
        is_given = all(values[one.path] is not None for one in expressions_of(group[1]))
        return group[1] if is_given else ""

    found: list[str] = []

    def put(expression: re.Match[str]) -> str:
        found.append(values[tuple(expression[1].split("."))] or "")
        # No argument of a process has a NUL, and a shell's grammar does not know it.
        return f"\0{len(found) - 1}\0"

    text = _EXPRESSION.sub(put, _GROUP.sub(kept, program_arguments))
    try:
        words = shlex.split(text)
    except ValueError as exc:
        mistake = Mistake("task.program_arguments", f"{program_arguments!r} ({exc})", "words with closed quotes")
        raise InvalidInput("The step", [mistake]) from exc
    return tuple(_PLACE.sub(lambda place: found[int(place[1])], word) for word in words)


def outputs_named(program_arguments: str) -> set[str]:
    """Give the names of the outputs that arguments have the path of."""
    paths = (one.path for one in expressions_of(program_arguments))
    return {path[1] for path in paths if len(path) == 2 and path[0] == "outputs"}
