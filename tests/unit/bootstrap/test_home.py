"""The home of a server: private, made once, refused when others could have written to it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from batchyard.bootstrap.doors import allowed_hosts, bind
from batchyard.bootstrap.home import kept_port, prepare_home, read_server_file, write_server_file
from batchyard.domain.errors import PlatformError
from batchyard.settings import Settings


def test_a_home_is_made_private_with_all_it_needs(tmp_path: Path) -> None:
    home = prepare_home(Settings(tmp_path / "a" / "home"))

    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((home.path / "token").stat().st_mode) == 0o600
    assert {"jobs", "sealed", "uploads", "environments", "logs", "datastores", "tls", "batchyard.db"} <= {
        path.name for path in home.path.iterdir()
    }
    assert (home.path / "datastores/workspaceblobstore").is_dir()


def test_preparing_again_keeps_token_and_certificates(tmp_path: Path) -> None:
    first = prepare_home(Settings(tmp_path / "home"))
    secrets = [(first.path / name).read_bytes() for name in ("token", "url.key", "tls/ca.pem", "tls/server.key")]
    prepare_home(Settings(tmp_path / "home"))

    assert secrets == [
        (first.path / name).read_bytes() for name in ("token", "url.key", "tls/ca.pem", "tls/server.key")
    ]


def test_a_home_that_others_can_only_read_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    prepare_home(Settings(tmp_path))

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_home_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)

    with pytest.raises(PlatformError, match="chmod 700"):
        prepare_home(Settings(home))


def test_the_port_is_kept(tmp_path: Path) -> None:
    assert kept_port(tmp_path) is None

    write_server_file(tmp_path, port=12345)

    assert kept_port(tmp_path) == 12345
    assert read_server_file(tmp_path)["url"] == "https://127.0.0.1:12345"
    assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{}", '{"port": "x"}', '{"port": 0}', '{"port": 70000}', "[]"])
def test_a_server_file_without_a_port_keeps_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)

    assert kept_port(tmp_path) is None


def test_a_new_home_gets_a_free_loopback_port_and_a_taken_one_is_refused() -> None:
    sockets = bind(None)
    port = sockets[0].getsockname()[1]
    try:
        assert {place.getsockname()[0] for place in sockets} <= {"127.0.0.1", "::1"}
        assert {place.getsockname()[1] for place in sockets} == {port}
        with pytest.raises(PlatformError, match=str(port)):
            bind(port)
    finally:
        for place in sockets:
            place.close()


def test_only_loopback_names_are_served() -> None:
    assert allowed_hosts(5) == ["localhost:5", "127.0.0.1:5", "[::1]:5"]
