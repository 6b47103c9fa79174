"""Every setting, once: a frozen dataclass, each name with its unit, a sentence each; the only reader of os.environ."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Nothing else of our environment reaches a server process; what a shell happens to export must not change it.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME")
# Package indexes and proxies are machine matters that builds of environments need.
_KEPT_PREFIXES = ("BATCHYARD_", "UV_", "PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "COVERAGE_")
_KEPT_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@dataclass(frozen=True, slots=True)
class Settings:
    """How this server, engine or command runs.

    home: everything the embedded server keeps (BATCHYARD_HOME, default ~/.batchyard).
    url, token, ca_file: a remote server for the command line (BATCHYARD_URL, BATCHYARD_TOKEN, BATCHYARD_CA).
    database_url: SQLAlchemy URL of the metadata database, "" for SQLite in the home (BATCHYARD_DATABASE_URL).
    allow_source_builds: let environments build packages from source (BATCHYARD_ALLOW_SOURCE_BUILDS=1).
    worker_start_timeout_s: for a script's import and `init()` (BATCHYARD_WORKER_START_TIMEOUT_S).
    environment_build_timeout_s: for one environment (BATCHYARD_ENVIRONMENT_BUILD_TIMEOUT_S).
    log_cap_bytes: for each stream of each worker (BATCHYARD_LOG_CAP_BYTES).
    web_input_hosts: `name` or `name:port`, with commas; inputs may be read from them by http, at private addresses and
    of any size (BATCHYARD_WEB_INPUT_HOSTS). web_input_max_bytes: of an input from any other host
    (BATCHYARD_WEB_INPUT_MAX_BYTES).
    sandbox: run code of users in a sandbox of bubblewrap, or not at all (BATCHYARD_SANDBOX=on).
    sandbox_network: let that code reach the network (BATCHYARD_SANDBOX_NETWORK=1).
    sandbox_read: files and folders that it may read beside its own, with colons (BATCHYARD_SANDBOX_READ).
    fault: tests only, `point:nth:kill|stop|enospc|eio|short` (BATCHYARD_FAULT).
    fault_log: tests only, a file that collects the names of reached points (BATCHYARD_FAULT_LOG).
    """

    home: Path
    url: str = ""
    token: str = ""
    ca_file: str = ""
    database_url: str = ""
    allow_source_builds: bool = False
    worker_start_timeout_s: float = 600.0
    environment_build_timeout_s: float = 1800.0
    log_cap_bytes: int = 64 << 20
    web_input_hosts: str = ""
    web_input_max_bytes: int = 10 << 30
    sandbox: bool = False
    sandbox_network: bool = False
    sandbox_read: tuple[Path, ...] = ()
    fault: str = ""
    fault_log: str = ""


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of this process. Raises: ValueError naming the variable that is not what it must be."""
    given = os.environ if environ is None else environ
    home = given.get("BATCHYARD_HOME") or str(Path.home() / ".batchyard")
    return Settings(
        home=Path(home).expanduser().absolute(),
        url=given.get("BATCHYARD_URL", "").rstrip("/"),
        token=given.get("BATCHYARD_TOKEN", ""),
        ca_file=given.get("BATCHYARD_CA", ""),
        database_url=given.get("BATCHYARD_DATABASE_URL", ""),
        allow_source_builds=given.get("BATCHYARD_ALLOW_SOURCE_BUILDS", "") == "1",
        worker_start_timeout_s=_number(given, "BATCHYARD_WORKER_START_TIMEOUT_S", 600.0),
        environment_build_timeout_s=_number(given, "BATCHYARD_ENVIRONMENT_BUILD_TIMEOUT_S", 1800.0),
        log_cap_bytes=int(_number(given, "BATCHYARD_LOG_CAP_BYTES", 64 << 20)),
        web_input_hosts=given.get("BATCHYARD_WEB_INPUT_HOSTS", ""),
        web_input_max_bytes=int(_number(given, "BATCHYARD_WEB_INPUT_MAX_BYTES", 10 << 30)),
        sandbox=_switch(given, "BATCHYARD_SANDBOX"),
        sandbox_network=given.get("BATCHYARD_SANDBOX_NETWORK", "") == "1",
        sandbox_read=_paths(given, "BATCHYARD_SANDBOX_READ"),
        fault=given.get("BATCHYARD_FAULT", ""),
        fault_log=given.get("BATCHYARD_FAULT_LOG", ""),
    )


def server_environment(home: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a process of the embedded server of a home: what it needs and no more."""
    given = os.environ if environ is None else environ
    kept = {
        name: value
        for name, value in given.items()
        if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES) or name.lower() in _KEPT_PROXIES
    }
    # These would point a command at another server; a server serves its own home.
    for name in ("BATCHYARD_URL", "BATCHYARD_TOKEN", "BATCHYARD_CA"):
        kept.pop(name, None)
    return {**kept, "BATCHYARD_HOME": str(home)}


def _number(given: Mapping[str, str], name: str, default: float) -> float:
    text = given.get(name, "")
    if not text:
        return default
    try:
        return float(text)
    except ValueError as exc:
        raise ValueError(f"{name} is {text!r}, expected a number") from exc


def _switch(given: Mapping[str, str], name: str) -> bool:
    """Read what protects: a word that is not understood must not turn it off."""
    text = given.get(name, "") or "off"
    if text not in ("on", "off"):
        raise ValueError(f"{name} is {text!r}, expected 'on' or 'off'")
    return text == "on"


def _paths(given: Mapping[str, str], name: str) -> tuple[Path, ...]:
    paths = tuple(Path(text) for text in given.get(name, "").split(":") if text)
    if not all(path.is_absolute() for path in paths):
        raise ValueError(f"{name} is {given[name]!r}, expected absolute paths with colons between")
    return paths
