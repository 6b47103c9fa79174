"""What azure-ai-ml was answered when the pairs were recorded, it is answered today; `make wire-pairs` records anew."""

from __future__ import annotations

import getpass
import json
import re
import uuid
from pathlib import Path
from typing import Any

from batchyard.records.database import migrate
from tests.unit.api.bench import BASE, HOST, Bench

from .behind import Engine
from .recording import PAIRS, chosen, readable

_PLACEHOLDER = re.compile(r"\{(time|host|user|[a-z]+-\d+)\}")
_TIME = r"[A-Z0-9][-A-Za-z0-9:.+, ]{15,40}"
_NUMBERED = {
    "guid": "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "id": r"id-\d+",
    "etag": "[-0-9a-f]+",
    "signature": r"[^\"\s]+",
}


class Replay:
    """What the placeholders stand for in this run: bound by the first answer that has them."""

    def __init__(self) -> None:
        self._bound = {"host": HOST, "user": getpass.getuser()}

    def filled(self, value: Any) -> Any:  # Any: JSON
        """Give a request with values for its placeholders; the client's own ids are made up here."""
        text = json.dumps(value, ensure_ascii=False)
        return json.loads(_PLACEHOLDER.sub(lambda found: json.dumps(self._value(found[1]))[1:-1], text))

    def differences(self, expected: Any, found: Any, where: str = "") -> list[str]:  # Any: JSON
        """Name every place where an answer is not as it was recorded."""
        if isinstance(expected, dict) and isinstance(found, dict):
            keys = sorted({*expected, *found})
            # Bound in what is recorded first, so that ids stand before what repeats them.
            return [
                line for key in keys for line in self.differences(expected.get(key), found.get(key), f"{where}.{key}")
            ]
        if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
            pairs = enumerate(zip(expected, found, strict=True))
            return [line for k, (old, new) in pairs for line in self.differences(old, new, f"{where}[{k}]")]
        if ".durations." in where and isinstance(expected, float) and isinstance(found, float):
            return []
        if isinstance(expected, str) and isinstance(found, str):
            return [] if self._matches(expected, found) else [f"{where}: {expected!r} was recorded, now {found!r}"]
        return [] if expected == found else [f"{where}: {expected!r} was recorded, now {found!r}"]

    def _value(self, name: str) -> str:
        if name not in self._bound:
            self._bound[name] = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        return self._bound[name]

    def _matches(self, expected: str, found: str) -> bool:
        names: list[str] = []
        pattern, end = "", 0
        for one in _PLACEHOLDER.finditer(expected):
            pattern += re.escape(expected[end : one.start()])
            end, name = one.end(), one[1]
            if name == "time":
                pattern += _TIME
            elif name in self._bound:
                pattern += re.escape(self._bound[name])
            elif name in names:
                pattern += rf"\{names.index(name) + 1}"
            else:
                names.append(name)
                pattern += f"({_NUMBERED[name.partition('-')[0]]})"
        matched = re.fullmatch(pattern + re.escape(expected[end:]), found, re.DOTALL)
        if matched is not None:
            self._bound |= dict(zip(names, matched.groups(), strict=True))
        return matched is not None


def test_every_recorded_request_is_answered_as_it_was(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    migrate(f"sqlite:///{home / 'batchyard.db'}")
    bench, replay = Bench(home), Replay()
    engine = Engine(bench)
    files = sorted(PAIRS.glob("*.json"))

    differences = []
    for file in files:
        step = json.loads(file.read_text())
        if "engine" in step:
            engine.do(step["engine"], replay.filled(step["job"]))
            continue
        found = _sent(bench, replay.filled(step["request"]))
        differences += [f"{file.name}{line}" for line in replay.differences(step["response"], found)]

    assert len(files) > 150
    assert differences == []


def test_the_pairs_hold_no_token_and_no_signature() -> None:
    texts = {file.name: file.read_text() for file in PAIRS.glob("*.json")}

    assert [
        name for name, text in texts.items() if re.search(r"Bearer |eyJ[A-Za-z0-9_-]{20}|sig=|sasToken", text)
    ] == []


def _sent(bench: Bench, request: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    body = request["body"]
    content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = dict(request["headers"])
    if request["with_token"]:
        headers["Authorization"] = f"Bearer {bench.token}"
    url = BASE + request["path"] + ("?" + request["query"] if request["query"] else "")
    answer = bench.stranger.request(request["method"], url, content=content, headers=headers, follow_redirects=False)
    return {
        "status": answer.status_code,
        "headers": chosen(dict(answer.headers)),
        "body": readable(answer.content, answer.headers.get("content-type", "")),
    }
