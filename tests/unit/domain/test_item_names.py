"""Names of items in JSON: readable, always valid, and never lost."""

from __future__ import annotations

import json
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from batchyard.domain.item_names import item_fields, item_text


@given(st.binary(min_size=1))
def test_every_name_survives_json_and_comes_back_byte_for_byte(path: bytes) -> None:
    fields = json.loads(json.dumps(item_fields(path), ensure_ascii=False).encode())
    encoded = fields.get("item_percent_encoded")
    assert path == (fields["item"].encode() if encoded is None else unquote_to_bytes(encoded))


def test_a_name_that_is_utf_8_is_itself_and_has_no_second_form() -> None:
    assert item_fields("Zürich/ä \\xff.png".encode()) == {"item": "Zürich/ä \\xff.png"}


def test_bytes_that_are_not_utf_8_are_shown_as_escapes() -> None:
    assert item_text(b"a\xff.png") == "a\\xff.png"
    assert item_fields(b"a\xff.png")["item_percent_encoded"] == "a%FF.png"
