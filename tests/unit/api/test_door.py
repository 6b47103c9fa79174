"""Who is let in: tokens, hosts, signed URLs; and which routes need none."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import iter_route_contexts

from batchyard.api.caller import OPEN_PATHS, is_open

from .bench import BASE, BLOBS, HOST, LOGS, WS, Bench


def routes_of(bench: Bench) -> list[tuple[str, str]]:
    """Give every (method, path) that is served, with something in place of each name."""
    found = [
        (method, re.sub(r"\{[^}]+\}", "x", route.path or ""))
        for route in iter_route_contexts(bench.app.routes)
        for method in sorted(route.methods or {"GET"})
    ]
    assert len(found) > 35
    return found


def test_every_route_but_the_short_list_refuses_without_a_token(bench: Bench) -> None:
    answers = {(method, path): bench.stranger.request(method, path).status_code for method, path in routes_of(bench)}

    unprotected = {path for (_, path), status in answers.items() if status != 401}
    # The others ask for a secret of their own: see `test_login`.
    told = {"/health", "/discovery", "/metadata/endpoints", "/adfs/.well-known/openid-configuration"}
    assert told | {"/msi/token"} == OPEN_PATHS
    assert unprotected == {*told, "/x/v2.0/.well-known/openid-configuration", "/x/oauth2/v2.0/token"}


def test_every_route_refuses_a_wrong_token(bench: Bench) -> None:
    client = bench.client_from("127.0.0.1", {"Authorization": "Bearer wrong"})

    answers = {path: client.request(method, path).status_code for method, path in routes_of(bench)}

    assert all(is_open(path) for path, status in answers.items() if status != 401)


def test_what_is_not_there_is_refused_without_a_token_too(bench: Bench) -> None:
    for path in ("/", "/docs", "/openapi.json", "/health/", "//health", "/blob/", WS + "/nothing"):
        assert bench.stranger.get(BASE + path).status_code == 401, path


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Basic {token}", "{token}", "Bearer  {token}x"])
def test_a_token_in_another_form_is_refused(bench: Bench, given: str) -> None:
    client = bench.client_from("127.0.0.1", {"Authorization": given.format(token=bench.token)})

    answer = client.get(WS)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "Unauthenticated"


def test_two_tokens_are_none(bench: Bench) -> None:
    headers = [("Authorization", f"Bearer {bench.token}"), ("Authorization", "Bearer x")]

    assert bench.stranger.get(WS, headers=headers).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "localhost", "localhost:1", f"{HOST}.evil.example", ""])
def test_another_host_is_misdirected_even_with_the_token(bench: Bench, host: str) -> None:
    answer = bench.client.get(WS, headers={"Host": host})

    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "MisdirectedRequest"


def test_the_open_routes_check_the_host_too(bench: Bench) -> None:
    assert bench.stranger.get("/health", headers={"Host": "evil.example"}).status_code == 421


def test_health_and_discovery_tell_nothing_but_that(bench: Bench) -> None:
    assert bench.stranger.get("/health").json() == {"status": "ok"}
    assert bench.stranger.get("/discovery").json() == {"api": BASE}


def test_a_signed_url_opens_the_blob_gateway_alone(bench: Bench) -> None:
    bench.upload("folder/a.txt", "a")
    query = bench.identity.sign_url("/azureml-blobstore/folder", expires_at=2e9, permission="r", is_folder=True)

    assert bench.stranger.get(f"{BLOBS}/folder/a.txt?{query}").text == "a"
    assert bench.stranger.get(f"{WS}?{query}").status_code == 401
    assert bench.stranger.get(f"{BLOBS}/other/a.txt?{query}").status_code == 401
    assert bench.stranger.get(f"{LOGS}/folder/a.txt?{query}").status_code == 401
    assert bench.stranger.put(f"{BLOBS}/folder/b.txt?{query}", content=b"b").status_code == 401


def test_a_signed_url_cannot_be_led_out_of_its_folder(bench: Bench) -> None:
    bench.upload("secret.txt", "s")
    query = bench.identity.sign_url("/azureml-blobstore/folder", expires_at=2e9, permission="w", is_folder=True)

    for path in ("folder/%2e%2e/secret.txt", "folder/..%2fsecret.txt", "folder%2f%2e%2e%2fsecret.txt"):
        assert bench.stranger.get(f"{BLOBS}/{path}?{query}").status_code == 401, path


def test_a_signed_url_never_lists(bench: Bench) -> None:
    bench.upload("folder/a.txt", "a")
    listing = f"{BLOBS}?restype=container&comp=list"
    for place, status in (("/azureml-blobstore", 403), ("/azureml-blobstore/folder", 401)):
        query = bench.identity.sign_url(place, expires_at=2e9, permission="r", is_folder=True)
        for more in ("", "&prefix=folder/", "&comp=x", "&comp=list&prefix="):
            answer = bench.stranger.get(f"{listing}&{query}{more}")
            assert answer.status_code in (status, 400 if more == "&comp=x" else status), more
            assert "a.txt" not in answer.text


def test_a_signed_blob_opens_nothing_below_it(bench: Bench) -> None:
    query = bench.identity.sign_url("/azureml-blobstore/a", expires_at=2e9, permission="w")

    assert bench.stranger.put(f"{BLOBS}/a/b?{query}", content=b"x").status_code == 401
    assert bench.stranger.put(f"{BLOBS}/a?{query}", content=b"x").status_code == 201


def test_an_expired_url_is_refused(bench: Bench) -> None:
    bench.upload("a.txt", "a")
    query = bench.identity.sign_url("/azureml-blobstore/a.txt", expires_at=1.0, permission="r")

    assert bench.stranger.get(f"{BLOBS}/a.txt?{query}").status_code == 401


def test_a_local_input_is_read_in_place_only_for_a_peer_on_loopback(bench: Bench) -> None:
    bench.ready()
    outside = bench.home.parent / "input"
    outside.mkdir()
    (outside / "a.txt").write_text("a")

    far = bench.client_from("10.0.0.7", {"Authorization": f"Bearer {bench.token}"})
    near = bench.invoke(outside.as_uri())
    bench.client = far
    refused = bench.invoke(outside.as_uri())
    token = {"Authorization": f"Bearer {bench.token}"}
    bench.client = bench.client_from("127.0.0.1", {**token, "X-Forwarded-For": "192.0.2.7"})
    through_a_proxy = bench.invoke(outside.as_uri())

    assert near.status_code == 201, near.text
    assert refused.status_code in (400, 403), refused.text
    assert through_a_proxy.status_code == refused.status_code, through_a_proxy.text
