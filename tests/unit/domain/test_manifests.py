"""Manifests that know what they are: every byte of one counts."""

from __future__ import annotations

import json

import pytest

from batchyard.domain.outputs.manifests import FORMAT, manifest_bytes, read_manifest
from batchyard.domain.outputs.verification import Result

DOCUMENT = {"format": FORMAT, "job": "j", "counts": {"items": 3, "rows": 2}, "outputs": [], "settings": {"x": 0.1}}
CONTENT = manifest_bytes(DOCUMENT)


def test_a_manifest_is_read_back_as_it_was_written() -> None:
    document, check = read_manifest(CONTENT, "_manifest.json")
    assert check.result is Result.OK
    assert {**DOCUMENT, "sha256": check.note.removeprefix("sha256 ")} == document


@pytest.mark.parametrize("at", range(len(CONTENT)))
def test_any_flipped_byte_of_a_manifest_is_seen(at: int) -> None:
    for bit in (1, 32):
        changed = bytearray(CONTENT)
        changed[at] ^= bit
        assert read_manifest(bytes(changed), "_manifest.json")[1].result is Result.WRONG


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b"[" * 100_000, CONTENT[:-1], CONTENT + b"\n"])
def test_what_is_no_manifest_is_wrong(content: bytes) -> None:
    assert read_manifest(content, "_manifest.json")[1].result is Result.WRONG


def test_a_manifest_of_a_version_without_hashes_is_read_and_said_to_be_unchecked() -> None:
    content = json.dumps({**DOCUMENT, "format": "batchyard manifest 1"}).encode()
    document, check = read_manifest(content, "_manifest.json")
    assert document is not None and check.result is Result.UNCHECKED
