"""The home of an embedded server: made once, kept private, and what its files are called."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchyard.bootstrap.database import database_url
from batchyard.bootstrap.process_identity import this_process
from batchyard.domain.datastores import DATASTORES
from batchyard.domain.errors import PlatformError
from batchyard.identity.certificates import CertificateFiles, ensure_certificates
from batchyard.identity.owner_files import replace_file
from batchyard.identity.tokens import HomeIdentity
from batchyard.settings import Settings

SERVER_FILE = "server.json"
# Exit codes of both processes of a home: another one serves it; it cannot be served, for a reason that the log tells.
ALREADY_RUNNING, REFUSED = 3, 4
_FOLDERS = ("jobs", "sealed", "uploads", "environments", "logs", "datastores")


@dataclass(frozen=True, slots=True)
class Home:
    """A home that is ready to be served."""

    path: Path
    identity: HomeIdentity
    certificates: CertificateFiles
    database_url: str


def prepare_home(settings: Settings) -> Home:
    """Make the home of the settings, or see that it still is one; safe in several processes at once, and again.

    Raises: PlatformError for a home that others can write to, a secret that others can read, or a database that
    cannot be brought to this version.
    """
    path = settings.home
    _make_private(path)
    with _alone(path / "prepare.lock"):
        for name in _FOLDERS:
            (path / name).mkdir(mode=0o700, exist_ok=True)
        for store in DATASTORES:
            (path / "datastores" / store.name).mkdir(mode=0o700, exist_ok=True)
        identity = HomeIdentity(path)
        certificates = ensure_certificates(path, now=datetime.datetime.now(datetime.UTC))
        url = database_url(settings)
        _migrate(url)
    return Home(path, identity, certificates, url)


def check_home(path: Path) -> None:
    """See that a folder can be a home. Raises: PlatformError telling why not; OSError when there is none."""
    mistake = home_mistake(path)
    if mistake is not None:
        raise PlatformError(mistake)


def home_mistake(path: Path) -> str | None:
    """Say why a folder cannot be a home, or None: it must be ours, and nobody else may write to it."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) and not path.is_dir():
        return f"The home {str(path)!r} is not a folder. Name another one in BATCHYARD_HOME."
    found = path.stat()
    if found.st_uid != os.getuid():
        return f"The home {str(path)!r} belongs to another user. Name a folder of your own in BATCHYARD_HOME."
    if found.st_mode & 0o022:
        return (
            f"The home {str(path)!r} can be written to by others (mode {stat.S_IMODE(found.st_mode):04o}), who could "
            f"have put anything into it. Look at what is in it, then run `chmod 700 {path}`."
        )
    return None


def kept_port(home: Path) -> int | None:
    """Give the port that this home is served on for good, or None when it never was."""
    port = read_server_file(home).get("port")
    return port if isinstance(port, int) and 0 < port < 65536 else None


def read_server_file(home: Path) -> dict[str, Any]:
    """Give what the server last told of itself, see `write_server_file`; {} before the first time."""
    try:
        found = json.loads((home / SERVER_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_server_file(home: Path, *, port: int) -> None:
    """Tell clients where this process serves the home; the port is kept for every later start.

    Keys: url, port, pid, pid_space, start_ticks, started_at (epoch seconds).
    """
    me = this_process()
    told = {
        "url": f"https://127.0.0.1:{port}",
        "port": port,
        "pid": me.pid,
        "pid_space": me.pid_space,
        "start_ticks": me.start_ticks,
        "started_at": time.time(),
    }
    replace_file(home / SERVER_FILE, json.dumps(told, indent=1).encode(), mode=0o600)


def _make_private(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_home(path)
    path.chmod(0o700)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for whoever prepares the same home, then keep others waiting."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _migrate(url: str) -> None:
    # SQLAlchemy costs a quarter of a second of import, which a refused start need not pay.
    from batchyard.records.database import migrate

    migrate(url)
