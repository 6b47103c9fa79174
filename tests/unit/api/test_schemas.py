"""Schemas of YAML files at URLs that stay."""

from __future__ import annotations

from batchyard.wire.file_schemas import NAMES, file_schema

from .bench import Bench


def test_every_schema_is_served_where_the_list_says(bench: Bench) -> None:
    listed = bench.client.get("/schemas").json()

    assert set(listed) == set(NAMES)
    assert {name: bench.client.get(path).json() for name, path in listed.items()} == {
        name: file_schema(name) for name in NAMES
    }


def test_an_unknown_schema_is_answered_with_the_known_ones(bench: Bench) -> None:
    answer = bench.client.get("/schemas/none.json")

    assert answer.status_code == 404
    assert "deployment" in answer.json()["error"]["message"]
