"""Look whether this machine and this home can serve: each check says ok, warn or fail, and what to do. Changes nothing.

`python -m batchyard.bootstrap.doctor --home H [--json]` ends with 1 when any check failed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from batchyard.bootstrap.database import database_url
from batchyard.bootstrap.home import home_mistake, read_server_file
from batchyard.bootstrap.locks import holder, is_held
from batchyard.bootstrap.places import WORKSPACES
from batchyard.bootstrap.sandbox import sandbox_of
from batchyard.bootstrap.spawn import STOPPED
from batchyard.domain.errors import BatchyardError, SandboxUnavailable
from batchyard.settings import Settings, from_environment

_LEAST_FREE_BYTES = 1 << 30
_SLOW_SYNC_S = 0.1
_ANSWER_WITHIN_S = 3.0
_PR_GET_PDEATHSIG = 2
# What people keep in their homes that nobody should read.
_SECRETS = (".ssh", ".aws", ".azure", ".config/gcloud", ".kube", ".netrc", ".git-credentials", ".gnupg")


class Verdict(Enum):
    """What a check came to."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. remedy: what to do, "" where nothing is to be done."""

    check: str
    verdict: Verdict
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Run every check, in the order in which a reader should mend things."""
    checks: list[Callable[[Settings], Finding]] = [
        _python,
        _uv,
        _home,
        _parents,
        _disk,
        _sync,
        _database,
        _workspaces,
        _processes,
        _answers,
        _death_signal,
        _isolation,
    ]
    return [check(settings) for check in checks]


def _python(_: Settings) -> Finding:
    found = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    if sys.platform != "linux":
        return Finding("python", Verdict.FAIL, f"{found} on {sys.platform}", "Use Linux or WSL2.")
    if sys.version_info < (3, 11):  # noqa: UP036 - somebody may have forced the installation
        return Finding("python", Verdict.FAIL, found, "Install batchyard with Python 3.11 or later.")
    return Finding("python", Verdict.OK, found)


def _uv(_: Settings) -> Finding:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        return Finding("uv", Verdict.FAIL, "not found", "Install batchyard again with its dependencies; uv is one.")
    return Finding("uv", Verdict.OK, found)


def _home(settings: Settings) -> Finding:
    home = settings.home
    if not home.exists():
        return Finding("home", Verdict.OK, f"{home} does not exist yet; the first command makes it")
    mistake = home_mistake(home)
    if mistake is not None:
        return Finding("home", Verdict.FAIL, mistake, "See the message.")
    if home.stat().st_mode & 0o077:
        return Finding("home", Verdict.WARN, f"{home} can be read by others", f"Run `chmod 700 {home}`.")
    open_secrets = [
        name
        for name in ("token", "url.key", "tls/server.key")
        if (home / name).exists() and (home / name).stat().st_mode & 0o077
    ]
    if open_secrets:
        found = f"{', '.join(open_secrets)} can be read by others than you"
        return Finding("home", Verdict.FAIL, found, "Stop the server and delete them; new ones are made at its start.")
    return Finding("home", Verdict.OK, f"{home} is yours alone")


def _parents(settings: Settings) -> Finding:
    """A folder above the home that others can write to lets them put another home in its place."""
    unsafe = [
        str(parent)
        for parent in settings.home.parents
        if parent.exists() and parent.stat().st_mode & 0o022 and not parent.stat().st_mode & 0o1000
    ]
    if unsafe:
        found = f"others can write to {', '.join(unsafe)}, and so rename your home"
        return Finding("folders above", Verdict.WARN, found, "Put the home below a folder of your own.")
    return Finding("folders above", Verdict.OK, "nobody else can move the home")


def _disk(settings: Settings) -> Finding:
    place = _nearest(settings.home)
    free = shutil.disk_usage(place).free
    found = f"{free / (1 << 30):.1f} GiB free at {place}"
    if free < _LEAST_FREE_BYTES:
        return Finding("disk", Verdict.FAIL, found, "Make room: jobs stop when the disk is full.")
    return Finding("disk", Verdict.OK, found)


def _sync(settings: Settings) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=_nearest(settings.home)) as file:
            file.write(b"x" * 4096)
            file.flush()
            began = time.monotonic()
            os.fsync(file.fileno())
            took_s = time.monotonic() - began
    except OSError as exc:
        remedy = "What is answered could be lost: put the home on another disk."
        return Finding("fsync", Verdict.FAIL, f"writing there fails: {exc.strerror}", remedy)
    found = f"{took_s * 1000:.1f} ms"
    if took_s > _SLOW_SYNC_S:
        return Finding("fsync", Verdict.WARN, found, "Each change waits for this: put the home on a local disk.")
    return Finding("fsync", Verdict.OK, found)


def _database(settings: Settings) -> Finding:
    if not settings.database_url and not (settings.home / "batchyard.db").exists():
        return Finding("database", Verdict.OK, "not made yet; the first start makes it")
    from batchyard.domain.resource_ids import DEFAULT_SCOPE
    from batchyard.records.database import open_records

    try:
        with open_records(database_url(settings), DEFAULT_SCOPE, wait_s=_ANSWER_WITHIN_S).reading() as tx:
            tx.operations.get("none")
    except BatchyardError as exc:
        return Finding("database", Verdict.FAIL, str(exc), "Start the server, which brings it to this version.")
    return Finding("database", Verdict.OK, "answers, and has our tables")


def _workspaces(settings: Settings) -> Finding:
    """Deleting a workspace leaves its files: outputs may be the only copy there is."""
    folder = settings.home / WORKSPACES
    on_disk = {place.name for place in folder.iterdir() if place.is_dir()} if folder.is_dir() else set()
    if not settings.database_url and not (settings.home / "batchyard.db").exists():
        return Finding("workspaces", Verdict.OK, "none yet")
    from batchyard.domain.resource_ids import DEFAULT_SCOPE
    from batchyard.records.database import open_records

    try:
        with open_records(database_url(settings), DEFAULT_SCOPE, wait_s=_ANSWER_WITHIN_S).reading() as tx:
            known = tx.workspaces.list()
    except BatchyardError:
        return Finding("workspaces", Verdict.WARN, "not known, since the database does not answer", "See above.")
    found = ", ".join(f"{one.scope.workspace} ({one.scope.resource_group})" for one in known)
    left = sorted(on_disk - {one.id for one in known})
    if not left:
        return Finding("workspaces", Verdict.OK, found)
    remedy = f"Delete {', '.join(str(folder / name) for name in left)} once nobody needs what is in there."
    return Finding("workspaces", Verdict.WARN, f"{found}; files of deleted ones are left", remedy)


def _processes(settings: Settings) -> Finding:
    home = settings.home
    running = {name: is_held(home / f"{name}.lock") for name in ("doors", "engine")}
    told = ", ".join(
        f"{name} {'runs as ' + str(holder(home / f'{name}.lock').get('pid')) if is_up else 'is not running'}"
        for name, is_up in running.items()
    )
    if all(running.values()):
        return Finding("processes", Verdict.OK, told)
    if not any(running.values()):
        return _nothing_runs(home, told)
    remedy = f"It should be back within a second; if not, read {home / 'logs'}."
    return Finding("processes", Verdict.WARN, told, remedy)


def _nothing_runs(home: Path, told: str) -> Finding:
    if (home / STOPPED).exists():
        return Finding("processes", Verdict.OK, f"{told}, the home is stopped")
    if not read_server_file(home):
        return Finding("processes", Verdict.OK, f"{told}, the home never served")
    remedy = f"Run `batchyard server start`; jobs go on then. {home / 'logs'} may tell why."
    return Finding("processes", Verdict.WARN, f"{told}, though nobody stopped them", remedy)


def _answers(settings: Settings) -> Finding:
    """Ask the server as a client does: over TLS, trusting the home's own CA and nothing else."""
    url = read_server_file(settings.home).get("url")
    if not url or not is_held(settings.home / "doors.lock"):
        return Finding("answers", Verdict.OK, "nothing is served now")
    import ssl
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener

    try:
        trust = ssl.create_default_context(cafile=str(settings.home / "tls" / "ca.pem"))
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=trust))
        with opener.open(f"{url}/health", timeout=_ANSWER_WITHIN_S) as answer:
            is_good = answer.status == 200
    except (OSError, ValueError) as exc:
        return Finding("answers", Verdict.FAIL, f"{url}: {exc}", f"Read {settings.home / 'logs' / 'doors.log'}.")
    if not is_good:
        return Finding("answers", Verdict.FAIL, f"{url} answers, but is not a batchyard", "End the foreign process.")
    return Finding("answers", Verdict.OK, f"{url}, with a certificate of its own CA")


def _death_signal(_: Settings) -> Finding:
    signal_number = ctypes.c_int()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(signal_number), 0, 0, 0) != 0:
        found = f"prctl(PR_GET_PDEATHSIG) fails: {os.strerror(ctypes.get_errno())}"
        remedy = "Workers of a killed job would run on for a while; use a kernel or sandbox that has it."
        return Finding("worker clean-up", Verdict.WARN, found, remedy)
    return Finding("worker clean-up", Verdict.OK, "workers end with their job's process")


def _isolation(settings: Settings) -> Finding:
    """Say what code of users can reach: a sandbox is tried, whether it is on or not."""
    try:
        version = sandbox_of(settings).check()
    except SandboxUnavailable as exc:
        if settings.sandbox:
            return Finding("isolation", Verdict.FAIL, f"{exc.why}: no code is run", exc.remedy)
        version = ""
    if not settings.sandbox:
        return _no_sandbox(settings, version)
    reach = "with the network of this machine" if settings.sandbox_network else "without a network"
    more = "".join(f", reading {path}" for path in settings.sandbox_read)
    found = f"code of users runs in sandboxes of {version}, {reach}{more}"
    return Finding("isolation", Verdict.OK, found)


def _no_sandbox(settings: Settings, version: str) -> Finding:
    secrets = [settings.home / "token", settings.home / "url.key", *(Path.home() / name for name in _SECRETS)]
    there = [str(path) for path in secrets if path.exists()]
    found = (
        "scoring scripts run as your own user, without a sandbox: they can read everything that you can read, this "
        f"home with its token, keys and all other jobs' data included{' (' + ', '.join(there) + ')' if there else ''}"
    )
    sandbox = (
        f"Set BATCHYARD_SANDBOX=on, for {version} works here. Otherwise deploy"
        if version
        else "Install bubblewrap and set BATCHYARD_SANDBOX=on (docs/sandbox.md), or deploy"
    )
    warning = "A server that several people share must not run this way."
    remedy = f"{sandbox} only code that you would run yourself. {warning}"
    return Finding("isolation", Verdict.WARN, found, remedy)


def _nearest(path: Path) -> Path:
    """Give the path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m batchyard.bootstrap.doctor")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    given = parser.parse_args(arguments)
    settings = from_environment(
        {**os.environ, **({"BATCHYARD_HOME": str(given.home.absolute())} if given.home else {})}
    )
    findings = examine(settings)
    if given.json:
        print(json.dumps([{**asdict(one), "verdict": one.verdict.value} for one in findings], indent=1))
    else:
        for one in findings:
            print(f"{one.verdict.value:4}  {one.check}: {one.found}.{' ' + one.remedy if one.remedy else ''}")
    return 1 if any(one.verdict is Verdict.FAIL for one in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
