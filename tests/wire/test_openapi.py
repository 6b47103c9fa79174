"""The OpenAPI document is true: schemathesis sends what it allows and forbids, and nothing is an error of ours.

`make test` sends a few requests of each sort, `make fuzz` many.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from batchyard.records.database import migrate
from tests.unit.api.bench import Bench

from .cases import every_refusal, every_way_through
from .exploring import Raw, Seen
from .random_requests import send_random_requests


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a workspace of its own."""
    home = Path(tempfile.mkdtemp(prefix="batchyard-openapi-")) / "home"
    home.mkdir(mode=0o700)
    migrate(f"sqlite:///{home / 'batchyard.db'}")
    yield Bench(home)
    shutil.rmtree(home.parent)


@pytest.mark.early
@pytest.mark.timeout(3600)
def test_each_operation_answers_what_it_documents_and_nothing_else_whatever_is_sent(
    bench: Bench, request: pytest.FixtureRequest
) -> None:
    seen = Seen(bench.app, bench.client.get("/openapi.json").json())
    bench.app = seen
    bench.client = bench.client_from("127.0.0.1", {"Authorization": f"Bearer {bench.token}"})
    bench.stranger = bench.client_from("127.0.0.1", {})

    with Raw(bench, seen) as raw:
        every_way_through(bench, raw)
        every_refusal(seen, raw)
        examples, seed = (int(request.config.getoption(name)) for name in ("--fuzz-examples", "--fuzz-seed"))
        send_random_requests(seen, raw, examples=examples, seed=seed)

    found = {"5xx": seen.failed, "undocumented": seen.undocumented, "unseen": seen.unseen(), "wrong": seen.wrong}
    assert found == {"5xx": [], "undocumented": set(), "unseen": set(), "wrong": {}}


def test_each_operation_has_a_name_of_its_own_and_says_what_it_does(bench: Bench) -> None:
    seen = Seen(bench.app, bench.client.get("/openapi.json").json())
    operations = [one for _method, _path, one in seen.operations()]

    assert len(operations) > 60
    assert [one["operationId"] for one in operations if not one["summary"]] == []
    ids = [one["operationId"] for one in operations]
    assert len(ids) == len(set(ids))


def test_the_document_names_every_route(bench: Bench) -> None:
    document = bench.client.get("/openapi.json").json()

    documented = {(method.upper(), path) for path, ways in document["paths"].items() for method in ways}

    assert len(documented) == len({(m, r.path) for r in iter_route_contexts(bench.app.routes) for m in r.methods or ()})
