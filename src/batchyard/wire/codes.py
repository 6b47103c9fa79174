"""Code versions: only ARM's dialect; in YAML code is a folder of a deployment."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.assets import CodeDraft, CodeVersion
from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import Scope
from batchyard.wire.assets import VersionShape, seal_to_arm, version_mistakes, version_to_arm
from batchyard.wire.envelopes import StoredMeta, arm_envelope
from batchyard.wire.mistakes import merged
from batchyard.wire.shapes import ArmShape, Text, raise_mistakes, read_shape


class _Properties(VersionShape):
    code_uri: Text | None = None


class CodeBody(ArmShape):
    """The body of a PUT of a code version."""

    properties: _Properties | None = None


def code_from_arm(name: str, version: str, body: Mapping[str, object]) -> CodeDraft:
    """Read the body of a PUT. Raises: InvalidInput with all mistakes.

    The draft's uri is as sent: `azureml://…` from the command line, the blob gateway's `https://…` from the SDK.
    """
    shape, mistakes = read_shape(CodeBody, body)
    given = shape.properties or _Properties()
    ours = version_mistakes("code", name, version)
    if not given.code_uri:
        ours.append(Mistake("properties.codeUri", "nothing", "the URI of the uploaded folder"))
    raise_mistakes(f"Code {name!r}", merged(mistakes, ours))
    return CodeDraft(
        name=name,
        version=version,
        uri=given.code_uri or "",
        description=given.description or "",
        tags=given.tags or {},
        properties=given.properties or {},
        is_anonymous=given.is_anonymous is not False,
        is_archived=bool(given.is_archived),
    )


def code_to_arm(scope: Scope, code: CodeVersion, meta: StoredMeta) -> dict[str, object]:
    """Give a code version as GET answers it; ours: properties.sha256, files, sizeBytes."""
    properties = {
        **version_to_arm(code),
        **seal_to_arm(code),
        "codeUri": code.uri,
        "provisioningState": "Succeeded",
    }
    return arm_envelope(scope, "codes", code.name, "versions", code.version, properties=properties, meta=meta)


def code_to_arm_body(draft: CodeDraft) -> dict[str, object]:
    """Give the body that the command line PUTs."""
    return {"properties": {**version_to_arm(draft), "codeUri": draft.uri}}
