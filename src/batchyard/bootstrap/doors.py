"""The doors process: serves the home over HTTPS on loopback, and keeps the engine running beside it."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from batchyard.bootstrap.home import ALREADY_RUNNING, REFUSED, Home, kept_port, prepare_home, write_server_file
from batchyard.bootstrap.locks import AlreadyHeldError, hold
from batchyard.bootstrap.log_lines import set_up_logging
from batchyard.bootstrap.spawn import STOPPED, Watcher
from batchyard.domain.errors import BatchyardError, PlatformError
from batchyard.settings import Settings, from_environment

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

log = logging.getLogger(__name__)

TICK_S = 0.25
_GRACE_S = 5
_BACKLOG = 512


def serve(settings: Settings) -> int:
    """Serve the home of the settings until it is stopped or gone. Returns: the exit code.

    3: another process serves it. 4: it cannot be served, for a reason that the log tells.
    """
    home = settings.home
    if (home / STOPPED).exists():
        log.info("home is stopped", extra={"home": str(home)})
        return 0
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The lock comes first, before anything slow: whoever watches must see quickly that we are coming up.
        hold(home / "doors.lock")
        prepared = prepare_home(settings)
        sockets = bind(kept_port(home))
    except AlreadyHeldError as exc:
        log.info("doors run already", extra={"reason": str(exc)})
        return ALREADY_RUNNING
    except (BatchyardError, OSError) as exc:
        log.error("home cannot be served", extra={"home": str(home), "reason": str(exc)})
        return REFUSED
    _run(prepared, settings, sockets)
    return 0


def bind(kept: int | None) -> list[socket.socket]:
    """Bind the loopback addresses: the kept port, or any free one for a home that never served.

    The port is never changed afterwards: URLs that people wrote down must not lead to a stranger one day.
    Raises: PlatformError when another process has the kept port.
    """
    first = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        first.bind(("127.0.0.1", kept or 0))
        first.listen(_BACKLOG)
    except OSError as exc:
        first.close()
        raise PlatformError(
            f"Port {kept}, which this home is served on, is taken by another process ({exc.strerror}). End that "
            f"process, or remove 'server.json' from the home: a new port is chosen then, and URLs change."
        ) from exc
    return [first, *_bind_ipv6(first.getsockname()[1])]


def allowed_hosts(port: int) -> list[str]:
    """Give what may stand in the Host header."""
    return [f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")]


def _bind_ipv6(port: int) -> list[socket.socket]:
    """Bind ::1 too where that is possible; `localhost` falls back to 127.0.0.1 where it is not."""
    second: socket.socket | None = None
    try:
        second = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        second.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        second.bind(("::1", port))
        second.listen(_BACKLOG)
    except OSError as exc:
        log.info("no IPv6 loopback", extra={"reason": exc.strerror})
        if second is not None:
            second.close()
        return []
    return [second]


def _run(home: Home, settings: Settings, sockets: list[socket.socket]) -> None:
    # Imported only now: the web framework takes longer to import than everything before took to do.
    import uvicorn

    port: int = sockets[0].getsockname()[1]
    config = uvicorn.Config(
        _build(home, settings, port),
        ssl_certfile=home.certificates.server,
        ssl_keyfile=home.certificates.key,
        access_log=False,
        log_config=None,
        server_header=False,
        # A proxy is none of ours: the peer's address decides what a caller may do.
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises a signal again after its graceful end; it then meets this and the process ends by itself.
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    write_server_file(home.path, port=port)
    watch = threading.Thread(target=_watch, args=(server, Watcher(home.path, other="engine")), daemon=True)
    watch.start()
    log.info("doors open", extra={"port": port, "home": str(home.path), "pid": os.getpid()})
    server.run(sockets=sockets)
    log.info("doors closed", extra={"port": port})


def _build(home: Home, settings: Settings, port: int) -> FastAPI:
    """Build the object graph of the doors."""
    from batchyard.api.app import make_app
    from batchyard.bootstrap.door_rooms import DoorRooms

    return make_app(DoorRooms(home, settings).of, allowed_hosts=allowed_hosts(port))


def _watch(server: uvicorn.Server, watcher: Watcher) -> None:
    """Keep the engine running, and end the server when its home is stopped or gone."""
    while not server.should_exit:
        try:
            if watcher.is_home_gone() or watcher.is_stopped():
                server.should_exit = True
                return
            watcher.tick()
        except OSError as exc:
            # A full disk or too many processes: the next tick tries again.
            log.error("watching failed", extra={"reason": str(exc)})
        time.sleep(TICK_S)


def main(arguments: list[str] | None = None) -> int:
    """Run the process: `python -m batchyard.bootstrap.doors --home H`."""
    parser = argparse.ArgumentParser(prog="python -m batchyard.bootstrap.doors")
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args(arguments).home.absolute()
    set_up_logging("doors")
    return serve(replace(from_environment(), home=home))


if __name__ == "__main__":
    sys.exit(main())
