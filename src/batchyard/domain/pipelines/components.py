"""Components: what they take and give, and which values may be given.

Types, defaults and bounds of inputs are those of Azure's component schema (azure-batch A.9).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from batchyard.domain.errors import Mistake, near_names
from batchyard.domain.pipelines.expressions import Expression, expressions_of, unread
from batchyard.domain.pipelines.shell_quotes import Place

Literal = str | int | float | bool

# The value becomes a variable of a process, and the kernel takes no longer one.
LONGEST_TEXT_BYTES = 100_000
_LONGEST_SHOWN = 80
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)


class PortType(Enum):
    """What an input or output holds. The first four are literals, the others are places of data."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    URI_FILE = "uri_file"
    URI_FOLDER = "uri_folder"
    MLFLOW_MODEL = "mlflow_model"
    CUSTOM_MODEL = "custom_model"

    @property
    def is_literal(self) -> bool:
        """Whether values are written in the document itself."""
        return self in _LITERALS

    @property
    def is_number(self) -> bool:
        """Whether values are numbers, and may have bounds."""
        return self in (PortType.INTEGER, PortType.NUMBER)


class InputMode(Enum):
    """How a step gets data: as its place, or as a copy of its own. All but DOWNLOAD give the place here."""

    RO_MOUNT = "ro_mount"
    DOWNLOAD = "download"
    DIRECT = "direct"


class OutputMode(Enum):
    """How data leaves a step. Both write to the step's own place, which is published when it has finished."""

    RW_MOUNT = "rw_mount"
    UPLOAD = "upload"


_LITERALS = (PortType.STRING, PortType.INTEGER, PortType.NUMBER, PortType.BOOLEAN)


@dataclass(frozen=True, slots=True)
class InputPort:
    """One input of a component.

    default: used where nothing is given; only literals have one. least, most: bounds of numbers, both included.
    allowed: the values that a literal may have, all of them of its type; () for any.
    """

    type: PortType
    is_optional: bool = False
    default: Literal | None = None
    least: float | None = None
    most: float | None = None
    allowed: tuple[Literal, ...] = ()
    mode: InputMode = InputMode.RO_MOUNT
    description: str = ""

    @property
    def is_required(self) -> bool:
        """Whether a value has to be given."""
        return not self.is_optional and self.default is None

    @property
    def may_lack(self) -> bool:
        """Whether there may be no value at all when the component runs."""
        return self.is_optional and self.default is None


@dataclass(frozen=True, slots=True)
class OutputPort:
    """One output of a component: a file or a folder, or a model in one."""

    type: PortType
    mode: OutputMode = OutputMode.RW_MOUNT
    description: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a component takes and gives, by name."""

    inputs: Mapping[str, InputPort] = field(default_factory=dict)
    outputs: Mapping[str, OutputPort] = field(default_factory=dict)


def command_mistakes(command: str, signature: Signature, *, where: str = "command") -> list[Mistake]:
    """Name every expression of a command that cannot be filled in: not declared, maybe without a value, or no such."""
    known = [f"inputs.{name}" for name in signature.inputs] + [f"outputs.{name}" for name in signature.outputs]
    remedy = "A group drops what it holds where an input is not given: $[[--flag ${{inputs.x}}]]."
    found = [Mistake(where, repr(text), "${{…}} or $[[… ${{…}}]]", remedy) for text in unread(command)]
    for one in expressions_of(command):
        path = ".".join(one.path)
        if path not in known:
            allowed = "one of " + ", ".join(known) if known else "nothing: the component declares no inputs or outputs"
            found.append(Mistake(where, str(one), allowed, did_you_mean(path, known)))
        elif one.path[0] == "inputs":
            mistake = _input_mistake(one, signature.inputs[one.path[1]], where)
            found += [mistake] if mistake else []
        elif one.place is Place.ARITHMETIC:
            found.append(_in_arithmetic(one, where))
    return list(dict.fromkeys(found))


def _input_mistake(one: Expression, port: InputPort, where: str) -> Mistake | None:
    if port.may_lack and not one.is_optional:
        allowed = f"an input that always has a value: {one.path[1]!r} is optional"
        return Mistake(where, str(one), allowed, f"Write $[[… {one}]], which goes where nothing is given.")
    return _in_arithmetic(one, where) if one.place is Place.ARITHMETIC and not port.type.is_number else None


def _in_arithmetic(one: Expression, where: str) -> Mistake:
    # Some shells run commands that stand in the value of a variable in there: a[$(…)].
    return Mistake(where, f"{one} in $((…))", "an input of type integer or number there")


def did_you_mean(name: str, known: list[str]) -> str:
    """Give the remedy that names what is near; "" where nothing is."""
    near = near_names(name, known, limit=3)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else ""


def literal_of(type_: PortType, value: object) -> Literal | None:
    """Give a value as its type has it, None where it is no such value.

    Text is read as its type writes it ("5", "0.1", "true"), since command lines and Azure's REST send text; a whole
    number is a number, a fraction is never an integer, and neither is a boolean a number.
    """
    match type_:
        case PortType.STRING:
            return _as_text(value)
        case PortType.BOOLEAN:
            return _as_boolean(value)
        case PortType.INTEGER:
            number = _as_number(value)
            return int(number) if number is not None and float(number).is_integer() and _is_whole(value) else None
        case PortType.NUMBER:
            return _as_number(value)
        case _:
            return None


def literal_mistake(port: InputPort, value: object, *, where: str) -> Mistake | None:
    """Say what is wrong with a value for a literal input, or None. where: the field that it was written in."""
    read = literal_of(port.type, value)
    if read is None:
        return Mistake(where, _shown(value), _wanted(port.type))
    if port.allowed and read not in port.allowed:
        return Mistake(where, _shown(read), "one of " + ", ".join(map(repr, port.allowed)))
    if isinstance(read, str | bool):
        return None
    too_low = port.least is not None and read < port.least
    too_high = port.most is not None and read > port.most
    return Mistake(where, repr(read), _bounds(port)) if too_low or too_high else None


def text_of(value: Literal) -> str:
    """Give a literal as a command gets it: `true` and `false` for booleans, numbers as Python writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def port_mistakes(port: InputPort, *, where: str) -> list[Mistake]:
    """Name what an input's own declaration has wrong: bounds that contradict, a default outside of them."""
    given = {
        "default": port.default is not None and not port.type.is_literal,
        "enum": bool(port.allowed) and not port.type.is_literal,
        "min": port.least is not None and not port.type.is_number,
        "max": port.most is not None and not port.type.is_number,
    }
    allowed = f"nothing: inputs of type {port.type.value} have none"
    found = [Mistake(f"{where}.{name}", "a value", allowed) for name, is_wrong in given.items() if is_wrong]
    if port.least is not None and port.most is not None and port.least > port.most:
        found.append(Mistake(f"{where}.min", _figure(port.least), f"at most max, which is {_figure(port.most)}"))
    elif port.default is not None and not found:
        mistake = literal_mistake(port, port.default, where=f"{where}.default")
        found += [mistake] if mistake else []
    return found


def fits(given: PortType, wanted: PortType) -> bool:
    """Tell whether a value of one type may be given where another is wanted.

    A whole number is a number. A model is a folder or a file of its own layout: it may be read as plain data, and an
    MLflow model as a custom one, never the other way round.
    """
    if given is wanted:
        return True
    if given is PortType.INTEGER:
        return wanted is PortType.NUMBER
    if given is PortType.MLFLOW_MODEL:
        return wanted in (PortType.CUSTOM_MODEL, PortType.URI_FOLDER)
    return given is PortType.CUSTOM_MODEL and wanted in (PortType.URI_FOLDER, PortType.URI_FILE)


def _as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return text_of(value)
    text = str(value) if isinstance(value, str | int | float) else None
    if text is None or "\0" in text:
        return None
    try:
        return text if len(text.encode()) <= LONGEST_TEXT_BYTES else None
    except UnicodeEncodeError:
        return None


def _as_boolean(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


def _is_whole(value: object) -> bool:
    """Tell `5` and `5.0` from `"5.0"`: text of an integer has no point."""
    return not isinstance(value, str) or _WHOLE.fullmatch(value.strip()) is not None


def _as_number(value: object) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not _DECIMAL.fullmatch(text):
            return None
        value = int(text) if _WHOLE.fullmatch(text) else float(text)
    if isinstance(value, int):
        return value if abs(value) < 10**18 else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _wanted(type_: PortType) -> str:
    if type_ is PortType.STRING:
        return f"text of at most {LONGEST_TEXT_BYTES} bytes, without NUL"
    return f"a value of type {type_.value}"


def _bounds(port: InputPort) -> str:
    if port.least is not None and port.most is not None:
        return f"{_figure(port.least)} to {_figure(port.most)}"
    bound = port.least if port.least is not None else port.most
    return f"{_figure(bound or 0)} or {'more' if port.least is not None else 'less'}"


def _figure(number: float) -> str:
    return f"{number:.15g}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
