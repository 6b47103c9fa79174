"""Where Azure's clients get their tokens, and who gets none."""

from __future__ import annotations

import jwt
import pytest

from .bench import BASE, WS, Bench

ML = "https://ml.azure.com"
TOKEN = {"api-version": "2019-08-01", "resource": ML}
FORM = {"grant_type": "client_credentials", "client_id": "any", "scope": f"{ML}/.default"}


@pytest.fixture
def header(bench: Bench) -> dict[str, str]:
    return {"X-IDENTITY-HEADER": (bench.home / "identity-header").read_text()}


def test_a_local_process_with_the_header_gets_a_token_that_opens_the_door(bench: Bench, header: dict[str, str]) -> None:
    answer = bench.stranger.get("/msi/token", params=TOKEN, headers=header)

    said = answer.json()
    assert (said["token_type"], said["resource"], answer.headers["cache-control"]) == ("Bearer", ML, "no-store")
    assert 3590 < int(said["expires_on"]) - bench.clock() <= 3600
    client = bench.client_from("127.0.0.1", {"Authorization": f"Bearer {said['access_token']}"})
    assert client.get(WS).status_code == 200


def test_without_the_header_from_elsewhere_or_through_a_proxy_there_is_no_token(
    bench: Bench, header: dict[str, str]
) -> None:
    answers = {
        "no header": bench.stranger.get("/msi/token", params=TOKEN),
        "wrong header": bench.stranger.get("/msi/token", params=TOKEN, headers={"X-IDENTITY-HEADER": "x"}),
        "the token is not the header": bench.client.get("/msi/token", params=TOKEN),
        "another machine": bench.client_from("192.0.2.7", header).get("/msi/token", params=TOKEN),
        "a proxy": bench.stranger.get("/msi/token", params=TOKEN, headers={**header, "X-Forwarded-For": "127.0.0.1"}),
        "a wrong audience": bench.stranger.get("/msi/token", params={"resource": "https://x.example"}, headers=header),
    }

    assert {what: answer.status_code for what, answer in answers.items()} == {
        "no header": 401,
        "wrong header": 401,
        "the token is not the header": 401,
        "another machine": 403,
        "a proxy": 403,
        "a wrong audience": 400,
    }
    assert not any("access_token" in answer.text for answer in answers.values())


def test_a_client_secret_that_is_the_servers_token_gets_a_token(bench: Bench, header: dict[str, str]) -> None:
    known = bench.stranger.get("/any/v2.0/.well-known/openid-configuration").json()
    assert known["token_endpoint"] == f"{BASE}/any/oauth2/v2.0/token"

    said = bench.stranger.post(known["token_endpoint"], data={**FORM, "client_secret": bench.token}).json()

    assert said["expires_in"] > 3500
    assert jwt.decode(said["access_token"], options={"verify_signature": False})["aud"] == ML


@pytest.mark.parametrize("wrong", [{"client_secret": "x"}, {"client_secret": ""}, {"grant_type": "password"}])
def test_another_secret_or_way_gets_none(bench: Bench, wrong: dict[str, str]) -> None:
    answer = bench.stranger.post("/any/oauth2/v2.0/token", data={**FORM, "client_secret": bench.token, **wrong})

    assert answer.status_code in (400, 401)
    assert "access_token" not in answer.text
    assert bench.token not in answer.text


def test_a_form_that_never_ends_is_cut_off(bench: Bench) -> None:
    assert bench.stranger.post("/any/oauth2/v2.0/token", content=b"a" * 20_000).status_code == 400


def test_the_cloud_names_this_server_as_it_was_asked(bench: Bench) -> None:
    (cloud,) = bench.stranger.get("/metadata/endpoints").json()

    assert (cloud["resourceManager"], cloud["authentication"]["loginEndpoint"]) == (BASE, BASE)
    assert cloud["suffixes"]["storage"] == "core.windows.net"
