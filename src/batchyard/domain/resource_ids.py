"""ARM resource ids and `azureml:` references: how things are named across the wire.

An id is kept as a value; where it points is decided by `control`, never by parsing text twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROVIDER = "Microsoft.MachineLearningServices"


@dataclass(frozen=True, slots=True)
class Scope:
    """One workspace: everything named inside it is unique only there."""

    subscription: str
    resource_group: str
    workspace: str

    @property
    def arm_id(self) -> str:
        """The ARM id of the workspace itself."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/{PROVIDER}/workspaces/{self.workspace}"
        )

    def child(self, *segments: str) -> str:
        """The ARM id of something in the workspace: `child("models", "m", "versions", "1")`."""
        return "/".join((self.arm_id, *segments))


DEFAULT_SCOPE = Scope("00000000-0000-0000-0000-000000000000", "local", "default")


@dataclass(frozen=True, slots=True)
class AssetId:
    """A registered, versioned thing: its name and its frozen version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a document points at, before anyone looked it up.

    kind: ARM collection when the text says it (`models`, `computes`, …), else "".
    version: frozen version, or None; label: such as `latest`, or None. Never both.
    scope: the workspace when the text was a full ARM id, else None.
    """

    kind: str
    name: str
    version: str | None = None
    label: str | None = None
    scope: Scope | None = None


_ARM = re.compile(
    r"/subscriptions/(?P<sub>[^/]+)/resourceGroups/(?P<rg>[^/]+)/providers/Microsoft\.MachineLearningServices"
    r"/workspaces/(?P<ws>[^/]+)(?P<rest>(?:/[^/]+/[^/]+)*)/?",
    re.IGNORECASE,
)
_SHORT = re.compile(r"(?P<name>[^:@/]+)(?::(?P<version>[^:@/]+)|@(?P<label>[^:@/]+))?")


def parse_arm_id(text: str) -> tuple[Scope, tuple[tuple[str, str], ...]] | None:
    """Split an ARM id into its workspace and its (collection, name) pairs, or None when it is not one.

    ARM compares ids without case (azureml URIs say `resourcegroups`): collections are given in lower case.
    """
    found = _ARM.fullmatch(text.removeprefix("azureml:"))
    if found is None:
        return None
    parts = found["rest"].strip("/").split("/") if found["rest"] else []
    pairs = tuple((parts[i].lower(), parts[i + 1]) for i in range(0, len(parts), 2))
    return Scope(found["sub"], found["rg"], found["ws"]), pairs


def parse_reference(text: str) -> Reference | None:
    """Read `azureml:name:version`, `azureml:name@label`, `azureml:name` or an ARM id; None for anything else."""
    arm = parse_arm_id(text)
    if arm is not None:
        return _from_pairs(*arm)
    if not text.startswith("azureml:") or text.startswith("azureml://"):
        return None
    found = _SHORT.fullmatch(text.removeprefix("azureml:"))
    if found is None:
        return None
    return Reference("", found["name"], found["version"], found["label"])


def _from_pairs(scope: Scope, pairs: tuple[tuple[str, str], ...]) -> Reference | None:
    if not pairs:
        return None
    kind, name = pairs[0]
    rest = dict(pairs[1:])
    return Reference(kind, name, rest.get("versions"), rest.get("labels"), scope)


@dataclass(frozen=True, slots=True)
class DatastorePath:
    """A place in a registered datastore; path is relative, '/'-separated, without a leading slash."""

    datastore: str
    path: str

    def __str__(self) -> str:
        return f"azureml://datastores/{self.datastore}/paths/{self.path}"


_WORKSPACE = r"subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/"
_DATASTORE = re.compile(
    rf"(?:azureml://(?:{_WORKSPACE})?|(?:azureml:)?/{_WORKSPACE})datastores/(?P<store>[^/]+)/paths/(?P<path>.*)",
    re.IGNORECASE | re.DOTALL,
)


def parse_datastore_uri(uri: str) -> DatastorePath | None:
    """Read the short or the long `azureml://…/datastores/<d>/paths/<p>` form; None for anything else.

    Also a datastore's ARM id with `/paths/<p>` behind it, which Azure's guides put together from `datastore show`.
    """
    found = _DATASTORE.fullmatch(uri)
    return None if found is None else DatastorePath(found["store"], found["path"].lstrip("/"))


_LONG_URI = re.compile(
    r"(?:azureml://|(?:azureml:)?/)subscriptions/([^/]+)/resourcegroups/([^/]+)/(?:providers/[^/]+/)?"
    r"workspaces/([^/]+)/.*",
    re.IGNORECASE | re.DOTALL,
)


def workspace_of_uri(uri: str) -> Scope | None:
    """Give the workspace that a long `azureml://…` URI names; None for text that names none.

    Also for a datastore's ARM id with a path behind it, which need not be pairs of a collection and a name.
    """
    found = _LONG_URI.fullmatch(uri)
    return None if found is None else Scope(*found.groups())
