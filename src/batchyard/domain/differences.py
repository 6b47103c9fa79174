"""Differences of two sets of declared things, field by field; which fields are secret is decided here as well.

What a field means, and its default, is known to whoever made the fields: here equal values are equal, and no field says
the same as an empty one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

#: A value of JSON: text, number, truth, or a list of them.
Value = object
Fields = Mapping[str, Value]

#: Stand in the place of values that must not be shown.
SECRET, OTHER_SECRET = "(secret)", "(another secret)"
#: The field of a thing that only one side has.
EXISTS = "exists"

_SECRET_NAME = re.compile(
    r"secret|passw(?:or)?d|passphrase|pwd|token|credential|api_?key|access_?key|account_?key|private_?key|shared_?key"
    r"|signing_?key|encryption_?key|connection_?string|conn_?str|(?:^|[_.-])(?:key|sas|dsn|pat|pass)(?:$|[_.-])|(?:^|[_.-])auth$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"[?&](?:sig|signature|token|password|key|access_token)=|AccountKey=|SharedAccess(?:Key|Signature)|Password=|Pwd="
    r"|://[^/\s@]+@|://[^/\s]+/t/[^/\s]{4}|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\bBearer\s+\S{8}|\beyJ[\w-]{8,}\.[\w-]{4,}\.|\bAKIA[0-9A-Z]{16}\b"
    r"|\b(?:sk|pk|rk)-[\w-]{16,}|\bgh[pousr]_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abprs]-\S{8,}|\bhf_\w{16,}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What is compared. noun: as the command line says it; name: `endpoint/deployment` for a deployment.

    version: "" for what has none, and for an asset that takes its number when it is registered.
    """

    noun: str
    name: str
    version: str = ""

    def __str__(self) -> str:
        """Give `noun/name`, with `:version` where there is one."""
        return f"{self.noun}/{self.name}" + (f":{self.version}" if self.version else "")


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: the fields of each subject, dotted path to value.

    newest: (noun, name) -> the version that `latest` stands for, of the assets whose versions have an order here.
    """

    subjects: Mapping[Subject, Fields]
    newest: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs. left, right: None where that side does not have it; never the value of a secret."""

    subject: Subject
    field: str
    left: Value
    right: Value
    is_secret: bool = False


def compare(left: Side, right: Side) -> list[Difference]:
    """Give every field that differs, sorted by subject and field; a thing that one side lacks is one difference."""
    return [one for subject, a, b in _pairs(left, right) for one in _differences(subject, a, b)]


def is_secret(path: str, *values: Value) -> bool:
    """Whether a field is not to be shown, by its name or by what any of its values looks like.

    Everything below `credentials` is, and whatever is below a name that speaks of a key, a token or a password.
    """
    names = [*path.split("."), *(name for value in values for name in _names(value))]
    if any(_SECRET_NAME.search(_spelled(name)) for name in names):
        return True
    return any(_SECRET_VALUE.search(text) for value in values for text in _texts(value))


def may_hold_secret(path: str, text: str) -> bool:
    """Whether text that quotes a field, or a whole mapping of fields, might show a secret in it."""
    of_many = path.rpartition(".")[2] in ("environment_variables", "credentials", "tags", "properties")
    return of_many or is_secret(path, text) or _SECRET_NAME.search(text) is not None


def _differences(subject: Subject, left: Fields | None, right: Fields | None) -> Iterator[Difference]:
    if left is None or right is None:
        yield Difference(subject, EXISTS, left is not None, right is not None)
        return
    for path in sorted(left.keys() | right.keys()):
        a, b = _said(left.get(path)), _said(right.get(path))
        if _is_same(a, b):
            continue
        if not is_secret(path, a, b):
            yield Difference(subject, path, a, b)
            continue
        shown_right = None if b is None else OTHER_SECRET if a is not None else SECRET
        yield Difference(subject, path, None if a is None else SECRET, shown_right, is_secret=True)


def _pairs(left: Side, right: Side) -> Iterator[tuple[Subject, Fields | None, Fields | None]]:
    """Put together what is the same thing on both sides.

    A file may leave an asset's version to the server: then it is compared with the newest one there, and the older ones
    are nothing that the files speak of.
    """
    ours, theirs = _unnumbered(left, right), _unnumbered(right, left)
    for subject in sorted(ours.keys() | theirs.keys()):
        yield subject, ours.get(subject), theirs.get(subject)


def _unnumbered(side: Side, other: Side) -> dict[Subject, Fields]:
    """Give the subjects of a side; assets whose version the other side leaves open are the newest one alone."""
    open_ones = {(s.noun, s.name) for s in other.subjects if not s.version}
    own_open_ones = {(s.noun, s.name) for s in side.subjects if not s.version}
    found = dict[Subject, Fields]()
    for subject, fields in side.subjects.items():
        key = (subject.noun, subject.name)
        if not subject.version or key not in open_ones or key in own_open_ones:
            found[subject] = fields
        elif side.newest.get(key, subject.version) == subject.version:
            found[Subject(*key)] = fields
    return found


def _is_same(left: Value, right: Value) -> bool:
    # 1 and true are equal in Python and are not the same to anybody else.
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _said(value: Value) -> Value:
    return None if value is None or value in ("", [], {}) else value


def _spelled(name: str) -> str:
    """Give `apiKey` as `api_Key`, so that the words of a name can be told apart."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)


def _names(value: Value) -> Iterator[str]:
    """Give the names in a value: the keys of its mappings, and what entries of a list call themselves."""
    if isinstance(value, Mapping):
        yield from map(str, value)
        yield str(value.get("name", ""))
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for inner in inside:
        yield from _names(inner)


def _texts(value: Value) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)
