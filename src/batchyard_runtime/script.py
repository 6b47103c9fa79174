"""The user's scoring script: imported by path, its three functions found, its exceptions put into words."""

from __future__ import annotations

import os
import sys
import traceback

from batchyard_runtime.violations import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType, ModuleType, TracebackType
    from typing import Any, Callable

_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))
_LARGEST_MESSAGE = 8 << 10
_LARGEST_STACK = 64 << 10
_VARARGS = 4


class NotAScript(Exception):
    """The file can be imported but is no scoring script: `run` is missing or takes other arguments."""


class MiniBatchContext:
    """The second argument of `run(mini_batch, context)`, where its signature has one.

    minibatch_index: its number in the job, from 0. minibatch_id: the same as text. attempt: 1 for the first try.
    partition_key_value: {} (the input is cut by count, not by keys). Of the job: input_root, the folder that the
    input's files are below; has_columns, whether the output has columns with names.
    """

    __slots__ = ("attempt", "minibatch_id", "minibatch_index", "partition_key_value")
    input_root = ""
    has_columns = False

    def __init__(self, index: int, attempt: int) -> None:
        self.minibatch_index = index
        self.minibatch_id = str(index)
        self.attempt = attempt
        self.partition_key_value: dict[str, str] = {}

    @classmethod
    def of_job(cls, *, input_root: str, has_columns: bool) -> None:
        """Set what is the same for every mini-batch of this process."""
        cls.input_root, cls.has_columns = input_root, has_columns


class Script:
    """An imported script. takes_context: whether `run` has a second parameter."""

    def __init__(self, module: ModuleType) -> None:
        """Raises: NotAScript."""
        run = _function(module, "run")
        if run is None:
            raise NotAScript("the scoring script %r defines no function run(mini_batch)" % module.__file__)
        self.run: Callable[..., Any] = run
        self.takes_context = _takes_context(run)
        self.init = _function(module, "init")
        self.shutdown = _function(module, "shutdown")


def load(code_dir: str, script: str, arguments: list[str] | None = None) -> Script:
    """Import the script as Python would run it: working directory and path are the code folder.

    The module is named after the file, so that classes it defines can be unpickled in it; where a module of that name
    is loaded already, it is named `scoring_script`, because replacing that one would break whoever uses it.
    arguments: what `sys.argv` has behind the script; the list that is given becomes `sys.argv`.
    Raises: NotAScript, and whatever the script raises.
    """
    from importlib.util import module_from_spec, spec_from_file_location

    path = os.path.join(code_dir, script)
    os.chdir(code_dir)
    sys.path.insert(0, code_dir)
    beside = os.path.dirname(path)
    if beside != code_dir.rstrip("/"):
        sys.path.insert(1, beside)
    # The very list: it may be one that notices when it is read.
    words = [] if arguments is None else arguments
    words.insert(0, path)
    sys.argv = words
    name = os.path.splitext(os.path.basename(script))[0]
    if name in sys.modules:
        name = "scoring_script"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NotAScript("the scoring script %r is not a Python file" % path)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return Script(module)


def describe(exc: BaseException) -> tuple[str, str, str, str]:
    """Give (class, error, message, stack) of an exception of the script; our own frames are cut off the stack.

    class: "memory" for MemoryError, "contract" for what breaks one, else "script". Texts are valid UTF-8 and of
    bounded length.
    """
    if isinstance(exc, Violation):
        message = bounded(str(exc))
        return "contract", exc.error, message, bounded("%s: %s\n" % (exc.error, message), _LARGEST_STACK)
    kind = "memory" if isinstance(exc, MemoryError) else "script"
    try:
        message = str(exc)
    except BaseException:  # noqa: BLE001 - a script's exception may fail at anything, and must still be told of
        message = "(its message could not be made)"
    try:
        stack = "".join(traceback.format_exception(type(exc), exc, _without_our_frames(exc.__traceback__)))
    except BaseException:  # noqa: BLE001
        stack = "(its stack could not be made)"
    return kind, type(exc).__name__, bounded(message), bounded(stack, _LARGEST_STACK)


def _without_our_frames(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if not file.startswith((_OWN_FOLDER + os.sep, "<frozen importlib")):
            return frames
        frames = frames.tb_next
    return None


def bounded(text: str, limit: int = _LARGEST_MESSAGE) -> str:
    """Keep head and tail of a long text; make lone surrogates printable."""
    if len(text) > limit:
        text = "%s\n[… %d characters left out …]\n%s" % (text[: limit // 2], len(text) - limit, text[-limit // 2 :])
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _function(module: ModuleType, name: str) -> Callable[..., Any] | None:
    found = getattr(module, name, None)
    return found if callable(found) else None


def _takes_context(run: Callable[..., Any]) -> bool:
    least, most = _positional(run)
    if most < 1 or least > 2:
        raise NotAScript(
            "run() takes %s, expected one argument, the list of paths, or two, with the mini-batch's context"
            % ("no positional argument" if most < 1 else "%d arguments" % least)
        )
    return most >= 2


def _positional(run: Callable[..., Any]) -> tuple[int, int]:
    """Give how many positional arguments run() needs at least, and names at most; *args counts as one."""
    code: CodeType | None = getattr(run, "__code__", None)
    if code is not None and not hasattr(run, "__self__") and not hasattr(run, "__wrapped__"):
        # `inspect` takes as long to import as all of the runtime: a plain function is read without it.
        return _positional_of_code(run, code)  # type: ignore[arg-type]  # has __code__: a function
    import inspect

    try:
        parameters = list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError):
        return 1, 1
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    _refuse_keywords([p.name for p in keywords])
    has_rest = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return sum(p.default is p.empty for p in named), len(named) or int(has_rest)


def _positional_of_code(run: FunctionType, code: CodeType) -> tuple[int, int]:
    most = code.co_argcount
    keywords = code.co_varnames[most : most + code.co_kwonlyargcount]
    _refuse_keywords([name for name in keywords if name not in (run.__kwdefaults__ or {})])
    least = most - len(run.__defaults__ or ())
    return least, most or int(bool(code.co_flags & _VARARGS))


def _refuse_keywords(names: list[str]) -> None:
    if names:
        raise NotAScript("run() needs keyword arguments that nobody gives: %s" % ", ".join(names))
