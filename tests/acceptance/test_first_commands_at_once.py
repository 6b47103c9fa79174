"""Commands that come first, all at once: one server is started, and each of them gets its answer from it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.server_home import ServerHome


def test_six_first_commands_on_a_new_home_start_one_server(tmp_path: Path) -> None:
    yard = ServerHome(tmp_path)
    try:
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: yard.run("compute", "list", timeout_s=60), range(6)))

        assert [json.loads(answer.stdout) for answer in answers] == [[]] * 6
        kinds = sorted(command.split("batchyard.bootstrap.")[1].split()[0] for command in yard.processes().values())
        assert kinds == ["doors", "engine"]
    finally:
        yard.end()
