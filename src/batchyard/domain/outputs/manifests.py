"""The manifest of an output: its bytes, the hash that it carries of itself, and what is wrong with one.

Every byte counts: the hash is of the text without it, and the text is what its values are written as, with sorted keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from batchyard.domain.outputs.verification import Check, ok, unchecked, wrong

FORMAT = "batchyard manifest 2"
_WITHOUT_HASH = "batchyard manifest 1"
_HASH = "sha256"

Manifest = Mapping[str, Any]  # JSON


def manifest_bytes(document: Manifest) -> bytes:
    """Give the bytes of a manifest, with the hash of itself. document: JSON values, without the hash."""
    return _text({**document, _HASH: _own_hash(document)})


def read_manifest(content: bytes, file: str) -> tuple[dict[str, Any] | None, Check]:
    """Read a manifest, None where there is nothing to be read, and say whether it is as it was written. file: its name.

    Any: JSON values.
    """
    expected = f"a manifest, {FORMAT!r}"
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as exc:
        return None, wrong("manifest", file, expected=expected, found=f"no JSON ({exc})")
    if not isinstance(document, dict):
        return None, wrong(
            "manifest", file, expected=expected, found=f"JSON of another kind, {type(document).__name__}"
        )
    if document.get("format") not in (FORMAT, _WITHOUT_HASH):
        return document, wrong("manifest", file, expected=expected, found=f"the format {document.get('format')!r}")
    if _HASH not in document and document["format"] == _WITHOUT_HASH:
        why = "It was written by a version whose manifests carried no hash of themselves."
        return document, unchecked("manifest", file, why)
    return document, _compared(content, document, file)


def _compared(content: bytes, document: Mapping[str, Any], file: str) -> Check:  # Any: JSON values
    carried, own = document.get(_HASH), _own_hash(document)
    if carried != own:
        found = f"sha256 {own}"
        return wrong("manifest", file, expected=f"sha256 {carried}, which it carries itself", found=found)
    if _text(document) != content:
        return wrong("manifest", file, expected="its values as they were written", found="other spaces, signs or order")
    return ok("manifest", file, f"sha256 {carried}")


def _own_hash(document: Mapping[str, Any]) -> str:  # Any: JSON values
    return hashlib.sha256(_text({key: value for key, value in document.items() if key != _HASH})).hexdigest()


def _text(document: Mapping[str, Any]) -> bytes:  # Any: JSON values
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
