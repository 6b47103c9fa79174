"""The mark of a `null` that removes what is not there, so that whoever reads the document can tell an unknown key."""

from __future__ import annotations

from enum import Enum


class Removal(Enum):
    """Stands in a document where `--set key=null` found no such key; shapes take it for a missing value."""

    # A member of an Enum and no plain object: documents are copied deeply, and this stays itself.
    NOT_THERE = "not there"
