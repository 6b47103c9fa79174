"""Nothing that opens a door is written to a log."""

from __future__ import annotations

from urllib.parse import parse_qsl

from tests.support.server_home import WS, ServerHome


def test_no_log_holds_a_token_or_the_query_of_a_signed_url(served: ServerHome) -> None:
    served.run("server", "start")
    with served.rest() as client:
        pending = client.post(f"{WS}/codes/c/versions/1/startPendingUpload", json={}).json()
    place = pending["blobReferenceForConsumption"]
    signed = place["credential"]["sasUri"]
    path, query = signed.split("?")
    signature = query.rpartition("sig=")[2]
    grant = dict(parse_qsl(query))
    with served.rest(with_token=False) as stranger:
        answers = [
            stranger.put(f"{path}/src/a.py", params=grant, content=b"x"),
            stranger.put(f"{path}/src/a.py", params=grant, content=b"x", headers={"Content-MD5": "bad"}),
            stranger.put(f"{path}/{'x' * 300}", params=grant, content=b"x"),
            stranger.put(f"{path}/src/a.py", params={**grant, "comp": "block"}, content=b"x"),
            stranger.get(path, params={**grant, "comp": "list"}),
            stranger.get(f"{path}-other/a", params=grant),
        ]
    secrets = [signature, query, (served.home / "token").read_text().strip(), (served.home / "url.key").read_text()]

    logs = [log for log in served.home.rglob("*.log") if log.is_file()]
    text = "".join(log.read_text(errors="replace") for log in logs)

    assert [answer.status_code for answer in answers] == [201, 400, 400, 400, 403, 401]
    assert not any(signature in answer.text for answer in answers)
    assert (served.home / "logs" / "doors.log") in logs
    assert [secret for secret in secrets if secret in text] == []
