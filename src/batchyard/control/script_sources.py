"""What can be seen in the text of a scoring script: whether it parses, and whether it defines `run`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence

from batchyard.domain.errors import Mistake

FIELD = "code_configuration.scoring_script"

_RUN = "a function run(mini_batch)"


def source_mistakes(text: str, script: str) -> list[Mistake]:
    """Name what is wrong with a script's text; script: its path, for the message."""
    try:
        module = ast.parse(text.removeprefix("\ufeff"), filename=script)
    except SyntaxError as exc:
        return [_unparseable(script, f"{exc.msg} in line {exc.lineno}, column {exc.offset}")]
    except (ValueError, RecursionError, MemoryError) as exc:
        # A NUL byte, or an expression nested too deeply for the parser.
        return [_unparseable(script, str(exc) or type(exc).__name__)]
    mistake = _run_mistake(list(_bindings_of_run(module.body)), script)
    return [] if mistake is None else [mistake]


def _unparseable(script: str, why: str) -> Mistake:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Mistake(FIELD, f"{script!r} with a syntax error: {why}", f"a script that Python {python} can parse")


def _run_mistake(bindings: Sequence[ast.AST], script: str) -> Mistake | None:
    if not bindings:
        remedy = "Define it at the top level of the script, not in a class or a function."
        return Mistake(FIELD, f"no 'run' in {script!r}", _RUN, remedy)
    last = bindings[-1]
    if isinstance(last, ast.AsyncFunctionDef):
        found = f"'async def run' in line {last.lineno} of {script!r}"
        return Mistake(FIELD, found, _RUN, "Its results are needed when it returns, so it must not be async.")
    if isinstance(last, ast.FunctionDef) and not last.decorator_list and _takes_nothing(last.args):
        found = f"'run' without parameters in line {last.lineno} of {script!r}"
        return Mistake(FIELD, found, _RUN, "It is called with the list of paths of a mini-batch.")
    return None


def _takes_nothing(args: ast.arguments) -> bool:
    return not args.posonlyargs and not args.args and args.vararg is None


def _bindings_of_run(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Give the statements that bind `run` at the top level, in order; if, try, with and loops are looked into."""
    for statement in body:
        if _binds_run(statement):
            yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for block in _blocks(statement):
                yield from _bindings_of_run(block)


def _blocks(statement: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    for name in ("body", "handlers", "cases", "orelse", "finalbody"):
        for part in getattr(statement, name, []):
            yield part.body if isinstance(part, ast.ExceptHandler | ast.match_case) else [part]


def _binds_run(statement: ast.stmt) -> bool:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return statement.name == "run"
        case ast.Import() | ast.ImportFrom():
            # What a star brings along is known only once the script is imported, which provisioning does.
            return any((alias.asname or alias.name) in ("run", "*") for alias in statement.names)
        case ast.Assign():
            return any(_names_run(target) for target in statement.targets)
        case ast.AnnAssign():
            return statement.value is not None and _names_run(statement.target)
        case _:
            return False


def _names_run(target: ast.expr) -> bool:
    # Only what is stored: `run.attempts = 0` and `known[run] = 1` read the name.
    names = (node for node in ast.walk(target) if isinstance(node, ast.Name))
    return any(node.id == "run" and isinstance(node.ctx, ast.Store) for node in names)
